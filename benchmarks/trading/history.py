"""A long history, written by Postgres itself: rows like the given ones, a million as fast as its indexes take them.

No row is made by the product's code; each is a copy of one that was, with a key, a code and moments of its own. Foreign
keys are not checked meanwhile, which the server's own user may switch off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model

# Days that the history reaches back from its end, which is two days ago: no limit of today counts any of it.
DAYS, ENDED_DAYS_AGO = 365, 2


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is of all; `share`: the part of it that belongs to the one team that is measured."""

    teams: int
    subscriptions: int
    signals: int
    orders: int
    refusals: int
    share: float = 0.3

    def part(self, count: int, *, own: bool) -> int:
        return int(count * self.share) if own else count - int(count * self.share)


def copy(like: Model, count: int, columns: Mapping[str, str]) -> int:
    """Insert `count` copies of a saved row, numbered from 1 as `n`; returns the key before the first of them.

    `columns` are SQL expressions of `n` for columns that differ; `{base}` in them is that key. The primary key is
    `base + n`, and the table's sequence goes on behind the last one.
    """
    meta = like._meta
    table, names = meta.db_table, [str(field.column) for field in meta.concrete_fields if not field.primary_key]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")
        base = int(cursor.fetchone()[0])
        values = ", ".join(columns.get(name, f'r."{name}"').replace("{base}", str(base)) for name in names)
        quoted = ", ".join(f'"{name}"' for name in names)
        cursor.execute(
            f"INSERT INTO {table} (id, {quoted}) SELECT {base} + n, {values}"
            f" FROM {table} r, generate_series(1, {count}) n WHERE r.id = {like.pk}"
        )
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    return base


@contextmanager
def indexed_afterwards() -> Iterator[None]:
    """Let rows go into tables without their indexes, which are built of all of them at the end: several times as fast.

    Only the server's own user may do it. Keys alone are kept up meanwhile; nobody else may write.
    """
    tables = "SELECT c.oid FROM pg_class c WHERE c.relkind = 'r' AND c.relname ~ '^(accounts|brokers|strategies)_'"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid IN ({tables})"
            " AND NOT indisprimary RETURNING indrelid::regclass::text"
        )
        names = sorted({name for (name,) in cursor.fetchall()})
        yield
        cursor.execute("SET maintenance_work_mem = '1GB'")
        for name in names:
            cursor.execute(f"REINDEX TABLE {name}")
        cursor.execute("RESET maintenance_work_mem")


@transaction.atomic
def fill(walk: Any, refusal: Any, sizes: Sizes) -> None:
    """Fill the tables with a history like that of `walk`, of its own team and of so many others."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = 'replica'")
        cursor.execute("SET LOCAL synchronous_commit = off")
    _trade(walk, sizes, own=True)
    others = _others(walk, sizes)
    _trade(walk, sizes, own=False, others=others)
    for own in (True, False):
        _refuse(refusal, sizes, own=own, others=others)


def measure() -> None:
    """Let the planner know what there is now, as autovacuum would have by then."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT brin_summarize_new_values('orders_of_late')")
        cursor.execute("ANALYZE")


@dataclass(frozen=True, slots=True)
class _Others:
    """The key before the first of each kind of row, and how many of them each other team has."""

    count: int
    each: int
    team: int
    connection: int
    account: int
    strategy: int
    endpoint: int
    subscription: int

    def of_team(self, base: int) -> str:
        """The row of the team whose turn it is."""
        return f"{base} + 1 + n % {self.count}"

    def nth(self, base: int) -> str:
        """The row of the subscription whose turn it is, which belongs to that team."""
        return f"{base} + 1 + (n % {self.count}) + {self.count} * ((n / {self.count}) % {self.each})"


def _others(walk: Any, sizes: Sizes) -> _Others:
    """Other teams, each with a connection, a strategy, and accounts that follow it."""
    count, each = sizes.teams, max(1, sizes.subscriptions // sizes.teams)
    total = count * each
    of_team = f"1 + (n - 1) % {count}"
    fresh = {"code": "gen_random_uuid()"}
    team = copy(walk.strategy.team, count, {**fresh, "name": "'Team ' || n"})
    its_team = {"team_id": f"{team} + {of_team}"}
    bound = copy(walk.account.connection, count, {**fresh, **its_team, "username": "'other-' || ({base} + n)"})
    account = copy(
        walk.account,
        total,
        {**fresh, **its_team, "connection_id": f"{bound} + {of_team}", "account_id": "'SIMH' || ({base} + n)"},
    )
    strategy = copy(walk.strategy, count, {**fresh, **its_team})
    endpoint = copy(
        walk.strategy.endpoints.get(), count, {**fresh, **its_team, "strategy_id": f"{strategy} + {of_team}"}
    )
    terms = walk.subscription.terms
    subscription = copy(
        walk.subscription,
        total,
        {
            **fresh,
            **its_team,
            "strategy_id": f"{strategy} + {of_team}",
            "account_id": f"{account} + n",
            "terms_id": "NULL",
            "enabled": "false",
        },
    )
    versions = copy(terms, total, {"subscription_id": f"{subscription} + n"})
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE strategies_subscription SET terms_id = id - %s + %s, enabled = true WHERE id > %s",
            [subscription, versions, subscription],
        )
    return _Others(count, each, team, bound, account, strategy, endpoint, subscription)


