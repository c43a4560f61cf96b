"""Legs at a distance that somebody moves at IBKR itself, in TWS: our row follows, and no fill moves them back."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from brokers.domain.brokerage import OrderFacts
from brokers.domain.contracts.changes import in_words
from brokers.domain.orders import CHANGED_IN_PLACE, TRAILING, OrderStatus, OrderType
from brokers.domain.sentences import cut
from brokers.models import Order, OrderChanges, OrderEvent, OrderModification
from brokers.orders.modifications import sending
from brokers.orders.modifications.wishes import OPEN, Status

CODE = "moved-at-ibkr"
# A list that was asked for before a change comes home behind it: so long after one our row is not compared.
_OLD_NEWS = timedelta(minutes=1)
# No hand moves a stop so many times as far from zero, or as near to it.
MOST = Decimal(10)
_PRICES = ("stop_price", "limit_price")


def follow(order: Order, report: OrderFacts, now: datetime) -> bool:
    """Give a leg at a distance the prices that IBKR shows, and write down that somebody has moved it; whether that is so.

    Call it inside a transaction that holds the order, behind what follows a split.
    """
    prices = _moved(order, report)
    if not prices:
        return False
    rows = OrderModification.objects.filter(order=order.pk)
    if rows.filter(status__in=OPEN).exists() or rows.filter(ended_at__gt=now - _OLD_NEWS).exists():
        return False
    if not rows.filter(reason_code="answer-lost", **prices).exists():
        # What Halyard asked for itself, and never heard of again, is moved by nobody else.
        reason = "Somebody has moved it at IBKR, as in TWS, and that price counts."
        OrderModification.objects.create(
            team_id=order.team_id,
            order=order,
            connection_id=order.connection_id,
            asked_at=now,
            expires_at=now,
            ended_at=now,
            status=Status.MADE,
            reason_code=CODE,
            reason=reason,
            **prices,
        )
    values = OrderChanges()
    if (stop := prices.get("stop_price")) is not None:
        values["stop_price"] = stop
    if (limit := prices.get("limit_price")) is not None:
        values["limit_price"] = limit
    Order.objects.filter(pk=order.pk).update(**values)
    for name, value in values.items():
        setattr(order, name, value)
    cause = cut(f"IBKR has it at {in_words(prices)}, which Halyard did not ask for", 300)
    OrderEvent.objects.create(order=order, old=order.status, new=order.status, cause=cause, at=now)
    return True


def _moved(order: Order, report: OrderFacts) -> dict[str, Decimal]:
    """The prices that IBKR shows of a working leg and that are not our row's; none where it does not show all of them."""
    kind = OrderType(order.type)
    if order.distance is None or report.type is not kind or kind in TRAILING:
        return {}
    if OrderStatus(order.status) not in CHANGED_IN_PLACE:
        return {}
    ours = {name: value for name in _PRICES if (value := getattr(order, name)) is not None}
    shown = {name: value for name in ours if (value := sending.shown(report, kind, name)) is not None and value > 0}
    if shown.keys() != ours.keys():
        return {}
    moved = {name: value for name, value in shown.items() if value != ours[name]}
    # Pence and pounds, or a split that no ratio explains, are no hand's.
    return {} if any(not 1 / MOST < value / ours[name] < MOST for name, value in moved.items()) else moved
