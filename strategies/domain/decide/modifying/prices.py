"""What a chosen order is to be: its new prices on the tick grid and on their side of the market, or why it cannot be that."""

from __future__ import annotations

from decimal import Decimal

from brokers.domain.contracts.lifetimes import PASSED, TOO_FAR, Worked, why_kept
from brokers.domain.orders import LIMITED, MAY_BE_CAPPED, TRAILING, Lifetime, Modification, OrderType, Role
from brokers.domain.sentences import grouped
from brokers.domain.snapshot import WorkingOrder
from strategies.domain.decide.case import Case
from strategies.domain.decide.hours import meant
from strategies.domain.decide.pricing import quoted_price, round_to_tick, trail_distance, trail_share
from strategies.domain.message.message import Bracket
from strategies.domain.plan import combos
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg

HUNDRED = Decimal(100)
_TRAILS = {"trailAmount": "trail_amount", "trailPercent": "trail_percent"}
# They have a stop that stands still.
_STANDS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def new_stop(case: Case, order: WorkingOrder, wish: Bracket, field: str) -> Modification | Rejection:
    """An order with a stop, moved as the signal says; the limit of a stop limit goes along, at its distance."""
    if refused := _other_type(case, order, wish):
        return refused
    if wish.mode in _TRAILS:
        return _new_trail(case, order, wish)
    exact = _exact(case, order, wish)
    if isinstance(exact, Rejection):
        return exact
    stop = round_to_tick(case, exact, order.side, field, "stop")
    if isinstance(stop, Rejection):
        return stop
    market = _market(case, order)
    if market is not None and (stop - market) * order.side.sign <= 0:
        return _wrong_side(order, "stop", stop, market, field)
    limit = _limit_beside(case, order, stop, wish.limit)
    if isinstance(limit, Rejection):
        return limit
    return Modification(reference=order.reference, stop_price=stop, limit_price=limit)


def _other_type(case: Case, order: WorkingOrder, wish: Bracket) -> Rejection | None:
    """IBKR keeps the type of an order: a stop does not begin to trail, and what trails has no stop to move."""
    trails = wish.mode in _TRAILS
    named = wish.type is not None and wish.type != order.type
    if order.type is OrderType.TRAILING_STOP_LIMIT and not trails:
        problem = "trails with a limit, and IBKR moves both prices itself"
    elif named or (trails and order.type not in TRAILING) or (not trails and order.type not in _STANDS):
        problem = f"is a {_words(order.type)} order, and a change does not make it another"
    else:
        return None
    reason = f"The stop of {case.ticker} {problem}. Cancel it and send a new one, or change what it has."
    return Rejection(rule="M06", code="cannot-be-changed", reason=reason)


def _new_trail(case: Case, order: WorkingOrder, wish: Bracket) -> Modification | Rejection:
    """Another trail; of a trailing stop limit the limit too, where the signal says how far beyond the stop it is to be."""
    limit = None
    if wish.offset is not None and order.stop_price is not None:
        exact = order.stop_price + order.side.sign * wish.offset
        rounded = round_to_tick(case, exact, order.side, "stopLoss.limitOffset", "limit")
        if isinstance(rounded, Rejection):
            return rounded
        limit = rounded
    if wish.mode == "trailPercent":
        return Modification(reference=order.reference, trail_percent=trail_share(wish.value), limit_price=limit)
    amount = trail_distance(case, wish.value, _market(case, order))
    return Modification(reference=order.reference, trail_amount=amount, limit_price=limit)


def _exact(case: Case, order: WorkingOrder, wish: Bracket) -> Decimal | Rejection:
    """The price as it was sent, or counted from the average price of the position."""
    if wish.mode in {"stopPrice", "limitPrice"}:
        return wish.value
    average = case.snapshot.average_cost
    if not case.position or average is None or average <= 0:
        reason = (
            f"IBKR shows no average price of {case.ticker}, so nothing says from where to count {wish.mode}. "
            "Send the price itself."
        )
        return Rejection(rule="M06", code="average-price-unknown", reason=reason)
    distance = wish.value
    if wish.mode == "percent":
        distance = average * wish.value / HUNDRED
    elif wish.mode == "pnlAmount":
        distance = wish.value / (case.held * case.snapshot.contract.multiplier)
    # A stop stands on the losing side, a target on the other.
    away = order.side.sign if order.role is not Role.TAKE_PROFIT else -order.side.sign
    return average + away * distance


