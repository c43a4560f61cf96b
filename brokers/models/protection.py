"""Stops that are missing, and orders that somebody else placed at the broker."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.domain import orders
from brokers.domain.elsewhere.classes import UNKNOWN
from brokers.domain.elsewhere.whose import is_ours
from brokers.domain.orders import Side
from brokers.domain.protection.choices import MissingStop
from brokers.domain.protection.scenes import Fault
from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import amount, optional_amount, word
from brokers.models.orders import Order


class Lapse(models.Model):
    """A position or a working entry without the stop it was to have, from when that was seen until it is over.

    One open lapse per account and contract: whoever mends holds its row, so that nothing is done twice.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="lapses")
    account = models.ForeignKey(BrokerageAccount, on_delete=models.PROTECT, related_name="lapses", db_constraint=False)
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40)
    # The stop that is missing, and the entry that it was to protect; null where Halyard has no row of it.
    stop = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.PROTECT, related_name="lapses_of_stop", db_constraint=False
    )
    entry = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.PROTECT, related_name="lapses_of_entry", db_constraint=False
    )
    fault = word(Fault)
    choice = word(MissingStop)
    # What is true of it now: the verdict's stable code, and whether a person is needed.
    verdict = models.CharField(max_length=40)
    alarm = models.BooleanField(default=False)
    # How many units were without a stop when it was last looked at.
    quantity = amount(default=Decimal(0))
    happened = models.CharField(max_length=400)
    did = models.CharField(max_length=400)
    can_do = models.CharField(max_length=400)
    # Orders that Halyard has sent for it: the key of each is made of its number.
    sent = models.PositiveSmallIntegerField(default=0)
    began_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    # How it ended, in a sentence.
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "stop that is missing"
        verbose_name_plural = "stops that are missing"
        constraints = [
            one_id_per_team("lapse"),
            same_team("account", "lapse"),
            same_team("stop", "lapse"),
            same_team("entry", "lapse"),
            models.UniqueConstraint(
                fields=["account", "conid"], condition=Q(ended_at=None), name="one_open_lapse_per_position"
            ),
            models.CheckConstraint(condition=one_of("fault", Fault), name="lapse_fault_is_known"),
            models.CheckConstraint(condition=one_of("choice", MissingStop), name="lapse_choice_is_known"),
            models.CheckConstraint(
                condition=Q(ended_at=None, outcome="") | Q(ended_at__isnull=False, alarm=False) & ~Q(outcome=""),
                name="ended_lapse_says_how_and_alarms_nobody",
            ),
        ]
        indexes = [
            models.Index(fields=["team"], condition=Q(ended_at=None), name="lapses_open"),
            models.Index(fields=["account", "conid", "-id"], name="lapses_of_a_position"),
        ]

    def __str__(self) -> str:
        return f"{self.ticker} in {self.account_id}: {self.fault}, {'over' if self.ended_at else self.verdict}"

    def key_of(self, number: int) -> uuid.UUID:
        """The key of the ticket of its order of that number: derived, so that it is made once."""
        return uuid.uuid5(self.code, f"stop-{number}")


class ForeignOrder(models.Model):
    """A working order of an account that no order of Halyard's is, as IBKR last showed it.

    Counted and shown, and touched only where a person asks for its cancel by name.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="foreign_orders")
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="foreign_orders", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    broker_order_id = models.CharField(max_length=32)
    # What its client called it; ours begin with our prefix.
    reference = models.CharField(max_length=64, blank=True, default="", db_default="")
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40, blank=True, default="", db_default="")
    asset_class = models.CharField(max_length=20, default=UNKNOWN, db_default=UNKNOWN)
    currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    side = word(Side)
    # "" where it is of a type that Halyard does not know.
    type = models.CharField(max_length=20, blank=True)
    # All of it; null where IBKR has not said, as of what works.
    quantity = optional_amount()
    remaining = amount()
    limit_price = optional_amount()
    stop_price = optional_amount()
    time_in_force = models.CharField(max_length=8, blank=True, default="", db_default="")
    # The order in IBKR's words.
    described = models.CharField(max_length=120, blank=True, default="", db_default="")
    first_seen_at = models.DateTimeField(default=timezone.now, db_default=Now())
    seen_at = models.DateTimeField()
    # A person's wish to have it canceled: by whom, when a request left last, how many, and what is known of it.
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    cancel_asked_by = models.ForeignKey(
        "accounts.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    cancel_sent_at = models.DateTimeField(null=True, blank=True)
    cancels_sent = models.PositiveSmallIntegerField(default=0, db_default=0)
    cancel_note = models.CharField(max_length=300, blank=True, default="", db_default="")
    # The order of ours that it may be the second one of: it looks like a change of that order whose answer was lost.
    second_of = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    # Since when a person lets an order that bears our reference, or may be such a second one, be.
    left_at = models.DateTimeField(null=True, blank=True)
    left_by = models.ForeignKey("accounts.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # Complete lists in a row that did not show it any more.
    missed = models.PositiveSmallIntegerField(default=0)
    missed_at = models.DateTimeField(null=True, blank=True)

    # Whether the money it will need is kept back; set by `elsewhere.with_counted`.
    money_counted: bool

    class Meta:
        verbose_name = "order placed elsewhere"
        verbose_name_plural = "orders placed elsewhere"
        constraints = [
            one_id_per_team("foreignorder"),
            same_team("account", "foreignorder"),
            same_team("second_of", "foreignorder"),
            models.UniqueConstraint(fields=["account", "broker_order_id"], name="one_foreign_order_per_number"),
            models.CheckConstraint(condition=Q(remaining__gt=0), name="foreign_order_has_something_left"),
            models.CheckConstraint(condition=one_of("side", Side), name="foreign_order_side_is_known"),
        ]
        indexes = [
            models.Index(fields=["account", "conid"], name="foreign_orders_of_a_position"),
            models.Index(
                fields=["account"], condition=Q(cancel_asked_at__isnull=False), name="foreign_orders_to_be_canceled"
            ),
            models.Index(
                fields=["first_seen_at"], condition=Q(seen_at=F("first_seen_at")), name="foreign_orders_seen_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.remaining.normalize():f} of {self.conid} ({self.broker_order_id})"

    @property
    def filled(self) -> Decimal | None:
        return None if self.quantity is None else max(self.quantity - self.remaining, Decimal(0))

    @property
    def bears_our_reference(self) -> bool:
        """Whether Halyard placed it once: its own row of the order is gone, or is another installation's."""
        return is_ours(self.reference)

    @property
    def is_stop(self) -> bool:
        return self.type in STOPS


STOPS = frozenset(map(str, orders.STOPS))
