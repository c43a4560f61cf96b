"""One POST to a webhook, and its verdict under the present settings of the endpoint and the strategy."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from strategies.domain.message.freshness import Freshness, SetAside, leaves, too_late
from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused, invalid
from strategies.domain.message.symbols import Kind
from strategies.reading import parse
from strategies.webhook.senders import (
    TOLERANCE_SECONDS,
    UNKNOWN_SENDER,
    Sender,
    SenderRules,
    check_sender,
    signature_seconds,
)

log = logging.getLogger(__name__)

EXPLICIT_KEY_SECONDS = 30 * 24 * 3600
TIMED_KEY_SECONDS = 24 * 3600
KEY_LENGTH = 120

NOT_FOUND = Refused(404, "not-found", "Webhook not found.")
INVALID_PASSWORD = invalid(
    "invalid-password", "The password in the webhook URL is wrong. Copy the URL from the strategy's page again."
)
STRATEGY_DISABLED = invalid(
    "strategy-disabled", "The strategy is switched off, so the signal was not taken. Switch it on, then send again."
)
TEAM_CLOSED = invalid(
    "team-closed",
    "The team of this webhook is closed, so the signal was not taken. Let an owner open the team again, then send again.",
)
UNAVAILABLE = Refused(
    503, "unavailable", "Signals cannot be stored at the moment. Send this one again in a second.", retry_after=1
)
SERVER_ERROR = Refused(500, "server-error", "We failed to read this message. Send it again, or ask us with the logId.")


@dataclass(frozen=True, slots=True)
class Context:
    """The settings a delivery is read under. `version` changes whenever a row they come from does."""

    version: str
    endpoint_enabled: bool
    strategy_enabled: bool
    team_closed: bool
    kind: Kind
    allowed_tickers: tuple[str, ...]
    repeat_window_seconds: int
    freshness: Freshness
    senders: SenderRules
    per_minute: int
    per_hour: int

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Context:
        return cls(
            version=values["version"],
            endpoint_enabled=values["endpoint_enabled"],
            strategy_enabled=values["strategy_enabled"],
            team_closed=values["team_closed"],
            kind=Kind(values["asset_class"]),
            allowed_tickers=tuple(str(ticker).upper() for ticker in values["allowed_tickers"]),
            repeat_window_seconds=values["repeat_window_seconds"],
            freshness=Freshness(entry_seconds=values["entry_stale_seconds"], exit_seconds=values["exit_stale_seconds"]),
            senders=SenderRules.from_json(values),
            per_minute=values["per_minute"],
            per_hour=values["per_hour"],
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """A delivery that becomes a signal, unless a signal with its key is there already."""

    message: Message
    reading: dict[str, Any]
    warnings: tuple[str, ...]
    text: str
    key: str
    key_seconds: int
    set_aside: SetAside | None = None


@dataclass(slots=True)
class Delivery:
    """One request to a webhook. `refused` is set when its body was too large or too slow.

    `own`: sent from our own pages by somebody who is signed in, so that limits and rules about senders do not apply.
    `old_key`: its password was derived from an earlier server key.
    """

    endpoint: UUID
    authorised: bool
    received_at: datetime
    body: bytes = b""
    sender: Sender = UNKNOWN_SENDER
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    idempotency_key: str = ""
    own: bool = False
    old_key: bool = False
    refused: Refused | None = None
    # From a sender the owner has not let in: it does not count against the limit, and of a flood only a part is stored.
    stranger: bool = False
    # Refused because of the limit alone.
    over: bool = False
    log: UUID = field(default_factory=uuid4)
    signal: UUID = field(default_factory=uuid4)
    context: Context | None = None
    verdict: Accepted | Refused | None = None

    def read(self, context: Context) -> None:
        """Set the verdict under these settings. The body is read whether the password is right or wrong."""
        self.context = context
        try:
            self.verdict = self._accept(context)
        except Refused as refused:
            self.verdict = refused
        except Exception:
            log.exception("delivery %s to webhook %s could not be read", self.log, self.endpoint)
            self.verdict = SERVER_ERROR
        unwelcome = self._unwelcome(context)
        self.stranger = unwelcome is not None
        if unwelcome is not None:
            self.verdict = unwelcome
        elif context.team_closed:
            self.verdict = TEAM_CLOSED
        elif not context.strategy_enabled:
            self.verdict = STRATEGY_DISABLED
        elif self.refused is not None:
            self.verdict = self.refused

    def _unwelcome(self, context: Context) -> Refused | None:
        if not context.endpoint_enabled:
            return NOT_FOUND
        if not self.authorised:
            return INVALID_PASSWORD
        if self.own:
            return None
        return check_sender(self.sender, context.senders, self.endpoint, self.body, self.received_at)

    def _accept(self, context: Context) -> Accepted:
        reading = parse.parse(
            self.body, kind=context.kind, allowed_tickers=context.allowed_tickers, now=self.received_at
        )
        message = reading.message
        signed_at = signature_seconds(self.sender.signature)
        explicit = message.signal_id or _checked(self.idempotency_key, signed=bool(signed_at))
        if explicit:
            key, seconds = f"id:{explicit}", EXPLICIT_KEY_SECONDS
        elif signed_at and message.signal_time is None:
            # For as long as this signature is taken, the very same message counts once; signed anew, it is another.
            key = f"signed:{signed_at}:{_digest(reading.values)}"
            seconds = max(context.repeat_window_seconds, 2 * TOLERANCE_SECONDS)
        else:
            key = f"body:{_digest(reading.values)}"
            seconds = context.repeat_window_seconds if message.signal_time is None else TIMED_KEY_SECONDS
        return Accepted(
            message=message,
            reading=reading.canonical(),
            warnings=reading.warnings,
            text=reading.text,
            key=key,
            key_seconds=seconds,
            set_aside=None if self.own else too_late(message, context.freshness, self.received_at),
        )

    @property
    def leaves(self) -> bool:
        """Whether it can only reduce a position: the limit keeps room for such a signal."""
        return isinstance(self.verdict, Accepted) and leaves(self.verdict.message)

    @property
    def not_before(self) -> datetime | None:
        """When it may be handed out, for a message with a delay."""
        delay = self.verdict.message.delay if isinstance(self.verdict, Accepted) else None
        return self.received_at + timedelta(seconds=delay) if delay else None


def too_many(context: Context, retry_after: int) -> Refused:
    """The 429 of a webhook that is sent more than its limit."""
    sentence = (
        f"This webhook was sent more than its limit of {context.per_minute} a minute or {context.per_hour} an hour. "
        "Nothing was traded. Send less often, or raise the limit on the strategy's page."
    )
    return Refused(429, "too-many-requests", sentence, retry_after=retry_after)


def too_many_for_team(per_minute: int, retry_after: int) -> Refused:
    """The 429 of a team whose webhooks are together sent more than its budget."""
    sentence = (
        f"The webhooks of this team were together sent more than the {per_minute} a minute that a team may send. Nothing was "
        "traded. Send less often, or ask who runs this Halyard for more (HALYARD_TEAM_PER_MINUTE)."
    )
    return Refused(429, "too-many-for-team", sentence, retry_after=retry_after)


def _digest(values: dict[str, Any]) -> str:
    """Equal for two bodies that differ only in the order and spacing of their keys."""
    return hashlib.sha256(_CANONICAL.encode(values)).hexdigest()


# Decimals are kept as sent: 1.0 and 1.00 are two bodies, since a sender that repeats a message repeats its digits.
_CANONICAL = msgspec.json.Encoder(order="deterministic")


def _checked(key: str, *, signed: bool) -> str:
    if key and signed:
        # Whoever caught a signed message could send it again under another key.
        raise invalid(
            "invalid-idempotency-key",
            "The message is signed, and the header Idempotency-Key is not part of what was signed. Put signalId into the "
            "body instead.",
            field="Idempotency-Key",
        )
    if len(key) > KEY_LENGTH or not key.isprintable():
        raise invalid(
            "invalid-idempotency-key",
            f"The header Idempotency-Key is not plain text of at most {KEY_LENGTH} characters. Shorten it.",
            field="Idempotency-Key",
        )
    return key
