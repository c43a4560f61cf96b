"""The one order of a ticket, written down as leaving in the transaction that opens the ticket."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from brokers.connections import nights
from brokers.models import Order, Ticket
from brokers.orders.execution import Job, job_of
from brokers.orders.statements import ROUNDS, TAKE_OF_TICKET
from brokers.postgres.objects import objects_of


def take_of_ticket(ticket: Ticket, now: datetime) -> Job | None:
    """The ticket's submission, as `execution.take_next` takes it, in the caller's transaction; None where anything else of
    its connection comes first, or is in doubt. Only while the connection's lane holds its lock and waits for this.
    """
    if ticket.cancels or ticket.resizes:
        return None
    closed, shut = nights.closed_regions(now)
    values: dict[str, Any] = {"ticket": ticket.pk, "now": now, "closed": closed, "shut": shut}
    orders: list[Any] = objects_of(Order, TAKE_OF_TICKET, values)
    if not orders:
        return None
    ROUNDS[ticket.connection_id].leave(orders[0].account_id, orders[0].conid)
    return job_of(orders)
