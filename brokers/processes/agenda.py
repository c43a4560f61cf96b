"""What a connection's lane has to do now."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db import connection as database
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from brokers.connections import sessions
from brokers.domain.orders import OrderStatus, Release
from brokers.models import Advisor, BrokerageAccount, Connection, ContractLookup, ExchangeRate, MarginPreview, Order
from brokers.orders import cancels, conversions, doubt, execution, gone, resizes, undecided
from brokers.orders.modifications import sending as modifications
from brokers.orders.modifications.kinds import CHANGES
from brokers.orders.prompts import prompts
from brokers.orders.statements import ASKS_FIRST, BEFORE_ORDERS, HELD, IN_DOUBT, IN_LINE
from brokers.orders.together.taking import take_of_each
from brokers.orders.unasked import wishes
from brokers.postgres.away import AWAY
from brokers.postgres.objects import objects_of
from brokers.processes import between
from brokers.protection import foreign_cancels
from brokers.whatif import asking

log = logging.getLogger(__name__)

# Written as SQL, since every signal waits for it: one short statement for what would be four.
_FOUND = f"""c.*,
  EXISTS (SELECT FROM brokers_contractlookup l WHERE l.connection_id = c.id AND l.status = 'wanted') AS has_lookups,
  EXISTS (SELECT FROM brokers_contractlookup q WHERE q.connection_id = c.id AND q.quote_wanted_at IS NOT NULL)
    AS has_quotes,
  EXISTS (SELECT FROM brokers_contractlookup h WHERE h.connection_id = c.id AND h.hours_wanted_at IS NOT NULL)
    AS has_hours,
  EXISTS (SELECT FROM brokers_contractlookup s WHERE s.connection_id = c.id AND s.borrow_wanted_at IS NOT NULL)
    AS has_borrows,
  EXISTS (SELECT FROM brokers_optionchain k WHERE k.connection_id = c.id AND k.wanted_at IS NOT NULL) AS has_chains,
  EXISTS (SELECT FROM brokers_exchangerate r WHERE r.connection_id = c.id AND r.wanted_at IS NOT NULL) AS has_rates,
  EXISTS (SELECT FROM brokers_brokerageaccount b WHERE b.connection_id = c.id AND b.book_wanted_at IS NOT NULL)
    AS has_looks,
  EXISTS (SELECT FROM brokers_advisor v WHERE v.connection_id = c.id AND v.wanted_at IS NOT NULL) AS has_groups,
  EXISTS (SELECT FROM brokers_marginpreview m JOIN brokers_brokerageaccount a ON a.id = m.account_id
          WHERE a.connection_id = c.id AND m.wanted_at IS NOT NULL) AS has_previews,
  EXISTS (SELECT FROM brokers_whatif w JOIN brokers_brokerageaccount a ON a.id = w.account_id
          WHERE a.connection_id = c.id AND w.status = 'asked' AND NOT w.by_policy) AS has_what_ifs,
  EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = c.id AND {ASKS_FIRST.format(order="o")}) AS has_asking,
  EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = c.id AND o.status = 'unknown')
    OR EXISTS (SELECT FROM brokers_order o JOIN brokers_doubt d ON d.order_id = o.id
               WHERE o.connection_id = c.id AND {IN_DOUBT.format(order="o")} AND o.status <> 'unknown' AND d.closed_at IS NULL
               AND d.choice = 'adopt' AND d.objection = '') AS has_doubts,
{BEFORE_ORDERS},
  EXISTS (SELECT FROM brokers_submissionattempt t JOIN brokers_order o ON o.id = t.order_id
          WHERE o.connection_id = c.id AND t.outcome = '' AND t.kind IN ('post', 'reply', 'cancel')) AS has_abandoned"""  # noqa: S608
LOOK = f"SELECT {_FOUND} FROM brokers_connection c WHERE c.id = %s"  # noqa: S608
LOOK_AT_EACH = f"""
SELECT {_FOUND},
  EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = c.id AND o.status = 'submitted') AS has_submitted
