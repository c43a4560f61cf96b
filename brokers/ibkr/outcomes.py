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
    Question,
    Refused,
    SubmissionOutcome,
)
from brokers.domain.orders import OrderStatus
from brokers.ibkr import words
from brokers.ibkr.words import one_line

Row = Mapping[str, Any]

# Said by the layer in front of the order system: the order was not looked at.
_NO_SESSION = ("no bridge", "please query /accounts first")
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
_DEAD = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED})


def classify(
    status: int,
    body: Any,
    *,
    references: Sequence[str] = (),
    retry_after: float | None = None,
) -> SubmissionOutcome:
    """The outcome of a POST of orders or of a reply, from its status and parsed body."""
    error = error_text(body)
    if status == 429:
        return NotSent(
            reason="IBKR asked us to slow down; the order was not sent.", retry_after=retry_after, raw=_raw(body)
        )
    if _says_no_session(error):
        return NotSent(reason=f"IBKR has no brokerage session: {error}.", session_lost=True, raw=_raw(body))
    if _REPLY_GONE in error.lower():
        # Usually discarded, but nothing proves that our earlier yes did not arrive.
        return Ambiguous(reason="IBKR no longer knows the question we answered.", raw=_raw(body))
    if status in {400, 403}:
        return Refused(reason=error or f"IBKR refused the order without a reason (status {status}).", raw=_raw(body))
    if not 200 <= status < 300:
        return Ambiguous(reason=f"IBKR answered {status}; the order may or may not have arrived.", raw=_raw(body))
    return _classify_ok(body, error, references)


def _classify_ok(body: Any, error: str, references: Sequence[str]) -> SubmissionOutcome:
    if isinstance(body, Mapping) and "order_id" in body:
        body = [body]
    if isinstance(body, list) and body and all(isinstance(row, Mapping) for row in body):
        if all("id" in row and "message" in row for row in body):
            return _question(body)
        if all("order_id" in row for row in body):
            return _acknowledged(body, references)
    if _REGISTERED in error:
        return AlreadyRegistered(raw=body)
    if isinstance(body, Mapping) and body.get("prompt"):
        return Ambiguous(
            reason=f"IBKR waits for an answer about this order: {one_line(body.get('text', ''))}", raw=body
        )
    if error:
        return Refused(reason=error, raw=body)
    return Ambiguous(reason="IBKR's answer is none we know; the order may or may not have arrived.", raw=_raw(body))


def _question(rows: list[Row]) -> Question:
    """The first question: answering it brings the next."""
    row = rows[0]
    message = row["message"]
    texts = message if isinstance(message, list) else [message]
    return Question(
        question_id=str(row["id"]),
        message_ids=tuple(map(str, row.get("messageIds") or ())),
        text=" ".join(one_line(text) for text in texts),
        raw=list(rows),
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
        return Refused(reason=_reasons(dead), raw=raw)
    if len(rows) < len(references):
        # Rows are never matched by position, so a missing one puts all of them in doubt.
        reason = f"IBKR acknowledged {len(rows)} of {len(references)} orders."
        return Ambiguous(reason=reason, raw=raw)
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
        and str(row.get("order_id", "-1")) != "-1"
        and not _said(row)
    ]


def _said(row: Row) -> str:
    warning = row.get("warning_message")
    return one_line(row.get("text") or row.get("error") or (warning if warning not in {None, "-1"} else ""))


def _failed(row: Row) -> bool:
    return str(row["order_id"]) == "-1" or row.get("order_status") == "Failed" or bool(row.get("error"))


def _ack(row: Row, references: Sequence[str]) -> Ack:
    """One row. Only a lone row of a lone order may be ours without saying so."""
    reference = row.get("local_order_id") or (references[0] if len(references) == 1 else None)
    text = _said(row)
    failed = _failed(row)
    status = None if failed else words.status(row.get("order_status"), text=text)
    return Ack(
        reference=str(reference) if reference else None,
        broker_order_id="" if str(row["order_id"]) == "-1" else str(row["order_id"]),
        status=OrderStatus.REJECTED if failed else status or OrderStatus.ACCEPTED,
        text=text,
        held="" if failed else words.held_because(row.get("order_status"), text),
    )


def _reasons(acks: Sequence[Ack]) -> str:
    texts = list(dict.fromkeys(ack.text for ack in acks if ack.text))
    return (
        " ".join(texts)
        or "IBKR did not activate the order and gave no reason; usually margin or permissions are missing."
    )


def error_text(body: Any) -> str:
    """The reason in any of IBKR's error bodies; empty when there is none."""
    if not isinstance(body, Mapping):
        return ""
    rejections = ((body.get("cqe") or {}).get("post_payload") or {}).get("rejections") if body.get("error") else None
    if isinstance(rejections, list) and rejections:
        return " ".join(one_line(rejection) for rejection in rejections)
    return one_line(body.get("error") or body.get("detail") or "")


def says_gone(error: str) -> bool:
    """Whether the reason for not canceling an order is that there is nothing of it left to cancel."""
    return bool(_ORDER_GONE.search(error))


def _says_no_session(error: str) -> bool:
    return any(phrase in error.lower() for phrase in _NO_SESSION)


def _raw(body: Any) -> Any:
    """The body where it is JSON; text that is none is not kept."""
    return body if isinstance(body, list | Mapping | str | int | float) else None
