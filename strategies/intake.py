"""What the door stores: batches of deliveries, each batch one statement, over one database connection of its own."""

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
from brokers.locks import direct_parameters
from strategies.deliveries import NOT_FOUND, UNAVAILABLE, Accepted, Context, Delivery, too_many
from strategies.domain.refusals import Refused, invalid
from strategies.intake_sql import REPEAT, STORE
from strategies.models import SeenKey, Signal, Strategy

log = logging.getLogger(__name__)

CONNECT_SECONDS = 2
STATEMENT_SECONDS = 2
# A restart of the database takes less; senders wait 3 s at most.
PATIENCE_SECONDS = 1.0
SECONDS_BETWEEN_TRIES = 0.05
MOST_CONTEXTS = 50_000
# How the keys of signals sent by hand begin.
OWN_KEY = "id:test-"
MOST_LOGGED_REMEMBERED = 1_000
KEPT_OF_A_STRANGER = 2_000
# How often the settings may change under a delivery before we let the sender try again.
ROUNDS = 5

# The row itself is at fault, so that others in its batch may pass without it.
POISON = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.InternalError)

# The id of the signal a delivery belongs to (its own, or the first one's of which it is a repeat), or why there is none.
Outcome = UUID | Refused


class _Answer(NamedTuple):
    """What the statement says of one delivery."""

    n: int
    stored: bool
    retry_after: int | None
    logged: bool
    fresh: dict[str, Any] | None


class Intake:
    """Stores deliveries. One caller at a time: the batcher sees to it."""

    def __init__(self, connect: Mapping[str, Any]) -> None:
        self._parameters = dict(connect)
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._away = False
        self._contexts: dict[UUID, Context] = {}
        # Refusals that were written down, for whoever tells the pages of them.
        self.logged: deque[UUID] = deque(maxlen=MOST_LOGGED_REMEMBERED)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def taken_logged(self) -> list[UUID]:
        """The refusals written down since this was asked last."""
        found = list(self.logged)
        self.logged.clear()
        return found

    def context(self, endpoint: UUID) -> Context | None:
        """The settings last seen: good for reading early, since the statement proves them or sends new ones."""
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
        """Again over a new connection while the database restarts, but at once given up while it is known to be away.

        Trying again is safe: what was stored although its answer got lost, the next attempt recognises as its own.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + (0 if self._away else PATIENCE_SECONDS)
        while True:
            try:
                outcomes = await self._store(batch)
            except (*POISON, psycopg.errors.QueryCanceled, TimeoutError):
                raise
            except (psycopg.Error, OSError) as error:
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
                elif answer.retry_after is not None and delivery.context is not None:
                    outcomes[delivery.log] = too_many(delivery.context, answer.retry_after)
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
        rows = [_row(n, delivery) for n, delivery in enumerate(deliveries)]
        return [_Answer(*answer) for answer in await self._run(STORE, rows)]

    async def _repeat(self, repeated: Sequence[Delivery], outcomes: dict[UUID, Outcome]) -> list[Delivery]:
        """Which signals these belong to; returns the deliveries whose key has expired in between."""
        rows = [
            {"n": n, "endpoint": delivery.endpoint, "key": _key(delivery), **_transport(delivery)}
            for n, delivery in enumerate(repeated)
        ]
        found = dict(await self._run(REPEAT, rows))
        outcomes.update((delivery.log, found[n]) for n, delivery in enumerate(repeated) if n in found)
        return [delivery for n, delivery in enumerate(repeated) if n not in found]

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
            # Whatever state it is in, we do not know it.
            await self._drop()
            raise

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            connection = await psycopg.AsyncConnection.connect(
                **{**self._parameters, "autocommit": True, "connect_timeout": CONNECT_SECONDS}
            )
            self._connection = connection
            await connection.execute(f"SET statement_timeout = {STATEMENT_SECONDS * 1000}")
            # The promise of a 200, whatever the server's own setting is.
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


def _key(delivery: Delivery) -> str | None:
    return delivery.verdict.key if isinstance(delivery.verdict, Accepted) else None


def forget_expired(now: datetime) -> int:
    """Drop the keys of deliveries that would not count as repeats any more; returns how many."""
    return SeenKey.objects.filter(expires_at__lte=now).delete()[0]


def send_test(*, strategy: Strategy, message_body: str, actor: User | None, now: datetime) -> Signal:
    """Take a signal from a person's own hand: read and stored as the webhook would, and never taken for a repeat.

    Raises Refused with the sentence the sender of such a body would get.
    """
    endpoint = strategy.endpoints.filter(enabled=True).order_by("-pk").first()
    if endpoint is None:
        raise invalid("no-webhook", "This strategy has no webhook that is switched on. Make one, then try again.")
    delivery = Delivery(
        endpoint=endpoint.code, authorised=True, received_at=now, body=message_body.encode(),
        content_type="application/json", idempotency_key=f"test-{uuid4()}", own=True,
    )  # fmt: skip

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


def _row(n: int, delivery: Delivery) -> dict[str, Any]:
    verdict, context = delivery.verdict, delivery.context
    row: dict[str, Any] = {"n": n, "endpoint": delivery.endpoint, "read_under": context.version if context else ""}
    if verdict is None or context is None:
        return row
    row |= _transport(delivery) | {
        "content_type": delivery.content_type,
        "metered": not (delivery.own or delivery.stranger),
        "leaves": isinstance(verdict, Accepted) and verdict.leaves,
        "stranger": delivery.stranger,
        "old_key": delivery.old_key and not delivery.stranger,
        # Written down in place of what it says, should the limit refuse it.
        "over_sentence": too_many(context, 60).message,
        "body": verdict.text if isinstance(verdict, Accepted) else _kept(delivery),
    }
    if not isinstance(verdict, Accepted):
        return row | {
            "status": verdict.status,
            "message_code": verdict.code,
            "sentence": verdict.message[:400],
            "field": verdict.field[:60],
        }
    message, aside = verdict.message, verdict.set_aside
    return row | {
        "signal": delivery.signal,
        "key": verdict.key,
        "key_seconds": verdict.key_seconds,
        "reading": verdict.reading,
        "warnings": verdict.warnings,
        "ticker": message.symbol.name[:60],
        "action": message.action,
        "signal_time": message.signal_time,
        "not_before": delivery.not_before,
        "is_test": bool(message.test),
        "set_aside": aside.code if aside else "",
        "note": aside.sentence[:300] if aside else "",
    }


def _transport(delivery: Delivery) -> dict[str, Any]:
    return {
        "log": delivery.log,
        "address": delivery.sender.address,
        "headers": delivery.headers,
        "received_at": delivery.received_at,
    }


def _kept(delivery: Delivery) -> str:
    body = delivery.body[:KEPT_OF_A_STRANGER] if delivery.stranger else delivery.body
    return body.decode("utf-8", "replace").replace("\0", "\ufffd")