FROM brokers_connection c WHERE c.id = ANY(%s)
"""  # noqa: S608
# Where LOOK finds one of these, something waits for a connection that is switched on.
_WAITS = (
    "has_looks",
    "has_lookups",
    "has_quotes",
    "has_hours",
    "has_borrows",
    "has_rates",
    "has_previews",
    "has_what_ifs",
    "has_groups",
    "has_doubts",
)
_DECISIONS_WAIT_FOR = ("has_looks", "has_lookups", "has_quotes", "has_rates", "has_previews")
# What `look` goes into.
_COMES_FIRST = (
    "has_submitted",
    "has_abandoned",
    "has_cancels",
    "has_changes",
    "has_foreign_cancels",
    "has_prompts",
)
# All moments of the statement that finds what waits are as far from now as they are from this one.
_WRITTEN_AT = datetime(2000, 1, 1, tzinfo=UTC)
DOUBTFUL = [str(OrderStatus.SUBMITTED), str(OrderStatus.UNKNOWN)]


def _waiting(now: datetime) -> list[tuple[QuerySet[Any], str]]:
    """All that lanes have to do, each kind with the way from its rows to their connection."""
    contracts = ContractLookup.objects.filter(connection__enabled=True)
    of_connections: list[QuerySet[Any]] = [
        contracts.filter(status="wanted"),
        contracts.filter(quote_wanted_at__isnull=False),
        contracts.filter(hours_wanted_at__isnull=False),
        contracts.filter(borrow_wanted_at__isnull=False),
        ExchangeRate.objects.filter(wanted_at__isnull=False, connection__enabled=True),
        BrokerageAccount.objects.filter(book_wanted_at__isnull=False, connection__enabled=True),
        Advisor.objects.filter(wanted_at__isnull=False, connection__enabled=True),
        Order.objects.filter(status__in=DOUBTFUL),
        cancels.unsent_cancels(),
        conversions.due(now),
        resizes.due(),
        modifications.open_wishes(),
        gone.orders(),
        undecided.named_orders(),
        prompts.due(now),
    ]
    of_accounts: list[QuerySet[Any]] = [
        foreign_cancels.due(),
        MarginPreview.objects.filter(wanted_at__isnull=False, account__connection__enabled=True),
        asking.by_people().filter(account__connection__enabled=True),
    ]
    return [
        *((rows, "connection_id") for rows in of_connections),
        *((rows, "account__connection_id") for rows in of_accounts),
        (_with_orders(), "id"),
        (wishes.due(now), "id"),
        (doubt.abandoned(now).filter(order__connection__enabled=True), "order__connection_id"),
    ]


def waiting_connections(now: datetime) -> list[int]:
    """Connections that have something to do: orders, questions, orders in doubt, cancels, changes."""
    statement, parameters = _waiting_in_sql()
    moments = [each + (now - _WRITTEN_AT) if isinstance(each, datetime) else each for each in parameters]
    with database.cursor() as cursor:
        cursor.execute(statement, moments)
        return sorted(pk for (pk,) in cursor.fetchall())


@functools.cache
def _waiting_in_sql() -> tuple[str, tuple[str | int | bool | datetime, ...]]:
    """The statement and its parameters as of `_WRITTEN_AT`: to write it takes ten times as long as to run it."""
    first, *rest = (rows.order_by().values_list(way).distinct() for rows, way in _waiting(_WRITTEN_AT))
    return first.union(*rest).query.sql_with_params()


# One order of a connection that may leave by itself, or once IBKR's preview of it is there: the search ends with the first.
# What waits for a cancel is woken when the cancel is through.
_ONE_WAITS = f"""SELECT true FROM brokers_order o LEFT JOIN brokers_order p ON p.id = o.parent_id
  WHERE o.connection_id = brokers_connection.id AND {{such}}
  AND (o.release = 'at_once' OR p.status || '' = 'filled') AND NOT {HELD.format(order="o")} LIMIT 1"""  # noqa: S608
_ONE_IN_LINE = _ONE_WAITS.format(such=IN_LINE.format(order="o"))
_ONE_ASKS = _ONE_WAITS.format(such=ASKS_FIRST.format(order="o"))


def _with_orders() -> QuerySet[Connection]:
    """Connections of which an order may leave now, or may be asked about."""
    return _with_one_of(f"coalesce(({_ONE_IN_LINE}), ({_ONE_ASKS}), false)")


def ready() -> QuerySet[Connection]:
    """Connections of which an order may leave now."""
    return _with_one_of(f"coalesce(({_ONE_IN_LINE}), false)")


def _with_one_of(such: str) -> QuerySet[Connection]:
    return Connection.objects.filter(enabled=True).alias(such=RawSQL(such, [], BooleanField())).filter(such=True)  # noqa: S611


def next_asking(connection_pk: int, now: datetime) -> Order | None:
    """The entry that waits longest for IBKR's preview, of those that may leave once it is there."""
    created = str(OrderStatus.CREATED)
    rows = Order.objects.filter(
        Q(release=str(Release.AT_ONCE)) | Q(parent__status=str(OrderStatus.FILLED)),
        connection=connection_pk,
        connection__enabled=True,
        # As its index has it.
        status__range=(created, created),
        asks_first=True,
        expires_at__gt=now,
    ).alias(held=RawSQL(HELD.format(order="brokers_order"), [], BooleanField()))  # noqa: S611
    return rows.filter(held=False).select_related("account", "ticket").order_by("ticket_id", "pk").first()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """One look of a lane: its connection, what waits, and the first order, already written down as leaving."""

    connection: Connection
    believed_active: bool
    looks: bool
    lookups: bool
    prices: bool
    previews: bool
    what_ifs: bool
    asking: bool
    groups: bool
    borrows: bool
    chains: bool
    doubtful: bool
    job: execution.Job | None
    cancels: bool = False
    lost_cancels: bool = False
    changes: bool = False
    lost_changes: bool = False
    gone: bool = False
    foreign_cancels: bool = False
    tells: bool = False
    prompts: bool = False

    @property
    def comes_first(self) -> bool:
        """Whether anything leaves before an order, so that none was taken up."""
        return self.cancels or self.foreign_cancels or self.changes or self.tells or self.prompts


