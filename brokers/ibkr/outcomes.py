"""What an answer to an order means. Pure, and pessimistic: an answer that is not provably a no may be a yes.

The shapes are classified in one fixed order: transport status first, then questions, rows, errors, prompts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from brokers.domain.brokerage import (
    Accepted,
    Ack,
    AlreadyRegistered,
    Ambiguous,
    NotSent,
    PartlyAccepted,
    Prompt,
    Question,
    Refused,
    SubmissionOutcome,
)
from brokers.domain.orders import OrderStatus
from brokers.ibkr import words
from brokers.ibkr.cleaning import mapping, name, one_line
from brokers.ibkr.texts.explained import MOST_OF_A_HOLD, About, explained

Row = Mapping[str, Any]
_MOST_OPTIONS = 10

# Said by the layer in front of the order system: the order was not looked at.
_NO_SESSION = ("no bridge", "please query /accounts first")
# What is not signed as IBKR wants it goes no further than its door; a token may end behind it.
_NOT_SIGNED = ("invalid signature", "invalid consumer")
_REGISTERED = "is already registered"
_REPLY_GONE = "reply id not found"
# Said about an order that is to be canceled: there is none such any more, or nothing of it is left to cancel. That its
# cancel is under way already says the same: only a look at the order tells.
_ORDER_GONE = re.compile(
    r"(doesn.?t|does not) exist|no such order|unknown order|(can.?t|cannot|could not|unable to) find order"
    r"|order\b.{0,40}\bnot found|already (been )?(filled|executed|cancel|inactive|completed?|closed|expired|done)"
    r"|not (in a )?cancell?able|(can.?t|can ?not) be cancell?ed,? (state|status)"
    r"|(is|was|has been) (completely |fully )?(filled|executed|cancell?ed|completed|expired)\b|no longer (active|working|open|exists)",
    re.IGNORECASE,
)
# What happens next to an order of which nobody knows whether it arrived.
LOOKED_FOR = "Halyard looks for the order; do not place it by hand."
_DEAD = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED})


def classify(
    status: int,
    body: Any,
    *,
    references: Sequence[str] = (),
    retry_after: float | None = None,
    about: About = About.ORDER,
) -> SubmissionOutcome:
    """The outcome of a POST of orders, of a change or of a reply, from its status and parsed body."""
    error = error_text(body)
    if status == 429:
        return NotSent(
            reason="IBKR asked us to slow down; the order was not sent. Halyard sends it when it may.",
            code="too-many-requests",
            retry_after=retry_after,
            raw=_raw(body),
        )
    if _says_no_session(error) or (status == 401 and _is_not_signed(error)):
        missing = explained(error)
        return NotSent(reason=missing.in_full(), code=missing.code, session_lost=True, raw=_raw(body))
    if _REPLY_GONE in error.lower():
        # Usually discarded, but nothing proves that our earlier yes did not arrive.
        return Ambiguous(
            reason=f"IBKR no longer knows the question that Halyard answered. {LOOKED_FOR}",
            code="question-gone",
            raw=_raw(body),
        )
    if status in {400, 403}:
        return _refused(error, about, raw=_raw(body))
    if not 200 <= status < 300:
        status_text = f"{status} ({error[:120]})" if error else str(status)
        return Ambiguous(
            reason=f"IBKR answered {status_text}, which does not tell whether it has the order. {LOOKED_FOR}",
            raw=_raw(body),
        )
    return _classify_ok(body, error, references, about)


def _classify_ok(body: Any, error: str, references: Sequence[str], about: About) -> SubmissionOutcome:
    if isinstance(body, Mapping) and "order_id" in body:
        body = [body]
    if isinstance(body, list) and body and all(isinstance(row, Mapping) for row in body):
        if all(name(row.get("id")) and "message" in row for row in body):
            return _question(body)
        if all("order_id" in row for row in body):
            return _acknowledged(body, references)
    if _REGISTERED in error:
        return AlreadyRegistered(raw=body)
    if isinstance(body, Mapping) and body.get("prompt"):
        return prompt_of(body)
    if error:
        return _refused(error, about, raw=body)
    return Ambiguous(
        reason=f"IBKR gave an answer that does not tell whether it has the order. {LOOKED_FOR}", raw=_raw(body)
    )


def undelivered(peer: str, problem: str) -> NotSent:
    """The outcome of an order that provably never left for `peer`, who is named as a sentence begins."""
    return NotSent(
        reason=f"{peer} could not be reached: {problem}. The order was not sent; Halyard sends it when it is back.",
        code="not-reached",
    )


def unanswered(problem: str) -> Ambiguous:
    """The outcome of an order that may have arrived."""
    return Ambiguous(reason=f"IBKR did not confirm the order: {problem}. {LOOKED_FOR}")


def _refused(error: str, about: About, *, raw: Any) -> Refused:
    why = explained(error, about)
    return Refused(reason=why.in_full(), code=why.code, raw=raw)


def _question(rows: list[Row]) -> Question:
    """The first question: answering it brings the next."""
    row = rows[0]
    message = row["message"]
    texts = message[:20] if isinstance(message, list) else [message]
    ids = row.get("messageIds")
    return Question(
        question_id=name(row["id"]),
        message_ids=tuple(name(each) for each in ids[:100]) if isinstance(ids, list) else (),
        text=" ".join(one_line(text) for text in texts),
        raw=list(rows),
    )


def prompt_of(body: Row) -> Prompt:
    """A question with options, of which one is to be said back word for word."""
    options = body.get("options")
    said = options[:_MOST_OPTIONS] if isinstance(options, list) else []
    return Prompt(
        broker_order_id=name(body.get("orderId"), 32),
        request_id=name(body.get("reqId")),
        message_id=name(body.get("messageId")),
        text=one_line(body.get("text", "")),
        options=tuple(each for each in said if isinstance(each, str) and name(each, 120) == each != ""),
        raw=body,
    )


def chosen(status: int, body: Any, prompt: Prompt, option: str) -> Ambiguous:
    """What the answer to a prompt's answer means: whether IBKR took it, never what became of the order."""
    if 200 <= status < 300 and not error_text(body):
        return Ambiguous(
            reason=f'IBKR asked "{prompt.text[:120]}" and Halyard answered "{option[:60]}". {LOOKED_FOR}',
            code="prompt-answered",
            raw=_raw(body),
        )
    said = error_text(body)[:80] or f"status {status}"
    return Ambiguous(
        reason=f'IBKR asked "{prompt.text[:100]}" and did not take the answer ({said}). Answer it in TWS. {LOOKED_FOR}',
        code="prompt-of-ibkr",
        raw=_raw(body),
    )


