"""What a connection's lane has to do now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef

from brokers import cancels, doubt, execution, sessions
from brokers.domain.orders import OrderStatus
from brokers.models import Connection, ContractLookup, Order, Ticket

DOUBTFUL = [str(OrderStatus.SUBMITTED), str(OrderStatus.UNKNOWN)]


def waiting_connections(shard: int, shards: int) -> list[int]:
    """Connections of the shard that have something to do: tickets, questions about contracts, orders in doubt, cancels."""
    tickets = Ticket.objects.filter(worked_at__isnull=True, connection__enabled=True).values_list("connection_id")
    lookups = ContractLookup.objects.filter(status="wanted", connection__enabled=True).values_list("connection_id")
    doubtful = Order.objects.filter(status__in=DOUBTFUL).values_list("account__connection_id")
    unsent = cancels.unsent_cancels().values_list("account__connection_id")
    every = tickets.distinct().union(lookups.distinct(), doubtful.distinct(), unsent.distinct())
    found = {pk for (pk,) in every}
    return sorted(pk for pk in found if pk % shards == shard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """One look of a lane: its connection, what waits, and the first order, already written down as leaving."""

    connection: Connection
    believed_active: bool
    lookups: bool
    cancels: bool
    doubtful: bool
    job: execution.Job | None

    @property
    def empty(self) -> bool:
        return not (self.lookups or self.cancels or self.doubtful or self.job)


def has_work(connection_pk: int) -> bool:
    """True while anything of the connection waits."""
    return connection_pk in waiting_connections(0, 1)


def look(connection_pk: int, now: datetime, *, back: bool) -> Agenda:
    """Look at a connection's rows. `back`: also at what a dead worker may have left; only under the connection's lock.

    One trip to the database's thread: this is the way a signal waits on.
    """
    if back:
        doubt.doubt_abandoned(connection_pk, now)
    wanted = ContractLookup.objects.filter(connection=OuterRef("pk"), status="wanted")
    unsent = cancels.unsent_cancels().filter(account__connection=OuterRef("pk"))
    unknown = Order.objects.filter(account__connection=OuterRef("pk"), status=str(OrderStatus.UNKNOWN))
    connection = Connection.objects.annotate(
        has_lookups=Exists(wanted), has_cancels=Exists(unsent), has_doubts=Exists(unknown)
    ).get(pk=connection_pk)
    active = connection.enabled and sessions.believed_active(connection, now)
    # Cancels go first; and nothing is written down as leaving while there is no session to leave by.
    job = execution.take_next(connection_pk, now) if active and not connection.has_cancels else None
    return Agenda(
        connection=connection, believed_active=active, lookups=connection.has_lookups, cancels=connection.has_cancels,
        doubtful=connection.has_doubts, job=job,
    )  # fmt: skip