def has_work(connection_pk: int, now: datetime) -> bool:
    """True while anything of the connection waits: as `waiting_connections` says, asked of this one alone.

    Only what the look has found at all is asked for in full: a lane without a session asks every second.
    """
    connection: Any = next(iter(objects_of(Connection, LOOK, [connection_pk])), None)
    if connection is None:
        return False
    if connection.enabled and any(getattr(connection, flag) for flag in _WAITS):
        return True
    rows: list[tuple[bool, Callable[[], QuerySet[Any]], str]] = [
        (True, ready, "pk"),
        (True, lambda: Order.objects.filter(status__in=DOUBTFUL), "connection"),
        (connection.has_cancels, cancels.unsent_cancels, "connection"),
        (connection.has_cancels, gone.orders, "connection"),
        (connection.has_changes, lambda: conversions.due(now), "connection"),
        (connection.has_changes, resizes.due, "connection"),
        (connection.has_changes, modifications.due, "connection"),
        (connection.has_foreign_cancels, foreign_cancels.due, "account__connection"),
        (connection.has_abandoned and connection.enabled, lambda: doubt.abandoned(now), "order__connection"),
        (connection.suppression_wanted_at is not None, lambda: wishes.due(now), "pk"),
        (connection.has_prompts, lambda: prompts.due(now), "connection"),
    ]
    return any(found and waiting().filter(**{way: connection_pk}).exists() for found, waiting, way in rows)


def comes_before_borrowing(connection_pk: int, now: datetime) -> bool:
    """Whether something is to leave, or a question waits that decisions wait for."""
    return _comes_before(connection_pk, now, _DECISIONS_WAIT_FOR)


def comes_before_warming(connection_pk: int, now: datetime) -> bool:
    """The same of chains that are asked ahead: whatever anybody has asked for comes first."""
    asked = (*_DECISIONS_WAIT_FOR, "has_asking", "has_hours", "has_what_ifs", "has_borrows", "has_doubts", "has_groups")
    return _comes_before(connection_pk, now, asked)


def _comes_before(connection_pk: int, now: datetime, asked: Sequence[str]) -> bool:
    connection: Any = next(iter(objects_of(Connection, LOOK, [connection_pk])), None)
    if connection is None:
        return False
    return any(getattr(connection, flag) for flag in asked) or between.writes_wait(connection_pk, now)