def _trade(walk: Any, sizes: Sizes, *, own: bool, others: _Others | None = None) -> None:
    """Signals, each decided once, and the orders of their tickets, each filled with one fill."""
    signals, orders = sizes.part(sizes.signals, own=own), sizes.part(sizes.orders, own=own)
    whose: dict[str, str] = {}
    account: dict[str, str] = {}
    if others is not None:
        whose = {"team_id": others.of_team(others.team)}
        account = {
            **whose,
            "account_id": others.nth(others.account),
            "connection_id": others.of_team(others.connection),
        }
    # The orders of a ticket one after the other, as time has it.
    of_order = f"1 + (n - 1)::bigint * {signals} / {orders}"
    at, by_order = _moment("n", signals), _moment(of_order, signals)
    sent: dict[str, str] = {**whose}
    if others is not None:
        sent |= {
            "endpoint_id": others.of_team(others.endpoint),
            "strategy_id": others.of_team(others.strategy),
        }
    signal = copy(
        walk.signal,
        signals,
        {
            **sent,
            "code": "gen_random_uuid()",
            "log_code": "gen_random_uuid()",
            "key": "'id:history-' || ({base} + n)",
            "received_at": at,
            "stored_at": at,
            "dispatched_at": at,
            "signal_time": at,
            **_as_retention_left_it("n", signals),
        },
    )
    ticket = copy(walk.order.ticket, signals, {**account, "key": "gen_random_uuid()", "queued_at": at, "worked_at": at})
    decision = {} if others is None else {"subscription_id": others.nth(others.subscription)}
    copy(
        walk.decision,
        signals,
        {
            **whose,
            **decision,
            "code": "gen_random_uuid()",
            "signal_id": f"{signal} + n",
            "ticket_id": f"{ticket} + n",
            "created_at": at,
            "decided_at": at,
        },
    )
    _orders(walk, orders, {**account, "ticket_id": f"{ticket} + {of_order}"}, by_order)


def _orders(walk: Any, count: int, columns: Mapping[str, str], at: str) -> None:
    """Orders with their last event, their attempt and their fill."""
    order = copy(
        walk.order,
        count,
        {
            **columns,
            "code": "gen_random_uuid()",
            "reference": "'hy-history-' || ({base} + n)",
            "broker_order_id": "({base} + n)::text",
            **dict.fromkeys(("created_at", "submitted_at", "acknowledged_at", "filled_at", "changed_at"), at),
            "expires_at": at,
        },
    )
    # What a trigger notes of each fill, which is switched off here.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO brokers_netfill (account_id, conid, quantity)"
            " SELECT account_id, conid, sum(CASE side WHEN 'buy' THEN filled_quantity ELSE -filled_quantity END)"
            " FROM brokers_order WHERE id > %s AND filled_quantity <> 0 GROUP BY account_id, conid",
            [order],
        )
    its_order = {"order_id": f"{order} + n"}
    copy(walk.order.events.order_by("pk").last(), count, {**its_order, "at": at})
    if attempt := walk.order.attempts.first():
        copy(attempt, count, {**its_order, "sent_at": at, "answered_at": at})
    whose = {name: columns[name] for name in ("team_id", "account_id") if name in columns}
    copy(
        walk.order.executions.get(),
        count,
        {
            **its_order,
            **whose,
            "code": "gen_random_uuid()",
            "broker_execution_id": "'0000.history.' || ({base} + n)",
            "executed_at": at,
            "seen_at": at,
        },
    )


def _refuse(refusal: Any, sizes: Sizes, *, own: bool, others: _Others) -> None:
    count = sizes.part(sizes.refusals, own=own)
    whose = {} if own else {"team_id": others.of_team(others.team), "endpoint_id": others.of_team(others.endpoint)}
    copy(refusal, count, {**whose, "log_code": "gen_random_uuid()", "received_at": _moment("n", count)})


def _as_retention_left_it(number: str, count: int) -> dict[str, str]:
    """What of a signal is blank, and since when, once it is as old as deliveries are kept."""
    at = _moment(number, count)
    is_old = f"{at} < now() - interval '{settings.KEEP_DELIVERIES_DAYS} days'"
    blank = {"body": "''", "headers": "'{}'::jsonb", "address": "NULL"}
    columns = {name: f'CASE WHEN {is_old} THEN {empty} ELSE r."{name}" END' for name, empty in blank.items()}
    return columns | {"forgotten_at": f"CASE WHEN {is_old} THEN now() END"}


def _moment(number: str, count: int) -> str:
    """When the row of this number came, evenly from the first to the last."""
    return f"now() - interval '{ENDED_DAYS_AGO} days' - interval '{DAYS} days' * (1 - ({number})::float / {count})"