def _acknowledged(rows: list[Row], references: Sequence[str]) -> SubmissionOutcome:
    acks: list[Ack] = []
    failures: list[Ack] = []
    for row in rows:
        ack = _ack(row, references if len(rows) == 1 else ())
        (failures if _failed(row) else acks).append(ack)
    raw = list(rows)
    if failures and acks:
        return PartlyAccepted(acks=tuple(acks), failures=tuple(failures), raw=raw)
    dead = failures or [ack for ack in acks if ack.status in _DEAD]
    if len(dead) == len(rows) >= len(references):
        why = next((ack for ack in dead if ack.text), dead[0])
        return Refused(reason=why.text, code=why.code, raw=raw)
    if len(rows) < len(references):
        # Rows are never matched by position, so a missing one puts all of them in doubt.
        reason = f"IBKR acknowledged {len(rows)} of {len(references)} orders. {LOOKED_FOR}"
        return Ambiguous(reason=reason, code="acknowledged-in-part", raw=raw)
    if dead:
        lost = tuple(ack for ack in acks if ack.status in _DEAD)
        return PartlyAccepted(acks=tuple(ack for ack in acks if ack not in lost), failures=lost, raw=raw)
    return Accepted(acks=tuple(acks), raw=raw)


def inactive_without_reason(body: Any) -> list[dict[str, Any]]:
    """Rows of orders that IBKR took and does not work, without a word on why: held, or refused."""
    rows = [body] if isinstance(body, Mapping) else body if isinstance(body, list) else []
    return [
        row
        for row in rows
        if isinstance(row, dict)
        and row.get("order_status") == "Inactive"
        and name(row.get("order_id"), 32) not in {"", "-1"}
        and not _text_of(row)
    ]


def _text_of(row: Row) -> str:
    warning = row.get("warning_message")
    return one_line(row.get("text") or row.get("error") or (warning if warning != "-1" else ""))


def _failed(row: Row) -> bool:
    return name(row["order_id"], 32) == "-1" or row.get("order_status") == "Failed" or bool(row.get("error"))


def _ack(row: Row, references: Sequence[str]) -> Ack:
    """One row. Only a lone row of a lone order may be ours without saying so."""
    reference = name(row.get("local_order_id")) or (references[0] if len(references) == 1 else None)
    text = _text_of(row)
    failed = _failed(row)
    status = None if failed else words.status(row.get("order_status"), text=text)
    held = "" if failed else words.held_because(row.get("order_status"), text)
    why = explained(text) if failed or status in _DEAD else None
    return Ack(
        reference=reference or None,
        broker_order_id="" if name(row["order_id"], 32) == "-1" else name(row["order_id"], 32),
        status=OrderStatus.REJECTED if failed else status or OrderStatus.ACCEPTED,
        text=why.in_full() if why else text,
        code=why.code if why else "",
        held=explained(held, About.HOLD).in_full(MOST_OF_A_HOLD) if held else "",
    )


def error_text(body: Any) -> str:
    """The reason in any of IBKR's error bodies; empty when there is none."""
    if not isinstance(body, Mapping):
        return ""
    rejections = mapping(mapping(body, "cqe"), "post_payload").get("rejections") if body.get("error") else None
    if isinstance(rejections, list) and rejections:
        return " ".join(one_line(rejection) for rejection in rejections[:20])
    return one_line(body.get("error") or body.get("detail") or "")


def says_gone(error: str) -> bool:
    """Whether the reason for not canceling an order is that there is nothing of it left to cancel."""
    return bool(_ORDER_GONE.search(error))


def _says_no_session(error: str) -> bool:
    return any(phrase in error.lower() for phrase in _NO_SESSION)


def _is_not_signed(error: str) -> bool:
    return any(phrase in error.lower() for phrase in _NOT_SIGNED)


def _raw(body: Any) -> Any:
    """The body where it is JSON; text that is none is not kept."""
    return body if isinstance(body, list | Mapping | str | int | float) else None
