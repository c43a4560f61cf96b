"""The brokerage account, and everything that is true at the broker. What must never be true, Postgres refuses."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, TypedDict, Unpack

from django.db import models, transaction
from django.db.models import NOT_PROVIDED, F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from accounts.vault.fields import Sealed, SealedField
from brokers.domain.capabilities import Capabilities
from brokers.domain.dayresult import DayResult
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    SIZED_BY_THE_BROKER,
    TRANSITIONS,
    AssetClass,
    Instrument,
    OrderStatus,
    OrderType,
    Release,
    Role,
    Side,
    TimeInForce,
)
from brokers.domain.orders import Contract as ContractValue
from brokers.domain.sessions import AuthMethod, Environment, Region, SessionStatus, SimulatedPrices

# What a column of an amount takes; it gives a Decimal.
AmountValue = str | int | Decimal | Combinable


def choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    """Choices of a domain enum, labelled by their words."""
    return [(str(member), str(member).replace("_", " ").capitalize()) for member in words]


def word(words: type[StrEnum], *, default: StrEnum | type[NOT_PROVIDED] = NOT_PROVIDED) -> models.CharField[str, str]:
    """A column that holds one word of a domain enum."""
    return models.CharField(max_length=20, choices=choices(words), default=default)


def amount(*, default: Decimal | type[NOT_PROVIDED] = NOT_PROVIDED) -> models.DecimalField[AmountValue, Decimal]:
    """A quantity or a price: eight decimals, exact."""
    return models.DecimalField(max_digits=24, decimal_places=8, default=default)


def optional_amount(
    *, blank: bool = True, default: Decimal | type[NOT_PROVIDED] = NOT_PROVIDED
) -> models.DecimalField[AmountValue | None, Decimal | None]:
    """An amount that may be unknown or not set: null."""
    return models.DecimalField(max_digits=24, decimal_places=8, null=True, blank=blank, default=default)


class Connection(models.Model):
    """One IBKR user that works for us. IBKR allows one session per user; so do we, in the schema."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="connections")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    username = models.CharField(max_length=64)
    environment = word(Environment)
    auth_method = word(AuthMethod, default=AuthMethod.GATEWAY)
    # Empty for a simulated connection: the simulator's address is a setting of this installation.
    base_url = models.URLField(blank=True, max_length=300)
    secrets = SealedField(blank=True, default=Sealed)
    region = word(Region, default=Region.NORTH_AMERICA)
    enabled = models.BooleanField(default=True)
    # Whether IBKR's questions about the size and the price of a way out are answered with yes.
    confirms_exits = models.BooleanField(default=False, db_default=False)
    # Of a simulated connection: whether its orders meet the market's own prices or those of their signals.
    prices = models.CharField(
        max_length=20, choices=choices(SimulatedPrices), default=SimulatedPrices.GENERATED, db_default="generated"
    )
    session_status = word(SessionStatus, default=SessionStatus.SIGNED_OUT)
    session_reason = models.CharField(max_length=300, blank=True)
    # Names the reason and never changes.
    session_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    session_changed_at = models.DateTimeField(default=timezone.now)
    # When the broker first showed accounts under this user: until then anybody may have typed the name.
    proved_at = models.DateTimeField(null=True, blank=True)
    last_kept_at = models.DateTimeField(null=True, blank=True)
    # Set by people and by edges who need the accounts looked up; the stream clears it once it has read them.
    wants_verify = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            # The simulator is the installation's own. A gateway is a program of its team's, which can show any accounts
            # under any name: what it proves counts within that team, and keeps no other team from its own user.
            models.UniqueConstraint(
                Lower("username"),
                "environment",
                condition=Q(enabled=True, environment=Environment.SIMULATED),
                name="one_enabled_connection_per_username",
            ),
            models.UniqueConstraint(
                "team",
                Lower("username"),
                "environment",
                condition=Q(enabled=True, proved_at__isnull=False),
                name="one_enabled_connection_per_username_in_a_team",
            ),
            models.CheckConstraint(
                condition=one_of("environment", Environment), name="connection_environment_is_known"
            ),
            models.CheckConstraint(
                condition=one_of("session_status", SessionStatus), name="connection_session_status_is_known"
            ),
            models.CheckConstraint(condition=one_of("prices", SimulatedPrices), name="connection_prices_are_known"),
            models.CheckConstraint(
                condition=Q(prices="generated") | Q(environment="simulated"),
                name="signals_price_simulated_markets_only",
            ),
            one_id_per_team("connection"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.username}, {self.environment})"

    @property
    def can_trade(self) -> bool:
        return self.enabled and self.session_status == SessionStatus.ACTIVE


