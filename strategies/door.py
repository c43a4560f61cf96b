"""The webhook door: raw ASGI, a 200 only for a signal that is durable, and everything bounded."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.conf import settings

from brokers.locks import direct_parameters
from strategies import parsing, peers
from strategies.batches import Batcher, Full
from strategies.deliveries import NOT_FOUND, SERVER_ERROR, Accepted, Delivery
from strategies.domain.refusals import Refused
from strategies.intake import Intake, Outcome
from strategies.nudges import Nudger
from strategies.passwords import matches

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MOST_WAITING = 20_000
MOST_IN_A_BATCH = 400
MOST_BYTES_IN_A_BATCH = 4 * 1024 * 1024

_PATH = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/([^/]*)/?)?", re.IGNORECASE)
_METHOD = Refused(405, "method-not-allowed", "A webhook takes POST only. Send the signal as the body of a POST.")
_BUSY = Refused(503, "unavailable", "More signals wait than can be stored in time. Send this one again in a second.")


class Door:
    """The ASGI application under `prefix`."""

    prefix = "/trading/webhook/"

    def __init__(self) -> None:
        self._intake: Intake | None = None
        self._nudger: Nudger | None = None
        self._trusted = peers.networks(settings.TRUSTED_PROXIES)
        self._batcher: Batcher[Delivery, Outcome] = Batcher(
            self._store,
            size=lambda delivery: len(delivery.body),
            most_waiting=MOST_WAITING,
            most_in_a_batch=MOST_IN_A_BATCH,
            most_bytes_in_a_batch=MOST_BYTES_IN_A_BATCH,
        )

    async def open(self) -> None:
        """Take up service. The database may still be away: it is dialled when the first signal comes."""
        self._intake = Intake(direct_parameters())
        self._nudger = Nudger()

    async def close(self) -> None:
        """Finish what was taken."""
        await self._batcher.close()
        if self._intake is not None:
            await self._intake.close()
        if self._nudger is not None:
            self._nudger.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: POST a signal."""
        path = scope["path"][len(self.prefix) :]
        match = _PATH.fullmatch(path)
        # The server logs this path after us, and the password is in it.
        scope["path"] = self.prefix + (match[1] if match else "")
        if scope["method"] != "POST":
            await _refuse(send, uuid4(), _METHOD, (b"allow", b"POST"))
            return
        if match is None:
            await _refuse(send, uuid4(), NOT_FOUND)
            return
        code = UUID(match[1])
        delivery = self._delivery(scope, code, matches(code, match[2] or ""))
        try:
            await _read_body(scope, receive, delivery)
            outcome = await self._settle(delivery)
        except _GoneError:
            return
        except Exception:
            log.exception("webhook %s, request %s failed", code, delivery.log)
            outcome = SERVER_ERROR
        if isinstance(outcome, Refused):
            log.info("webhook %s, request %s: %d %s", code, delivery.log, outcome.status, outcome.code)
            await _refuse(send, delivery.log, outcome)
        else:
            await _accept(send, delivery, outcome)

    def _delivery(self, scope: Scope, code: UUID, authorised: bool) -> Delivery:
        headers = dict(scope["headers"])
        client = scope.get("client")
        forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1") if self._trusted else ""
        return Delivery(
            endpoint=code,
            authorised=authorised,
            received_at=datetime.now(UTC),
            address=peers.address(client[0] if client else None, forwarded, self._trusted),
            content_type=_plain(headers.get(b"content-type", b""))[:100],
            idempotency_key=headers.get(b"idempotency-key", b"").decode("latin-1").strip(),
        )

    async def _settle(self, delivery: Delivery) -> Outcome:
        """The outcome once it is durable."""
        assert self._intake is not None, "the door is not open"
        if context := self._intake.context(delivery.endpoint):
            delivery.read(context)
        try:
            outcome = await self._batcher.put(delivery)
        except Full:
            outcome = _BUSY
        if isinstance(outcome, Refused) and outcome.status == 503 and delivery.refused is not None:
            # Too large or too slow is so whether we could write it down or not.
            return delivery.refused
        return outcome

    async def _store(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        assert self._intake is not None
        assert self._nudger is not None
        outcomes = await self._intake.store(batch)
        if any(outcome == delivery.signal for delivery, outcome in zip(batch, outcomes, strict=True)):
            self._nudger.nudge()
        return outcomes


class _GoneError(Exception):
    """The sender hung up before the message was complete."""


async def _read_body(scope: Scope, receive: Receive, delivery: Delivery) -> None:
    """Read no more than allowed, for no longer than allowed; what is beyond is refused unread."""
    limit: int = settings.WEBHOOK_BODY_LIMIT
    too_large = parsing.too_large(limit)
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if length.isdigit() and (len(length) > 12 or int(length) > limit):
        delivery.refused = too_large
        return
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.WEBHOOK_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _GoneError
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                chunks.append(chunk)
                if size > limit:
                    delivery.refused = too_large
                if size > limit or not message.get("more_body", False):
                    break
    except TimeoutError:
        delivery.refused = Refused(
            408,
            "request-timeout",
            f"The message was not complete after {settings.WEBHOOK_BODY_SECONDS} seconds. Send it in one piece.",
        )
    delivery.body = b"".join(chunks)[:limit]


class _Answer(msgspec.Struct, omit_defaults=True):
    success: bool
    id: UUID
    logId: UUID
    payload: msgspec.Raw
    reading: dict[str, Any]
    warnings: Sequence[str]
    duplicateOf: UUID | None = None


async def _accept(send: Send, delivery: Delivery, first: UUID) -> None:
    verdict = delivery.verdict
    assert isinstance(verdict, Accepted)
    answer = _Answer(
        success=True,
        id=first,
        logId=delivery.log,
        # The text itself: it is JSON, and no number in it changes its digits.
        payload=msgspec.Raw(verdict.text.encode()),
        reading=verdict.reading,
        warnings=verdict.warnings,
        duplicateOf=None if first == delivery.signal else first,
    )
    await _send(send, 200, delivery.log, msgspec.json.encode(answer))


async def _refuse(send: Send, request: UUID, refused: Refused, *headers: tuple[bytes, bytes]) -> None:
    envelope = {
        "success": False,
        "logId": request,
        "messageCode": refused.code,
        "message": refused.message,
        **({"field": refused.field} if refused.field else {}),
        **({"hint": refused.hint} if refused.hint else {}),
    }
    if refused.status == 503:
        headers = (*headers, (b"retry-after", b"1"))
    if refused.status in {408, 413}:
        # There is more to come of that body, and we will not wait for it.
        headers = (*headers, (b"connection", b"close"))
    await _send(send, refused.status, request, msgspec.json.encode(envelope), *headers)


async def _send(send: Send, status: int, request: UUID, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", str(request).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


@functools.lru_cache(maxsize=1_000)
def _plain(header: bytes) -> str:
    return "".join(letter for letter in header.decode("latin-1") if letter.isprintable())
