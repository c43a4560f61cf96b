"""The webhook door: raw ASGI, with bounds on everything. Answers 200 only when the signal is durable."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
from django.conf import settings
from django.utils import timezone

from accounts.entrance import addresses
from brokers.postgres.locks import direct_parameters
from strategies.domain.message.refusals import Refused
from strategies.reading import parse
from strategies.webhook import answers
from strategies.webhook.announcements import Announcer
from strategies.webhook.answers import Send
from strategies.webhook.batches import Batcher, Full, Held
from strategies.webhook.delivery import NOT_FOUND, SERVER_ERROR, Accepted, Delivery
from strategies.webhook.headers import plain, shown_headers
from strategies.webhook.intake import Intake, Outcome
from strategies.webhook.nudges import Nudger
from strategies.webhook.passwords import matching_key, status_matches
from strategies.webhook.senders import SIGNATURE_HEADER, Sender
from strategies.webhook.status import STATUS_PREFIX, StatusLookup, status_json, wants_decision
from strategies.webhook.strangers import Strangers

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]

SIGNATURE = SIGNATURE_HEADER.lower().encode()
WEBHOOK_PREFIX = "/trading/webhook/"
MOST_WAITING = 20_000
MOST_IN_A_BATCH = 400
# Of one webhook's deliveries, while another one is sent to: whoever comes meanwhile waits until the batch is written.
MOST_OF_ONE = 50
MOST_BYTES_IN_A_BATCH = 4 * 1024 * 1024
# Of all bodies that are being read or wait to be stored.
MOST_BYTES_HELD = 64 * 1024 * 1024

_PATH = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/([^/]*)/?)?", re.IGNORECASE)
_STATUS_METHOD = Refused(405, "method-not-allowed", "A signal's status is read with GET.")
_NO_SIGNAL = Refused(404, "not-found", "Signal not found. Ask at the statusUrl of the answer to your webhook.")
_NO_STATUS_NOW = Refused(503, "unavailable", "This cannot be looked up at the moment. Ask again.", retry_after=1)
_METHOD = Refused(405, "post-required", "A webhook takes POST only. Send the signal as the body of a POST.")
_BUSY = Refused(
    503, "unavailable", "More signals wait than can be stored in time. Send this one again in a second.", retry_after=1
)
_TOO_MANY_KNOCKS = Refused(
    429,
    "too-many-requests",
    "This address has sent to too many URLs that are no webhook. Copy the URL from the strategy's page, then send again.",
    retry_after=60,
)


class Door:
    """The ASGI application under `/trading/`: takes webhooks, and tells the status of a signal."""

    prefix = "/trading/"

    def __init__(self) -> None:
        self._intake: Intake | None = None
        self._nudger: Nudger | None = None
        self._announcer: Announcer | None = None
        self._statuses = StatusLookup(direct_parameters)
        self._strangers = Strangers()
        self._held = Held(MOST_BYTES_HELD)
        self._trusted: list[str] = settings.TRUSTED_PROXIES
        self._certificate_header = settings.CERTIFICATE_HEADER.lower().encode()
        self._batcher: Batcher[Delivery, Outcome] = Batcher(
            self._store,
            size=lambda delivery: len(delivery.body),
            most_waiting=MOST_WAITING,
            most_in_a_batch=MOST_IN_A_BATCH,
            most_bytes_in_a_batch=MOST_BYTES_IN_A_BATCH,
            owner=self._webhook_of,
            most_of_one=MOST_OF_ONE,
        )

    async def open(self) -> None:
        """Take up service. The database may still be away: the first signal dials it."""
        self._intake = Intake(direct_parameters())
        self._nudger = Nudger()
        self._announcer = Announcer()

    async def close(self) -> None:
        """Store what was already received, then close every connection."""
        await self._batcher.close()
        if self._intake is not None:
            await self._intake.close()
        await self._statuses.close()
        if self._nudger is not None:
            self._nudger.close()
        if self._announcer is not None:
            self._announcer.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: POST a signal, or GET the status of one."""
        path: str = scope["path"]
        prefix = STATUS_PREFIX if path.startswith(STATUS_PREFIX) else WEBHOOK_PREFIX
        match = _PATH.fullmatch(path[len(prefix) :]) if path.startswith(prefix) else None
        # The server logs this path afterwards, and it holds a secret.
        scope["path"] = prefix + (match[1] if match else "")
        if prefix == STATUS_PREFIX:
            await self._status(scope["method"], match, send)
        else:
            await self._webhook(scope, match, receive, send)

    async def _status(self, method: str, match: re.Match[str] | None, send: Send) -> None:
        request = uuid4()
        if method not in {"GET", "HEAD"}:
            await answers.refuse(send, request, _STATUS_METHOD, (b"allow", b"GET"))
            return
        status = None
        if match is not None and status_matches(UUID(match[1]), match[2] or ""):
            try:
                status = await self._statuses.find(UUID(match[1]))
            except (psycopg.Error, OSError) as error:
                log.error("the status of signal %s could not be read: %s", match[1], error)
                await answers.refuse(send, request, _NO_STATUS_NOW)
                return
        if status is None:
            await answers.refuse(send, request, _NO_SIGNAL)
            return
        body = msgspec.json.encode(status_json(status))
        await answers.send_json(send, 200, request, body, (b"cache-control", b"no-store"))

    async def _webhook(self, scope: Scope, match: re.Match[str] | None, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await answers.refuse(send, uuid4(), _METHOD, (b"allow", b"POST"))
            return
        if match is None:
            await answers.refuse(send, uuid4(), NOT_FOUND)
            return
        code = UUID(match[1])
        delivery = self._delivery(scope, code, matching_key(code, match[2] or ""))
        # The owner of a webhook that is known here sees wrong passwords, up to a limit of its own.
        unknown = not delivery.authorised and (self._intake is None or self._intake.context(code) is None)
        if unknown and self._strangers.is_over(delivery.sender.address, delivery.received_at.timestamp()):
            await answers.refuse(send, delivery.log, _TOO_MANY_KNOCKS)
            return
        try:
            await _read_body(scope, receive, delivery, self._held)
            outcome = await self._settle(delivery)
        except _GoneError:
            return
        except Full:
            outcome = _BUSY
        except Exception:
            log.exception("webhook %s, request %s failed", code, delivery.log)
            outcome = SERVER_ERROR
        finally:
            self._held.release(delivery.log)
        status = None
        if isinstance(outcome, UUID) and wants_decision(scope["query_string"]):
            status = await self._statuses.wait(outcome)
        if isinstance(outcome, Refused):
            log.info("webhook %s, request %s: %d %s", code, delivery.log, outcome.status, outcome.code)
            await answers.refuse(send, delivery.log, outcome, hint=answers.hint_for(delivery, outcome))
        else:
            await answers.accept(send, delivery, outcome, status)

    def _delivery(self, scope: Scope, code: UUID, key: int | None) -> Delivery:
        headers = dict(scope["headers"])
        return Delivery(
            endpoint=code,
            authorised=key is not None,
            received_at=timezone.now(),
            sender=self._sender(headers, scope.get("client")),
            content_type=plain(headers.get(b"content-type", b""))[:100],
            headers=shown_headers(scope["headers"]),
            idempotency_key=headers.get(b"idempotency-key", b"").decode("latin-1").strip(),
            old_key=bool(key),
        )

    def _sender(self, headers: Mapping[bytes, bytes], client: tuple[str, int] | None) -> Sender:
        peer = client[0] if client else None
        proxied = addresses.is_trusted(peer, self._trusted)
        certificate = headers.get(self._certificate_header, b"") if proxied and self._certificate_header else b""
        return Sender(
            address=addresses.client_address(
                peer, headers.get(b"x-forwarded-for", b"").decode("latin-1"), self._trusted
            ),
            certificate=plain(certificate)[:1000],
            signature=plain(headers.get(SIGNATURE, b""))[:200],
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
            # Too large or too slow holds whether or not it could be stored.
            return delivery.refused
        return outcome

    @staticmethod
    def _webhook_of(delivery: Delivery) -> UUID | None:
        """The webhook; None for all that are not let in, whose addresses anybody can make up: a password cannot be."""
        return delivery.endpoint if delivery.authorised else None

    async def _store(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        assert self._intake is not None
        assert self._nudger is not None
        outcomes = await self._intake.store(batch)
        if any(outcome == delivery.signal for delivery, outcome in zip(batch, outcomes, strict=True)):
            self._nudger.nudge()
        if self._announcer is not None:
            self._announcer.announce(self._intake.pop_logged(), _unseen(batch, outcomes))
        return outcomes


def _unseen(batch: Sequence[Delivery], outcomes: Sequence[Outcome]) -> list[UUID]:
    """Signals whose rows changed although no worker was handed them: repeats, those set aside, those delayed."""
    return [
        outcome
        for delivery, outcome in zip(batch, outcomes, strict=True)
        if isinstance(outcome, UUID)
        and isinstance(delivery.verdict, Accepted)
        and (outcome != delivery.signal or delivery.verdict.set_aside is not None or delivery.not_before is not None)
    ]


class _GoneError(Exception):
    """The sender hung up before the message was complete."""


async def _read_body(scope: Scope, receive: Receive, delivery: Delivery, held: Held) -> None:
    """Read the body into the delivery, within the limits of size and time; the rest stays unread and is refused."""
    limit: int = settings.WEBHOOK_BODY_LIMIT
    too_large = parse.too_large(limit)
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
                held.hold(delivery.log, len(chunk))
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
