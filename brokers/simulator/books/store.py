"""Writes changes durably in groups: what arrives during one commit forms the next."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

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

from brokers.simulator.books import rows
from brokers.simulator.exchange.records import (
    CashChanged,
    Execution,
    Order,
    Position,
    Proceeds,
)
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
    SimSplit,
    SimUser,
)

log = logging.getLogger(__name__)
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
    SimSplit,
)
_NEVER_CHANGES = (SimUser, SimExecution, SimSplit)
Batch = dict[type[models.Model], dict[object, models.Model]]


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
            if not (changed := batch.get(model)):
                continue
            manager = model._default_manager
            if model in _NEVER_CHANGES:
                # A batch is written again when its commit was lost: the second time finds its rows there.
                manager.bulk_create(changed.values(), ignore_conflicts=True, batch_size=400)
            else:
                manager.bulk_create(
                    changed.values(),
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