class SessionEvent(models.Model):
    """Append-only: what happened to a session, and the evidence."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="session_events")
    status = word(SessionStatus)
    reason = models.CharField(max_length=300, blank=True)
    evidence = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "change of a session"
        verbose_name_plural = "changes of sessions"
        indexes = [models.Index(fields=["connection", "-at"], name="session_events_newest_first")]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.status} at {self.at:%Y-%m-%d %H:%M:%S}"


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
    unrealized_pnl = optional_amount()
    realized_pnl = optional_amount()
    # Our book of positions and money is the broker's word as of this moment; older than a minute and a half it is stale.
    book_as_of = models.DateTimeField(null=True, blank=True)
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

    class Meta:
        verbose_name = "brokerage account"
        verbose_name_plural = "brokerage accounts"
        constraints = [
            models.UniqueConstraint(fields=["connection", "account_id"], name="one_account_per_connection_and_number"),
            one_id_per_team("account"),
            same_team("connection", "account"),
        ]

    def __str__(self) -> str:
        return self.account_id

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


class ExchangeRate(models.Model):
    """What one unit of `source` is in `target`, by a connection's word. The row is also the question."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="exchange_rates")
    source = models.CharField(max_length=3)
    target = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    as_of = models.DateTimeField(null=True, blank=True)
    wanted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "source", "target"], name="one_rate_per_connection_and_currencies"
            ),
            models.CheckConstraint(condition=Q(rate__isnull=True) | Q(rate__gt=0), name="exchange_rate_is_above_zero"),
        ]
        indexes = [models.Index(fields=["connection"], condition=Q(wanted_at__isnull=False), name="rates_wanted")]

    def __str__(self) -> str:
        return f"1 {self.source} = {self.rate} {self.target}"


class MarginPreview(models.Model):
    """What IBKR's preview said an order would need of an account; one row for purchases, one for sales.

    The row is also the question: `quantity` is asked about while `wanted_at` is set.
    """

    account = models.ForeignKey(BrokerageAccount, on_delete=models.CASCADE, related_name="margin_previews")
    conid = models.BigIntegerField()
    side = word(Side)
    quantity = amount()
    wanted_at = models.DateTimeField(null=True, blank=True)
    # When IBKR was last asked; it may have given no figure.
    answered_at = models.DateTimeField(null=True, blank=True)
    # IBKR's word: of which order, when, by how much the initial margin would change, and why it would refuse.
    previewed_quantity = optional_amount()
    as_of = models.DateTimeField(null=True, blank=True)
    initial = optional_amount()
    refusal = models.CharField(max_length=300, blank=True, default="", db_default="")
    short = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "conid", "side"], name="one_margin_preview_per_account_contract_and_side"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="margin_preview_is_of_something"),
            models.CheckConstraint(
                condition=Q(as_of__isnull=True) | Q(previewed_quantity__isnull=False, previewed_quantity__gt=0),
                name="margin_preview_says_of_how_many",
            ),
        ]
        indexes = [models.Index(fields=["account"], condition=Q(wanted_at__isnull=False), name="previews_wanted")]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity.normalize():f} of {self.conid} in {self.account_id}"


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


