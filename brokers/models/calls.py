"""The log of requests to the broker, redacted, kept for a few days."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from accounts.constraints import one_of, same_team
from accounts.models import Team
from brokers.domain.calls import MESSAGES, CallOutcome
from brokers.domain.redaction import ADDRESS, EXCERPT
from brokers.models.columns import word
from brokers.models.connections import Connection
from brokers.models.orders import Order


class Call(models.Model):
    """One request to a connection's gateway and what came of it. Texts are masked and cut before they get here."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="calls", db_index=False)
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="calls", db_constraint=False, db_index=False
    )
    # The order that it was made for, or that a message names; of several orders, the first.
    order = models.ForeignKey(
        Order,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="calls",
        db_constraint=False,
        db_index=False,
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    at = models.DateTimeField()
    method = models.CharField(max_length=8)
    # The path with its {names}: what kind of call it is.
    endpoint = models.CharField(max_length=120)
    address = models.CharField(max_length=ADDRESS)
    outcome = word(CallOutcome)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    # The whole call in milliseconds, and our share: waiting for our turn, and reading the answer.
    took_ms = models.FloatField()
    own_ms = models.FloatField()
    # Bytes of the answer.
    size = models.PositiveIntegerField(default=0)
    # Requests that the pace of the process still had just after it; below zero how many waited.
    pace_left = models.SmallIntegerField(null=True, blank=True)
    request = models.CharField(max_length=EXCERPT, blank=True)
    answer = models.CharField(max_length=EXCERPT, blank=True)
    # Calls of this connection just before it that are not in the log.
    missing = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "call to the broker"
        verbose_name_plural = "calls to the broker"
        constraints = [
            same_team("connection", "call"),
            same_team("order", "call"),
            models.CheckConstraint(condition=one_of("outcome", CallOutcome), name="call_outcome_is_known"),
            models.CheckConstraint(
                condition=Q(own_ms__gte=0) & Q(took_ms__gte=F("own_ms")), name="call_takes_at_least_our_share"
            ),
        ]
        indexes = [
            models.Index(fields=["team", "-id"], name="calls_newest_first"),
            models.Index(fields=["connection", "-id"], name="calls_of_a_connection"),
            models.Index(fields=["order", "id"], condition=Q(order__isnull=False), name="calls_of_an_order"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.address}: {self.status or self.outcome}"

    @property
    def is_message(self) -> bool:
        """Whether it is a message of the live stream, which has no answer and takes no time."""
        return self.method in MESSAGES
