"""The things a rule is asked about: instrument, order, position, account, quote. All frozen, all Decimal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from brokers.rulebook.words import Side, TimeInForce

ZERO = Decimal(0)
ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable thing; `asset_class` stays a plain word so that an unknown one can be refused by name."""

    asset_class: str
    symbol: str = ""
    market: str | None = None
    currency: str = "USD"
    base_currency: str | None = None
    product: str = ""
    multiplier: Decimal = ONE
    lot_size: Decimal | None = None
    tick: Decimal | None = None
    tradable: bool = True
    right: str | None = None
    strike: Decimal | None = None
    strike_multiplier: Decimal = ONE
    contract_unit: Decimal | None = None
    style: str = "american"
    expiry: date | None = None
    settlement: str = "physical"
    cfd_kind: str | None = None

    @property
    def base(self) -> str:
        """The currency that a forex order's size is counted in."""
        return self.base_currency or self.symbol[:3].upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order as a value; quantities are signed, and what a fill model remembers travels with it."""

    type: str
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trigger_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    trailing_as_percentage: bool = False
    group_limit_price: Decimal | None = None
    time_in_force: str = TimeInForce.GTC
    good_til_date: date | None = None
    outside_regular_hours: bool = False
    submitted_at: datetime | None = None
    filled_quantity: Decimal = ZERO
    stop_triggered: bool = False
    trigger_touched: bool = False

    @property
    def side(self) -> Side:
        return Side.BUY if self.quantity > 0 else Side.SELL

    @property
    def is_buy(self) -> bool:
        return self.quantity > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What the market shows at one moment; zero means that side is unknown."""

    price: Decimal = ZERO
    bid: Decimal = ZERO
    ask: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    quantity: Decimal = ZERO
    average_price: Decimal = ZERO


FLAT = Position()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the broker says an account may do; None and empty where it does not say.

    `security_types` are the broker's words ("STK"), `instrument` is about the one thing that is asked about.
    """

    lite: bool | None = None
    clearing: str = ""
    client_trades: bool | None = None
    security_types: frozenset[str] = frozenset()
    instrument: bool | None = None


PERMISSIONS_UNKNOWN = Permissions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What an account can pay with, and what it may trade. `available` is the broker's own figure; without it the rule computes one."""

    type: str = "margin"
    currency: str = "USD"
    total_value: Decimal = ZERO
    margin_used: Decimal = ZERO
    unsettled_cash: Decimal = ZERO
    required_free_fraction: Decimal = ZERO
    available: Decimal | None = None
    leverage: Decimal | None = None
    balances: Mapping[str, Decimal] = field(default_factory=dict)
    permissions: Permissions = PERMISSIONS_UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """A working order of another instrument that may have cash set aside for it."""

    base: str
    quote: str
    order: Order
