"""What the cancel of an order leaves behind: a position without its stop, an entry without its legs."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from brokers.domain.orders import MAY_FILL, OrderStatus, Release, Role
from brokers.domain.sentences import all_of, grouped
from brokers.models import Closing, Order
from brokers.orders.closings import combos

_MAY_FILL = [str(status) for status in MAY_FILL]
_LEG = {Role.STOP_LOSS: "stop loss", Role.TAKE_PROFIT: "take profit"}
_LACKS = {
    Role.STOP_LOSS: "no stop works for it any more, and nothing limits its loss",
    Role.TAKE_PROFIT: "no take profit works for it any more",
}


def left_by_canceling(order: Order, now: datetime) -> str:
    """What is there once this order is canceled, in one sentence or two; "" where nothing is missing then."""
    role = Role(order.role)
    if role in _LEG:
        return _without_leg(order, role, now)
    if role is Role.EXIT:
        held = _held(order, now)
        return f"The {_position(order, held)} stays open." if held else ""
    return _without_entry(order)


def _without_leg(order: Order, role: Role, now: datetime) -> str:
    other = Order.objects.filter(
        account=order.account_id, conid=order.conid, role=str(role), status__in=_MAY_FILL
    ).exclude(pk=order.pk)
    if Closing.objects.filter(account=order.account_id, conid=order.conid, status=Closing.Status.OPEN).exists():
        return ""
    if held := _held(order, now):
        if other.exists():
            return f"Another {_LEG[role]} works on for the {_position(order, held)}."
        return f"The {_position(order, held)} stays, and {_LACKS[role]}.{_beside(order, role)}"
    parent = order.parent
    if parent is not None and parent.status in _MAY_FILL:
        return f"Its entry works on, and fills without a {_LEG[role]}."
    return ""


def _beside(order: Order, role: Role) -> str:
    rest = Role.TAKE_PROFIT if role is Role.STOP_LOSS else Role.STOP_LOSS
    works = Order.objects.filter(
        account=order.account_id, conid=order.conid, role=str(rest), status__in=_MAY_FILL
    ).exists()
    return f" Its {_LEG[rest]} works on." if works else ""


def _without_entry(order: Order) -> str:
    legs = order.children.filter(
        release__in=[str(Release.WITH_PARENT), str(Release.IN_GROUP)], status__in=_MAY_FILL
    ).values_list("role", flat=True)
    names = all_of(sorted({role.replace("_", " ") for role in legs}, reverse=True))
    if not names:
        return ""
    if order.filled_quantity:
        return f"The {grouped(order.filled_quantity)} that have filled stay, and IBKR makes their {names} as small."
    it = "it was not sent" if order.status == OrderStatus.CREATED else "nothing of it has filled"
    return f"Its {names} end with it: {it}, so nothing is left to protect."


def _held(order: Order, now: datetime) -> Decimal:
    held = combos.held_in(order, now)
    return Decimal(0) if held is None else held.quantity


def _position(order: Order, held: Decimal) -> str:
    side = "long" if held > 0 else "short"
    return f"position of {grouped(abs(held))} {order.ticker} {side}"
