"""Brokerage accounts: what each owns, owes and is worth, and which positions are to be closed."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.constraints import one_id_per_team, same_team
from accounts.models import Team
from brokers.domain.capabilities import Capabilities
from brokers.domain.dayresult import DayResult
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import AssetClass
from brokers.domain.session import proofs
from brokers.models.columns import amount, optional_amount, word
from brokers.models.connections import Connection

if TYPE_CHECKING:
    from brokers.models.protection import Lapse


class BrokerageAccount(models.Model):
    """An IBKR account number under a connection, with our live book of it."""

    class Kind(models.TextChoices):
        INDIVIDUAL = "individual", "Individual"
        ADVISOR = "advisor", "Advisor"

    class Margin(models.TextChoices):
        CASH = "cash", "Cash"
        MARGIN = "margin", "Margin"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="accounts")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="accounts", db_constraint=False)
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account_id = models.CharField(max_length=32)
    title = models.CharField(max_length=120, blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.INDIVIDUAL)
    margin = models.CharField(max_length=8, choices=Margin.choices, default=Margin.MARGIN)
    currency = models.CharField(max_length=3, default="USD")
    is_paper = models.BooleanField(default=True)
    equity = optional_amount()
    cash = optional_amount()
    buying_power = optional_amount()
    available_funds = optional_amount()
    # What of the cash is settled, in the account's currency; null where IBKR does not say.
    settled_cash = optional_amount()
    # Day trades that IBKR still takes of it; -1 without a limit, null where IBKR does not say.
    day_trades_left = models.SmallIntegerField(null=True, blank=True)
    unrealized_pnl = optional_amount()
    realized_pnl = optional_amount()
    # Our book of positions and money is the broker's word as of this moment: see `domain/session/proofs.py`.
    book_as_of = models.DateTimeField(null=True, blank=True)
    # When the read of that moment had ended.
    book_read_at = models.DateTimeField(null=True, blank=True)
    # The money is of this moment: read, or told by the stream (`money_heard`).
    money_as_of = models.DateTimeField(null=True, blank=True)
    money_heard = models.BooleanField(default=False, db_default=False)
    # The database in which all its orders and fills were brought home last, as `postgres.incarnation` names it.
    orders_home_in = models.CharField(max_length=60, blank=True, default="", db_default="", editable=False)
    # Since when a decision waits for a look at IBKR itself; null when none does.
    book_wanted_at = models.DateTimeField(null=True, blank=True)
    # What IBKR says the account may do, as of its last look at the user's accounts; null and empty: it did not say.
    is_lite = models.BooleanField(null=True, blank=True)
    clearing = models.CharField(max_length=12, blank=True)
    client_trades = models.BooleanField(null=True, blank=True)
    asset_types = models.CharField(max_length=300, blank=True)
    capabilities_as_of = models.DateTimeField(null=True, blank=True)
    # Our first look of a trading day, at which its opening positions were written down: what came before is yesterday's.
    opened_at = models.DateTimeField(null=True, blank=True)
    # Today's result; set by `day_ledger.with_results`.
    day: DayResult
    # All its positions, where a row is rendered; set by `live.account_html`.
    held: list[Position]

    class Meta:
        verbose_name = "brokerage account"
        verbose_name_plural = "brokerage accounts"
        constraints = [
            models.UniqueConstraint(fields=["connection", "account_id"], name="one_account_per_connection_and_number"),
            models.CheckConstraint(
                condition=Q(day_trades_left__isnull=True) | Q(day_trades_left__gte=-1),
                name="day_trades_left_is_none_or_a_number",
            ),
            one_id_per_team("account"),
            same_team("connection", "account"),
        ]
        indexes = [models.Index(fields=["connection"], condition=Q(book_wanted_at__isnull=False), name="books_wanted")]

    def __str__(self) -> str:
        return self.account_id

    @property
    def sight(self) -> proofs.Sight:
        """When it was read, and how its stream has run since."""
        return proofs.Sight(
            read_at=self.book_as_of,
            ended_at=self.book_read_at,
            stream_since=self.connection.stream_since,
            heard_at=self.connection.stream_heard_at,
        )

    def is_present(self, now: datetime) -> bool:
        """Whether money and positions are IBKR's word of now: read a moment ago, or watched by a live stream ever since."""
        proof, fresh = (
            timedelta(seconds=each) for each in (settings.STREAM_PROOF_SECONDS, settings.BOOK_FRESH_SECONDS)
        )
        return proofs.is_present(self.sight, now, proof=proof, fresh=fresh)

    @property
    def money_at(self) -> datetime | None:
        """When the money was true."""
        return self.money_as_of or self.book_as_of

    @property
    def money_from(self) -> str:
        """By which way it came: `stream` or `read`; "" while IBKR has shown none."""
        if self.money_at is None:
            return ""
        return "stream" if self.money_heard else "read"

    @property
    def capabilities(self) -> Capabilities:
        """What IBKR says this account may do."""
        return Capabilities(
            lite=self.is_lite, clearing=self.clearing, client_trades=self.client_trades, asset_types=self.asset_types
        )


