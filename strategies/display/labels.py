"""Terms in people's words: what each setting is called, how its value reads, and what a subscription will do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.domain.orders import OrderType, TimeInForce
from strategies.domain.message.message import Bracket
from strategies.domain.numbers import plain
from strategies.domain.terms.terms import (
    NAMES,
    ExitUnfilled,
    Hours,
    MarketClosed,
    MarketPrice,
    QuantityType,
    Rounding,
    Sides,
    Terms,
    WorkingEntry,
)
from strategies.domain.terms.windows import Window

LABELS = {
    "tickers": "Only these tickers",
    "sides": "Sides",
    "allow_add": "Add to a position that is already open",
    "allow_swap": "Change sides with one signal",
    "subtract_exit_quantity": "The exit counts toward the signal's quantity",
    "isolate_sides": "Leave the other side alone",
    "ignore_exits": "Ignore exits",
    "close_only": "Only close positions",
    "invert_puts": "Invert puts",
    "quantity": "Quantity",
    "quantity_type": "Counted as",
    "quantity_multiplier": "Times the signal's quantity",
    "rounding": "Rounding",
    "order_type": "Order type",
    "time_in_force": "Good for",
    "outside_rth": "Also outside regular hours",
    "market_price": "Market price",
    "trail_amount": "Trail by an amount",
    "trail_percent": "Trail by percent",
    "spread_amount": "Widest spread, amount",
    "spread_percent": "Widest spread, percent",
    "cancel_after": "Cancel after",
    "exit_order_type": "Order type of exits",
    "exit_time_in_force": "Exits are good for",
    "exit_outside_rth": "Exits outside regular hours",
    "exit_market_price": "Market price of exits",
    "exit_trail_amount": "Trail exits by an amount",
    "exit_trail_percent": "Trail exits by percent",
    "exit_spread_amount": "Widest spread of exits, amount",
    "exit_spread_percent": "Widest spread of exits, percent",
    "exit_cancel_after": "Cancel exits after",
    "take_profit": "Take profit",
    "stop_loss": "Stop loss",
    "stop_loss_type": "Stop loss works as",
    "breakeven_offset": "Break-even offset",
    "windows": "Trading windows",
    "exits_outside_windows": "Exits and cancels outside the windows",
    "hours": "Open positions",
    "market_closed": "A market order while the market is closed",
    "working_entry": "A new entry while one is working",
    "cancel_orders": "Cancel working orders first",
    "cancel_wait_seconds": "Wait for cancels",
    "exit_wait_seconds": "Wait for the exit of a change of sides",
    "exit_unfilled": "If that exit does not fill in time",
    "entry_time_to_live_seconds": "Entries expire after",
    "exit_time_to_live_seconds": "Exits expire after",
    "max_quantity": "Largest quantity",
    "max_amount": "Largest order",
    "max_position": "Largest position",
    "max_position_amount": "Largest position, in money",
    "max_trades_per_day": "Entries a day",
    "cooldown_seconds": "Pause after an entry",
    "max_daily_loss": "Stop after a day's loss of",
    "max_daily_profit": "Stop after a day's profit of",
    "collar_percent": "Entries within",
    "allow_overrides": "Signals may override these terms",
    "signal_fields": "What a signal may still say",
    "auto_submit": "Send orders at once",
    "approval_seconds": "Time to approve",
}

# What holds for one order once signal and terms are merged, by the names of `effective.Settings`.
EFFECTIVE = {
    "quantity": "Quantity",
    "quantity_type": "Counted as",
    "order_type": "Order type",
    "limit_price": "Limit price",
    "stop_price": "Stop price",
    "trail_amount": "Trail by an amount",
    "trail_percent": "Trail by percent",
    "time_in_force": "Good for",
    "extended_hours": "Outside regular hours",
    "market_price": "Market price",
    "spread_amount": "Widest spread, amount",
    "spread_percent": "Widest spread, percent",
    "cancel": "Cancel working orders first",
    "cancel_after": "Cancel after",
    "take_profit": "Take profit",
    "stop_loss": "Stop loss",
    "breakeven_offset": "Break-even offset",
    "ignore_windows": "Ignore trading windows",
}

_TYPES = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.STOP: "Stop",
    OrderType.STOP_LIMIT: "Stop limit",
    OrderType.TRAILING_STOP: "Trailing stop",
}
_TIFS = {
    TimeInForce.DAY: "The day",
    TimeInForce.GTC: "Until canceled",
    TimeInForce.OPG: "The opening auction",
    TimeInForce.CLS: "The closing auction",
    TimeInForce.IOC: "Immediately or not at all",
}
_PRICES = {
    MarketPrice.MARK: "Halfway between bid and ask",
    MarketPrice.ASK_BID: "The ask for buys, the bid for sells",
    MarketPrice.ASK: "The ask",
    MarketPrice.BID: "The bid",
    MarketPrice.LAST: "The last trade",
}
# By the name of the setting, its words for each value it can have.
CHOICES: Mapping[str, Mapping[Any, str]] = {
    "sides": {
        Sides.BOTH: "Both: long and short",
        Sides.BULLISH: "Bullish: long only",
        Sides.BEARISH: "Bearish: short only",
        Sides.NONE: "None: exits and cancels only",
    },
    "quantity_type": {
        QuantityType.FIXED: "Shares or contracts",
        QuantityType.AMOUNT: "Money per entry",
        QuantityType.RISK_AMOUNT: "Money at risk",
        QuantityType.RISK_PERCENT: "Percent of equity at risk",
        QuantityType.PERCENT_OF_EQUITY: "Percent of equity",
        QuantityType.PERCENT_OF_POSITION: "Percent of the position",
    },
    "rounding": {Rounding.DOWN: "Down to whole units", Rounding.NEAREST: "To the nearest whole unit"},
    "order_type": _TYPES,
    "exit_order_type": _TYPES,
    "stop_loss_type": {kind: _TYPES[kind] for kind in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)},
    "time_in_force": _TIFS,
    "exit_time_in_force": _TIFS,
    "market_price": _PRICES,
    "exit_market_price": _PRICES,
    "hours": {
        Hours.ANY: "At any time",
        Hours.REGULAR: "In the regular session only",
        Hours.EXTENDED: "In the regular and the extended sessions",
    },
    "market_closed": {
        MarketClosed.QUEUE: "IBKR holds it until the open",
        MarketClosed.OPG: "Joins the opening auction",
        MarketClosed.REJECT: "Is rejected",
    },
    "working_entry": {
        WorkingEntry.REPLACE: "Takes its place",
        WorkingEntry.KEEP: "Works beside it",
        WorkingEntry.REJECT: "Is rejected",
    },
    "exit_unfilled": {
        ExitUnfilled.KEEP: "Keep it, no entry follows",
        ExitUnfilled.CANCEL: "Cancel it, no entry follows",
        ExitUnfilled.MARKET: "Make it a market order, then enter",
    },
    "take_profit": {
        "percent": "Percent from the entry",
        "amount": "Amount from the entry",
        "pnlAmount": "Profit in money",
    },
    "stop_loss": {
        "percent": "Percent from the entry",
        "amount": "Amount from the entry",
        "pnlAmount": "Loss in money",
        "trailAmount": "Trailing by an amount",
        "trailPercent": "Trailing by percent",
    },
    "signal_fields": {
        "quantity": "Quantity",
        "orderType": "Order type and prices",
        "timeInForce": "Time in force",
        "extendedHours": "Extended hours",
        "marketPriceType": "Market price",
        "bidAskSpreadFilter": "Widest spread",
        "cancel": "Cancel first",
        "cancelAfter": "Cancel after",
        "takeProfit": "Take profit",
        "stopLoss": "Stop loss",
        "breakevenOffset": "Break-even offset",
        "ignoreTradingWindows": "Ignore trading windows",
    },
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LEGS = {
    "percent": "{} % away",
    "amount": "{} away",
    "pnlAmount": "{} in money",
    "trailAmount": "trailing by {}",
    "trailPercent": "trailing by {} %",
    "limitPrice": "at {}",
    "stopPrice": "at {}",
}
_NOTHING = {
    "tickers": "any",
    "quantity": "the signal's",
    "windows": "none",
    "signal_fields": "nothing",
    "take_profit": "none",
    "stop_loss": "none",
    "breakeven_offset": "none",
    "cancel_after": "never",
}


def said(name: str, value: Any) -> str:
    """One setting's value as a person reads it."""
    if value is None or value == ():
        return "as entries" if name.startswith("exit_") else _NOTHING.get(name, "no limit")
    match value:
        case bool():
            return "on" if value else "off"
        case Bracket():
            return _LEGS.get(value.mode, value.mode + " {}").format(plain(value.value))
        case StrEnum():
            return _small(CHOICES.get(name, {}).get(value, str(value).replace("_", " ")))
        case Decimal():
            return plain(value) + (" %" if name.endswith("_percent") else "")
        case int():
            return f"{value:,} s" if name.endswith(("_seconds", "cancel_after")) else f"{value:,}"
        case tuple():
            words = CHOICES["signal_fields"]
            return ", ".join(
                window_said(x)
                if isinstance(x, Window)
                else _small(words.get(x, x))
                if name == "signal_fields"
                else str(x)
                for x in value
            )
    return str(value).replace("_", " ")


