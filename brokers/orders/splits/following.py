"""IBKR changes an order with a split: its size by a ratio, its prices by the same against it. Our row follows its word.

Nothing is multiplied here: what a report shows is written, so that the same report twice, or one from the list behind one
from the stream, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.domain.actions import words
from brokers.domain.actions.reading import Ratio, State, reading_of
from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import SIZED_BY_THE_BROKER, TRAILING, OrderStatus
from brokers.domain.sentences import cut
from brokers.models import CorporateAction, Order, OrderChanges, OrderEvent, OrderModification, Rescaling
from brokers.orders.modifications import wishes
from brokers.orders.modifications.from_fill import SPLIT_MEANWHILE

# Prices come to the tick: so much they may differ from what the ratio makes of them.
_NEAR, _TICK = Decimal("0.005"), Decimal("0.02")
# IBKR changes its orders on the day of the split.
_WITHIN = timedelta(days=3)


def follow(order: Order, report: OrderFacts, now: datetime) -> bool:
    """Give our row the size and the prices of after a split, where a report shows both; whether it did."""
    if OrderStatus(order.status) not in SIZED_BY_THE_BROKER or order.type in TRAILING:
        return False
    prices = list(_prices(order, report))
    if not prices or all(was == now_is for _, was, now_is in prices):
        return False
    ratio = _ratio(order, report, prices, now)
    if ratio is None:
        return False
    if order.filled_quantity:
        # What has filled is of the shares of before: its row keeps its numbers until IBKR ends it or it fills.
        return True
    quantity = ratio.whole(order.quantity) if report.quantity is None else report.quantity
    cause = words.order_changed(ratio, (order.quantity, quantity), [(was, is_now) for _, was, is_now in prices])
    action = _action(order, ratio, now)
    Rescaling.keep(order, action, ratio, now)
    values = OrderChanges(quantity=quantity, resize_to=None, resize_asked_at=None)
    for column, _, is_now in prices:
        if column == "limit_price":
            values["limit_price"] = is_now
        else:
            values["stop_price"] = is_now
    Order.objects.filter(pk=order.pk).update(**values)
    for name, value in values.items():
        setattr(order, name, value)
    _end_what_waits(order, now)
    OrderEvent.objects.create(order=order, old=order.status, new=order.status, cause=cut(cause, 300), at=now)
    return True


def _end_what_waits(order: Order, now: datetime) -> None:
    """A change that was asked for before the split has prices and sizes of the shares of before: it does not leave."""
    for row in OrderModification.objects.filter(order=order.pk, status=wishes.Status.WAITING):
        wishes.end(row, wishes.Status.NOT_MADE, now, code=SPLIT_MEANWHILE[0], reason=SPLIT_MEANWHILE[1])


def _prices(order: Order, report: OrderFacts) -> Iterator[tuple[str, Decimal, Decimal]]:
    """The prices that both the row and the report have: their column, ours and IBKR's."""
    for column in ("limit_price", "stop_price"):
        ours, theirs = getattr(order, column), getattr(report, column)
        if ours is not None and theirs is not None:
            yield column, ours, theirs


def _ratio(order: Order, report: OrderFacts, prices: list[tuple[str, Decimal, Decimal]], now: datetime) -> Ratio | None:
    """The ratio by which size and prices have changed; where the size was followed before, that of a split that is known."""
    if report.quantity is not None and report.quantity != order.quantity:
        ratios = [ratio for ratio in [reading_of(order.quantity, report.quantity)] if ratio is not None]
    else:
        ratios = []
    ratios += [ratio for action in _known(order, now) if (ratio := action.ratio) is not None]
    for ratio in ratios:
        if all(_is_near(was * ratio.factor, is_now) for _, was, is_now in prices):
            return ratio
    return None


def _is_near(expected: Decimal, shown: Decimal) -> bool:
    return abs(expected - shown) <= max(expected * _NEAR, _TICK)


def _known(order: Order, now: datetime) -> Iterator[CorporateAction]:
    """Splits of the order's contract that met it and have not changed it yet."""
    rows = CorporateAction.objects.filter(
        account=order.account_id,
        conid_before=order.conid,
        state__in=[str(State.KNOWN), str(State.SAID)],
        split_at__gte=order.created_at,
        seen_at__gte=now - _WITHIN,
    )
    yield from rows.exclude(rescalings__order=order).order_by("-pk")[:3]


def _action(order: Order, ratio: Ratio, now: datetime) -> CorporateAction | None:
    return next((each for each in _known(order, now) if each.ratio == ratio), None)
