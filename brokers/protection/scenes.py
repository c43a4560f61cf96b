"""What the decision about a stop sees, read from our rows: what is held, what is to be protected, and what protects it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    IN_FLIGHT,
    MAY_FILL,
    OVER,
    WAITING,
    WORKING,
    OrderStatus,
    OrderType,
    Release,
    Role,
    Side,
)
from brokers.domain.protection.choices import USUAL, MissingStop
from brokers.domain.protection.scenes import NOTHING, Entry, Fault, Presence, Scene, Stop
from brokers.models import (
    BrokerageAccount,
    ForeignOrder,
    Lapse,
    Order,
    SubmissionAttempt,
)
from brokers.models.protection import STOPS
from brokers.protection import rescaled
from brokers.protection.endings import (
    ENDED_SHORT,
    beside_filled,
    ended_last,
    fault_of,
    keys_of_mends,
    owed_to,
    parts_of_groups,
    tries_of,
)
from brokers.protection.held import Holding, held_in, untold_by
from brokers.protection.here import here_in
from brokers.protection.rescaled import Splits

# The newest of an instrument's orders; what is older is no matter any more.
MOST_ORDERS = 400
_OVER = [str(status) for status in OVER]
_AT_IBKR = [str(status) for status in WORKING]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A scene with the rows behind it: the stop that is missing or does not fit, and the entry it is for."""

    scene: Scene
    choice: MissingStop
    ticker: str
    stop: Order | None
    entry: Order | None
    account: BrokerageAccount
    lapse: Lapse | None


def load(account_pk: int, conid: int, now: datetime) -> Sighting | None:
    """What is known of one instrument of an account; None where nothing in it was ever to have a stop.

    Five statements, and one more for each stop that ended and each entry that works: every fill and every list asks.
    """
    splits = Splits(frozenset({conid}))
    orders = _orders(account_pk, splits)
    if not orders:
        # What was split may be held under another number than it was bought under.
        splits = rescaled.of(account_pk, conid)
        orders = _orders(account_pk, splits) if len(splits.conids) > 1 else []
    if not any(order.role == Role.STOP_LOSS for order in orders):
        return None
    here, unsure = here_in(account_pk, conid, now), False
    if here.split:
        splits = rescaled.of(account_pk, conid)
        orders = _orders(account_pk, splits)
        unsure = rescaled.is_unsure(orders, splits)
        rescaled.count(orders, splits)
    lapses = list(Lapse.objects.filter(Q(sent__gt=0) | Q(ended_at=None), account=account_pk, conid=conid))
    by_pk = {order.pk: order for order in orders}
    guarded = [order for order in orders if _is_entry_with_stop(order, by_pk)]
    untold = untold_by(guarded, here.change, here.changed_at or now)
    holding = held_in(here.account, here.listed, splits, orders, now, untold)
    working = [order for order in guarded if order.status in _AT_IBKR]
    side = _side_of(holding, working)
    if side is None:
        # Nothing is held and nothing is coming: only what was left behind may still be at IBKR.
        side = _last_side(orders)
    held = abs(holding.signed) if holding.signed * side.sign > 0 else NOTHING
    entries = [order for order in working if order.side == side]
    made = [o for o in guarded if o.pk in holding.since and o.side == side] if held else []
    asked = _asked_for(orders, side, holding) if held else []
    stops = [order for order in orders if order.role == Role.STOP_LOSS and order.side == side.opposite]
    strays = _strays(stops, by_pk)
    heads = {o.parent_id for o in orders if o.release == Release.IN_GROUP and o.parent_id is not None}
    mends = keys_of_mends(lapses)
    parts = parts_of_groups(stops, mends, holding.opened_at) if held else []
    ended = ended_last(stops, made, entries, [*asked, *parts])
    subject = max([*made, *entries], key=lambda order: order.pk, default=None)
    filled = sum((o.filled_quantity + untold.of(o) for o in made), NOTHING)
    due = max(filled, asked[0].quantity if asked else NOTHING, owed_to(parts, orders, mends))
    scene = Scene(
        held=held,
        most=max(abs(each) if each * side.sign > 0 else NOTHING for each in (holding.listed, holding.by_fills)),
        due=min(held, due),
        exiting=_exiting(orders, side),
        entries=tuple(_entry(order, untold.of(order)) for order in entries),
        stops=(
            *_stops(stops, entries, strays, heads, beside_filled(orders)),
            *_foreign(account_pk, conid, side, orders),
        ),
        fault=fault_of(ended) if ended is not None else None,
        fault_at=ended.changed_at if ended is not None else None,
        strays=tuple(stop.reference for stop in strays),
        strays_since=max((_parent_of(stop, by_pk).changed_at for stop in strays), default=None),
        filled_at=holding.filled_at,
        sure=holding.recent or holding.read,
        flat=not holding.listed and not holding.by_fills and holding.read,
        replanned=ended is not None and ended.ticket.unfit_at is not None,
        closing=here.closing,
        not_closed=here.not_closed,
        tries=tries_of(orders, mends, now),
        untold=min(held, sum((untold.of(o) for o in made), NOTHING)),
        untold_since=untold.since,
        may_be_split=here.may_be_split or unsure,
    )
    decisive = subject
    if asked and asked[0].ticket.key not in mends and (subject is None or asked[0].pk > subject.pk):
        decisive = asked[0]
    if decisive is None and parts:
        decisive = parts[-1]
    missing = ended or max(stops, key=lambda order: order.pk, default=None)
    return Sighting(
        scene=scene,
        choice=MissingStop(decisive.ticket.missing_stop) if decisive is not None else USUAL,
        ticker=orders[0].ticker,
        stop=missing,
        entry=subject,
        account=here.account,
        lapse=next((lapse for lapse in lapses if lapse.ended_at is None), None),
    )


