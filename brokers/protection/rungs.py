"""The stops and targets of a position as its page shows them, with how far the market is from each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.orders import MAY_FILL, Role
from brokers.models import Order, Position

# Of a position that hundreds of signals have built: the legs nearest to the market, among so many.
MOST, LOOKED_AT = 50, 400
_LEGS = [str(Role.STOP_LOSS), str(Role.TAKE_PROFIT)]
_NEVER = Decimal("Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A stop or a target at work. `away`: how far the market has to go to it, `percent` of the market's price."""

    order: Order
    price: Decimal | None
    away: Decimal | None
    percent: Decimal | None


def rungs(position: Position | None) -> list[Rung]:
    """What of ours may still close a position at a price, the nearest first; one statement."""
    if position is None or not position.quantity:
        return []
    side = "sell" if position.quantity > 0 else "buy"
    legs = Order.objects.filter(
        account=position.account_id,
        conid=position.conid,
        role__in=_LEGS,
        side=side,
        status__in=[str(status) for status in MAY_FILL],
    )
    shown = [_rung(leg, position.market_price) for leg in legs.order_by("pk")[:LOOKED_AT]]
    return sorted(shown, key=lambda rung: _NEVER if rung.away is None else rung.away)[:MOST]


def _rung(leg: Order, market: Decimal | None) -> Rung:
    price = leg.limit_price if leg.role == Role.TAKE_PROFIT else leg.stop_price
    if price is None or not market:
        return Rung(order=leg, price=price, away=None, percent=None)
    away = abs(price - market)
    return Rung(order=leg, price=price, away=away, percent=away / abs(market) * 100)
