"""One POST to a webhook, and what we make of it under the settings its endpoint and strategy have at that moment."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from brokers.domain.orders import AssetClass
from strategies import parsing
from strategies.domain.refusals import Refused, invalid

log = logging.getLogger(__name__)

EXPLICIT_KEY_SECONDS = 30 * 24 * 3600
KEY_LENGTH = 120

NOT_FOUND = Refused(404, "not-found", "Webhook not found.")
INVALID_PASSWORD = invalid(
    "invalid-password", "The password in the webhook URL is wrong. Copy the URL from the strategy's page again."
)
STRATEGY_DISABLED = invalid(
    "strategy-disabled", "The strategy is switched off, so the signal was not taken. Switch it on, then send again."
)
UNAVAILABLE = Refused(503, "unavailable", "Signals cannot be stored at the moment. Send this one again in a second.")
SERVER_ERROR = Refused(500, "server-error", "We failed to read this message. Send it again, or ask us with the logId.")


@dataclass(frozen=True, slots=True)
class Context:
    """The settings a delivery is read under. `version` changes whenever a row they come from does."""

    version: str
    endpoint_enabled: bool
    strategy_enabled: bool
    asset_class: AssetClass
    allowed_tickers: tuple[str, ...]
    repeat_window_seconds: int

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Context:
        return cls(
            version=values["version"],
            endpoint_enabled=values["endpoint_enabled"],
            strategy_enabled=values["strategy_enabled"],
            asset_class=AssetClass(values["asset_class"]),
            allowed_tickers=tuple(str(ticker).upper() for ticker in values["allowed_tickers"]),
            repeat_window_seconds=values["repeat_window_seconds"],
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """A delivery that will be a signal, unless its key says that it was one already."""

    reading: dict[str, Any]
    warnings: tuple[str, ...]
    text: str
    key: str
    key_seconds: int


@dataclass(slots=True)
class Delivery:
    """What arrived. `refused` is set when the transport settled it: too large, too slow."""

    endpoint: UUID
    authorised: bool
    received_at: datetime
    body: bytes = b""
    address: str | None = None
    content_type: str = ""
    idempotency_key: str = ""
    refused: Refused | None = None
    log: UUID = field(default_factory=uuid4)
    signal: UUID = field(default_factory=uuid4)
    context: Context | None = None
    verdict: Accepted | Refused | None = None

    def read(self, context: Context) -> None:
        """Settle the verdict under these settings. The body is read whether the password is right or wrong."""
        self.context = context
        try:
            self.verdict = self._accept(context)
        except Refused as refused:
            self.verdict = refused
        except Exception:
            log.exception("delivery %s to webhook %s could not be read", self.log, self.endpoint)
            self.verdict = SERVER_ERROR
        if not context.endpoint_enabled:
            self.verdict = NOT_FOUND
        elif not self.authorised:
            self.verdict = INVALID_PASSWORD
        elif not context.strategy_enabled:
            self.verdict = STRATEGY_DISABLED
        elif self.refused is not None:
            self.verdict = self.refused

    def _accept(self, context: Context) -> Accepted:
        reading = parsing.parse(
            self.body,
            asset_class=context.asset_class,
            allowed_tickers=context.allowed_tickers,
            now=self.received_at,
        )
        explicit = reading.message.signal_id or _checked(self.idempotency_key)
        if explicit:
            key, seconds = f"id:{explicit}", EXPLICIT_KEY_SECONDS
        else:
            key, seconds = f"body:{hashlib.sha256(reading.text.encode()).hexdigest()}", context.repeat_window_seconds
        return Accepted(reading.message.reading(), reading.warnings, reading.text, key, seconds)


def _checked(key: str) -> str:
    if len(key) > KEY_LENGTH or not key.isprintable():
        raise invalid(
            "invalid-idempotency-key",
            f"The header Idempotency-Key is not plain text of at most {KEY_LENGTH} characters. Shorten it.",
            field="Idempotency-Key",
        )
    return key
