"""What a subscription will do under its terms, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from brokers.domain.sentences import all_of, grouped
from strategies.display.labels import ORDER_TYPES
from strategies.display.values import describe, describe_window, lower_first
from strategies.domain.message.message import Ladder
from strategies.domain.terms.terms import Hours, QuantityType, Sides, Terms

_SIZES = {
    QuantityType.FIXED: "{}",
    QuantityType.AMOUNT: "as many as {} in money buys",
    QuantityType.NOTIONAL: "as many as {} in money covers, options at their strike",
    QuantityType.RISK_AMOUNT: "as many as risk {} in money",
    QuantityType.RISK_PERCENT: "as many as risk {} % of the equity",
    QuantityType.PERCENT_OF_EQUITY: "{} % of the equity",
    QuantityType.PERCENT_OF_POSITION: "{} % of the position",
}
_LIMITS = {
    "max_quantity": "at most {} an order",
    "max_amount": "orders of at most {} in money",
    "max_position": "a position of at most {}",
    "max_position_amount": "positions of at most {} in money",
    "max_trades_per_day": "at most {} entries a day",
    "max_daily_loss": "no entry after a day's loss of {}",
    "max_daily_profit": "no entry after a day's profit of {}",
    "collar_percent": "entries within {} of the last price",
    "preview_above": "entries above {} in money only after IBKR's preview",
}


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
        if terms.subtract_exit_quantity:
            yield "Of the signal's quantity, only what is beyond the exit opens."
    else:
        yield "A signal against an open position closes it and opens nothing."
    if terms.isolate_sides:
        yield "Leaves positions of the other side alone."
    if terms.allow_add:
        yield "Adds to a position that is already open."


def _sizes(terms: Terms) -> Iterator[str]:
    own = _own_size(terms)
    asks = terms.allow_overrides or "quantity" in terms.signal_fields
    times = "" if terms.quantity_multiplier == 1 else f" times {grouped(terms.quantity_multiplier)}"
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
    return _SIZES[terms.quantity_type].format(grouped(terms.quantity))


def _orders(terms: Terms) -> Iterator[str]:
    entries = f"{lower_first(ORDER_TYPES[terms.order_type])} orders"
    exits = f"{lower_first(ORDER_TYPES[terms.exit_order_type])} orders" if terms.exit_order_type else ""
    how = f"Enters with {entries}, leaves with {exits}" if exits and exits != entries else f"Orders are {entries}"
    may = "orderType" in terms.signal_fields or terms.allow_overrides
    yield how + (", unless the signal says otherwise." if may else ", whatever the signal says.")
    if terms.cancel_orders:
        yield "Cancels what works in the ticker before it orders."


def _protects(terms: Terms) -> Iterator[str]:
    several = isinstance(terms.take_profit, Ladder)
    legs = [
        f"{name} {describe(field, getattr(terms, field))}"
        for field, name in (("stop_loss", "a stop loss"), ("take_profit", "targets" if several else "a take profit"))
        if getattr(terms, field) is not None
    ]
    if legs:
        again = " What is a distance is counted again from the fill." if terms.legs_from_fill else ""
        yield f"Each entry carries {all_of(legs)}.{again}"
    elif not terms.close_only and terms.sides is not Sides.NONE:
        yield "Entries carry no protection of their own; only what the signal brings."


def _flows(terms: Terms) -> Iterator[str]:
    if terms.windows:
        windows = "; ".join(describe_window(window) for window in terms.windows[:3])
        more = f" and {len(terms.windows) - 3} more windows" if len(terms.windows) > 3 else ""
        exits = "Exits are taken at any time" if terms.exits_outside_windows else "Exits are held back outside them too"
        yield f"Trades {windows}{more}. {exits}."
    if terms.hours is not Hours.ANY:
        yield f"Opens positions {describe('hours', terms.hours)}."
    if not terms.auto_submit:
        yield f"Sends nothing by itself: each plan waits {_describe_seconds(terms.approval_seconds)} for an approver."
    if not terms.allow_overrides and not terms.signal_fields:
        yield "Signals override nothing."


def _limits(terms: Terms) -> Iterator[str]:
    limits = [
        text.format(describe(name, getattr(terms, name)))
        for name, text in _LIMITS.items()
        if getattr(terms, name) is not None
    ]
    if terms.cooldown_seconds:
        limits.append(f"{_describe_seconds(terms.cooldown_seconds)} between entries")
    if limits:
        yield f"Limits: {'; '.join(limits)}."


def _describe_seconds(seconds: int) -> str:
    """The largest unit that divides it: 120 is "2 minutes", 90 is "90 seconds"."""
    for size, name in ((3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {name}{'' if seconds == size else 's'}"
    return f"{seconds} seconds"
