"""What is done about a stop that is missing: each deed goes the way of every order, cancel and change."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet

from brokers.domain.orders import CHANGED_IN_PLACE, OrderIntent, OrderType, Role, Side, TimeInForce
from brokers.domain.protection.scenes import Fault
from brokers.domain.protection.verdicts import Act, Step
from brokers.domain.sentences import cut, grouped
from brokers.models import BrokerageAccount, Lapse, Order, OrderEvent, Position
from brokers.orders import cancels, closing, tickets
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.protection.scenes import Sighting

# How long a stop may take to leave, where the session is away: later it is placed anew.
LEAVES_WITHIN = timedelta(minutes=15)
_CHANGEABLE = [str(status) for status in CHANGED_IN_PLACE]


def do(step: Step, lapse: Lapse, sighting: Sighting, now: datetime) -> None:
    """Do one step; call it inside the transaction that holds the lapse."""
    account = lapse.account
    match step.act:
        case Act.CANCEL_ENTRY:
            cause = "canceled: the stop that it came with is missing, and it is not to fill without one"
            cancels.cancel_all(_named(account, step.reference), actor=None, cause=cause, now=now)
        case Act.CANCEL_STOP:
            cause = "canceled: it has nothing to close"
            cancels.cancel_all(_named(account, step.reference), actor=None, cause=cause, now=now)
        case Act.PLACE_STOP:
            _place(lapse, sighting, account, step.quantity, (), now)
        case Act.FLATTEN:
            _flatten(lapse, account, step.quantity, now)
        case Act.RESIZE:
            _resize(lapse, sighting, account, step, now)


def _named(account: BrokerageAccount, reference: str) -> QuerySet[Order]:
    return Order.objects.filter(account=account, reference=reference)


def _place(
    lapse: Lapse,
    sighting: Sighting,
    account: BrokerageAccount,
    quantity: Decimal,
    instead_of: tuple[str, ...],
    now: datetime,
) -> None:
    """One stop by itself, as the missing one was; its key is derived, so that it is made once."""
    like = sighting.stop
    assert like is not None, "a stop that is missing was planned once"
    lapse.sent += 1
    intent = OrderIntent(
        role=Role.STOP_LOSS,
        instrument=like.instrument,
        side=Side(like.side),
        type=OrderType(like.type),
        quantity=quantity,
        limit_price=like.limit_price,
        stop_price=like.stop_price,
        trail_amount=like.trail_amount,
        trail_percent=like.trail_percent,
        time_in_force=TimeInForce(like.time_in_force),
        good_till=like.good_till,
        outside_rth=like.outside_rth,
        # One that was followed already is not followed again.
        moves=None if like.move is None or like.moved_by_rule_at else like.move.carried_from(like.reference),
    )
    draft = tickets.Draft(
        account=account,
        key=lapse.key_of(lapse.sent),
        conid=lapse.conid,
        currency=like.currency,
        multiplier=like.multiplier,
        intents=(intent,),
        cancels=instead_of,
        expires_at=now + LEAVES_WITHIN,
        cause=f"placed by itself, since the stop that was to be there is {_WORDS[Fault(lapse.fault)]}",
        missing_stop=sighting.choice,
        group_entry=like.group_entry_id,
    )
    tickets.open_tickets([draft], now)


_WORDS = {
    Fault.REFUSED: "refused",
    Fault.HALF_ACCEPTED: "refused",
    Fault.CANCELED: "canceled",
    Fault.LOST: "lost",
    Fault.NOT_SENT: "not sent",
    Fault.ASKED: "canceled",
    Fault.IN_DOUBT: "in doubt",
    Fault.TOO_SMALL: "too small",
    Fault.TOO_LARGE: "too large",
    Fault.ALONE: "alone",
}


def _flatten(lapse: Lapse, account: BrokerageAccount, quantity: Decimal, now: datetime) -> None:
    position = Position.objects.filter(account=account, conid=lapse.conid).first()
    whole = position is None or abs(position.quantity) <= quantity
    like = lapse.stop or lapse.entry
    assert like is not None, "a position that lapses was made by an order of ours"
    # What cannot be closed stays without its stop, which the lapse goes on saying.
    with contextlib.suppress(closing.NotClosable):
        closing.close(
            account=account,
            conid=lapse.conid,
            ticker=lapse.ticker,
            asset_class=like.asset_class,
            quantity=None if whole else quantity,
            reason="Its stop is missing, and its subscription flattens then.",
            actor=None,
            now=now,
        )


def _held_with_its_targets(stop: Order, lapse: Lapse) -> tuple[Order, list[Order]]:
    """A stop and the targets beside it that may be changed, held by their keys, as everybody holds orders."""
    head = stop.pk if stop.parent_id is None else stop.parent_id
    targets = Q(
        account=stop.account_id, conid=lapse.conid, status__in=_CHANGEABLE, parent=head, role=str(Role.TAKE_PROFIT)
    )
    # What is placed instead of it names the entry of its group.
    named = Q(pk__in=[stop.pk, stop.group_entry_id] if stop.group_entry_id else [stop.pk])
    held = list(Order.objects.select_for_update().filter(targets | named).order_by("pk"))
    beside = [each for each in held if each.pk not in {stop.pk, stop.group_entry_id}]
    return next(each for each in held if each.pk == stop.pk), beside


def _resize(lapse: Lapse, sighting: Sighting, account: BrokerageAccount, step: Step, now: datetime) -> None:
    """Make a stop smaller where it rests, and the target beside it; where IBKR has refused that, replace it."""
    stop, beside = _held_with_its_targets(Order.objects.get(account=account, reference=step.reference), lapse)
    if stop.keeps_its_size:
        _place(lapse, sighting, account, step.quantity, (stop.reference,), now)
        return
    for order in [stop, *beside]:
        total = step.quantity + order.filled_quantity
        if order.status not in CHANGED_IN_PLACE or order.quantity <= total or order.keeps_its_size:
            continue
        changed = Order.objects.filter(pk=order.pk, resize_to=None).update(resize_to=total, resize_asked_at=now)
        if changed:
            cause = f"to be {grouped(total)}: no more than that is held"
            OrderEvent.objects.create(order=order, old=order.status, new=order.status, cause=cut(cause, 300), at=now)
            notify(ORDERS_CHANNEL, str(order.connection_id))