def look(
    connection_pk: int,
    now: datetime,
    *,
    back: bool,
    paused: bool = False,
    clock: Callable[[], datetime] | None = None,
) -> Agenda:
    """Look at a connection's rows. `back`: also at orders a dead worker may have left; only under the connection's lock.
    `paused`: its gateway is left alone, so that no order is written down as leaving. `clock`: says when one is, if one is.

    One trip to the database's thread: this is the way a signal waits on.
    """
    if back:
        doubt.doubt_abandoned(connection_pk, now)
    connection: Any = objects_of(Connection, LOOK, [connection_pk])[0]
    if connection.has_abandoned and not back:
        # Nothing of this connection is under way, as its lock is held: the database was away when an answer came.
        doubt.doubt_abandoned(connection_pk, now)
        connection = objects_of(Connection, LOOK, [connection_pk])[0]
    active = connection.enabled and sessions.believed_active(connection, now)
    # IBKR's prompts are answered first, then cancels leave, then IBKR is told which questions it need not ask, then orders
    # are changed, as an exit may wait for it; and nothing is written down as leaving while there is no session to leave by.
    unsent = connection.has_cancels and cancels.next_cancel(connection_pk) is not None
    foreign = connection.has_foreign_cancels and foreign_cancels.next_one(connection_pk) is not None
    changes = connection.has_changes and between.may_change(connection, now)
    wanted_at = connection.suppression_wanted_at
    tells = active and not paused and wanted_at is not None and wanted_at <= now
    asked = active and connection.has_prompts and prompts.next_due(connection_pk, now) is not None
    first = unsent or foreign or changes or tells or asked or paused
    may_leave = active and not first
    job = execution.take_next(connection_pk, now if clock is None else clock()) if may_leave else None
    return replace(
        _as_found(connection, active, job),
        cancels=unsent,
        lost_cancels=connection.has_cancels and bool(cancels.lost(connection_pk)),
        changes=changes,
        lost_changes=connection.has_changes and any(kind.doubtful(connection_pk, now) for kind in CHANGES),
        gone=connection.has_cancels and gone.orders().filter(connection=connection_pk).exists(),
        foreign_cancels=foreign,
        tells=tells,
        prompts=asked,
    )


def _as_found(connection: Any, active: bool, job: execution.Job | None) -> Agenda:
    """What the look says by itself, of a connection without cancels, changes, wishes and prompts."""
    return Agenda(
        connection=connection,
        believed_active=active,
        looks=connection.has_looks,
        lookups=connection.has_lookups,
        prices=connection.has_quotes or connection.has_rates or connection.has_hours,
        previews=connection.has_previews,
        what_ifs=connection.has_what_ifs,
        asking=connection.has_asking,
        groups=connection.has_groups,
        borrows=connection.has_borrows,
        chains=connection.has_chains,
        doubtful=connection.has_doubts,
        job=job,
    )


def look_at_each(connection_pks: Sequence[int], clock: Callable[[], datetime]) -> list[Agenda | None]:
    """The agenda of each of these connections, whose locks are held: the next order of each is taken in one transaction.

    None for a connection that is to be looked at by itself: it has more to do than to send orders, or the orders could not
    be taken together. One order that Postgres refuses, or that somebody holds, keeps back no other.
    """
    now = clock()
    rows: dict[int, Any] = {row.pk: row for row in objects_of(Connection, LOOK_AT_EACH, [list(connection_pks)])}
    plain = {pk: row for pk, row in rows.items() if _only_sends(row, now)}
    try:
        jobs = take_of_each(list(plain), clock()) if plain else {}
    except Exception as error:
        if isinstance(error, AWAY) and getattr(error.__cause__, "sqlstate", None) is None:
            # Postgres did not say it: nobody knows what was written, and each lane looks again in a second.
            raise
        log.warning("The orders of %d connections could not be taken together: %s", len(plain), error)
        return [None for _ in connection_pks]
    return [_as_found(plain[pk], True, jobs.get(pk)) if pk in plain else None for pk in connection_pks]


def _only_sends(connection: Any, now: datetime) -> bool:
    """Whether a connection has a session to send by, and nothing that comes before an order or was left by a dead worker."""
    if any(getattr(connection, flag) for flag in _COMES_FIRST):
        return False
    wanted_at = connection.suppression_wanted_at
    if wanted_at is not None and wanted_at <= now:
        return False
    return bool(connection.enabled) and sessions.believed_active(connection, now)
