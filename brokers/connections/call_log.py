"""The log of calls in the database: written redacted, bounded for each connection, and deleted when its time is over."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from brokers.domain.calls import Call as Made
from brokers.domain.redaction import Redactor
from brokers.models import BrokerageAccount, Call, Connection, Order
from brokers.postgres.inserts import inserted
from brokers.postgres.written import written_once

BATCH = 1000
# Rows that a connection may have beyond its bound before they are deleted.
SURPLUS = 500
_MOST_SIZE = 2**31 - 1


def save(made: Sequence[tuple[datetime, Made]], missing: Mapping[int, int]) -> Counter[int]:
    """Write calls with the moments they began at; returns how many of each connection.

    `missing` are the calls of each connection before these that nobody wrote. A connection that is gone keeps nothing.
    """
    teams = dict(_teams({call.connection for _, call in made}))
    redactors, orders, untold = _redactors(made), _named(made), dict(missing)
    rows = []
    for at, call in made:
        if call.connection in teams:
            rows.append(_row(at, call, teams[call.connection], redactors[call.connection]))
            rows[-1].order_id = call.order or _first(orders, call)
            rows[-1].missing = untold.pop(call.connection, 0)
        # Who sends an order meanwhile goes first.
        time.sleep(0)
    inserted(rows)
    return Counter(row.connection_id for row in rows)


def _redactors(made: Sequence[tuple[datetime, Made]]) -> dict[int, Redactor]:
    """What is known to be secret of each connection: what it signs in with, and its accounts with their names."""
    known: dict[int, set[str]] = defaultdict(set)
    for _, call in made:
        known[call.connection].update(call.secrets)
    for connection, number, title in _accounts(known):
        known[connection].update((number, title))
    return {connection: Redactor(secrets) for connection, secrets in known.items()}


def _named(made: Sequence[tuple[datetime, Made]]) -> dict[tuple[int, str], int]:
    """The orders that messages of the live stream name, by connection and name; a connection names its own orders only."""
    names = {name for _, call in made for name in call.names}
    if not names:
        return {}
    asked = {call.connection for _, call in made if call.names}
    found: dict[tuple[int, str], int] = {}
    for pk, connection, *known in _orders(asked, names):
        found |= {(connection, name): pk for name in known if name in names}
    return found


@written_once
def _teams(connections: Collection[int]) -> QuerySet[Connection, Any]:
    return Connection.objects.filter(pk__in=connections).values_list("pk", "team_id")


@written_once
def _accounts(connections: Collection[int]) -> QuerySet[BrokerageAccount, Any]:
    rows = BrokerageAccount.objects.filter(connection__in=connections)
    return rows.values_list("connection_id", "account_id", "title")


@written_once
def _orders(connections: Collection[int], names: Collection[str]) -> QuerySet[Order, Any]:
    here = Q(connection__in=connections, reference__in=names)
    own = here | Q(account__connection__in=connections, broker_order_id__in=names)
    return Order.objects.filter(own).values_list("pk", "connection_id", "reference", "broker_order_id")


def _first(orders: Mapping[tuple[int, str], int], call: Made) -> int | None:
    """The first order of ours that a message names."""
    return next((orders[key] for name in call.names if (key := (call.connection, name)) in orders), None)


def _row(at: datetime, call: Made, team: int, redactor: Redactor) -> Call:
    took = max(0.0, call.took * 1000)
    return Call(
        team_id=team,
        connection_id=call.connection,
        at=at,
        method=call.method[:8],
        endpoint=call.endpoint[:120],
        address=redactor.address(call.endpoint, call.parts, call.params),
        outcome=str(call.outcome),
        status=call.status,
        took_ms=took,
        own_ms=min(took, max(0.0, call.own * 1000)),
        size=min(call.size, _MOST_SIZE),
        pace_left=call.pace_left if call.pace_left is None else max(-32768, min(32767, call.pace_left)),
        request=redactor.excerpt(call.request),
        answer=redactor.excerpt(call.answer),
    )


def trim(connection_pk: int) -> int:
    """Delete what a connection has beyond its bound, the oldest first; returns how many rows."""
    rows = Call.objects.filter(connection=connection_pk)
    edge = rows.order_by("-pk").values_list("pk", flat=True)[settings.KEEP_CALLS : settings.KEEP_CALLS + 1].first()
    return 0 if edge is None else rows.filter(pk__lte=edge).delete()[0]


def forget(now: datetime, *, batch: int = BATCH) -> int:
    """Delete what is older than the log is kept, and what connections have beyond their bound; returns how many rows."""
    before = now - timedelta(days=settings.KEEP_CALLS_DAYS)
    gone = sum(Call.objects.filter(pk__in=keys).delete()[0] for keys in _older(before, batch))
    return gone + sum(trim(pk) for pk in Connection.objects.order_by("pk").values_list("pk", flat=True))


def _older(before: datetime, batch: int) -> Iterator[list[int]]:
    """The oldest rows in batches. Rows are written in the order of time but for some seconds, so that no index is needed."""
    while True:
        oldest = Call.objects.order_by("pk").values_list("pk", "at")[:batch]
        keys = [pk for pk, at in oldest if at < before]
        if keys:
            yield keys
        if len(keys) < batch:
            return
