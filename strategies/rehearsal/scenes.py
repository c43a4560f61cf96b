"""Scenes that examples play in: a ticker at a price, what is held, and a signal of every kind sent to it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from brokers.domain.orders import OrderType
from strategies.domain.message.message import Action, Bracket, Message, OrderShape
from strategies.domain.message.symbols import Symbol
from strategies.domain.terms.terms import QuantityType

_ONE_PERCENT, _TWO_PERCENT = Bracket(mode="percent", value=Decimal(1)), Bracket(mode="percent", value=Decimal(2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A ticker at a price, the quantity that signals name, and the position held before them."""

    symbol: Symbol
    price: Decimal | None
    quantity: Decimal | None
    position: Decimal = Decimal(0)
    # True: now. False: when the terms trade next.
    at_once: bool = False


def example_messages(scene: Scene) -> list[tuple[str, Message]]:
    """A signal of every kind, by its title."""
    base: dict[str, Any] = {"symbol": scene.symbol, "signal_price": scene.price}
    sized = {**base, "quantity": scene.quantity}
    half: dict[str, Any] = {"quantity": Decimal(50), "quantity_type": str(QuantityType.PERCENT_OF_POSITION)}
    titled = [
        ("Buy", Message(action=Action.BUY, **sized)),
        ("Sell", Message(action=Action.SELL, **sized)),
        (
            "Buy with its own stop and target",
            Message(action=Action.BUY, **sized, stop_loss=_ONE_PERCENT, take_profit=_TWO_PERCENT),
        ),
        ("Exit", Message(action=Action.EXIT, **base)),
        ("Exit half", Message(action=Action.EXIT, **base, **half)),
        ("Add", Message(action=Action.ADD, **sized)),
        ("Reverse", Message(action=Action.REVERSE, **sized)),
        ("Stop at break-even", Message(action=Action.BREAKEVEN, **base, order=OrderShape(type=str(OrderType.STOP)))),
        ("Cancel", Message(action=Action.CANCEL, **base)),
    ]
    if scene.quantity is not None:
        titled.insert(2, ("Buy without a quantity", Message(action=Action.BUY, **base)))
    return titled
