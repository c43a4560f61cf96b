"""Terms that do not go together, each with the field to change and a sentence that helps."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from brokers.domain.contracts.lifetimes import MOST_DAYS
from brokers.domain.contracts.picking import MOST_AWAY
from brokers.domain.orders import LIMITED, STOPS, TOUCHED, TRAILING, MoveTo, OrderType, StopMove, TimeInForce
from brokers.domain.tickers import is_ticker
from strategies.domain.message.message import MOST_RUNGS, Bracket, Ladder
from strategies.domain.message.options import expiration
from strategies.domain.message.symbols import shown
from strategies.domain.numbers import plain, snap
from strategies.domain.terms.effective import SIGNAL_FIELDS
from strategies.domain.terms.terms import QuantityType, Sides, Terms
from strategies.domain.terms.windows import Window, zone_of

MOST_TICKERS = 100
MOST_WINDOWS = 50
MOST_SECONDS = 3600
DAY = 86_400
_DISTANCES = frozenset({"percent", "amount", "pnlAmount"})
_ALL = Decimal(100)
_AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})
_AUCTION_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})
_OUTSIDE_TYPES = LIMITED
_ABOVE_ZERO = (
    "quantity",
    "quantity_multiplier",
    "max_quantity",
    "max_amount",
    "preview_above",
    "max_position",
    "max_position_amount",
    "max_daily_loss",
    "max_daily_profit",
    "collar_percent",
    "trail_amount",
    "trail_percent",
    "exit_trail_amount",
    "exit_trail_percent",
    "stop_loss_limit_offset",
)
_NOT_BELOW = (
    "spread_amount",
    "spread_percent",
    "exit_spread_amount",
    "exit_spread_percent",
    "option_spread_percent",
    "index_option_spread_percent",
    "breakeven_offset",
)
_BOUNDS = {
    "entry_time_to_live_seconds": (1, DAY),
    "exit_time_to_live_seconds": (1, DAY),
    "restart_minutes": (1, 1440),
    "good_till_days": (1, MOST_DAYS),
    "exit_good_till_days": (1, MOST_DAYS),
    "cancel_after": (1, MOST_SECONDS),
    "exit_cancel_after": (1, MOST_SECONDS),
    "cancel_wait_seconds": (1, 300),
    "exit_wait_seconds": (1, MOST_SECONDS),
    "cooldown_seconds": (0, DAY),
    "approval_seconds": (10, DAY),
    "max_trades_per_day": (1, 100_000),
    "close_ending_minutes": (1, 360),
    "option_strikes_away": (-MOST_AWAY, MOST_AWAY),
}

_EITHER = "Choose limit or stop limit, or switch this off."

Contradiction = tuple[str, str]


def contradictions(terms: Terms) -> list[Contradiction]:
    """What does not go together, as (field, sentence); nothing where the terms can be traded by."""
    return [
        *_figures(terms),
        *_sides(terms),
        *_sizes(terms),
        *_orders(terms),
        *_protection(terms),
        *_options(terms),
        *_lists(terms),
    ]


def _figures(terms: Terms) -> Iterator[Contradiction]:
    for name in (*_ABOVE_ZERO, *_NOT_BELOW):
        value: Decimal | None = getattr(terms, name)
        if value is None:
            continue
        if not value.is_finite() or value < 0 or (value == 0 and name in _ABOVE_ZERO):
            yield name, f"Set a number {'above zero' if name in _ABOVE_ZERO else 'that is not below zero'}."
    for name, (low, high) in _BOUNDS.items():
        seconds: int | None = getattr(terms, name)
        if seconds is not None and not low <= seconds <= high:
            yield name, f"Set a whole number from {low} to {high}."


def _sides(terms: Terms) -> Iterator[Contradiction]:
    if terms.allow_swap and terms.sides is Sides.NONE:
        yield "allow_swap", "Without a side to enter there is none to change to. Allow a side, or switch this off."
    if terms.allow_swap and terms.ignore_exits:
        yield "allow_swap", "Changing sides begins with an exit, and exits are ignored. Switch one of them off."
    if terms.allow_swap and terms.close_only:
        yield "allow_swap", "A subscription that only closes does not enter the other side. Switch one of them off."
    if terms.subtract_exit_quantity and not (terms.allow_swap and terms.sides is Sides.BOTH):
        yield "subtract_exit_quantity", "It takes both sides and changing sides to subtract the exit. Allow both."
    if terms.subtract_exit_quantity and not (terms.allow_overrides or "quantity" in terms.signal_fields):
        yield "subtract_exit_quantity", "Signals may not say how many, so there is nothing to subtract from. Let them."
    if terms.isolate_sides and terms.sides not in {Sides.BULLISH, Sides.BEARISH}:
        yield "isolate_sides", "Only a single side can be isolated. Choose bullish or bearish."
    if terms.close_only and terms.ignore_exits:
        yield "ignore_exits", "A subscription that only closes and ignores exits does nothing. Switch one of them off."


def _sizes(terms: Terms) -> Iterator[Contradiction]:
    kind = terms.quantity_type
    if kind is not QuantityType.FIXED and terms.quantity is None:
        yield "quantity", f"A size by {_words(kind)} needs its figure. Set one."
    if kind in {QuantityType.RISK_AMOUNT, QuantityType.RISK_PERCENT} and terms.stop_loss is None:
        yield "stop_loss", f"A size by {_words(kind)} needs a stop loss to measure. Set one."
    if kind is QuantityType.PERCENT_OF_POSITION:
        yield "quantity_type", "A position that is to be opened has no size to take a percentage of. Choose another."
    percents = {QuantityType.PERCENT_OF_EQUITY, QuantityType.RISK_PERCENT}
    if kind in percents and terms.quantity is not None and terms.quantity > 1000:
        yield "quantity", "More than 1000 % of the equity is beyond any leverage. Check the figure."
    pair = (terms.quantity, terms.max_quantity)
    if kind is QuantityType.FIXED and pair[0] is not None and pair[1] is not None and pair[0] > pair[1]:
        yield "max_quantity", "The quantity is above the largest quantity, so every entry would be rejected. Raise it."
    if terms.max_position is not None and terms.max_quantity is not None and terms.max_quantity > terms.max_position:
        yield "max_quantity", "One order may be larger than the whole position. Lower it, or raise the position."


def _orders(terms: Terms) -> Iterator[Contradiction]:
    own_trail = terms.exit_trail_amount is not None or terms.exit_trail_percent is not None
    trail = (
        (terms.exit_trail_amount, terms.exit_trail_percent) if own_trail else (terms.trail_amount, terms.trail_percent)
    )
    outside = terms.outside_rth if terms.exit_outside_rth is None else terms.exit_outside_rth
    legs = (
        ("", terms.order_type, terms.time_in_force, terms.trail_amount, terms.trail_percent, terms.outside_rth),
        (
            "exit_",
            terms.exit_order_type or terms.order_type,
            terms.exit_time_in_force or terms.time_in_force,
            *trail,
            outside,
        ),
    )
    yield from _ends(terms)
    for prefix, kind, tif, amount, percent, extended in legs:
        if amount is not None and percent is not None:
            yield f"{prefix}trail_percent", "A trailing stop follows by an amount or by a percentage. Leave one empty."
        if kind in TRAILING and amount is None and percent is None:
            yield f"{prefix}trail_amount", "A trailing stop needs its distance. Set an amount or a percentage."
        if tif in _AUCTIONS and kind not in _AUCTION_TYPES:
            yield f"{prefix}time_in_force", "An auction takes market and limit orders. Choose another time in force."
        if tif is TimeInForce.GTD and kind is OrderType.MARKET:
            yield f"{prefix}time_in_force", "A market order fills at once and has no end to wait for. Choose the day."
        if kind in TOUCHED and not (terms.allow_overrides or "orderType" in terms.signal_fields):
            yield (
                f"{prefix}order_type",
                "The price to be touched is the signal's, and signals may not say it. Let them.",
            )
        if extended and kind not in _OUTSIDE_TYPES:
            yield (
                f"{prefix}outside_rth",
                f"Outside regular hours IBKR takes limit orders only, and these are {_words(kind)} orders. {_EITHER}",
            )


def _ends(terms: Terms) -> Iterator[Contradiction]:
    """Orders good till a date without the days until then, for entries and for exits."""
    exits = terms.exit_time_in_force or terms.time_in_force
    if terms.time_in_force is TimeInForce.GTD and terms.good_till_days is None:
        yield "good_till_days", "Orders good till a date need it: say for how many days they work."
    elif exits is TimeInForce.GTD and terms.exit_good_till_days is None and terms.good_till_days is None:
        yield "exit_good_till_days", "Exits good till a date need it: say for how many days they work."


def _protection(terms: Terms) -> Iterator[Contradiction]:
    profit, stop = terms.take_profit, terms.stop_loss
    targets = _each_target(profit)
    if any(target.mode not in _DISTANCES for target in targets):
        yield "take_profit", "A subscription's take profit is a percentage, an amount or a profit, not a price."
    if isinstance(profit, Ladder):
        yield from _ladder(profit)
    if stop is not None and stop.mode == "stopPrice":
        yield "stop_loss", "A subscription's stop loss is a distance, not a price: it holds for every instrument."
    if stop is not None and stop.limit is not None:
        yield "stop_loss", "A subscription's stop loss has no limit price: it holds for every instrument. Leave it out."
    for name, legs in (("take_profit", targets), ("stop_loss", (stop,) if stop is not None else ())):
        if any(not (leg.value.is_finite() and leg.value > 0) for leg in legs):
            yield name, "Set a value above zero."
    if stop is not None and stop.moves is not None:
        yield from _moves(stop.moves, stop, terms)
    if stop is not None and stop.mode in {"percent", "trailPercent"} and stop.value >= 100:
        yield "stop_loss", "A stop 100 % away is at a price of zero. Set a smaller percentage."
    if terms.stop_loss_type not in STOPS:
        yield (
            "stop_loss_type",
            "A stop loss is a stop, stop_limit, trailing_stop or trailing_stop_limit order. Choose one of them.",
        )
    trails = stop is not None and stop.mode in {"trailAmount", "trailPercent"}
    if stop is not None and terms.stop_loss_type in TRAILING and not trails:
        yield "stop_loss", "A trailing stop loss needs a trail amount or a trail percentage."
    if terms.stop_loss_type is OrderType.TRAILING_STOP_LIMIT and terms.stop_loss_limit_offset is None:
        yield "stop_loss_limit_offset", "A trailing stop limit needs it: say how far beyond its stop it may fill."


def _moves(move: StopMove, stop: Bracket, terms: Terms) -> Iterator[Contradiction]:
    trails = move.to is not MoveTo.BREAK_EVEN
    if not (move.by.is_finite() and move.by >= 0) or (trails and not move.by):
        yield "stop_loss_moves", "Say by how much it trails. Write a number above zero."
    if move.to is MoveTo.TRAIL_PERCENT and move.by >= _ALL:
        yield "stop_loss_moves", "A trail of 100 % is a price of zero. Set a smaller percentage."
    if not isinstance(terms.take_profit, Ladder):
        yield "stop_loss_moves", "A stop moves where an entry has several targets. Add some, or let it stay."
    elif len(terms.take_profit.rungs) < move.after:
        yield "stop_loss_moves", "There are fewer targets than that. Lower the number, or add targets."
    if stop.mode in {"trailAmount", "trailPercent"} or (trails and terms.stop_loss_type is not OrderType.STOP):
        yield "stop_loss_moves", "A stop that trails, or a stop limit that is to trail, does not move. Choose a stop."


def _each_target(profit: Bracket | Ladder | None) -> tuple[Bracket, ...]:
    if isinstance(profit, Ladder):
        return tuple(rung.target for rung in profit.rungs[: MOST_RUNGS + 1])
    return () if profit is None else (profit,)


def _ladder(profit: Ladder) -> Iterator[Contradiction]:
    rungs = profit.rungs
    if not 1 <= len(rungs) <= MOST_RUNGS:
        yield "take_profit", f"There can be at most {MOST_RUNGS} targets. Leave some out."
        return
    counted = [rung.quantity for rung in rungs if rung.quantity is not None]
    percents = [rung.percent for rung in rungs if rung.percent is not None]
    if any(not (part.is_finite() and part > 0) for part in (*counted, *percents)):
        yield "take_profit", "Each target takes a part above zero. Correct it, or leave the target out."
        return
    if 0 < len(counted) < len(rungs) or 0 < len(percents) < len(rungs):
        yield "take_profit", "Write a part for each target, all in percent or all in units. Or write none."
    total = snap(sum(percents, Decimal(0)))
    if total > _ALL:
        yield "take_profit", f"The parts sum up to {plain(total)} %, and there are {plain(_ALL)} % for all. Lower some."
    if len({rung.target.mode for rung in rungs}) > 1:
        yield "take_profit", "All targets of a subscription count alike: in percent, in an amount, or in profit."
    elif rungs[0].target.mode != "pnlAmount" and any(
        one.target.value >= other.target.value for one, other in pairwise(rungs)
    ):
        yield (
            "take_profit",
            "Each target is further from the entry than the one before it. Put them in order, each once.",
        )


def _options(terms: Terms) -> Iterator[Contradiction]:
    said = terms.option_expiration
    if said is not None and expiration(said) is None:
        yield "option_expiration", 'Write a date such as 2026-12-18, or how far ahead it is: "+1 week".'


def _lists(terms: Terms) -> Iterator[Contradiction]:
    if len(terms.tickers) > MOST_TICKERS:
        yield "tickers", f"A list holds at most {MOST_TICKERS} tickers. Shorten it."
    for ticker in terms.tickers[:MOST_TICKERS]:
        if not is_ticker(ticker):
            yield "tickers", f"{shown(ticker)} is no ticker. Write it as signals name it, such as AAPL or MNQ."
            break
    unknown = sorted(set(terms.signal_fields) - set(SIGNAL_FIELDS))
    if unknown:
        yield "signal_fields", f"A signal has no field {unknown[0]} to allow. Use one of: {', '.join(SIGNAL_FIELDS)}."
    if len(terms.windows) > MOST_WINDOWS:
        yield "windows", f"There can be at most {MOST_WINDOWS} trading windows. Join some."
    for window in terms.windows:
        if problem := _problem(window):
            yield "windows", problem


def _problem(window: Window) -> str:
    if not window.days:
        return "A trading window needs a day. Choose one."
    if any(day not in range(7) for day in window.days):
        return "The days of a trading window are Monday to Sunday."
    if zone_of(window.zone) is None:
        return f"There is no time zone {window.zone}. Write it like America/New_York."
    return ""


def _words(kind: StrEnum) -> str:
    return str(kind).replace("_", " ")