class ContractLookup(models.Model):
    """A broker's identity of an instrument: asked once, remembered. The row is also the queue of questions.

    `simulated` apart, since the simulator numbers some contracts in its own way.
    """

    class Status(models.TextChoices):
        WANTED = "wanted", "Wanted"
        FOUND = "found", "Found"
        UNKNOWN = "unknown", "Unknown"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="contract_lookups")
    ticker = models.CharField(max_length=40)
    asset_class = word(AssetClass)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WANTED)
    reason = models.CharField(max_length=300, blank=True)
    # Why IBKR does not know it, as a stable code.
    reason_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    conid = models.BigIntegerField(null=True, blank=True)
    name = models.CharField(max_length=120, blank=True)
    exchange = models.CharField(max_length=40, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    multiplier = amount(default=Decimal(1))
    tick = amount(default=Decimal("0.01"))
    # Ticks by the price they count from, [["0", "0.0001"], ["1", "0.01"]]; null where IBKR was not asked for them yet.
    increments = models.JSONField(null=True, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True, blank=True)
    bid = optional_amount()
    ask = optional_amount()
    last = optional_amount()
    quote_as_of = models.DateTimeField(null=True, blank=True)
    # Since when somebody waits for a fresher quote; null when nobody does.
    quote_wanted_at = models.DateTimeField(null=True, blank=True)
    # When IBKR was last asked for it; it may have shown none.
    quote_answered_at = models.DateTimeField(null=True, blank=True)
    # The account numbers that IBKR lets trade it; null where it did not say.
    permitted = models.JSONField(null=True, blank=True)

    class Meta:
        verbose_name = "symbol asked for"
        verbose_name_plural = "symbols asked for"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "asset_class", "ticker"], name="one_contract_per_connection_and_instrument"
            ),
            models.CheckConstraint(
                condition=~Q(status="found") | Q(conid__isnull=False), name="found_contract_has_a_conid"
            ),
        ]
        indexes = [
            models.Index(fields=["connection"], condition=Q(status="wanted"), name="contracts_wanted"),
            models.Index(fields=["connection"], condition=Q(quote_wanted_at__isnull=False), name="quotes_wanted"),
        ]

    def __str__(self) -> str:
        return f"{self.ticker} = {self.conid}"

    def value(self) -> ContractValue:
        """The domain value of a found contract."""
        assert self.conid is not None
        return ContractValue(
            instrument=Instrument(ticker=self.ticker, asset_class=AssetClass(self.asset_class)),
            conid=self.conid,
            name=self.name,
            exchange=self.exchange,
            currency=self.currency,
            multiplier=self.multiplier,
            tick=self.tick,
            increments=tuple((Decimal(edge), Decimal(tick)) for edge, tick in self.increments or ()),
        )


