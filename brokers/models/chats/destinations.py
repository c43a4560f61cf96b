"""Chats and programs of people that notices go to beside e-mail, and what became of each notice there."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from accounts.constraints import one_of
from accounts.models import Membership, Team
from accounts.vault.fields import Sealed, SealedField
from brokers.domain.chats.destinations import DeliveryStatus, Service
from brokers.models.columns import word
from brokers.models.notices import Notice

_UNSENT = [str(DeliveryStatus.WAITING), str(DeliveryStatus.SENDING)]


class Destination(models.Model):
    """A chat or a program that one member's notices of a team go to. Nobody else sees it."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="destinations")
    # The membership's own.
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    service = word(Service)
    name = models.CharField(max_length=40)
    # Its address, tokens and secrets.
    settings = SealedField(blank=True, default=Sealed)
    # The host that is gone to, for its page.
    host = models.CharField(max_length=253)
    paused = models.BooleanField(default=False)
    # Kinds of notice that do not go there.
    silenced = models.JSONField(default=list, blank=True)
    # Why it takes nothing until somebody has looked, or what was wrong the last time.
    is_broken = models.BooleanField(default=False)
    trouble = models.CharField(max_length=200, blank=True)
    last_sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["membership", "name"], name="one_destination_per_member_and_name"),
            models.CheckConstraint(condition=one_of("service", Service), name="destination_service_is_known"),
            models.CheckConstraint(condition=Q(is_broken=False) | ~Q(trouble=""), name="broken_destination_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.service} of {self.membership_id}"


class Delivery(models.Model):
    """A notice on its way to one destination: written before it is sent, and sent once at the most."""

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="deliveries")
    status = word(DeliveryStatus, default=DeliveryStatus.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["notice", "destination"], name="one_delivery_per_notice_and_destination"),
            models.CheckConstraint(condition=one_of("status", DeliveryStatus), name="delivery_status_is_known"),
            models.CheckConstraint(
                condition=~Q(status__in=["sending", "sent", "lost"]) | Q(sent_at__isnull=False),
                name="delivery_says_when_it_left",
            ),
        ]
        indexes = [models.Index(fields=["due_at"], name="deliveries_unsent", condition=Q(status__in=_UNSENT))]

    def __str__(self) -> str:
        return f"{self.notice_id} to {self.destination_id}"
