"""Orders on their way: one lane per connection, all lanes of a shard on one event loop inside a Celery task.

A lane works its connection's rows under the connection's lock: questions about contracts, cancels, then ready orders,
exits before entries. Different connections never wait for each other, and a broker that hangs costs its own lane only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar

import psycopg
from django.utils import timezone

from brokers.book import live_book, quotes, rates
from brokers.connections import sessions
from brokers.connections.connections import login_of
from brokers.domain.brokerage import (
    AlreadyRegistered,
    Ambiguous,
    Brokerage,
    BrokerError,
    BrokerUnavailable,
    Leg,
    NotSent,
    OpenBrokerage,
    OrderFacts,
    OrderRefused,
    OrdersReply,
    Question,
    Refused,
    SessionLost,
    SubmissionOutcome,
)
from brokers.domain.orders import AssetClass, Instrument
from brokers.domain.sessions import Environment, SessionStatus
from brokers.models import Connection, ContractLookup, ExchangeRate, Order
from brokers.orders import cancels, closing, conversions, doubt, execution, reconciliation, resizes, tickets
from brokers.postgres.locks import Locks, Space, direct_parameters
from brokers.postgres.threads import Threads
from brokers.processes import agenda
from brokers.stress import control_plane

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# A task stays for the next order even when idle: a signal comes every few minutes, and a cold start would cost it more
# than all the rest of its way. The sweep starts the next one when this one ends, which it does now and then so that
# nothing a long life gathers stays for good.
LONGEST_SECONDS = 600.0
LANE_LINGER_SECONDS = 120.0  # an idle lane keeps its connection to the broker open for this long
STOP_SECONDS = 28.0  # a write takes 25 seconds at the most
TIDY_SECONDS = 1.0
RETRY_SECONDS = 1.0  # between two tries to reach a broker that is away
MOST_ROUNDS = 10  # IBKR's chains of questions are short; a longer one is not a chain but a quarrel

# Questions that only state what automation knows anyway. Everything else is declined: a fat-finger guard is not ours
# to switch off, and an unknown question is not ours to guess.
CONFIRMED = frozenset({"o354", "o10151", "o10152", "o10153", "o10331", "o403"})

PROOF = doubt.Proof(reads=3, seconds=30.0)
# The simulator's reads are complete at once and it never forgets a reference, so absence is proven sooner.
SIMULATED_PROOF = doubt.Proof(reads=3, seconds=2.0, resend=True)


class Changes(Protocol):
    """A reason to change an order where it stands, as `conversions` and `resizes` know them."""

    def next_of(self, connection_pk: int, now: datetime, /) -> conversions.Change | None: ...
    def begin(self, order: Order, now: datetime, /) -> tuple[int, Leg]: ...
    def finish(
        self, order: Order, attempt_pk: int, outcome: SubmissionOutcome, now: datetime, /, *, last: int
    ) -> None: ...
    def looked_up(self, order: Order, shown: Sequence[OrderFacts], now: datetime, /) -> bool: ...


CHANGES: tuple[Changes, ...] = (resizes, conversions)


class Lanes:
    """The lanes of one shard of connections."""

    def __init__(
        self,
        open_brokerage: OpenBrokerage,
        *,
        shard: int = 0,
        shards: int = 1,
        linger: float = LONGEST_SECONDS,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self.open_brokerage = open_brokerage
        self.shard = shard
        self.shards = shards
        self.linger = linger
        self.clock = clock
        self.threads = Threads()
        self.locks: Locks
        self.running: dict[int, Lane] = {}
        # A worker that shuts down says so to its children's tasks, which would otherwise linger.
        self.stop_word = f"{live_book.STOP}{os.getppid()}"

    async def run(self) -> bool:
        """Work until idle. False when another worker has this shard already."""
        try:
            async with Locks.opened() as self.locks:
                if not await self.locks.take(Space.WORK, self.shard):
                    return False
                try:
                    await self._listen()
                finally:
                    await asyncio.gather(*(lane.stop() for lane in self.running.values()))
                return True
        finally:
            self.threads.close()

    async def _listen(self) -> None:
        started = quiet_since = tidied_at = time.monotonic()
        async with await psycopg.AsyncConnection.connect(**direct_parameters()) as session:
            await session.execute(f"LISTEN {live_book.ORDERS_CHANNEL}")
            # Rows written before we listened are found by looking; later ones are told.
            self._wake(await self.threads.run(agenda.waiting_connections, self.shard, self.shards, self.clock()))
            while time.monotonic() - started < LONGEST_SECONDS:
                notices = [notice async for notice in session.notifies(timeout=1.0, stop_after=1)]
                if any(notice.payload == self.stop_word for notice in notices):
                    return
                for notice in notices:
                    await self._told(notice.payload)
                # What time brings is due at the busiest moment too.
                if not notices or time.monotonic() - tidied_at > TIDY_SECONDS:
                    await self._tidy()
                    tidied_at = time.monotonic()
                if self.running or notices:
                    quiet_since = time.monotonic()
                elif time.monotonic() - quiet_since > self.linger:
                    return

    async def _told(self, payload: str) -> None:
        if payload.startswith(live_book.STOP):
            return
        if payload:
            self._wake([key for key in map(int, payload.split(",")) if key % self.shards == self.shard])
        else:
            self._wake(await self.threads.run(agenda.waiting_connections, self.shard, self.shards, self.clock()))

    async def _tidy(self) -> None:
        """Once a second: drop lanes that have ended, do what time has made due, look for what nobody told us."""
        self.running = {key: lane for key, lane in self.running.items() if not lane.done}
        await self.threads.run(tickets.expire_overdue, self.clock())
        await self.threads.run(cancels.ask_due, self.clock())
        await self.threads.run(closing.work, self.clock())
        self._wake(await self.threads.run(agenda.waiting_connections, self.shard, self.shards, self.clock()))

    def _wake(self, connection_pks: list[int]) -> None:
        for key in connection_pks:
            lane = self.running.get(key)
            if lane is None or lane.done:
                lane = self.running[key] = Lane(self, key)
            lane.wake.set()


class Lane:
    """One connection's way to its broker."""

    def __init__(self, lanes: Lanes, connection_pk: int) -> None:
        self.lanes = lanes
        self.pk = connection_pk
        self.wake = asyncio.Event()
        self.broker: Brokerage | None = None
        self.looked_back = False
        self.stopping = False
        self.task = asyncio.create_task(self._run())

    @property
    def done(self) -> bool:
        return self.task.done()

    async def stop(self) -> None:
        """Let a write in progress finish and be written down, then end."""
        self.stopping = True
        self.wake.set()
        await asyncio.wait([self.task], timeout=STOP_SECONDS)

    async def _run(self) -> None:
        try:
            while await self._woken():
                self.wake.clear()
                try:
                    wait = await self._work()
                except BrokerError as error:
                    log.warning("Connection %s: %s", self.pk, error)
                    # Written down, it is no longer believed active, and the next round signs in again.
                    await self._db(_failed, self.pk, error, self.lanes.clock())
                    wait = RETRY_SECONDS
                except psycopg.OperationalError as error:
                    log.warning("Connection %s: the database is away: %s", self.pk, error)
                    wait = RETRY_SECONDS
                except Exception:
                    log.exception("Connection %s: its lane failed and goes on", self.pk)
                    wait = RETRY_SECONDS
                if wait:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.wake.wait(), wait)
                    self.wake.set()
        finally:
            if self.broker is not None:
                await self.broker.close()

    async def _woken(self) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), min(self.lanes.linger, LANE_LINGER_SECONDS))
        return self.wake.is_set() and not self.stopping

    async def _db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.lanes.threads.run(function, *args, **kwargs)

    async def _work(self) -> float:
        """Everything that can be done now; returns the seconds after which to look again, 0 for "when woken"."""
        async with self.lanes.locks.only_one(Space.CONNECTION, self.pk) as held:
            if not held:
                return 0.05
            seen = await self._db(agenda.look, self.pk, self.lanes.clock(), back=not self.looked_back)
            # Holding the lock proved that whoever sent what was left open is gone.
            self.looked_back = True
            connection = seen.connection
            if not connection.enabled or not await self._signed_in(connection, believed=seen.believed_active):
                await self._db(tickets.expire_overdue, self.lanes.clock(), self.pk)
                return (
                    RETRY_SECONDS
                    if connection.enabled and await self._db(agenda.has_work, self.pk, self.lanes.clock())
                    else 0
                )
            if not await self._send_orders(connection, seen.job):
                return RETRY_SECONDS
            if seen.cancels:
                await self._send_cancels()
            if seen.changes:
                await self._change(connection)
            if seen.lookups:
                await self._answer_lookups()
            if seen.prices:
                await self._answer_prices()
            if not seen.believed_active or seen.cancels:
                # What the look did not take up, because these had to come first.
                self.wake.set()
        return await self._resolve_unknown(connection) if seen.doubtful else 0

    async def _signed_in(self, connection: Connection, *, believed: bool) -> bool:
        if self.broker is None:
            self.broker = self.lanes.open_brokerage(login_of(connection))
        if believed:
            return True
        try:
            auth = await self.broker.session()
            if not auth.ready:
                auth = await self.broker.open_session()
        except BrokerError as error:
            await self._db(sessions.failed, connection, error, self.lanes.clock())
            return False
        return await self._db(sessions.kept, connection, auth, self.lanes.clock()) is SessionStatus.ACTIVE

    # Contracts ---------------------------------------------------------------------------------------------------

    async def _answer_lookups(self) -> None:
        assert self.broker is not None
        for lookup in await self._db(_wanted, self.pk):
            try:
                contract = await self.broker.contract(instrument_of(lookup))
            except OrderRefused as refusal:
                await self._db(live_book.answer_lookup, lookup, now=self.lanes.clock(), reason=str(refusal))
                continue
            quote, permitted = await asyncio.gather(
                _if_told(self.broker.quote(contract)), _if_told(self.broker.permitted(contract))
            )
            await self._db(
                live_book.answer_lookup,
                lookup,
                now=self.lanes.clock(),
                contract=contract,
                quote=quote,
                permitted=permitted,
            )

    async def _answer_prices(self) -> None:
        """Quotes and rates that decisions wait for. What IBKR does not show is an answer too."""
        await asyncio.gather(
            *(self._answer_quote(lookup) for lookup in await self._db(quotes.wanted_of, self.pk)),
            *(self._answer_rate(row) for row in await self._db(rates.wanted_of, self.pk)),
        )

    async def _answer_quote(self, lookup: ContractLookup) -> None:
        assert self.broker is not None
        quote = await _if_told(self.broker.quote(lookup.value()))
        await self._db(quotes.answer, lookup, quote, self.lanes.clock())

    async def _answer_rate(self, row: ExchangeRate) -> None:
        assert self.broker is not None
        rate = await _if_told(self.broker.rate(row.source, row.target))
        await self._db(rates.answer, row, rate, self.lanes.clock())

    # Writes ------------------------------------------------------------------------------------------------------

    async def _send_cancels(self) -> None:
        assert self.broker is not None
        while order := await self._db(cancels.next_cancel, self.pk):
            attempt = await self._db(cancels.begin_cancel, order, self.lanes.clock())
            outcome, reason = "accepted", "IBKR has the request."
            try:
                await self.broker.cancel(order.account.account_id, order.broker_order_id)
            except OrderRefused as refusal:
                outcome, reason = "rejected", str(refusal)
            except BrokerError as error:
                outcome, reason = "ambiguous", str(error)
                await self._db(_failed, self.pk, error, self.lanes.clock())
            await self._db(cancels.finish_cancel, order, attempt, outcome, reason, self.lanes.clock())
            if outcome == "ambiguous":
                return

    async def _send_orders(self, connection: Connection, job: execution.Job | None) -> bool:
        """Send `job` and what is ready after it; False when the broker asks for a pause or its session is gone."""
        while job is not None:
            await self._tell_price(connection, job.orders[0])
            outcome, attempt, declined = await self._submit(job)
            if isinstance(outcome, NotSent):
                await self._db(execution.finish, job, attempt, outcome, self.lanes.clock())
                reason = SessionLost(outcome.reason) if outcome.session_lost else BrokerUnavailable(outcome.reason)
                await self._db(sessions.failed, connection, reason, self.lanes.clock())
                return False
            if self.stopping:
                await self._db(execution.finish, job, attempt, outcome, self.lanes.clock(), declined=declined)
                return True
            if isinstance(outcome, Ambiguous | AlreadyRegistered):
                # What is in doubt is looked for before more is sent.
                await self._db(execution.finish, job, attempt, outcome, self.lanes.clock())
                self.wake.set()
                return True
            job = await self._db(
                execution.finish_and_take_next, job, attempt, outcome, self.pk, self.lanes.clock(), declined=declined
            )
        return True

    async def _tell_price(self, connection: Connection, order: Order) -> None:
        """A simulated market without prices of its own is told the signal's before the order comes."""
        if connection.environment != Environment.SIMULATED or not control_plane.trades_at_signals():
            return
        if order.signal_price is not None and order.conid is not None:
            await self._db(control_plane.tell_price, connection.username, order.conid, order.signal_price)

    async def _submit(self, job: execution.Job) -> tuple[SubmissionOutcome, int, bool]:
        """One POST and what IBKR asks about it; the lock is held until the last answer."""
        assert self.broker is not None
        outcome = await self.broker.submit(job.account_id, job.legs)
        return await self._answered(job.orders[0], job.attempt_pk, outcome)

    async def _answered(
        self, order: Order, attempt: int, outcome: SubmissionOutcome
    ) -> tuple[SubmissionOutcome, int, bool]:
        """IBKR's questions about a write, one by one; what came of the last answer, its attempt, and whether we said no."""
        assert self.broker is not None
        declined = False
        for _ in range(MOST_ROUNDS):
            if not isinstance(outcome, Question) or declined:
                break
            confirmed = bool(outcome.message_ids) and set(outcome.message_ids) <= CONFIRMED
            declined = not confirmed
            await self._db(execution.note_answer, attempt, outcome, self.lanes.clock())
            attempt = await self._db(execution.begin_reply, order, outcome, confirmed, self.lanes.clock())
            question, outcome = outcome, await self.broker.reply(outcome, confirmed=confirmed)
            if declined:
                outcome = _as_declined(outcome, question)
        return outcome, attempt, declined

    async def _change(self, connection: Connection) -> None:
        """Make orders smaller, and market orders of what did not fill in time; what is in doubt is looked up first."""
        for kind in CHANGES:
            while found := await self._db(kind.next_of, self.pk, self.lanes.clock()):
                if found.doubtful:
                    reply = await self._bring_home(connection, found.order.account.account_id)
                    if not await self._db(kind.looked_up, found.order, reply.orders, self.lanes.clock()):
                        return
                elif not await self._ask_change(connection, kind, found.order):
                    return
        # What waited for these changes may leave now.
        self.wake.set()

    async def _ask_change(self, connection: Connection, kind: Changes, order: Order) -> bool:
        """One change and IBKR's questions about it; False when it could not be sent."""
        assert self.broker is not None
        attempt, leg = await self._db(kind.begin, order, self.lanes.clock())
        outcome = await self.broker.modify(order.account.account_id, order.broker_order_id, leg)
        outcome, last, _ = await self._answered(order, attempt, outcome)
        await self._db(kind.finish, order, attempt, outcome, self.lanes.clock(), last=last)
        if isinstance(outcome, NotSent):
            reason = SessionLost(outcome.reason) if outcome.session_lost else BrokerUnavailable(outcome.reason)
            await self._db(sessions.failed, connection, reason, self.lanes.clock())
            return False
        return True

    # Orders in doubt ---------------------------------------------------------------------------------------------

    async def _resolve_unknown(self, connection: Connection) -> float:
        """Look for orders whose answer was lost; returns the pause until the next look."""
        assert self.broker is not None
        doubtful: list[Order] = await self._db(doubt.unknown_orders, self.pk)
        simulated = connection.environment == Environment.SIMULATED
        proof = SIMULATED_PROOF if simulated else PROOF
        for account_id in {order.account.account_id for order in doubtful}:
            reply = await self._bring_home(connection, account_id)
            for order in doubtful:
                if reply.complete and order.account.account_id == account_id:
                    await self._db(doubt.note_absence, order, proof, self.lanes.clock())
        return 1.0 if simulated else 6.0

    async def _bring_home(self, connection: Connection, account_id: str) -> OrdersReply:
        """What the broker shows of an account's orders and fills, kept and given back."""
        assert self.broker is not None
        reply = await self.broker.orders(account_id)
        fills = await self.broker.executions(account_id)
        await self._db(reconciliation.apply, connection, orders=reply.orders, executions=fills, now=self.lanes.clock())
        return reply


async def _if_told(answer: Awaitable[T]) -> T | None:
    """What is good to know beside a contract; without it decisions go on, and say what is missing."""
    with contextlib.suppress(BrokerUnavailable, OrderRefused):
        return await answer
    return None


def _as_declined(outcome: SubmissionOutcome, question: Question) -> SubmissionOutcome:
    """IBKR answers a "no" with an error text; people want to read the question instead."""
    if isinstance(outcome, Refused):
        return Refused(reason=f'IBKR asked "{question.text.strip()}" and Halyard does not confirm this by itself.')
    return outcome


def instrument_of(lookup: ContractLookup) -> Instrument:
    return Instrument(ticker=lookup.ticker, asset_class=AssetClass(lookup.asset_class))


def _wanted(connection_pk: int) -> list[ContractLookup]:
    return list(ContractLookup.objects.filter(connection_id=connection_pk, status="wanted").order_by("asked_at")[:50])


def _failed(connection_pk: int, error: BrokerError, now: datetime) -> None:
    sessions.failed(Connection.objects.get(pk=connection_pk), error, now)