class Position(models.Model):
    """A copy of the broker's truth: replaced, never computed."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="positions")
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="positions", db_constraint=False
    )
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40)
    asset_class = word(AssetClass)
    quantity = amount()
    # A price per unit, as quotes are; null where IBKR shows none.
    average_cost = optional_amount()
    market_price = optional_amount()
    unrealized_pnl = optional_amount()
    currency = models.CharField(max_length=3, default="USD")
    as_of = models.DateTimeField()

    # The open wish to close it; set by `live.with_closings`.
    closing: Closing | None

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "conid"], name="one_position_per_account_and_contract"),
            models.CheckConstraint(condition=~Q(quantity=0), name="position_is_never_zero"),
            same_team("account", "position"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} {self.ticker}"


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

    class Meta:
        constraints = [one_id_per_team("ticket"), same_team("account", "ticket"), same_team("connection", "ticket")]
        indexes = [
            models.Index(fields=["connection", "id"], condition=Q(worked_at__isnull=True), name="tickets_waiting"),
            models.Index(fields=["id"], condition=Q(unfit_at__isnull=False), name="tickets_that_do_not_fit"),
        ]

    def __str__(self) -> str:
        return f"ticket {self.key}"


class OrderChanges(TypedDict, total=False):
    """The columns of an order that change together with its status, or while it works."""

    type: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_amount: Decimal | None
    trail_percent: Decimal | None
    outside_rth: bool
    resize_to: Decimal | None
    resize_asked_at: datetime | None
    keeps_its_size: bool
    filled_quantity: Decimal
    average_price: Decimal
    broker_order_id: str
    reason: str
    reason_code: str
    held_reason: str
    absences: int
    submitted_at: datetime | None
    acknowledged_at: datetime
    filled_at: datetime | None


class OrderQuerySet(models.QuerySet["Order"]):
    def move(
        self, order: Order, to: OrderStatus, *, now: datetime, cause: str = "", **changes: Unpack[OrderChanges]
    ) -> bool:
        """Move an order and write its event, in one transaction; False when someone else got there first.

        Compare-and-set on the status the caller saw. `cause` is the evidence for people; `changes` are further columns.
        On success `order` carries the new values.
        """
        old = OrderStatus(order.status)
        if "reason" in changes:
            # A reason of another kind must not keep the name of the one before.
            changes.setdefault("reason_code", "")
        values = {"status": str(to), "changed_at": now, **changes}
        # No savepoint of its own: a move that fails inside a larger step must undo that step.
        with transaction.atomic(savepoint=False):
            if not self.filter(pk=order.pk, status=str(old)).update(**values):
                return False
            OrderEvent.objects.create(order_id=order.pk, old=str(old), new=str(to), cause=cause[:300], at=now)
        for column, value in values.items():
            setattr(order, column, value)
        return True


OrderManager = models.Manager.from_queryset(OrderQuerySet)


class Order(models.Model):
    """One order at the broker, with our reference. `reference` is sent as IBKR's cOID and never reused."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="orders")
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="orders", db_constraint=False)
    account = models.ForeignKey(BrokerageAccount, on_delete=models.PROTECT, related_name="orders", db_constraint=False)
    # Copied from the account, so that a lane finds its orders by one index, without a join.
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="orders", db_constraint=False)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reference = models.CharField(max_length=64, unique=True)
    role = word(Role)
    release = word(Release, default=Release.AT_ONCE)
    ticker = models.CharField(max_length=40)
    asset_class = word(AssetClass)
    conid = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="USD")
    multiplier = amount(default=Decimal(1))
    side = word(Side)
    type = word(OrderType)
    time_in_force = word(TimeInForce, default=TimeInForce.DAY)
    quantity = amount()
    limit_price = optional_amount()
    stop_price = optional_amount()
    trail_amount = optional_amount()
    trail_percent = optional_amount()
    outside_rth = models.BooleanField(default=False)
    # Seconds it may work once the broker has it; None: until its time in force ends it.
    cancel_after = models.PositiveIntegerField(null=True, blank=True)
    # Seconds after which it becomes a market order, unfilled as it is; None: never.
    convert_after = models.PositiveIntegerField(null=True, blank=True)
    # The smaller quantity it is to have, and since when; null: nobody wants it to change.
    resize_to = optional_amount()
    resize_asked_at = models.DateTimeField(null=True, blank=True)
    # IBKR has refused to make it smaller: it is replaced instead.
    keeps_its_size = models.BooleanField(default=False)
    fa_group = models.CharField(max_length=64, blank=True)
    fa_method = models.CharField(max_length=32, blank=True)
    signal_price = optional_amount()
    estimated_fee = optional_amount()
    status = word(OrderStatus, default=OrderStatus.CREATED)
    filled_quantity = amount(default=Decimal(0))
    average_price = optional_amount()
    broker_order_id = models.CharField(max_length=32, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    # Names the reason and never changes; "" where there is none, or none with a name.
    reason_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    # Why IBKR keeps it back while it may still fill (shares are located, it waits for its time); "" where it does not.
    held_reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    filled_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)
    # When reconciliation last asked about an order whose answer was lost, and how often the broker did not show it.
    checked_at = models.DateTimeField(null=True, blank=True)
    absences = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[OrderManager[Order]] = OrderManager()

    class Meta:
        constraints = [
            one_id_per_team("order"),
            same_team("ticket", "order"),
            same_team("account", "order"),
            same_team("connection", "order"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity_positive"),
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0) & Q(filled_quantity__lte=F("quantity")),
                name="order_never_overfilled",
            ),
            models.CheckConstraint(
                condition=~Q(type__in=["limit", "stop_limit"]) | Q(limit_price__isnull=False),
                name="order_limit_price_when_limit",
            ),
            models.CheckConstraint(
                condition=~Q(type__in=["stop", "stop_limit"]) | Q(stop_price__isnull=False),
                name="order_stop_price_when_stop",
            ),
            models.CheckConstraint(
                condition=~Q(type="trailing_stop")
                | Q(trail_amount__isnull=False, trail_percent__isnull=True)
                | Q(trail_amount__isnull=True, trail_percent__isnull=False),
                name="order_that_trails_has_one_distance",
            ),
            models.CheckConstraint(
                condition=Q(fa_group="", fa_method="") | (~Q(fa_group="") & ~Q(fa_method="")),
                name="order_allocation_has_group_and_method_or_neither",
            ),
            models.CheckConstraint(
                condition=Q(release="at_once") | Q(parent__isnull=False), name="order_that_waits_for_a_parent_has_one"
            ),
            models.CheckConstraint(
                condition=~Q(status="filled") | Q(filled_quantity=F("quantity")), name="filled_order_is_filled_whole"
            ),
            models.CheckConstraint(
                condition=Q(resize_to__isnull=True, resize_asked_at__isnull=True)
                | Q(resize_asked_at__isnull=False, resize_to__gt=0, resize_to__lt=F("quantity")),
                name="order_that_is_to_change_is_to_be_smaller",
            ),
            models.CheckConstraint(condition=one_of("status", OrderStatus), name="order_status_is_known"),
            models.CheckConstraint(condition=one_of("side", Side), name="order_side_is_known"),
            models.CheckConstraint(condition=one_of("type", OrderType), name="order_type_is_known"),
        ]
        indexes = [
            models.Index(fields=["team", "-id"], name="orders_newest_first"),
            models.Index(
                fields=["account", "conid"],
                condition=Q(
                    status__in=[
                        "created",
                        "submitted",
                        "unknown",
                        "needs_attention",
                        "accepted",
                        "partially_filled",
                        "pending_cancel",
                    ]
                ),
                name="orders_that_may_still_fill",
            ),
            models.Index(fields=["account", "broker_order_id"], name="orders_by_broker_id"),
            models.Index(fields=["account", "filled_at"], condition=Q(status="filled"), name="orders_filled_of_late"),
            models.Index(fields=["expires_at"], condition=Q(status="created"), name="orders_by_time_to_leave"),
            models.Index(
                fields=["connection", "ticket", "id"], condition=Q(status="created"), name="orders_waiting_to_leave"
            ),
            models.Index(
                fields=["connection"],
                condition=Q(status__in=["submitted", "unknown", "pending_cancel"]),
                name="orders_whose_answer_is_open",
            ),
            models.Index(
                fields=["connection"],
                condition=Q(status__in=["accepted", "partially_filled"], convert_after__isnull=False)
                & ~Q(type="market"),
                name="orders_to_convert",
            ),
            models.Index(fields=["connection"], condition=Q(resize_to__isnull=False), name="orders_to_resize"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity.normalize():f} {self.ticker} ({self.status})"

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled_quantity

    @property
    def instrument(self) -> Instrument:
        return Instrument(ticker=self.ticker, asset_class=AssetClass(self.asset_class))


def _legal_moves() -> Q:
    condition = Q(old="", new=str(OrderStatus.CREATED))
    for old, targets in TRANSITIONS.items():
        if targets:
            condition |= Q(old=str(old), new__in=sorted(str(new) for new in targets))
    for status in sorted(map(str, CHANGED_IN_PLACE | SIZED_BY_THE_BROKER)):
        condition |= Q(old=status, new=status)
    return condition


class OrderEvent(models.Model):
    """Append-only: each move of an order. Postgres refuses a move that the table of TRANSITIONS does not name.

    A move from a status to itself says what was changed about an order that works.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    old = models.CharField(max_length=20, blank=True)
    new = models.CharField(max_length=20)
    cause = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "change of an order"
        verbose_name_plural = "changes of orders"
        constraints = [models.CheckConstraint(condition=_legal_moves(), name="order_event_is_a_legal_move")]
        indexes = [models.Index(fields=["order", "id"], name="order_events_in_order")]

    def __str__(self) -> str:
        return f"{self.old or '-'} -> {self.new}"


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
        indexes = [models.Index(fields=["order", "id"], name="attempts_in_order")]

    def __str__(self) -> str:
        return f"{self.kind} of order {self.order_id}: {self.outcome or 'no answer yet'}"


class Execution(models.Model):
    """One fill, as reported by the broker. A fill counts once."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="executions")
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
            models.Index(fields=["account", "executed_at"], name="executions_of_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity.normalize():f} {self.ticker} at {self.price.normalize():f}"


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
