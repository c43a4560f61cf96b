"""Stores deliveries in batches, each batch with one statement, over one database connection of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
import psycopg

from accounts import audit
from accounts.models import User
from brokers.postgres.locks import direct_parameters
from strategies.domain.message.refusals import Refused, invalid
from strategies.models import SeenKey, Signal, Strategy
from strategies.webhook import rows
from strategies.webhook.delivery import NOT_FOUND, UNAVAILABLE, Context, Delivery
from strategies.webhook.meters import Meters
from strategies.webhook.statements import REPEAT, STORE, STORE_AND_REFUSE

log = logging.getLogger(__name__)

CONNECT_SECONDS = 2
STATEMENT_SECONDS = 2
# A restart of the database takes less; senders wait 3 s at most.
PATIENCE_SECONDS = 1.0
SECONDS_BETWEEN_TRIES = 0.05
MOST_CONTEXTS = 50_000
MOST_LOGGED_REMEMBERED = 1_000
# How often the settings may change under a delivery before we let the sender try again.
ROUNDS = 5

# The row itself is at fault, so that others in its batch may pass without it.
POISON = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.InternalError)

# The id of the signal a delivery belongs to (its own, or the first one that it repeats), or why there is none.
Outcome = UUID | Refused


class _Answer(NamedTuple):
    """The row that the statement returns for one delivery."""

    n: int
    stored: bool
    logged: bool
    taken: int | None
    exits: int | None
    strangers: int | None
    over: int | None
    fresh: dict[str, Any] | None


class Intake:
    """Stores deliveries. One caller at a time: the batcher sees to it."""

    def __init__(self, connect: Mapping[str, Any]) -> None:
        self._parameters = dict(connect)
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._away = False
        self._contexts: dict[UUID, Context] = {}
        self._meters = Meters()
        # Stored refusals that the pages have not been told of.
        self.logged: deque[UUID] = deque(maxlen=MOST_LOGGED_REMEMBERED)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def pop_logged(self) -> list[UUID]:
        """The log codes of refusals stored since the last call."""
        codes = list(self.logged)
        self.logged.clear()
        return codes

    def context(self, endpoint: UUID) -> Context | None:
        """The settings last seen. Reading may start with them, since the statement proves them or returns newer ones."""
        return self._contexts.get(endpoint)

    async def store(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Make a batch durable. Never raises: a delivery that could not be stored has a Refused of 5xx."""
        try:
            return await self._patiently(batch)
        except POISON as error:
            if len(batch) == 1:
                return [self._poisoned(batch[0], error)]
        except (psycopg.Error, OSError, TimeoutError) as error:
            log.error("%d deliveries could not be stored: %s", len(batch), error)
            return [UNAVAILABLE] * len(batch)
        log.warning("a delivery fails the batch of %d; storing them one at a time", len(batch))
        return [(await self.store([delivery]))[0] for delivery in batch]

    async def _patiently(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Try again over a new connection while the database restarts; give up at once while it is known to be away.

        Trying again is safe: an attempt recognises what an earlier one stored although its answer got lost.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + (0 if self._away else PATIENCE_SECONDS)
        while True:
            try:
                outcomes = await self._store(batch)
            except (*POISON, psycopg.errors.QueryCanceled, TimeoutError):
                self._meters.clear()
                raise
            except (psycopg.Error, OSError) as error:
                # The database may not have counted what was counted here.
                self._meters.clear()
                if clock() >= deadline:
                    self._away = True
                    raise
                log.warning("storing %d deliveries once more: %s", len(batch), error)
                await asyncio.sleep(SECONDS_BETWEEN_TRIES)
            else:
                self._away = False
                return outcomes

    async def _store(self, batch: Sequence[Delivery]) -> list[Outcome]:
        outcomes: dict[UUID, Outcome] = {}
        waiting = list(batch)
        for _ in range(ROUNDS):
            answers = {answer.n: answer for answer in await self._ask(waiting)}
            unsettled: list[Delivery] = []
            repeated: list[Delivery] = []
            for n, delivery in enumerate(waiting):
                answer = answers.get(n)
                if answer is None:
                    self._contexts.pop(delivery.endpoint, None)
                    outcomes[delivery.log] = NOT_FOUND
                elif answer.fresh is not None:
                    self._read(delivery, Context.from_json(answer.fresh))
                    unsettled.append(delivery)
                elif isinstance(delivery.verdict, Refused):
                    outcomes[delivery.log] = delivery.verdict
                elif answer.stored:
                    outcomes[delivery.log] = delivery.signal
                else:
                    repeated.append(delivery)
                if answer is not None and answer.logged:
                    self.logged.append(delivery.log)
            if repeated:
                unsettled += await self._repeat(repeated, outcomes)
            if not unsettled:
                break
            waiting = unsettled
        return [outcomes.get(delivery.log, UNAVAILABLE) for delivery in batch]

    async def _ask(self, deliveries: Sequence[Delivery]) -> list[_Answer]:
        await self._meters.load(deliveries, self._run)
        entries = [rows.row(n, delivery, self._meters.judge(delivery)) for n, delivery in enumerate(deliveries)]
        statement = STORE_AND_REFUSE if any("status" in entry for entry in entries) else STORE
        answers = [_Answer(*answer) for answer in await self._run(statement, entries)]
        for answer in answers:
            endpoint = deliveries[answer.n].endpoint
            if answer.fresh is not None:
                self._meters.forget(endpoint)
            elif answer.taken is not None:
                counts = (answer.taken, answer.exits or 0, answer.strangers or 0, answer.over or 0)
                self._meters.learn(endpoint, counts)
        return answers

    async def _repeat(self, repeated: Sequence[Delivery], outcomes: dict[UUID, Outcome]) -> list[Delivery]:
        """Add to `outcomes` the signals that these repeat; returns the deliveries whose key has expired meanwhile."""
        entries = [
            {"n": n, "endpoint": delivery.endpoint, "key": rows.key(delivery), **rows.transport(delivery)}
            for n, delivery in enumerate(repeated)
        ]
        signals = dict(await self._run(REPEAT, entries))
        outcomes.update((delivery.log, signals[n]) for n, delivery in enumerate(repeated) if n in signals)
        return [delivery for n, delivery in enumerate(repeated) if n not in signals]

    def _read(self, delivery: Delivery, context: Context) -> None:
        if len(self._contexts) >= MOST_CONTEXTS:
            self._contexts.clear()
        self._contexts[delivery.endpoint] = context
        delivery.read(context)

    async def _run(self, statement: str, rows: Iterable[object]) -> list[tuple[Any, ...]]:
        document = msgspec.json.encode(rows).decode()
        try:
            async with asyncio.timeout(CONNECT_SECONDS + STATEMENT_SECONDS):
                connection = await self._connected()
                cursor = await connection.execute(statement, (document,), prepare=True)
                return await cursor.fetchall()
        except POISON:
            raise
        except BaseException:
            # The state of the connection is unknown now.
            await self._drop()
            raise

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            connection = await psycopg.AsyncConnection.connect(
                **{**self._parameters, "autocommit": True, "connect_timeout": CONNECT_SECONDS}
            )
            self._connection = connection
            await connection.execute(f"SET statement_timeout = {STATEMENT_SECONDS * 1000}")
            # A 200 promises this, so the server's own setting does not decide it.
            await connection.execute("SET synchronous_commit = on")
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _poisoned(self, delivery: Delivery, error: psycopg.Error) -> Refused:
        log.error("delivery %s to webhook %s cannot be stored: %s", delivery.log, delivery.endpoint, error.sqlstate)
        if isinstance(error, psycopg.DataError):
            return Refused(400, "invalid-payload", "The message holds text that cannot be stored. Send plain text.")
        return UNAVAILABLE


def forget_expired(now: datetime) -> int:
    """Delete the keys that have expired, so that a new delivery with one is no repeat; returns how many."""
    return SeenKey.objects.filter(expires_at__lte=now).delete()[0]


def send_test(*, strategy: Strategy, message_body: str, actor: User | None, now: datetime) -> Signal:
    """Take a signal that a person wrote by hand: read and stored as the webhook does it, and never a repeat.

    Raises Refused with the sentence that the webhook would answer.
    """
    endpoint = strategy.endpoints.filter(enabled=True).order_by("-pk").first()
    if endpoint is None:
        raise invalid("no-webhook", "This strategy has no webhook that is switched on. Make one, then try again.")
    delivery = Delivery(
        endpoint=endpoint.code,
        authorised=True,
        received_at=now,
        body=message_body.encode(),
        content_type="application/json",
        idempotency_key=f"test-{uuid4()}",
        own=True,
    )

    async def store() -> Outcome:
        intake = Intake(direct_parameters())
        try:
            return (await intake.store([delivery]))[0]
        finally:
            await intake.close()

    outcome = asyncio.run(store())
    if isinstance(outcome, Refused):
        raise outcome
    signal = Signal.objects.select_related("strategy", "team").get(code=outcome)
    audit.record(team=strategy.team, actor=actor, action="signal.tested", subject=str(signal.code), now=now)
    return signal
