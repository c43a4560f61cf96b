"""The status of a signal for its sender, who waits for it with `?wait=decision` or asks at its status address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import psycopg
from django.conf import settings
from psycopg.rows import dict_row

from accounts.loops import endings
from brokers.postgres.notices import DECIDED_CHANNEL
from strategies.webhook.passwords import status_code_for

log = logging.getLogger(__name__)

STATUS_PREFIX = "/trading/signal/"
PATIENCE_SECONDS = 2.5
# Deciding sends a notice; looking again covers one that got lost.
LOOK_SECONDS = 0.1
LINGER_SECONDS = 10.0
CONNECT_SECONDS = 2

# One row per signal; its decisions and their orders as JSON, in the order they were made.
ASK = """
SELECT s.code, s.received_at, s.dispatched_at, s.not_before, s.set_aside, s.note, s.duplicates, s.is_test, s.reading,
       coalesce((
         SELECT json_agg(json_build_object(
                  'subscription', u.code, 'account', a.account_id, 'status', d.status, 'rule', d.rule,
                  'code', d.reason_code, 'reason', CASE WHEN d.reason <> '' THEN d.reason ELSE d.waiting_for END,
                  'plan', d.plan,
                  'orders', coalesce((
                    SELECT json_agg(json_build_object(
                             'id', o.code, 'role', o.role, 'side', o.side, 'type', o.type, 'ticker', o.ticker,
                             'quantity', trim_scale(o.quantity)::text, 'limitPrice', trim_scale(o.limit_price)::text,
                             'stopPrice', trim_scale(o.stop_price)::text, 'status', o.status,
                             'filledQuantity', trim_scale(o.filled_quantity)::text,
                             'averagePrice', trim_scale(o.average_price)::text,
                             'simulatedPrice', o.average_price IS NOT NULL AND c.environment = 'simulated',
                             'reason', o.reason, 'reasonCode', o.reason_code) ORDER BY o.id)
                      FROM brokers_order o JOIN brokers_connection c ON c.id = o.connection_id
                     WHERE o.ticket_id = d.ticket_id), '[]'::json)) ORDER BY d.id)
           FROM strategies_decision d
           JOIN strategies_subscription u ON u.id = d.subscription_id
           JOIN brokers_brokerageaccount a ON a.id = u.account_id
          WHERE d.signal_id = s.id), '[]'::json) AS decisions
  FROM strategies_signal s WHERE s.code = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class SignalStatus:
    """The decisions on a signal, and its row. `settled`: all decisions are taken, and there will be no others."""

    settled: bool
    decisions: list[dict[str, Any]]
    row: Mapping[str, Any]


UNKNOWN = SignalStatus(settled=False, decisions=[], row={})


class StatusLookup:
    """Looks up statuses of signals. One task with one connection serves all who wait, only while somebody waits."""

    def __init__(self, parameters: Callable[[], Mapping[str, Any]]) -> None:
        self._parameters = parameters
        self._waiting: dict[UUID, list[asyncio.Future[SignalStatus]]] = {}
        self._latest: dict[UUID, SignalStatus] = {}
        self._task: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._task is not None:
            await endings.end([self._task])

    async def find(self, signal: UUID) -> SignalStatus | None:
        """The present status; None when there is no such signal. Raises psycopg.Error."""
        async with await self._dial() as connection:
            return (await _look(connection, [signal])).get(signal)

    async def wait(self, signal: UUID, patience: float = PATIENCE_SECONDS) -> SignalStatus:
        """The status as soon as it is settled, or the latest one after `patience` seconds."""
        future: asyncio.Future[SignalStatus] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(signal, []).append(future)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        try:
            async with asyncio.timeout(patience):
                return await future
        except TimeoutError:
            return self._latest.get(signal, UNKNOWN)
        finally:
            futures = self._waiting[signal]
            futures.remove(future)
            if not futures:
                del self._waiting[signal]
                self._latest.pop(signal, None)

    async def _work(self) -> None:
        """Answer those who wait, until nobody has waited for a while; without a database nobody is answered in time."""
        clock = asyncio.get_running_loop().time
        try:
            async with await self._dial() as connection:
                await connection.execute(f"LISTEN {DECIDED_CHANNEL}")
                asked_at = clock()
                while self._waiting or clock() - asked_at < LINGER_SECONDS:
                    if self._waiting:
                        asked_at = clock()
                        self._answer(await _look(connection, list(self._waiting)))
                    async for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                        pass
        except (psycopg.Error, OSError) as error:
            log.warning("senders who wait for decisions get none: %s", error)

    def _answer(self, statuses: Mapping[UUID, SignalStatus]) -> None:
        for signal, status in statuses.items():
            self._latest[signal] = status
            for future in self._waiting.get(signal, ()) if status.settled else ():
                if not future.done():
                    future.set_result(status)

    async def _dial(self) -> psycopg.AsyncConnection[Any]:
        parameters = {**self._parameters(), "autocommit": True, "connect_timeout": CONNECT_SECONDS}
        return await psycopg.AsyncConnection.connect(**parameters)


async def _look(connection: psycopg.AsyncConnection[Any], signals: list[UUID]) -> dict[UUID, SignalStatus]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(ASK, (signals,))
        return {row["code"]: _status_of(row) for row in await cursor.fetchall()}


def _status_of(row: dict[str, Any]) -> SignalStatus:
    decisions: list[dict[str, Any]] = row["decisions"]
    open_ = row["dispatched_at"] is None or any(decision["status"] == "pending" for decision in decisions)
    return SignalStatus(settled=not open_, decisions=decisions, row=row)


def status_url(signal: UUID) -> str:
    """The address of a signal's status. It is a secret: its holder sees this signal, and nothing else."""
    return f"{settings.PUBLIC_URL}{STATUS_PREFIX}{signal}/{status_code_for(signal)}"


def wants_decision(query: bytes) -> bool:
    """Whether the sender waits for the decisions: `?wait=decision`, or `?wait=plan`."""
    if b"wait" not in query:
        return False
    return parse_qs(query.decode("latin-1")).get("wait", [""])[-1].strip().lower() in {"decision", "plan"}


def status_json(status: SignalStatus) -> dict[str, Any]:
    """The answer at a status address."""
    row = status.row
    return {
        "success": True,
        "id": row["code"],
        "receivedAt": row["received_at"],
        "dispatchedAt": row["dispatched_at"],
        "notBefore": row["not_before"],
        "status": _word(status),
        "messageCode": row["set_aside"] or None,
        "message": row["note"] or None,
        "test": row["is_test"],
        "duplicates": row["duplicates"],
        "reading": row["reading"],
        "settled": status.settled,
        "decisions": status.decisions,
    }


def _word(status: SignalStatus) -> str:
    row = status.row
    if row["set_aside"] or row["note"]:
        return "set_aside"
    if row["dispatched_at"] is None:
        return "delayed" if row["not_before"] else "received"
    return "decided" if status.settled else "deciding"
