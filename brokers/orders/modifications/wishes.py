"""Changes are asked for: written down as wishes, one that waits and one that leaves for each order at the most.

Each wish locks its order before it looks: the second of two wishes at once sees the first. What nobody asks for (a count
from the fill, a rule's move) is a row of its own beside what somebody does, so that each is sent, ended and told as what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import User
from brokers import live
from brokers.domain.contracts.changes import in_words
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    IN_FLIGHT,
    MODIFIABLE,
    TRAILING,
    WAITING,
    Modification,
    OrderStatus,
    OrderType,
)
from brokers.models import Order, OrderModification, Ticket
from brokers.orders.modifications import ends
from brokers.postgres.notices import ORDERS_CHANNEL, notify

Status = OrderModification.Status
OPEN = [Status.WAITING, Status.LEAVING]
# A trail is one distance: a new one of either kind takes the place of the other.
_TRAILS = ("trail_amount", "trail_percent")
_PRICES = ("stop_price", "limit_price")
# Why an order of which the size is being changed together with its legs gets no other change, as a code and a sentence.
SIZE_UNDER_WAY = (
    "size-under-way",
    "Not changed: its size is being changed at this moment, together with its legs. Send it again in a moment.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks for a change, and until when it may leave: the plan of a signal, or a person. `from_fill`: the fill of the
    entry that the order is a leg of; it may ask before it is known that IBKR has the leg."""

    expires_at: datetime
    ticket: Ticket | None = None
    actor: User | None = None
    from_fill: bool = False
    # A target of the entry has filled, and its stop moves as the entry said.
    by_rule: bool = False


def ask(wanted: Sequence[Modification], asker: Asker, now: datetime) -> list[OrderModification]:
    """Write down that orders are to be changed, in the caller's transaction; lanes are woken when it commits.

    Another end of an order is a row of its own, and made at once: no cancel by the clock comes between. A change of an order that has ended, or that is as wanted already or about to be, is written down as not made.
    """
    references = [each.reference for each in wanted]
    locked = {
        order.reference: order
        for order in Order.objects.select_for_update().filter(reference__in=references).order_by("pk")
    }
    sized = {locked[each.reference].pk for each in wanted if each.quantity is not None}
    rows = list[OrderModification]()
    for each in wanted:
        order, values = locked[each.reference], values_of(each)
        if each.lifetime is not None:
            row = _row(order, {}, asker, now)
            ends.move(row, each.lifetime, now)
            rows.append(row)
        if values:
            rows.append(_ask_one(order, values, sized, asker, now))
    return rows


def values_of(wanted: Modification) -> dict[str, Decimal]:
    """What is to be changed, by the columns of the order."""
    return {name: value for name in MODIFIABLE if (value := getattr(wanted, name)) is not None}


def _ask_one(
    order: Order, values: dict[str, Decimal], sized: Set[int], asker: Asker, now: datetime
) -> OrderModification:
    # One that leaves was asked for before what waits behind it, or goes before it.
    earlier = sorted(
        OrderModification.objects.filter(order=order.pk, status__in=OPEN),
        key=lambda each: (each.status == Status.WAITING, each.pk),
    )
    values = _with_its_stop(order, values)
    row = _row(order, values, asker, now)
    waiting = next((each for each in earlier if each.status == Status.WAITING and _is_alike(each, row)), None)
    if (why := _pointless(order, values, earlier, arriving=asker.from_fill)) is not None:
        row.status, row.ended_at, (row.reason_code, row.reason) = Status.NOT_MADE, now, why
    elif waiting is not None and _breaks_a_pair(row, waiting, sized):
        row.status, row.ended_at, (row.reason_code, row.reason) = Status.NOT_MADE, now, SIZE_UNDER_WAY
    else:
        for each in earlier:
            if each.status == Status.WAITING and each is not waiting:
                give_way(each, row, now)
        if waiting is not None:
            replace(row, waiting, now, saved=False)
    row.save()
    if row.status == Status.WAITING:
        notify(ORDERS_CHANNEL, str(order.connection_id))
    live.order_changed(order)
    return row


