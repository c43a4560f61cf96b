"""What a person says where IBKR has two orders for one: both stay. To cancel one of them is a cancel like any other."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.models import User
from accounts.refusals import Refusal
from brokers import live
from brokers.domain.orders import OrderStatus
from brokers.models import Order, OrderEvent


class KeepRefused(Refusal):
    """There is nothing to keep both of."""


@transaction.atomic
def keep_both(*, order: Order, actor: User | None, now: datetime) -> None:
    """Let a second order stay beside the first one. Raises KeepRefused."""
    second = Order.objects.select_for_update(of=("self",)).select_related("second_of", "team").get(pk=order.pk)
    first = second.second_of
    if first is None:
        raise KeepRefused("IBKR has one order of this kind, so there are no two to keep.", "not-a-second-order")
    if second.kept_both_at is not None:
        raise KeepRefused("Both orders are kept already.", "second-order-kept")
    Order.objects.filter(pk=second.pk).update(kept_both_at=now)
    for each in (first, second):
        cause = f"{actor or 'Somebody'} keeps both of IBKR's orders"
        if each.status in {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}:
            OrderEvent.objects.create(order=each, old=each.status, new=each.status, cause=cause, at=now)
        live.order_changed(each)
    about = {"numbers": [first.broker_order_id, second.broker_order_id]}
    audit.record(
        team=second.team, actor=actor, action="order.both_kept", subject=second.reference, now=now, after=about
    )
