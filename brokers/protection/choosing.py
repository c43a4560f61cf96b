"""A new choice about missing stops, held at once by what is open."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from brokers.domain.orders import MAY_FILL
from brokers.domain.protection.choices import MissingStop
from brokers.models import Order, Position, Ticket

_MAY_FILL = [str(status) for status in MAY_FILL]


def hold(tickets: QuerySet[Ticket], choice: MissingStop) -> int:
    """Let tickets whose orders may still fill, or whose position is held, follow a choice; returns how many do so newly."""
    orders = Order.objects.filter(ticket=OuterRef("pk"))
    held = Position.objects.filter(account=OuterRef("account"), conid=OuterRef("conid"))
    still = Exists(orders.filter(status__in=_MAY_FILL)) | Exists(orders.filter(Exists(held)))
    return tickets.exclude(missing_stop=str(choice)).filter(still).update(missing_stop=str(choice))
