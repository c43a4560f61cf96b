"""Terms: the settings one subscription trades by, as a value. Each stored version is immutable, and old ones stay readable."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.domain.orders import OrderType, TimeInForce
from brokers.domain.protection.choices import USUAL, MissingStop
from strategies.domain.message.message import Bracket, Ladder, targets_from_reading
from strategies.domain.terms.windows import Window


class Sides(StrEnum):
    """Which positions may be opened: long, short, both or none."""

    BOTH = "both"
    BULLISH = "bullish"
    BEARISH = "bearish"
    NONE = "none"


class QuantityType(StrEnum):
    """What a quantity counts: units, money of the account, or hundredths of its equity or of the position.

    `NOTIONAL` is money too, and counts an option at its strike and not at its premium: what the shares behind it would cost.
    """

    FIXED = "fixed_quantity"
    AMOUNT = "dollar_amount"
    NOTIONAL = "notional_dollar_amount"
    RISK_AMOUNT = "risk_dollar_amount"
    RISK_PERCENT = "risk_percent"
    PERCENT_OF_EQUITY = "percent_of_equity"
    PERCENT_OF_POSITION = "percent_of_position"


class Rounding(StrEnum):
    DOWN = "down"
    NEAREST = "nearest"


class MarketPrice(StrEnum):
    """Which price of a quote stands for the market; `ask_bid` is the ask for buys and the bid for sells."""

    MARK = "mark"
    ASK_BID = "ask_bid"
    ASK = "ask"
    BID = "bid"
    LAST = "last"


class WorkingEntry(StrEnum):
    """What a new entry does to one of this subscription that still works."""

    REPLACE = "replace"
    KEEP = "keep"
    REJECT = "reject"


class MarketClosed(StrEnum):
    """What becomes of a market order while the market is closed: IBKR holds it, it joins the opening auction, or neither."""

    QUEUE = "queue"
    OPG = "opg"
    REJECT = "reject"


class RestartEntries(StrEnum):
    """What becomes of an entry that comes while IBKR restarts its servers. Exits always wait until it is over."""

    REJECT = "reject"
    QUEUE = "queue"


class ExitUnfilled(StrEnum):
    """What becomes of a flip's exit that did not fill in time. Kept or canceled, the entry is dropped; at the market, it follows."""

    KEEP = "keep"
    CANCEL = "cancel"
    MARKET = "market"


class Hours(StrEnum):
    """When entries may be made: always, or only while the exchange's session is open."""

    ANY = "any"
    REGULAR = "regular"
    EXTENDED = "extended"