def window_said(window: Window) -> str:
    """ "Mon-Fri 09:30 to 16:00 New York"."""
    start, end = (f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}" for at in (window.start, window.end))
    place = window.zone.rpartition("/")[2].replace("_", " ")
    return f"{_days(window.days)} {start} to {end} {place}"


def _days(days: tuple[int, ...]) -> str:
    known = sorted(day for day in set(days) if day in range(7))
    if len(known) > 2 and known == list(range(known[0], known[-1] + 1)):
        return f"{_DAYS[known[0]]}-{_DAYS[known[-1]]}"
    return ", ".join(_DAYS[day] for day in known)


def _small(text: str) -> str:
    """Within a sentence."""
    return text[:1].lower() + text[1:]


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs between two versions."""

    label: str
    before: str
    after: str


def changes(before: Terms, after: Terms) -> list[Change]:
    """What differs, in the order in which the form shows it."""
    return [
        Change(label, said(name, getattr(before, name)), said(name, getattr(after, name)))
        for name, label in LABELS.items()
        if getattr(before, name) != getattr(after, name)
    ]


def summary(terms: Terms) -> list[str]:
    """What a subscription will do under these terms, most important first, each a sentence."""
    sentences = [*_opens(terms), *_sizes(terms), *_orders(terms), *_protects(terms), *_flows(terms), *_limits(terms)]
    return [sentence for sentence in sentences if sentence]


def _opens(terms: Terms) -> Iterator[str]:
    what = ", ".join(terms.tickers[:6]) if terms.tickers else "any ticker of the strategy"
    more = f" and {len(terms.tickers) - 6} more" if len(terms.tickers) > 6 else ""
    if terms.close_only or terms.sides is Sides.NONE:
        yield f"Opens nothing: it only closes positions in {what}{more}."
    else:
        sides = {Sides.BOTH: "long and short", Sides.BULLISH: "long", Sides.BEARISH: "short"}[terms.sides]
        yield f"Opens {sides} positions in {what}{more}."
    if terms.ignore_exits:
        yield "Ignores exits: positions stay until somebody else closes them."
    elif terms.allow_swap:
        yield "A signal against an open position closes it and, once that has filled, opens the other side."
    else:
        yield "A signal against an open position closes it and opens nothing."
    if terms.isolate_sides:
        yield "Leaves positions of the other side alone."
    if terms.allow_add:
        yield "Adds to a position that is already open."


def _sizes(terms: Terms) -> Iterator[str]:
    own = _own_size(terms)
    asks = terms.allow_overrides or "quantity" in terms.signal_fields
    times = "" if terms.quantity_multiplier == 1 else f" times {plain(terms.quantity_multiplier)}"
    if asks and own:
        yield f"Trades the signal's quantity{times}, or {own} where it says none."
    elif asks:
        yield f"Trades the signal's quantity{times}. A signal without one is rejected."
    elif own:
        yield f"Trades {own}, whatever the signal says."
    else:
        yield "Trades nothing: signals may not say how many, and no quantity is set."


def _own_size(terms: Terms) -> str:
    if terms.quantity is None:
        return ""
    words = {
        QuantityType.FIXED: "{}",
        QuantityType.AMOUNT: "as many as {} in money buys",
        QuantityType.RISK_AMOUNT: "as many as risk {} in money",
        QuantityType.RISK_PERCENT: "as many as risk {} % of the equity",
        QuantityType.PERCENT_OF_EQUITY: "{} % of the equity",
        QuantityType.PERCENT_OF_POSITION: "{} % of the position",
    }
    return words[terms.quantity_type].format(plain(terms.quantity))


def _orders(terms: Terms) -> Iterator[str]:
    entries = f"{_small(_TYPES[terms.order_type])} orders"
    exits = f"{_small(_TYPES[terms.exit_order_type])} orders" if terms.exit_order_type else ""
    how = f"Enters with {entries}, leaves with {exits}" if exits and exits != entries else f"Orders are {entries}"
    may = "orderType" in terms.signal_fields or terms.allow_overrides
    yield how + (", unless the signal says otherwise." if may else ", whatever the signal says.")
    if terms.cancel_orders:
        yield "Cancels what works in the ticker before it orders."


def _protects(terms: Terms) -> Iterator[str]:
    legs = [
        f"a {name} {said(field, getattr(terms, field))}"
        for field, name in (("stop_loss", "stop loss"), ("take_profit", "take profit"))
        if getattr(terms, field) is not None
    ]
    if legs:
        yield f"Each entry carries {' and '.join(legs)}."
    elif not terms.close_only and terms.sides is not Sides.NONE:
        yield "Entries carry no protection of their own; only what the signal brings."


def _flows(terms: Terms) -> Iterator[str]:
    if terms.windows:
        said_windows = "; ".join(window_said(window) for window in terms.windows[:3])
        more = f" and {len(terms.windows) - 3} more windows" if len(terms.windows) > 3 else ""
        exits = "Exits are taken at any time" if terms.exits_outside_windows else "Exits are held back outside them too"
        yield f"Trades {said_windows}{more}. {exits}."
    if terms.hours is not Hours.ANY:
        yield f"Opens positions {said('hours', terms.hours)}."
    if not terms.auto_submit:
        yield f"Sends nothing by itself: each plan waits {_long(terms.approval_seconds)} for an approver."
    if not terms.allow_overrides and not terms.signal_fields:
        yield "Signals override nothing."


def _limits(terms: Terms) -> Iterator[str]:
    words = {
        "max_quantity": "at most {} an order",
        "max_amount": "orders of at most {} in money",
        "max_position": "a position of at most {}",
        "max_position_amount": "positions of at most {} in money",
        "max_trades_per_day": "at most {} entries a day",
        "max_daily_loss": "no entry after a day's loss of {}",
        "max_daily_profit": "no entry after a day's profit of {}",
        "collar_percent": "entries within {} of the last price",
    }
    found = [
        text.format(said(name, getattr(terms, name)))
        for name, text in words.items()
        if getattr(terms, name) is not None
    ]
    if terms.cooldown_seconds:
        found.append(f"{_long(terms.cooldown_seconds)} between entries")
    if found:
        yield f"Limits: {'; '.join(found)}."


def _long(seconds: int) -> str:
    """A time as people say it."""
    for size, name in ((3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {name}{'' if seconds == size else 's'}"
    return f"{seconds} seconds"


assert set(LABELS) == set(NAMES), "every setting has its label"
