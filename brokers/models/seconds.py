"""Second orders as rows: which there are, and which of them wait for a person."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from brokers.domain.orders import OVER, OrderStatus
from brokers.models.orders import Order
from brokers.models.protection import ForeignOrder

_OVER = [str(status) for status in OVER]
_MAY_WORK_ON = [*_OVER, str(OrderStatus.PENDING_CANCEL)]


def is_doubled() -> Q:
    """Orders of which IBKR has two, or may have, and nobody has said what is to become of them.

    A second one that ended without a fill is none. An order of nobody's that looks like a change counts until it is left.
    """
    mine = Order.objects.filter(second_of=OuterRef("pk"), kept_both_at=None)
    looks = ForeignOrder.objects.filter(second_of=OuterRef("pk"), left_at=None)
    return Q(Exists(mine.exclude(status__in=_OVER, filled_quantity=0))) | Q(Exists(looks))


def has_two(order: Order) -> bool:
    """Whether the order is one of these."""
    return Order.objects.filter(is_doubled(), pk=order.pk).exists()


def undecided() -> QuerySet[Order]:
    """Second orders where two may trade for one, until a person keeps both or the cancel of either is asked for.

    One of the two works and nobody has asked for its cancel; the other works as well, or has filled.
    """
    first_works = ~Q(second_of__status__in=_MAY_WORK_ON)
    works = ~Q(status__in=_MAY_WORK_ON)
    both = works & first_works
    one = works & Q(second_of__filled_quantity__gt=0) | first_works & Q(filled_quantity__gt=0)
    return Order.objects.filter(both | one, second_of__isnull=False, kept_both_at=None)


def beside(order: Order) -> QuerySet[Order]:
    """The other orders that IBKR made of the same one."""
    first = order.second_of_id or order.pk
    return Order.objects.filter(Q(pk=first) | Q(second_of=first)).exclude(pk=order.pk).order_by("pk")