def _orders(account_pk: int, splits: Splits) -> list[Order]:
    """The instrument's orders that matter now: those that may fill, and the newest of those that are over."""
    rows = Order.objects.filter(account=account_pk, conid__in=splits.conids, fa_group="").select_related("ticket")
    return sorted(rows.order_by("-pk")[:MOST_ORDERS], key=lambda order: order.pk)


def _is_entry_with_stop(order: Order, by_pk: dict[int, Order]) -> bool:
    return order.role == Role.ENTRY and any(_is_leg_of(each, order) for each in by_pk.values())


def _is_leg_of(stop: Order, entry: Order) -> bool:
    return stop.parent_id == entry.pk and stop.role == Role.STOP_LOSS and stop.release == Release.WITH_PARENT


# What is held --------------------------------------------------------------------------------------------------------


def _side_of(holding: Holding, working: Sequence[Order]) -> Side | None:
    if holding.signed:
        return Side.BUY if holding.signed > 0 else Side.SELL
    return Side(working[-1].side) if working else None


def _last_side(orders: Sequence[Order]) -> Side:
    return Side(next(order.side for order in reversed(orders) if order.role == Role.STOP_LOSS)).opposite


def _exiting(orders: Sequence[Order], side: Side) -> Decimal:
    """What our exits are about to close. A limit order that rests may rest for ever."""
    leaving = [
        order
        for order in orders
        if order.role == Role.EXIT
        and order.side == side.opposite
        and order.status in MAY_FILL
        and (
            order.type == OrderType.MARKET
            or order.status in WAITING | IN_FLIGHT
            or order.status == OrderStatus.PENDING_CANCEL
        )
    ]
    return sum((order.remaining for order in leaving), NOTHING)


def _asked_for(orders: Sequence[Order], side: Side, holding: Holding) -> list[Order]:
    """The newest stop that was sent by itself for what is held: at break-even, or again for what remains."""
    alone = [
        order
        for order in orders
        if order.role == Role.STOP_LOSS
        and order.side == side.opposite
        and order.release == Release.AT_ONCE
        and (order.status in MAY_FILL or (holding.opened_at is not None and order.created_at >= holding.opened_at))
    ]
    last = alone[-1:]
    return [order for order in last if order.status not in ENDED_SHORT or fault_of(order) is not Fault.ASKED]


# What protects it ----------------------------------------------------------------------------------------------------


def _entry(order: Order, untold: Decimal) -> Entry:
    refused = order.attempts.filter(kind=SubmissionAttempt.Kind.CANCEL, outcome="rejected").exists()
    leaving = order.status == OrderStatus.PENDING_CANCEL
    return Entry(
        reference=order.reference,
        remaining=order.remaining - untold,
        filled=order.filled_quantity + untold,
        leaving=leaving,
        stays=refused and not leaving,
    )


def _stops(
    stops: Sequence[Order], entries: Sequence[Order], strays: Sequence[Order], heads: set[int], ends: set[int]
) -> list[Stop]:
    """The stops that are there or may be; those in `heads` lead a group, in which a fill cancels the rest, and those in `ends` are
    beside a target that has filled."""
    behind = {entry.pk: entry.reference for entry in entries}
    return [
        Stop(
            reference=stop.reference,
            quantity=_size(stop),
            presence=_presence(OrderStatus(stop.status)),
            asks=stop.status == OrderStatus.NEEDS_ATTENTION,
            alone=stop.release == Release.AT_ONCE and stop.pk not in heads,
            entry=behind.get(stop.parent_id or 0, "") if stop.release == Release.WITH_PARENT else "",
            ends=stop.pk in ends,
        )
        for stop in stops
        if stop.status in MAY_FILL and stop not in strays and _size(stop) > 0 and not _sleeps_unsent(stop)
    ]


def _sleeps_unsent(stop: Order) -> bool:
    """A leg that has not left travels with its entry; it protects nothing that is there."""
    return stop.status in WAITING and stop.release == Release.WITH_PARENT


def _size(stop: Order) -> Decimal:
    return (stop.resize_to or stop.quantity) - stop.filled_quantity


def _presence(status: OrderStatus) -> Presence:
    if status in WAITING or status is OrderStatus.SUBMITTED:
        return Presence.COMING
    return Presence.DOUBTFUL if status in IN_FLIGHT else Presence.WORKING


def _foreign(account_pk: int, conid: int, side: Side, orders: Sequence[Order]) -> list[Stop]:
    """Stops that somebody else placed on the same contract. What turned out to be ours is counted as ours."""
    ours = {order.broker_order_id for order in orders if order.broker_order_id}
    rows = ForeignOrder.objects.filter(account=account_pk, conid=conid, side=str(side.opposite), type__in=STOPS)
    return [
        Stop(reference=row.broker_order_id, quantity=row.remaining, ours=False)
        for row in rows.order_by("pk")
        if row.broker_order_id not in ours
    ]


def _strays(stops: Sequence[Order], by_pk: dict[int, Order]) -> list[Order]:
    """Legs that work although their entry ended without a fill."""
    return [
        stop
        for stop in stops
        if stop.release == Release.WITH_PARENT
        and stop.status in CHANGED_IN_PLACE
        and stop.parent_id in by_pk
        and by_pk[stop.parent_id].status in ENDED_SHORT
        and not by_pk[stop.parent_id].filled_quantity
    ]


def _parent_of(stop: Order, by_pk: dict[int, Order]) -> Order:
    assert stop.parent_id is not None, "a stray is a leg"
    return by_pk[stop.parent_id]
