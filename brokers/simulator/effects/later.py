"""What befalls an order after it was taken: its stop is canceled or lost, and somebody else acts in the same contract."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from decimal import ROUND_UP, Decimal
from typing import Any

from brokers.simulator.calls import Call
from brokers.simulator.exchange.lifetimes import STOPS
from brokers.simulator.exchange.records import Order, Ticket
from brokers.simulator.faults.faults import AFTERWARDS

_REASON = "The exchange cancelled this order."
# Longer than any session: an order that is lost is shown by nothing any more.
_FOR_GOOD = 10 * 366 * 86_400.0
_FIRST_DELAY_S = 0.5


def befall(action: dict[str, Any], call: Call) -> None:
    """Let happen what an armed fault says, now or `s` seconds from now, to the orders that were placed."""
    placed: list[Order] = list(call.effects.get("placed", ()))
    for name in sorted(AFTERWARDS & set(action)):
        settings = action[name] if isinstance(action[name], dict) else {}
        seconds = float(settings.get("s", _FIRST_DELAY_S))
        deed = _DEEDS[name]
        if seconds <= 0:
            _do(deed, call, placed, settings)
        else:
            asyncio.get_running_loop().call_later(seconds, _do, deed, call, placed, settings)


def _do(
    deed: Callable[[Call, list[Order], dict[str, Any]], None], call: Call, placed: list[Order], settings: dict[str, Any]
) -> None:
    deed(call, placed, settings)
    call.gateway.commit()


def _meant(placed: Iterable[Order], settings: dict[str, Any]) -> list[Order]:
    """The orders of these types that still work; stops, where none are named."""
    types = frozenset(settings.get("types") or STOPS)
    return [order for order in placed if order.order_type in types and order.working]


def _cancel_leg(call: Call, placed: list[Order], settings: dict[str, Any]) -> None:
    for order in _meant(placed, settings):
        call.gateway.engine.cancel(order, call.gateway.clock(), str(settings.get("reason") or _REASON))


def _lose_leg(call: Call, placed: list[Order], settings: dict[str, Any]) -> None:
    """It works nowhere any more, and nobody says a word about it."""
    engine, now = call.gateway.engine, call.gateway.clock()
    for order in _meant(placed, settings):
        call.user.hidden[order.order_id] = now + _FOR_GOOD
        order.status, order.updated_at, order.reason = "Cancelled", now, "Lost by the broker."
        engine.rest(order)


def _foreign_stop(call: Call, placed: list[Order], settings: dict[str, Any]) -> None:
    """A stop such as a person places in TWS: in the same account and contract, under no reference of a client."""
    for order in _heads(placed):
        sign = 1 if order.side == "BUY" else -1
        away = Decimal(str(settings.get("away", "0.1")))
        price = (call.gateway.mark(order.conid) * (1 - sign * away)).quantize(Decimal("0.01"))
        _place(call, order, _opposite(order), "STP", order.quantity * _share(settings), price)


def _foreign_exit(call: Call, placed: list[Order], settings: dict[str, Any]) -> None:
    """Somebody closes a part of what the order has filled, by hand."""
    for order in _heads(placed):
        quantity = (order.filled * _share(settings)).to_integral_value(ROUND_UP)
        if quantity > 0:
            _place(call, order, _opposite(order), "MKT", quantity, None)


def _heads(placed: Iterable[Order]) -> list[Order]:
    return [order for order in placed if order.parent_id is None]


def _share(settings: dict[str, Any]) -> Decimal:
    return Decimal(str(settings.get("share", 1)))


def _opposite(order: Order) -> str:
    return "SELL" if order.side == "BUY" else "BUY"


def _place(call: Call, like: Order, side: str, order_type: str, quantity: Decimal, stop_price: Decimal | None) -> None:
    gateway = call.gateway
    ticket = Ticket(
        account_id=like.account_id,
        conid=like.conid,
        side=side,
        order_type=order_type,
        quantity=quantity,
        tif="GTC" if stop_price is not None else "DAY",
        stop_price=stop_price,
    )
    placed = gateway.engine.place(like.username, ticket, gateway.clock())
    gateway.commit()
    gateway.settle_new([placed])


_DEEDS: dict[str, Callable[[Call, list[Order], dict[str, Any]], None]] = {
    "cancel_leg": _cancel_leg,
    "lose_leg": _lose_leg,
    "foreign_stop": _foreign_stop,
    "foreign_exit": _foreign_exit,
}
