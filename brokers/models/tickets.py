"""Tickets: the orders of one decision, as they are handed in."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.domain.protection.choices import USUAL, MissingStop
from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import choices
from brokers.models.connections import Connection


class Ticket(models.Model):
    """The orders of one decision, worked together and in sequence. The unworked ticket is the queue."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="tickets")
    account = models.ForeignKey(BrokerageAccount, on_delete=models.PROTECT, related_name="tickets", db_constraint=False)
    # Copied from the account, so that a lane finds its tickets by one index.
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="tickets", db_constraint=False)
    key = models.UUIDField(unique=True)
    # What has to be over, or smaller, before its orders leave; with what its plan knew to be filled of each.
    cancels = models.JSONField(default=list)
    resizes = models.JSONField(default=list)
    queued_at = models.DateTimeField(default=timezone.now)
    worked_at = models.DateTimeField(null=True, blank=True)
    # When an order it was to cancel turned out to have filled: its plan no longer fits, and is made anew.
    unfit_at = models.DateTimeField(null=True, blank=True)
    # When its order was made anew of what IBKR shows: what stood behind it was lost with its rows.
    adopted_at = models.DateTimeField(null=True, blank=True)
    # What is to happen where a stop of it is missing, as its subscription says.
    missing_stop = models.CharField(max_length=20, choices=choices(MissingStop), default=USUAL, db_default=str(USUAL))

    class Meta:
        constraints = [
            one_id_per_team("ticket"),
            same_team("account", "ticket"),
            same_team("connection", "ticket"),
            models.CheckConstraint(condition=one_of("missing_stop", MissingStop), name="ticket_missing_stop_is_known"),
        ]
        indexes = [
            models.Index(fields=["connection", "id"], condition=Q(worked_at__isnull=True), name="tickets_waiting"),
            models.Index(fields=["id"], condition=Q(unfit_at__isnull=False), name="tickets_that_do_not_fit"),
            models.Index(fields=["id"], condition=Q(adopted_at__isnull=False), name="tickets_adopted"),
        ]

    def __str__(self) -> str:
        return f"ticket {self.key}"
