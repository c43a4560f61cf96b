"""Orders in doubt: what was looked at, what comes next, and how it ended."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.domain.doubts.choices import Choice
from brokers.domain.doubts.evidence import Origin
from brokers.models.columns import choices, word
from brokers.models.orders import Order


class Doubt(models.Model):
    """Why it is not known whether IBKR has an order, and all that is done to find out. One open doubt an order."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="doubts")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="doubts")
    origin = word(Origin)
    opened_at = models.DateTimeField(default=timezone.now)
    # Lists that count: complete, apart from one another, and without a gap since `counting_since`.
    order_reads = models.PositiveSmallIntegerField(default=0)
    trade_reads = models.PositiveSmallIntegerField(default=0)
    orders_read_at = models.DateTimeField(null=True, blank=True)
    trades_read_at = models.DateTimeField(null=True, blank=True)
    counting_since = models.DateTimeField(null=True, blank=True)
    # Since when somebody looks without a pause.
    looking_since = models.DateTimeField(null=True, blank=True)
    # Every look, counted or not, newest last; the oldest fall out.
    looks = models.JSONField(default=list)
    looked_at = models.DateTimeField(null=True, blank=True)
    # What follows from the looks: a stable code, and the sentence that a person reads.
    code = models.CharField(max_length=40, blank=True)
    sentence = models.CharField(max_length=400, blank=True)
    # What IBKR shows under the order's reference, where that is another order.
    shown = models.JSONField(null=True, blank=True)
    # What a person chose, who, and IBKR's number of the order that they say is this one.
    choice = models.CharField(max_length=20, choices=choices(Choice), blank=True)
    number = models.CharField(max_length=32, blank=True)
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    chosen_at = models.DateTimeField(null=True, blank=True)
    # Why the choice could not be followed; the person may choose again.
    objection = models.CharField(max_length=400, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    # The status with which the order left doubt.
    became = models.CharField(max_length=20, blank=True)

    class Meta:
        verbose_name = "order in doubt"
        verbose_name_plural = "orders in doubt"
        constraints = [
            one_id_per_team("doubt"),
            same_team("order", "doubt"),
            models.UniqueConstraint(fields=["order"], condition=Q(closed_at=None), name="one_open_doubt_an_order"),
            models.CheckConstraint(condition=one_of("origin", Origin), name="doubt_origin_is_known"),
            models.CheckConstraint(
                condition=Q(choice="", chosen_at=None) | Q(chosen_at__isnull=False) & ~Q(choice=""),
                name="doubt_choice_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, became="") | Q(closed_at__isnull=False) & ~Q(became=""),
                name="closed_doubt_says_what_became",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.origin}, {self.became or 'open'}"
