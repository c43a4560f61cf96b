"""The answers to a delivery, as JSON: the 200 with what we read, or a refusal with its code and a hint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from strategies.domain.message.freshness import SetAside
from strategies.domain.message.refusals import Refused
from strategies.reading.corrections import corrected
from strategies.reading.warnings import OLD_TEXT, sentence
from strategies.webhook.delivery import Accepted, Delivery
from strategies.webhook.status import SignalStatus, status_url

Send = Callable[[dict[str, Any]], Awaitable[None]]

# A correction reads the message a dozen times: too slow for long ones.
MOST_BYTES_CORRECTED = 4096
_REPEATED = SetAside("duplicate-signal", "It was delivered before, and nothing happens twice.")


class _Answer(msgspec.Struct, omit_defaults=True):
    success: bool
    id: UUID
    logId: UUID
    payload: msgspec.Raw
    reading: dict[str, Any]
    warnings: Sequence[str]
    statusUrl: str
    # The warnings again, as sentences for people.
    hints: Sequence[str] = ()
    duplicateOf: UUID | None = None
    # Why no order follows: a repeat, too old, expired.
    messageCode: str | None = None
    message: str | None = None
    settled: bool | None = None
    decisions: Sequence[dict[str, Any]] | None = None


async def accept(send: Send, delivery: Delivery, signal: UUID, status: SignalStatus | None) -> None:
    """Answer 200. `signal` is the delivery's own, or the first one that it repeats; `status` when the sender waited."""
    verdict = delivery.verdict
    assert isinstance(verdict, Accepted)
    repeats = signal != delivery.signal
    aside = _repeated(verdict) if repeats else verdict.set_aside
    answer = _Answer(
        success=True,
        id=signal,
        logId=delivery.log,
        # The text itself: it is JSON, and no number in it changes its digits.
        payload=msgspec.Raw(verdict.text.encode()),
        reading=verdict.reading,
        warnings=verdict.warnings,
        statusUrl=status_url(signal),
        hints=[sentence(code) for code in verdict.warnings],
        messageCode=aside.code if aside else None,
        message=aside.sentence if aside else None,
        settled=status.settled if status else None,
        decisions=status.decisions if status else None,
        duplicateOf=signal if repeats else None,
    )
    await send_json(send, 200, delivery.log, msgspec.json.encode(answer))


def _repeated(verdict: Accepted) -> SetAside:
    """The repeat; where the text cannot tell two equal orders apart, with the way to make it."""
    text = next((code for code in verdict.warnings if code.startswith(OLD_TEXT)), "")
    if "orderId" not in text:
        return _REPEATED
    sentence = (
        f"{_REPEATED.sentence} Were these two equal orders of a TradingView strategy? Then add "
        '"orderId": "{{strategy.order.id}}" to its text.'
    )
    return SetAside(_REPEATED.code, sentence)


def hint_for(delivery: Delivery, refused: Refused) -> str:
    """The corrected message where the correction is certain, else the refusal's own hint."""
    context = delivery.context
    if refused.status != 400 or delivery.stranger or context is None or len(delivery.body) > MOST_BYTES_CORRECTED:
        return refused.hint
    correction = corrected(
        delivery.body.decode("utf-8", "replace"),
        kind=context.kind,
        allowed_tickers=context.allowed_tickers,
        now=delivery.received_at,
    )
    return correction.text if correction else refused.hint


async def refuse(
    send: Send, request: UUID, refused: Refused, *headers: tuple[bytes, bytes], hint: str | None = None
) -> None:
    """Answer a refusal under its `logId`; `hint` stands in for the refusal's own."""
    hint = refused.hint if hint is None else hint
    envelope = {
        "success": False,
        "logId": request,
        "messageCode": refused.code,
        "message": refused.message,
        **({"field": refused.field} if refused.field else {}),
        **({"hint": hint} if hint else {}),
    }
    if refused.retry_after is not None:
        headers = (*headers, (b"retry-after", b"%d" % refused.retry_after))
    if refused.status in {408, 413}:
        # The rest of that body is still to come, and nobody will read it.
        headers = (*headers, (b"connection", b"close"))
    await send_json(send, refused.status, request, msgspec.json.encode(envelope), *headers)


async def send_json(send: Send, status: int, request: UUID, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """One whole ASGI response."""
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
