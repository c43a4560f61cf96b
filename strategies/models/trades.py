"""Trades made of executions, and what each day brought: a cache that is made anew from its facts, never added to."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.domain.orders import Side
from brokers.models import BrokerageAccount, Execution, amount, optional_amount, word
from strategies.models.signals import Signal
from strategies.models.strategies import Strategy
from strategies.models.subscriptions import Subscription


class Owner(models.TextChoices):
    """Who traded: a subscription, somebody by hand in Halyard, or somebody elsewhere."""

    SUBSCRIPTION = "subscription", "Subscription"
    HAND = "hand", "By hand"
    ELSEWHERE = "elsewhere", "Elsewhere"


# What belongs to a subscription names it, and nothing else does.
_OWNED = Q(owner="subscription", subscription__isnull=False, strategy__isnull=False) | ~Q(owner="subscription") & Q(
    subscription=None, strategy=None
)


class Trade(models.Model):
    """One round trip: from where a position opens until it is flat, of one owner in one contract of an account.

    Money is in the contract's `currency`, and `_home` in the account's, null where a rate or the value of a point is missing.
    Units and prices are those of after the last split.
    """

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"
        # Closed, and never seen to be opened: nobody knows what it made.
        UNSEEN = "unseen", "Opened unseen"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="trades", db_index=False)
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.PROTECT, related_name="trades", db_constraint=False, db_index=False
    )
    owner = models.CharField(max_length=12, choices=Owner.choices)
    subscription = models.ForeignKey(
        Subscription,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="trades",
        db_constraint=False,
        db_index=False,
    )
    strategy = models.ForeignKey(
        Strategy,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="trades",
        db_constraint=False,
        db_index=False,
    )
    # The signal that opened it.
    signal = models.ForeignKey(
        Signal,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="trades",
        db_constraint=False,
        db_index=False,
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Its name among its facts: IBKR's id of the fill that began it, and which of those that this fill began it is.
    begun_by = models.CharField(max_length=64)
    number = models.PositiveSmallIntegerField(default=1)
    # Of its parts: where it is the same, nothing has changed.
    fingerprint = models.CharField(max_length=32)
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40)
    asset_class = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3)
    home_currency = models.CharField(max_length=3)
    multiplier = optional_amount()
    side = word(Side)
    status = models.CharField(max_length=6, choices=Status.choices)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    entered = amount()
    exited = amount()
    left = amount()
    average = optional_amount()
    entry_price = optional_amount()
    exit_price = optional_amount()
    # The largest cost of what it held at a time.
    most = optional_amount()
    realized = optional_amount()
    fees = amount()
    # How many of its fills came without a fee so far.
    fees_missing = models.PositiveIntegerField(default=0)
    realized_home = optional_amount()
    fees_home = optional_amount()
    # After fees; of an open trade what its exits so far have made.
    profit_home = optional_amount()
    # The rate that was used last, and of when it is; null where none was needed.
    rate = models.DecimalField(max_digits=24, decimal_places=10, null=True, blank=True)
    rate_as_of = models.DateTimeField(null=True, blank=True)
    # The price that its first signal saw; what was lost against the prices of its signals, in money and in basis points.
    signal_price = optional_amount()
    slippage = optional_amount()
    slippage_points = optional_amount()
    # From the signal's arrival until its first fill was known here, in milliseconds.
    latency_ms = models.PositiveBigIntegerField(null=True, blank=True)
    fills = models.PositiveIntegerField()

    class Meta:
        constraints = [
            one_id_per_team("trade"),
            same_team("account", "trade"),
            same_team("subscription", "trade"),
            same_team("strategy", "trade"),
            same_team("signal", "trade"),
            models.UniqueConstraint(fields=["account", "begun_by", "number"], name="one_trade_per_fill_that_begins_it"),
            models.CheckConstraint(condition=one_of("side", Side), name="trade_side_is_known"),
            models.CheckConstraint(condition=_OWNED, name="trade_of_a_subscription_names_it"),
            models.CheckConstraint(
                condition=Q(status="open", closed_at=None, left__gt=0)
                | Q(status__in=["closed", "unseen"], closed_at__isnull=False, closed_at__gte=F("opened_at"), left=0),
                name="trade_that_is_over_has_its_end_and_holds_nothing",
            ),
            models.CheckConstraint(
                condition=Q(status="unseen", entered=0, realized=None, profit_home=None)
                | ~Q(status="unseen") & Q(entered__gt=0),
                name="trade_opened_unseen_has_no_profit",
            ),
            models.CheckConstraint(
                condition=Q(profit_home=None)
                | Q(
                    realized_home__isnull=False,
                    fees_home__isnull=False,
                    profit_home=F("realized_home") - F("fees_home"),
                ),
                name="trade_profit_is_what_it_realized_less_fees",
            ),
            models.CheckConstraint(condition=Q(exited__gte=0, fills__gt=0), name="trade_is_made_of_fills"),
        ]
        indexes = [
            models.Index(fields=["team", "-opened_at", "-id"], name="trades_newest_first"),
            models.Index(fields=["team", "profit_home"], name="trades_by_profit"),
            models.Index(fields=["team", "ticker", "-opened_at"], name="trades_of_a_ticker"),
            models.Index(fields=["subscription", "-opened_at"], name="trades_of_a_subscription"),
            models.Index(fields=["strategy", "-opened_at"], name="trades_of_a_strategy"),
            models.Index(fields=["account", "conid", "opened_at"], name="trades_of_a_contract"),
            models.Index(fields=["team", "account"], condition=Q(status="open"), name="trades_that_are_open"),
            models.Index(fields=["signal"], condition=Q(signal__isnull=False), name="trades_of_a_signal"),
        ]

    def __str__(self) -> str:
        return f"{'long' if self.side == Side.BUY else 'short'} {self.ticker} ({self.status})"


class TradePart(models.Model):
    """What a fill did to a trade: a fill that ends one and opens another, or closes for several, is a part of each."""

    trade = models.ForeignKey(Trade, on_delete=models.CASCADE, related_name="parts")
    execution = models.ForeignKey(
        Execution, on_delete=models.CASCADE, related_name="trade_parts", db_constraint=False, db_index=False
    )
    is_entry = models.BooleanField()
    units = amount()
    fee = amount(default=Decimal(0))
    realized = optional_amount()

    class Meta:
        verbose_name = "part of a trade"
        verbose_name_plural = "parts of trades"
        constraints = [
            models.UniqueConstraint(fields=["trade", "execution"], name="one_part_per_trade_and_fill"),
            models.CheckConstraint(condition=Q(units__gt=0), name="part_of_a_trade_has_units"),
        ]
        indexes = [models.Index(fields=["execution"], name="trade_parts_of_a_fill")]

    def __str__(self) -> str:
        return f"{'entry' if self.is_entry else 'exit'} of {self.units.normalize():f}"


class ProfitDay(models.Model):
    """What one owner's exits in a contract brought on a trading day, and what that day's fills cost."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="profit_days", db_index=False)
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.PROTECT, related_name="profit_days", db_constraint=False, db_index=False
    )
    owner = models.CharField(max_length=12, choices=Owner.choices)
    subscription = models.ForeignKey(
        Subscription,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="profit_days",
        db_constraint=False,
        db_index=False,
    )
    strategy = models.ForeignKey(
        Strategy,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="profit_days",
        db_constraint=False,
        db_index=False,
    )
    day = models.DateField()
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40)
    currency = models.CharField(max_length=3)
    home_currency = models.CharField(max_length=3)
    realized = optional_amount()
    fees = amount()
    realized_home = optional_amount()
    fees_home = optional_amount()
    fills = models.PositiveIntegerField()
    # Exits of which nobody knows what they made.
    unseen = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "day of profit"
        verbose_name_plural = "days of profit"
        constraints = [
            same_team("account", "profit_day"),
            same_team("subscription", "profit_day"),
            same_team("strategy", "profit_day"),
            models.UniqueConstraint(
                fields=["account", "conid", "day", "owner", "subscription"],
                nulls_distinct=False,
                name="one_day_of_profit_per_owner_and_contract",
            ),
            models.CheckConstraint(condition=_OWNED, name="day_of_profit_of_a_subscription_names_it"),
        ]
        indexes = [
            models.Index(fields=["team", "day"], name="days_of_profit_of_a_team"),
            models.Index(fields=["subscription", "day"], name="days_of_profit_of_a_sub"),
        ]

    def __str__(self) -> str:
        return f"{self.ticker} on {self.day}"
