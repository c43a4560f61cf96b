"""An order's way, as a person reads it: what it has passed, where it stands, what lies ahead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from brokers.domain.orders import IN_DOUBT
from brokers.domain.orders import OrderStatus as S


@dataclass(frozen=True, slots=True)
class Step:
    """`state` is done, now, todo, good, bad or warn; `note` says what the word means while one stands on it."""

    word: str
    at: datetime | None
    state: str
    note: str = ""


_NOTES = {
    S.CREATED: "waiting to be sent",
    S.SUBMITTED: "sent, IBKR has not answered yet",
    S.ACCEPTED: "working at IBKR",
    S.PENDING_CANCEL: "asked IBKR to cancel it",
    S.UNKNOWN: "the answer was lost; asking IBKR",
    S.NEEDS_ATTENTION: "look it up at IBKR",
}
_BAD = frozenset({S.DENIED, S.REJECTED})
_ENDS = frozenset({S.DENIED, S.REJECTED, S.CANCELED, S.EXPIRED})


def path(
    status: S,
    *,
    created_at: datetime,
    submitted_at: datetime | None,
    acknowledged_at: datetime | None,
    filled_at: datetime | None,
    changed_at: datetime,
) -> list[Step]:
    """The straight way is created, submitted, accepted, filled; any other ends it with its own word."""
    moments: list[tuple[S, datetime | None]] = [
        (S.CREATED, created_at),
        (S.SUBMITTED, submitted_at),
        (S.ACCEPTED, acknowledged_at),
        (S.FILLED, filled_at),
    ]
    if status is S.FILLED:
        return [Step(word, at, "good" if word is S.FILLED else "done") for word, at in moments]
    if status in _ENDS:
        passed = [Step(word, at, "done") for word, at in moments[:-1] if at is not None]
        return [*passed, Step(status, changed_at, "bad" if status in _BAD else "warn")]
    if status in IN_DOUBT:
        ahead = [Step(word, None, "todo") for word in (S.ACCEPTED, S.FILLED)]
        return [
            Step(S.CREATED, created_at, "done"),
            Step(S.SUBMITTED, submitted_at, "done"),
            Step(status, changed_at, "warn", _NOTES[status]),
            *ahead,
        ]
    straight = [word for word, _ in moments]
    if status in straight:
        here = straight.index(status)
        return [
            Step(
                word,
                at if n <= here else None,
                "done" if n < here else "now" if n == here else "todo",
                _NOTES.get(word, "") if n == here else "",
            )
            for n, (word, at) in enumerate(moments)
        ]
    last = S.CANCELED if status is S.PENDING_CANCEL else S.FILLED
    passed = [Step(word, at, "done") for word, at in moments[:-1]]
    return [*passed, Step(status, changed_at, "now", _NOTES.get(status, "")), Step(last, None, "todo")]