class OptionType(StrEnum):
    """Which side of a chain a signal by parts means; `both` is calls when bullish and puts when bearish."""

    CALL = "call"
    PUT = "put"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The settings one subscription trades by. Quantities are in shares or contracts, amounts in the account's currency.

    Without a `quantity` the signal must bring one: there is no hidden quantity of 1. An `exit_...` setting of None is as
    for entries. `signal_fields` name what a signal may still set while `allow_overrides` is off.
    """

    # What may be traded.
    tickers: tuple[str, ...] = ()
    sides: Sides = Sides.BOTH
    allow_swap: bool = False
    subtract_exit_quantity: bool = False
    isolate_sides: bool = False
    ignore_exits: bool = False
    close_only: bool = False
    allow_add: bool = False
    allow_overrides: bool = True
    signal_fields: tuple[str, ...] = ()
    # Off: a plan waits for an approver, so long.
    auto_submit: bool = True
    approval_seconds: int = 300
    # When.
    windows: tuple[Window, ...] = ()
    exits_outside_windows: bool = False
    hours: Hours = Hours.ANY
    market_closed: MarketClosed = MarketClosed.QUEUE
    # `restart_minutes`: how long after the restart an entry that waited may still leave.
    restart_entries: RestartEntries = RestartEntries.REJECT
    restart_minutes: int = 15
    entry_time_to_live_seconds: int = 60
    exit_time_to_live_seconds: int = 600
    # How many.
    quantity: Decimal | None = None
    quantity_type: QuantityType = QuantityType.FIXED
    quantity_multiplier: Decimal = Decimal(1)
    rounding: Rounding = Rounding.DOWN
    # Limits of this subscription; None sets none.
    max_quantity: Decimal | None = None
    max_amount: Decimal | None = None
    max_position: Decimal | None = None
    max_position_amount: Decimal | None = None
    max_trades_per_day: int | None = None
    cooldown_seconds: int | None = None
    max_daily_loss: Decimal | None = None
    max_daily_profit: Decimal | None = None
    collar_percent: Decimal | None = None
    # An entry worth more, in the account's currency, leaves only after IBKR's preview of it; None asks for none.
    preview_above: Decimal | None = None
    # How an order works.
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    # Of what is good till a date: days of 24 hours from the decision.
    good_till_days: int | None = None
    outside_rth: bool = False
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    market_price: MarketPrice = MarketPrice.MARK
    spread_amount: Decimal | None = None
    spread_percent: Decimal | None = None
    cancel_after: int | None = None
    exit_order_type: OrderType | None = None
    exit_time_in_force: TimeInForce | None = None
    exit_good_till_days: int | None = None
    exit_outside_rth: bool | None = None
    exit_trail_amount: Decimal | None = None
    exit_trail_percent: Decimal | None = None
    exit_market_price: MarketPrice | None = None
    exit_spread_amount: Decimal | None = None
    exit_spread_percent: Decimal | None = None
    exit_cancel_after: int | None = None
    # Orders that work already, and the way from one position to the other.
    cancel_orders: bool = False
    working_entry: WorkingEntry = WorkingEntry.REPLACE
    cancel_wait_seconds: int = 120
    exit_wait_seconds: int = 120
    exit_unfilled: ExitUnfilled = ExitUnfilled.KEEP
    # Protection.
    take_profit: Bracket | Ladder | None = None
    stop_loss: Bracket | None = None
    stop_loss_type: OrderType = OrderType.STOP
    # Of a trailing stop limit: how far beyond its stop the limit is, in the contract's currency.
    stop_loss_limit_offset: Decimal | None = None
    # Those that are a distance are counted again from the price at which their entry fills.
    legs_from_fill: bool = False
    breakeven_offset: Decimal | None = None
    # None: of a future always, of a share where its entry may.
    legs_outside_rth: bool | None = None
    # What happens where a stop that an entry came with is refused, canceled or lost.
    missing_stop: MissingStop = USUAL
    # Options.
    invert_puts: bool = False
    # What an entry by parts means where its signal does not say: the side, the last day (a date, or how far ahead it is:
    # "+1 weeks"), and how many strikes from the money, in the money below zero.
    option_type: OptionType | None = None
    option_expiration: str | None = None
    option_strikes_away: int | None = None
    # The widest spread of an option that is entered, in percent of the middle; None asks for no quote.
    option_spread_percent: Decimal | None = None
    index_option_spread_percent: Decimal | None = None
    # Minutes before the close of its last day at which an option that is still held is closed; None lets it end.
    close_ending_minutes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, decimals as text; the settings that say nothing but the default are there too."""
        return {name: _plain(name, getattr(self, name)) for name in NAMES}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Terms:
        """The inverse of `to_json`. What an older version did not know has its default; an unknown name is an error."""
        return cls(**{name: _read(name, value) for name, value in values.items()})


NAMES = tuple(field.name for field in fields(Terms))
_WORDS: dict[str, type[StrEnum]] = {
    "sides": Sides,
    "quantity_type": QuantityType,
    "rounding": Rounding,
    "market_price": MarketPrice,
    "exit_market_price": MarketPrice,
    "working_entry": WorkingEntry,
    "market_closed": MarketClosed,
    "restart_entries": RestartEntries,
    "exit_unfilled": ExitUnfilled,
    "hours": Hours,
    "order_type": OrderType,
    "exit_order_type": OrderType,
    "time_in_force": TimeInForce,
    "exit_time_in_force": TimeInForce,
    "stop_loss_type": OrderType,
    "missing_stop": MissingStop,
    "option_type": OptionType,
}
DECIMALS = frozenset(field.name for field in fields(Terms) if "Decimal" in str(field.type))
_LISTS = frozenset({"tickers", "signal_fields"})
_BRACKETS = frozenset({"take_profit", "stop_loss"})


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in DECIMALS or name in _WORDS:
        return str(value)
    if name == "windows":
        return [window.to_json() for window in value]
    if name in _BRACKETS:
        return value.canonical(typed=True)
    return list(value) if name in _LISTS else value


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in DECIMALS:
        return Decimal(value)
    if name in _WORDS:
        return _WORDS[name](value)
    if name == "windows":
        return tuple(Window.from_json(each) for each in value)
    if name == "take_profit":
        return targets_from_reading(value)
    if name in _BRACKETS:
        return Bracket.from_reading(value)
    return tuple(value) if name in _LISTS else value