def _row(order: Order, values: Mapping[str, Decimal], asker: Asker, now: datetime) -> OrderModification:
    return OrderModification(
        team_id=order.team_id,
        order=order,
        connection_id=order.connection_id,
        ticket=asker.ticket,
        asked_by=asker.actor,
        from_fill=asker.from_fill,
        by_rule=asker.by_rule,
        asked_at=now,
        expires_at=asker.expires_at,
        **values,
    )


def _with_its_stop(order: Order, values: dict[str, Decimal]) -> dict[str, Decimal]:
    """The limit of a trailing stop limit is a distance from its stop, which may have trailed by the time that it leaves."""
    trails = order.type == OrderType.TRAILING_STOP_LIMIT and "limit_price" in values and order.stop_price is not None
    return {"stop_price": order.stop_price, **values} if trails and order.stop_price is not None else values


def _breaks_a_pair(row: OrderModification, waiting: OrderModification, sized: Set[int]) -> bool:
    """Whether the size that waits is one of an order and its legs, and would leave out of its turn with this later wish.

    `sized` are the keys of the orders that get another size by the same wish: all of them get it anew.
    """
    if row.quantity is None or row.quantity == waiting.quantity:
        return pair_of(waiting).exists()
    return pair_of(waiting).exclude(order__in=sized).exists()


def _pointless(
    order: Order, values: Mapping[str, Decimal], open_ones: Sequence[OrderModification], *, arriving: bool
) -> tuple[str, str] | None:
    """Why nothing is to be sent, as a code and a sentence; None where there is something to change. `arriving`: an order that
    is on its way to IBKR is waited for."""
    status = OrderStatus(order.status)
    if status not in CHANGED_IN_PLACE and not (arriving and status in IN_FLIGHT | WAITING):
        return over(status)
    coming: dict[str, Decimal | None] = {name: getattr(order, name) for name in MODIFIABLE}
    for each in open_ones:
        coming |= with_one_trail(each.values())
    if any(coming[name] != value for name, value in values.items()):
        return None
    if open_ones:
        return "change-under-way", f"The same change is on its way already: {in_words(values)}."
    return "already-so", f"The order has {in_words(values)} already, so nothing was sent."


def over(status: OrderStatus) -> tuple[str, str]:
    """Why an order of this status is not changed any more, as a code and a sentence."""
    if status is OrderStatus.FILLED:
        return "already-filled", "Not changed: the order was filled before the change could leave."
    if status is OrderStatus.PENDING_CANCEL:
        return "being-canceled", "Not changed: the order is being canceled."
    return "order-over", f"Not changed: the order is {str(status).replace('_', ' ')}, and does not work at IBKR."


def with_one_trail(values: Mapping[str, Decimal]) -> dict[str, Decimal | None]:
    """A change as columns of the order: a new trail ends the other kind of trail."""
    if not any(name in values for name in _TRAILS):
        return dict(values)
    return {**dict.fromkeys(_TRAILS), **values}


def _is_alike(one: OrderModification, other: OrderModification) -> bool:
    """Whether both are asked for by somebody, or both by the same of what asks by itself: those are one wish."""
    return (one.from_fill, one.by_rule) == (other.from_fill, other.by_rule)


def alike(row: OrderModification) -> QuerySet[OrderModification]:
    """The changes of the same order that wait and are of the same kind."""
    return _waiting_beside(row).filter(from_fill=row.from_fill, by_rule=row.by_rule)


def unlike(row: OrderModification) -> QuerySet[OrderModification]:
    """The changes of the same order that wait and were asked for later by something else."""
    later = _waiting_beside(row).filter(pk__gt=row.pk).order_by("pk")
    return later.exclude(from_fill=row.from_fill, by_rule=row.by_rule)


def _waiting_beside(row: OrderModification) -> QuerySet[OrderModification]:
    return OrderModification.objects.filter(order=row.order_id, status=Status.WAITING).exclude(pk=row.pk)


