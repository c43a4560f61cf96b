"""What the market shows a fill model: bars, quotes and ticks of one step, and what is subscribed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.rulebook.answers import Caution
from brokers.rulebook.calendars import Calendar
from brokers.rulebook.errors import UnknownWord
from brokers.rulebook.values import ZERO, Order

BAR_LENGTHS: dict[str, timedelta] = {
    "tick": timedelta(0),
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "daily": timedelta(days=1),
}
ONE_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """Open, high, low and close of one side."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeBar:
    start: datetime
    end: datetime
    candle: Candle


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteBar:
    start: datetime
    end: datetime
    bid: Candle | None
    ask: Candle | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One trade or one quote; zero is an unknown side."""

    at: datetime
    kind: str
    price: Decimal = ZERO
    bid: Decimal = ZERO
    ask: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What one step shows; each step replaces the one before it."""

    trade_bar: TradeBar | None = None
    quote_bar: QuoteBar | None = None
    ticks: tuple[Tick, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """`extended_hours`: such data is subscribed and the order may work outside regular hours."""

    subscriptions: frozenset[str] = frozenset({"trade_bar", "quote_bar"})
    resolution: str = "minute"
    extended_hours: bool = False

    def __post_init__(self) -> None:
        if self.resolution not in BAR_LENGTHS:
            raise UnknownWord(self.resolution, kind="resolution", known=", ".join(BAR_LENGTHS))

    @property
    def bar_length(self) -> timedelta:
        return BAR_LENGTHS[self.resolution]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How old a price may be for a market order, and the slippage (none unless an account wants some)."""

    stale_after: timedelta = ONE_HOUR
    slippage: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The bar a rule reads: which side of the market, from when to when."""

    start: datetime
    end: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One look at one order: everything a fill rule may read."""

    order: Order
    ordered_at: datetime
    market: Market
    now: datetime
    calendar: Calendar
    feed: Feed = field(default_factory=Feed)
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """The whole remaining quantity, signed, at one price in the instrument's currency."""

    price: Decimal
    quantity: Decimal
    caution: Caution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The order as it stands after the look (a moved stop, a touched trigger), and its fill if there is one."""

    order: Order
    fill: Fill | None = None


def filled(scan: Scan, price: Decimal, *, order: Order | None = None, caution: Caution | None = None) -> Outcome:
    """All or nothing: a fill is the whole remaining quantity."""
    quantity = scan.order.quantity - scan.order.filled_quantity
    return Outcome(order=order or scan.order, fill=Fill(price=price, quantity=quantity, caution=caution))


def waits(scan: Scan, order: Order | None = None) -> Outcome:
    return Outcome(order=order or scan.order)


def slipped(scan: Scan, price: Decimal) -> Decimal:
    """Slippage always hurts: up for buys, down for sells."""
    return price + scan.settings.slippage if scan.order.is_buy else price - scan.settings.slippage
