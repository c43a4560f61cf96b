"""Stops that move once targets of their entry have filled: to which price, or trailing by how much. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.contracts.ticks import on_tick
from brokers.domain.orders import Contract, MoveTo, OrderType, Side, StopMove
from brokers.domain.sentences import grouped


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A stop as it works: `side` is its own, prices are in the contract's currency."""

    side: Side
    type: OrderType
    stop_price: Decimal | None = None
    limit_price: Decimal | None = None


def average(fills: Iterable[tuple[Decimal, Decimal | None]]) -> Decimal | None:
    """The average price of entries that have filled so much, each at its average; None where one of them is not known."""
    filled = [(quantity, price) for quantity, price in fills if quantity > 0]
    if not filled or any(price is None for _, price in filled):
        return None
    total = sum((quantity for quantity, _ in filled), Decimal(0))
    return sum((quantity * price for quantity, price in filled if price is not None), Decimal(0)) / total


def moved(
    move: StopMove, stop: Stop, entered_at: Decimal, contract: Contract
) -> Mapping[str, Decimal] | tuple[str, str]:
    """What of the stop is to change, by the columns of an order; or why it stays, as a code and a sentence.

    A stop never goes further from the market than it stands. Prices are on the contract's ticks, a sell's rounded up.
    """
    if move.to is not MoveTo.BREAK_EVEN:
        if stop.type is not OrderType.STOP:
            return "does-not-trail", f"It stays: a {str(stop.type).replace('_', ' ')} order does not begin to trail."
        return {str(move.to): move.by}
    if stop.stop_price is None or stop.type not in {OrderType.STOP, OrderType.STOP_LIMIT}:
        return "follows-already", "It stays: a stop that trails follows the market by itself."
    price = on_tick(contract, entered_at + stop.side.opposite.sign * move.by, stop.side)
    if price <= 0:
        return "no-such-price", "It stays: break-even is below one tick of the contract. Move it by hand."
    if (price - stop.stop_price) * stop.side.opposite.sign <= 0:
        return (
            "closer-already",
            f"It stays: at {grouped(stop.stop_price)} it stands no further than break-even, {grouped(price)}.",
        )
    if stop.type is OrderType.STOP:
        return {"stop_price": price}
    limit = on_tick(contract, (stop.limit_price or stop.stop_price) + price - stop.stop_price, stop.side)
    if limit <= 0:
        return "no-such-price", "It stays: its limit would be below one tick of the contract. Move it by hand."
    return {"stop_price": price, "limit_price": limit}


def overtaken(stop: Stop, wanted: Mapping[str, Decimal]) -> tuple[str, str] | None:
    """Why a move that has waited is not made any more, as a code and a sentence: the stop stands closer by now, or trails.

    None where it is still to be made. `wanted` is what `moved` said.
    """
    if stop.type not in {OrderType.STOP, OrderType.STOP_LIMIT} or stop.stop_price is None:
        return "follows-already", "The stop stays: it trails by now, as somebody has changed it."
    price = wanted.get("stop_price")
    if price is None or (price - stop.stop_price) * stop.side.opposite.sign > 0:
        return None
    return (
        "closer-already",
        f"The stop stays: it has come to {grouped(stop.stop_price)} meanwhile, which is no further than {grouped(price)}.",
    )


def in_words(move: StopMove) -> str:
    """Where a stop goes: "to break-even", "0.1 beyond break-even", "trails by 2 %"."""
    match move.to:
        case MoveTo.BREAK_EVEN if move.by:
            return f"goes {grouped(move.by)} beyond break-even"
        case MoveTo.BREAK_EVEN:
            return "goes to break-even"
        case MoveTo.TRAIL_PERCENT:
            return f"trails by {grouped(move.by)} %"
    return f"trails by {grouped(move.by)}"
