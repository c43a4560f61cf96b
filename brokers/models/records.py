"""Submissions and executions: each write of an order to the broker, and each fill of it."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.constraints import one_of, same_team
from accounts.models import Team
from brokers.domain.orders import MODIFIABLE, Lifetime, Side
from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import amount, optional_amount, word
from brokers.models.orders import Order


class SubmissionAttempt(models.Model):
    """One write to the broker: written before the wire, completed after it."""

    class Kind(models.TextChoices):
        POST = "post", "Order"
        REPLY = "reply", "Reply"
        MODIFY = "modify", "Change"
        CANCEL = "cancel", "Cancel"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="attempts")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    request_hash = models.CharField(max_length=64)
    request = models.JSONField(default=dict)
    sent_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=24, blank=True)
    answer = models.JSONField(null=True, blank=True)

    class Meta:
        verbose_name = "attempt to send"
        verbose_name_plural = "attempts to send"
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="", answered_at__isnull=True) | (~Q(outcome="") & Q(answered_at__isnull=False)),
                name="attempt_has_an_outcome_once_answered",
            ),
        ]
        indexes = [
            models.Index(fields=["order", "id"], name="attempts_in_order"),
            models.Index(fields=["sent_at"], condition=Q(outcome=""), name="attempts_without_an_answer"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of order {self.order_id}: {self.outcome or 'no answer yet'}"

    @classmethod
    def refused_past_the_end(cls) -> models.QuerySet[SubmissionAttempt]:
        """Cancels that IBKR has refused of orders whose date was over."""
        return cls.objects.filter(kind=cls.Kind.CANCEL, outcome="rejected", sent_at__gte=F("order__good_till"))


class OrderModification(models.Model):
    """A change that somebody wants of a working order, in place: its prices, its size, its trail. Null stays as it is.

    Of one order one is on its way at most, and behind it one waits that somebody asked for: a later wish takes its place. A
    count from the fill and a move by rule wait beside it, each as its own. One that is not made may name nothing, where
    nothing says what was to be changed.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting to leave"
        LEAVING = "leaving", "On its way"
        MADE = "made", "Made"
        REFUSED = "refused", "Refused"
        NOT_MADE = "not_made", "Not made"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="modifications", db_index=False)
    order = models.ForeignKey(
        Order, on_delete=models.CASCADE, related_name="modifications", db_constraint=False, db_index=False
    )
    # Copied from the order, so that a lane finds what waits by one index.
    connection = models.ForeignKey(
        "brokers.Connection", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    # The plan of a signal that asks for it; null where a person does.
    ticket = models.ForeignKey(
        "brokers.Ticket",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="modifications",
        db_constraint=False,
    )
    asked_by = models.ForeignKey("accounts.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # Nobody asks for it: the leg of an entry is counted again from the price at which that has filled.
    from_fill = models.BooleanField(default=False, db_default=False)
    # Nobody asks for it: a target of its entry has filled, and the stop moves as the entry said.
    by_rule = models.BooleanField(default=False, db_default=False)
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    quantity = optional_amount()
    limit_price = optional_amount()
    stop_price = optional_amount()
    trail_amount = optional_amount()
    trail_percent = optional_amount()
    # Another end: "gtd" with its moment, or "gtc" without one; and the end before. Made here, and never sent.
    time_in_force = models.CharField(max_length=3, blank=True, default="", db_default="")
    good_till = models.DateTimeField(null=True, blank=True)
    good_till_before = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    reason = models.CharField(max_length=400, blank=True)
    reason_code = models.CharField(max_length=40, blank=True)
    asked_at = models.DateTimeField()
    # Until when it may leave.
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "change of an order in place"
        verbose_name_plural = "changes of orders in place"
        constraints = [
            same_team("order", "modification"),
            same_team("ticket", "modification"),
            models.UniqueConstraint(
                fields=["order", "from_fill", "by_rule"],
                condition=Q(status="waiting"),
                name="one_modification_of_each_kind_waits",
            ),
            models.UniqueConstraint(
                fields=["order"], condition=Q(status="leaving"), name="one_modification_of_an_order_leaves"
            ),
            models.CheckConstraint(
                condition=Q(quantity__isnull=False)
                | Q(limit_price__isnull=False)
                | Q(stop_price__isnull=False)
                | Q(trail_amount__isnull=False)
                | Q(trail_percent__isnull=False)
                | ~Q(time_in_force="")
                | Q(status="not_made"),
                name="modification_changes_something",
            ),
            models.CheckConstraint(
                condition=Q(trail_amount=None) | Q(trail_percent=None), name="modification_has_one_trail"
            ),
            models.CheckConstraint(
                condition=Q(time_in_force="", good_till=None, good_till_before=None)
                | Q(time_in_force="gtd", good_till__isnull=False, status__in=["made", "not_made"])
                | Q(time_in_force="gtc", good_till=None, status__in=["made", "not_made"]),
                name="modification_of_an_end_is_made_at_once",
            ),
            models.CheckConstraint(
                condition=(Q(quantity=None) | Q(quantity__gt=0))
                & (Q(limit_price=None) | Q(limit_price__gt=0))
                & (Q(stop_price=None) | Q(stop_price__gt=0))
                & (Q(trail_amount=None) | Q(trail_amount__gt=0))
                & (Q(trail_percent=None) | Q(trail_percent__gt=0)),
                name="modification_is_above_zero",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "leaving"], ended_at=None)
                | Q(status__in=["made", "refused", "not_made"], ended_at__isnull=False),
                name="modification_that_ended_has_its_moment",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["refused", "not_made"]) | ~Q(reason_code=""),
                name="modification_that_is_not_made_says_why",
            ),
        ]
        indexes = [
            models.Index(fields=["order", "id"], name="modifications_of_an_order"),
            models.Index(
                fields=["connection", "id"],
                condition=Q(status__in=["waiting", "leaving"]),
                name="modifications_that_are_open",
            ),
            # Owners are told of these, for as long as that is news.
            models.Index(
                fields=["ended_at"],
                condition=Q(status__in=["refused", "not_made"], asked_by=None),
                name="modifications_to_tell_of",
            ),
        ]

    def __str__(self) -> str:
        return f"change of order {self.order_id} ({self.status})"

    @property
    def lifetime(self) -> Lifetime | None:
        """The end that it gives the order; None where it changes none."""
        return Lifetime(self.good_till) if self.time_in_force else None

    def values(self) -> dict[str, Decimal]:
        """What it changes at IBKR, by the columns of the order."""
        return {name: value for name in MODIFIABLE if (value := getattr(self, name)) is not None}