def give_way(earlier: OrderModification, later: OrderModification, now: datetime) -> None:
    """Take out of a change that was not made what a later one of another kind says anew; with nothing left it is over."""
    said = set(later.values())
    kind = earlier.order.type
    if not said.isdisjoint(_TRAILS):
        said.update(_TRAILS, {"stop_price"} if kind == OrderType.STOP else ())
    if "stop_price" in said and kind == OrderType.STOP:
        said.update(_TRAILS)
    if kind == OrderType.TRAILING_STOP_LIMIT and not said.isdisjoint(_PRICES):
        # They are a distance.
        said.update(_PRICES)
    kept = {name: value for name, value in earlier.values().items() if name not in said}
    if not kept:
        reason = f"Not made: a later change took its place, {in_words(later.values())}."
        end(earlier, Status.NOT_MADE, now, code="superseded-change", reason=reason)
        return
    for name in said & set(MODIFIABLE):
        setattr(earlier, name, None)
    earlier.save(update_fields=MODIFIABLE)


def replace(later: OrderModification, earlier: OrderModification, now: datetime, *, saved: bool = True) -> None:
    """Let a later wish take the place of one that was not made; what it does not name of that is taken over."""
    trails = any(getattr(later, each) is not None for each in _TRAILS)
    stands = later.order.type == OrderType.STOP
    for name, value in with_one_trail(earlier.values()).items():
        # A stop stands at a price or begins to trail: the later wish says which.
        if stands and ((name == "stop_price" and trails) or (name in _TRAILS and later.stop_price is not None)):
            continue
        is_trail = name in _TRAILS and any(getattr(later, each) is not None for each in _TRAILS)
        if value is not None and not is_trail and getattr(later, name) is None:
            setattr(later, name, value)
    reason = f"Not made: a later change took its place, {in_words(later.values())}."
    end(earlier, Status.NOT_MADE, now, code="superseded-change", reason=reason)
    if saved:
        later.save(update_fields=MODIFIABLE)


def write_down(
    order: Order,
    values: Mapping[str, Decimal],
    why: tuple[str, str],
    now: datetime,
    *,
    from_fill: bool = False,
    by_rule: bool = False,
) -> None:
    """A change that was due and is not asked for: `why` is a code and a sentence. `values`: empty where nothing says what
    they were to be."""
    code, reason = why
    OrderModification.objects.create(
        team_id=order.team_id,
        order=order,
        connection_id=order.connection_id,
        from_fill=from_fill,
        by_rule=by_rule,
        asked_at=now,
        expires_at=now,
        ended_at=now,
        status=Status.NOT_MADE,
        reason_code=code,
        reason=reason[:400],
        **values,
    )
    live.order_changed(order)


def go_by_the_wanted_trail(order: Order, row: OrderModification) -> None:
    """Keep the trail that was asked for where nobody knows whether IBKR has it: each later change sends all of the order, and
    would put the old one back."""
    if order.type not in TRAILING:
        # Whether a stop that stands has begun to trail, IBKR's lists tell.
        return
    if row.trail_amount is not None or row.trail_percent is not None:
        order.trail_amount, order.trail_percent = row.trail_amount, row.trail_percent
        Order.objects.filter(pk=order.pk).update(trail_amount=row.trail_amount, trail_percent=row.trail_percent)


def pair_of(row: OrderModification) -> QuerySet[OrderModification]:
    """The other sizes that were asked for together with this one, and are open: an order and its legs have one size."""
    if row.quantity is None:
        return OrderModification.objects.none()
    together = OrderModification.objects.filter(
        order__ticket=row.order.ticket_id, asked_at=row.asked_at, quantity__isnull=False, status__in=OPEN
    )
    return together.exclude(pk=row.pk)


def end_pair(row: OrderModification, now: datetime) -> None:
    """End what was asked for together with a size that IBKR did not take."""
    for other in pair_of(row).filter(status=Status.WAITING):
        reason = "Not changed: IBKR did not take the same size for the order that it belongs to, or for a leg of it."
        end(other, Status.NOT_MADE, now, code="pair-not-made", reason=reason)


def end(
    row: OrderModification, status: OrderModification.Status, now: datetime, *, code: str = "", reason: str = ""
) -> None:
    """Write down what became of a change."""
    row.status, row.ended_at, row.reason_code, row.reason = status, now, code[:40], reason[:400]
    row.save(update_fields=["status", "ended_at", "reason_code", "reason"])