def _limit_beside(case: Case, order: WorkingOrder, stop: Decimal, sent: Decimal | None) -> Decimal | Rejection | None:
    if order.type is not OrderType.STOP_LIMIT or order.limit_price is None or order.stop_price is None:
        return None
    exact = sent if sent is not None else order.limit_price + (stop - order.stop_price)
    return round_to_tick(case, exact, order.side, "limitPrice", "limit")


def new_target(case: Case, order: WorkingOrder, wish: Bracket, field: str) -> Modification | Rejection:
    """A target at another price: on the side of the market where it waits."""
    if order.type is not OrderType.LIMIT:
        reason = f"The target of {case.ticker} is a {_words(order.type)} order, which has no limit to move. Cancel it."
        return Rejection(rule="M06", code="cannot-be-changed", reason=reason)
    exact = _exact(case, order, wish)
    if isinstance(exact, Rejection):
        return exact
    limit = round_to_tick(case, exact, order.side, field, "limit")
    if isinstance(limit, Rejection):
        return limit
    market = _market(case, order)
    if market is not None and (limit - market) * order.side.sign >= 0:
        return _wrong_side(order, "target", limit, market, field)
    return Modification(reference=order.reference, limit_price=limit)


def new_limit(case: Case, order: WorkingOrder, limit: Decimal) -> Modification | Rejection:
    """An entry or an exit at another limit."""
    if order.type not in LIMITED | MAY_BE_CAPPED or order.type is OrderType.TRAILING_STOP_LIMIT:
        reason = f"The order of {case.ticker} is a {_words(order.type)} order, which has no limit to move."
        return Rejection(rule="M06", code="cannot-be-changed", reason=reason)
    price = round_to_tick(case, limit, order.side, "limitPrice", "limit")
    if isinstance(price, Rejection):
        return price
    refused = combos.past_its_width(case.snapshot, price) if order.role is Role.ENTRY else None
    return refused or Modification(reference=order.reference, limit_price=price)


def new_quantity(order: WorkingOrder, quantity: Decimal) -> Modification | Rejection:
    """An order of another size: above what has filled."""
    if quantity != quantity.to_integral_value():
        reason = f"An order has whole units, and {grouped(quantity)} is none. Send a whole number."
        return Rejection(rule="M08", code="invalid-quantity", reason=reason)
    if quantity <= order.filled:
        reason = (
            f"Of the order {grouped(order.filled)} are filled already, so it cannot be {grouped(quantity)}. "
            "Send a size above that, or cancel the rest."
        )
        return Rejection(rule="M08", code="quantity-below-filled", reason=reason)
    return Modification(reference=order.reference, quantity=quantity)


def new_end(case: Case, order: WorkingOrder, sent: str | None) -> Modification | Rejection:
    """An order with another end: the moment that the signal means, or none where `sent` is None."""
    at = None if sent is None else meant(case, sent)
    if isinstance(at, Rejection):
        return at
    wanted = Lifetime(at)
    worked = Worked(
        role=order.role,
        type=order.type,
        status=order.status,
        time_in_force=order.time_in_force,
        placed_at=order.placed_at,
    )
    why = why_kept(worked, wanted, case.now)
    if why is None:
        return Modification(reference=order.reference, lifetime=wanted)
    return Rejection(
        rule="P08" if why[0] in {PASSED, TOO_FAR} else "M06", code=why[0], reason=f"{case.ticker}: {why[1]}"
    )


def _market(case: Case, order: WorkingOrder) -> Decimal | None:
    leg = Leg.ENTRY if order.role is Role.ENTRY else Leg.EXIT
    return quoted_price(case, order.side, case.settings(leg).market_price.value) or case.snapshot.mark


def _wrong_side(order: WorkingOrder, what: str, price: Decimal, market: Decimal, field: str) -> Rejection:
    reason = (
        f"The market at {grouped(market)} is past a {what} to {order.side} at {grouped(price)}, which would fill at once. "
        f"Check {field}, or send exit."
    )
    return Rejection(rule="M05", code="price-on-wrong-side", reason=reason)


def _words(kind: OrderType) -> str:
    return str(kind).replace("_", " ")
