"""Another end of an order: its own row here, since IBKR has it until canceled either way. Nothing is sent.

The order is locked before it is looked at, as by whoever ends orders by the clock (`cancels.ask_due`): of the two, the second
sees what the first has done.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from brokers import live
from brokers.domain.contracts.lifetimes import Worked, being_canceled, in_words, why_kept
from brokers.domain.doubts.limits import WORKS_ON
from brokers.domain.orders import (
    IN_FLIGHT,
    SIZED_BY_THE_BROKER,
    WAITING,
    Lifetime,
    OrderStatus,
    OrderType,
    Role,
    TimeInForce,
)
from brokers.domain.questions import WAYS_OUT
from brokers.models import Order, OrderChanges, OrderEvent, OrderModification
from brokers.orders.waits.wished_cancels import is_to_be_canceled

Status = OrderModification.Status
# As long as what is closed by hand: a night of IBKR's, or a long weekend.
LEAVES_WITHIN = timedelta(days=4)


def worked(order: Order) -> Worked:
    """An order as its rules need it."""
    return Worked(
        role=Role(order.role),
        type=OrderType(order.type),
        status=OrderStatus(order.status),
        time_in_force=TimeInForce(order.time_in_force),
        placed_at=order.submitted_at,
    )


def refused(order: Order, wanted: Lifetime, now: datetime) -> tuple[str, str] | None:
    """Why an order that is locked keeps its end, as a code and a sentence; None where it may be `wanted`."""
    if OrderStatus(order.status) in IN_FLIGHT | WAITING and is_to_be_canceled(order):
        return being_canceled()
    return why_kept(worked(order), wanted, now)


def move(row: OrderModification, wanted: Lifetime, now: datetime) -> None:
    """Give the row's order, which is locked, its new end, and write down what became of that."""
    order: Order = row.order
    row.time_in_force, row.good_till = str(wanted.time_in_force), wanted.good_till
    row.good_till_before, row.ended_at = order.good_till, now
    why = refused(order, wanted, now)
    if why is None and wanted.good_till == order.good_till:
        why = "already-so", f"The order is {in_words(wanted)} already."
    if why is not None:
        row.status, (row.reason_code, row.reason) = Status.NOT_MADE, why
        row.save()
        return
    row.status = Status.MADE
    row.save()
    _write(order, wanted, now)
    if order.role == Role.ENTRY:
        # Its second order is another part of the entry, which is given the same end by itself.
        return
    # What a change left beside a way out stands for it, until a person keeps both.
    seconds = Order.objects.filter(second_of=order, kept_both_at=None).select_for_update(of=("self",)).order_by("pk")
    for second in seconds:
        if refused(second, wanted, now) is None:
            _write(second, wanted, now)


def _leaves_by(order: Order, wanted: Lifetime, now: datetime) -> datetime:
    """It never leaves after its end. A way out that waits, and was to leave until its end at the latest, may leave until the new
    one; an entry no later than its signal said."""
    ends = order.good_till is not None and order.expires_at == order.good_till
    if ends and order.role in WAYS_OUT and order.status == OrderStatus.CREATED:
        latest = now + LEAVES_WITHIN
        return latest if wanted.good_till is None else min(latest, wanted.good_till)
    return order.expires_at if wanted.good_till is None else min(order.expires_at, wanted.good_till)


def _write(order: Order, wanted: Lifetime, now: datetime) -> None:
    was = Lifetime(order.good_till)
    values = OrderChanges(time_in_force=str(wanted.time_in_force), good_till=wanted.good_till, cancel_again_at=None)
    leaves_by = _leaves_by(order, wanted, now)
    if leaves_by != order.expires_at:
        values["expires_at"] = leaves_by
    if order.reason.startswith(WORKS_ON):
        # That it works past its end is no news any more.
        values["reason"], values["reason_code"] = "", ""
    # Beside the moment of its last move, which says since when it is as it is.
    Order.objects.filter(pk=order.pk).update(**values)
    for name, value in values.items():
        setattr(order, name, value)
    if OrderStatus(order.status) in SIZED_BY_THE_BROKER:
        cause = (
            f"{in_words(wanted)} from now on, before {in_words(was)}; IBKR has it till canceled and is asked nothing"
        )
        OrderEvent.objects.create(
            order=order, old=order.status, new=order.status, cause=f"{cause[0].upper()}{cause[1:]}", at=now
        )
    live.order_changed(order)