class Execution(models.Model):
    """One fill, as reported by the broker. A fill counts once."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="executions", db_index=False)
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.PROTECT, related_name="executions", db_constraint=False, db_index=False
    )
    # Null for a fill of an order that is not ours (placed by hand, or by another system).
    order = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.PROTECT, related_name="executions", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # IBKR's id without its revision suffix; a correction replaces the row's values, never adds a second fill.
    broker_execution_id = models.CharField(max_length=64)
    # The order as the fill names it: a fill that comes before its order is known is attached by these.
    broker_order_id = models.CharField(max_length=32, blank=True, default="", db_default="")
    reference = models.CharField(max_length=64, blank=True, default="", db_default="")
    revision = models.PositiveSmallIntegerField(default=1)
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40)
    side = word(Side)
    quantity = amount()
    price = amount()
    fee = optional_amount()
    currency = models.CharField(max_length=3, default="USD")
    exchange = models.CharField(max_length=32, blank=True)
    executed_at = models.DateTimeField()
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "broker_execution_id"], name="a_fill_counts_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="execution_quantity_positive"),
            models.CheckConstraint(condition=one_of("side", Side), name="execution_side_is_known"),
            same_team("account", "execution"),
            same_team("order", "execution"),
        ]
        indexes = [
            models.Index(fields=["team", "-id"], name="executions_newest_first"),
            models.Index(fields=["team", "ticker", "-id"], name="executions_of_a_ticker"),
            models.Index(fields=["account", "executed_at"], name="executions_of_a_day"),
            # What came after a book was read.
            models.Index(fields=["account", "seen_at"], name="executions_seen_of_late"),
            models.Index(
                fields=["account", "broker_order_id"], condition=Q(order=None), name="executions_without_an_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity.normalize():f} {self.ticker} at {self.price.normalize():f}"


class NetFill(models.Model):
    """A part of what our orders in a contract have bought less what they have sold: the sum of the rows is all of it.

    Written by Postgres with each fill, in its transaction, as a row of its own, so that no fill waits for another; one in
    thirty-two gathers the rows that nobody else is at into one (migration 0060).
    """

    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="net_fills", db_constraint=False, db_index=False
    )
    conid = models.BigIntegerField()
    quantity = amount()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(quantity=0), name="net_fill_is_never_zero")]
        indexes = [models.Index(fields=["account", "conid"], name="net_fills_of_a_contract")]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():+f} of contract {self.conid}"