class OpeningPosition(models.Model):
    """What was held when a trading day began, and at what price: the day's result is counted from it."""

    account = models.ForeignKey(BrokerageAccount, on_delete=models.CASCADE, related_name="opening_positions")
    day = models.DateField()
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40)
    quantity = amount()
    price = optional_amount(blank=False)
    multiplier = optional_amount(blank=False, default=Decimal(1))
    currency = models.CharField(max_length=3, default="USD")

    class Meta:
        verbose_name = "position at the day's start"
        verbose_name_plural = "positions at the day's start"
        constraints = [
            models.UniqueConstraint(fields=["account", "day", "conid"], name="one_opening_position_per_account_and_day")
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} {self.ticker} on {self.day}"


class EquityPoint(models.Model):
    """The account's value at a moment, kept for the curve."""

    account = models.ForeignKey(BrokerageAccount, on_delete=models.CASCADE, related_name="equity_points")
    at = models.DateTimeField()
    equity = amount()

    class Meta:
        verbose_name = "account value"
        verbose_name_plural = "account values"
        constraints = [
            models.UniqueConstraint(fields=["account", "at"], name="one_equity_point_per_account_and_moment")
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.equity} at {self.at:%Y-%m-%d %H:%M:%S}"


class Position(models.Model):
    """A copy of the broker's truth: replaced, never computed."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="positions")
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="positions", db_constraint=False
    )
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40)
    # One of those that Halyard trades, or any other by its name: see `domain/elsewhere/classes.py`.
    asset_class = models.CharField(max_length=20)
    quantity = amount()
    # A price per unit, as quotes are; null where IBKR shows none.
    average_cost = optional_amount()
    market_price = optional_amount()
    unrealized_pnl = optional_amount()
    currency = models.CharField(max_length=3, default="USD")
    as_of = models.DateTimeField()

    # The open wish to close it, and the stop it lacks; set by `live.with_closings`.
    closing: Closing | None
    lapse: Lapse | None
    # How much of it no order of ours explains; set by `live.with_shares_of_others`.
    elsewhere: Decimal
    # The last quote of its contract; set by `quotes.with_quotes`.
    quote: Quote | None

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "conid"], name="one_position_per_account_and_contract"),
            models.CheckConstraint(condition=~Q(quantity=0), name="position_is_never_zero"),
            same_team("account", "position"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} {self.ticker}"


class Closing(models.Model):
    """The wish to end one position, ours or not: kept until the broker shows none, or until it is given up."""

    class Status(models.TextChoices):
        OPEN = "open", "Closing"
        DONE = "done", "Closed"
        FAILED = "failed", "Not closed"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="closings")
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.PROTECT, related_name="closings", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40)
    asset_class = word(AssetClass)
    # How much of it; null: all of it.
    quantity = optional_amount()
    # What a unit had cost when the first order left to close it; null where IBKR names no average.
    average_cost = optional_amount()
    status = models.CharField(max_length=6, choices=Status.choices, default=Status.OPEN)
    reason = models.CharField(max_length=200)
    note = models.CharField(max_length=300, blank=True)
    asked_by = models.ForeignKey("accounts.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    # Orders sent for it so far: a market order that IBKR rejects is not sent for ever.
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "conid"], condition=Q(status="open"), name="one_open_closing_per_position"
            ),
            models.CheckConstraint(
                condition=Q(quantity__isnull=True) | Q(quantity__gt=0), name="closing_quantity_positive"
            ),
            models.CheckConstraint(
                condition=Q(status="open", ended_at=None) | (~Q(status="open") & Q(ended_at__isnull=False)),
                name="ended_closing_has_its_moment",
            ),
            one_id_per_team("closing"),
            same_team("account", "closing"),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(status="open"), name="closings_open")]

    def __str__(self) -> str:
        return f"close {self.ticker} in {self.account_id} ({self.status})"
