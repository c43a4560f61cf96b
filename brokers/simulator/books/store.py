"""The only place that talks to the database: loads the books, and writes changes durably in groups."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    connection,
    models,
    transaction,
)

from brokers.simulator.books import rows, rows_orders
from brokers.simulator.exchange.alerts import Alert
from brokers.simulator.exchange.records import (
    TERMINAL,
    Account,
    Advisor,
    CashChanged,
    Execution,
    Order,
    Position,
    Proceeds,
)
from brokers.simulator.market.market import Quote
from brokers.simulator.models import (
    SimAccessToken,
    SimAccount,
    SimAdvisor,
    SimAlert,
    SimCash,
    SimConsumer,
    SimCounter,
    SimExecution,
    SimOrder,
    SimPosition,
    SimProceeds,
    SimQuote,
    SimUser,
)
from brokers.simulator.oauth.oauth import AccessToken, Consumer

log = logging.getLogger(__name__)
_DAY_S = 86_400.0
# Parents before children, for the foreign keys.
_ORDER: tuple[type[models.Model], ...] = (
    SimUser,
    SimAdvisor,
    SimAccount,
    SimOrder,
    SimExecution,
    SimPosition,
    SimProceeds,
    SimCash,
    SimQuote,
    SimConsumer,
    SimAccessToken,
    SimAlert,
)
_NEVER_CHANGES = (SimUser, SimExecution)
Batch = dict[type[models.Model], dict[object, models.Model]]


@dataclass(slots=True, kw_only=True)
class Books:
    """Everything a gateway needs to go on where it stopped."""

    users: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    advisors: list[Advisor] = field(default_factory=list)
    quotes: list[tuple[Quote, float]] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    tokens: list[AccessToken] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    order_id: int = 0
    execution_number: int = 0


class Store:
    """Durable books with group commit: what arrives during one commit forms the next."""

    def __init__(self) -> None:
        # One thread, one connection: commits are in order, and there is nothing to lock.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="simulator-books")
        self._dirty: dict[tuple[type, object], rows.Storable] = {}
        self._barriers: list[Callable[[], None]] = []
        self._asked = 0
        self._committed = 0
        self._writing = False
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self.batches = 0

    # -- on the event loop ---------------------------------------------------------------------------------------

    def save(self, changes: Iterable[rows.Storable]) -> int:
        """Remember to write these; returns the ticket to wait for. Values are read when the batch starts."""
        for change in changes:
            self._dirty[rows.key(change)] = change
        return self._ask()

    def delete_account(self, account_id: str, order_id: int, execution_number: int) -> int:
        """Forget an account's orders, fills and holdings, in the next batch and before its other rows."""
        of_account = (Order, Execution, Position, Proceeds, CashChanged)
        self._dirty = {
            k: v for k, v in self._dirty.items() if not (isinstance(v, of_account) and v.account_id == account_id)
        }
        self._barriers.append(lambda: _delete_account(account_id, order_id, execution_number))
        return self._ask()

    def close_account(self, account_id: str) -> int:
        """Forget an account that has been emptied, itself included."""
        self._dirty = {k: v for k, v in self._dirty.items() if getattr(v, "account_id", None) != account_id}
        self._barriers.append(lambda: _close_account(account_id))
        return self._ask()

    def _ask(self) -> int:
        self._asked += 1
        if not self._writing:
            self._writing = True
            asyncio.get_running_loop().call_soon(self._start)
        return self._asked

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this once everything asked for so far is durable; at once when it already is."""
        if self._committed >= self._asked:
            call()
        else:
            self._waiting.append((self._asked, call))

    async def durable(self) -> None:
        """Return when everything asked for so far is durable."""
        if self._committed >= self._asked:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._asked, lambda: None if done.done() else done.set_result(None)))
        await done

    def _start(self) -> None:
        barriers, self._barriers = self._barriers, []
        dirty, self._dirty = self._dirty, {}
        upto = self._asked
        batch: Batch = {}
        for (kind, key), change in dirty.items():
            del kind
            row = rows.row(change)
            batch.setdefault(type(row), {})[key] = row
        future = asyncio.get_running_loop().run_in_executor(self._thread, _write_until_done, barriers, batch)
        future.add_done_callback(lambda f: self._written(f, upto))

    def _written(self, future: asyncio.Future[None], upto: int) -> None:
        if (failure := future.exception()) is not None:
            # Memory and database disagree. The database is the truth: stop, and start again from it.
            log.critical("The books refused a change; the gateway stops.", exc_info=failure)
            logging.shutdown()
            os._exit(70)
        self._committed = upto
        self.batches += 1
        ready = [call for number, call in self._waiting if number <= upto]
        self._waiting = [(number, call) for number, call in self._waiting if number > upto]
        self._writing = self._asked > upto
        if self._writing:
            self._start()
        for call in ready:
            call()

    async def close(self) -> None:
        await self.durable()
        await asyncio.get_running_loop().run_in_executor(self._thread, _close)
        self._thread.shutdown()


def _close() -> None:
    # Looked up in the writer's thread: every thread has a connection of its own.
    connection.close()


def _write_until_done(barriers: list[Callable[[], None]], batch: Batch) -> None:
    """Commit one batch. A database that went away is waited for; a refused row is an error."""
    pause = 0.05
    while True:
        try:
            _write(barriers, batch)
            return
        except (IntegrityError, DataError, ProgrammingError):
            raise
        except (DatabaseError, InterfaceError) as problem:
            log.warning("The books cannot be written, trying again: %s", problem)
            with contextlib.suppress(Exception):
                connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 2.0)


def _write(barriers: list[Callable[[], None]], batch: Batch) -> None:
    with transaction.atomic():
        for barrier in barriers:
            barrier()
        for model in _ORDER:
            if not (found := batch.get(model)):
                continue
            manager = model._default_manager
            if model in _NEVER_CHANGES:
                # A batch is written again when its commit was lost: the second time finds its rows there.
                manager.bulk_create(found.values(), ignore_conflicts=True, batch_size=400)
            else:
                manager.bulk_create(
                    found.values(),
                    update_conflicts=True,
                    unique_fields=[model._meta.pk.name],
                    update_fields=[f.name for f in model._meta.concrete_fields if not f.primary_key],
                    batch_size=400,
                )


def _delete_account(account_id: str, order_id: int, execution_number: int) -> None:
    SimExecution.objects.filter(account_id=account_id).delete()
    SimOrder.objects.filter(account_id=account_id).delete()
    SimPosition.objects.filter(account_id=account_id).delete()
    SimProceeds.objects.filter(account_id=account_id).delete()
    SimCash.objects.filter(account_id=account_id).delete()
    for name, value in (("order", order_id), ("execution", execution_number)):
        SimCounter.objects.update_or_create(name=name, defaults={"value": value})


def _close_account(account_id: str) -> None:
    SimAccount.objects.filter(account_id=account_id).delete()


def load(now: float) -> Books:
    """Read the books: all accounts, orders that work or ended since yesterday, fills of the last eight days."""
    books = Books(users=list(SimUser.objects.values_list("username", flat=True)))
    accounts = {row.account_id: rows.account(row) for row in SimAccount.objects.order_by("account_id")}
    for cash in SimCash.objects.all():
        accounts[cash.account_id].cash[cash.currency] = cash.balance
    for held in SimPosition.objects.all():
        accounts[held.account_id].positions[held.conid] = rows.position(held)
    for waiting in SimProceeds.objects.filter(settled=False):
        accounts[waiting.account_id].proceeds[waiting.number] = rows.proceeds(waiting)
    books.accounts = list(accounts.values())
    books.advisors = [rows.advisor(a) for a in SimAdvisor.objects.all()]
    recent = models.Q(updated_at__gte=_moment(now - 2 * _DAY_S)) | ~models.Q(status__in=TERMINAL)
    books.orders = [
        rows_orders.order(o) for o in SimOrder.objects.filter(recent).select_related("account").order_by("pk")
    ]
    fills = SimExecution.objects.filter(executed_at__gte=_moment(now - 8 * _DAY_S)).select_related("account")
    books.executions = [rows_orders.execution(e) for e in fills.order_by("pk")]
    posted = SimQuote.objects.filter(until__gt=_moment(now))
    books.quotes = [rows.quote(q) for q in posted]
    books.consumers = [rows.consumer(c) for c in SimConsumer.objects.all()]
    books.tokens = [rows.access_token(t) for t in SimAccessToken.objects.all()]
    books.alerts = [rows.alert(a) for a in SimAlert.objects.filter(deleted=False).order_by("pk")]
    counters = dict(SimCounter.objects.values_list("name", "value"))
    highest = SimOrder.objects.aggregate(top=models.Max("pk"))["top"] or 0
    books.order_id = max(highest, counters.get("order", 0))
    number = SimExecution.objects.aggregate(top=models.Max("pk"))["top"] or 0
    books.execution_number = max(number, counters.get("execution", 0))
    return books


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


@contextlib.contextmanager
def only_gateway(patience_s: float = 2.0) -> Iterator[bool]:
    """Hold the right to be this database's only gateway; False when another process has it.

    Two gateways with the same books would give out the same order numbers.
    """
    if connection.vendor == "postgresql":
        with _advisory_lock(patience_s) as mine:
            yield mine
    else:
        with _file_lock(f"{connection.settings_dict['NAME']}.lock", patience_s) as mine:
            yield mine


@contextlib.contextmanager
def _advisory_lock(patience_s: float) -> Iterator[bool]:
    # On a connection of its own, so that the lock lives exactly as long as the process.
    holder = connection.copy()
    deadline = time.monotonic() + patience_s
    try:
        with holder.cursor() as cursor:
            while True:
                cursor.execute("SELECT pg_try_advisory_lock(hashtext('halyard simulated broker'))")
                mine = bool(cursor.fetchone()[0])
                if mine or time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        yield mine
    finally:
        holder.close()


@contextlib.contextmanager
def _file_lock(path: str, patience_s: float) -> Iterator[bool]:
    deadline = time.monotonic() + patience_s
    with open(path, "w") as handle:
        mine = False
        while not mine:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            except OSError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        yield mine
