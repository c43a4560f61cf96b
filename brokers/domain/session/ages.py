"""As of when IBKR has confirmed what we show of an order or a position, and by which way. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from brokers.domain.orders import OVER, WORKING, OrderStatus
from brokers.domain.session import clocks
from brokers.domain.session.proofs import Sight


class Way(StrEnum):
    """How the word came. A report is that of a fill, a cancel or a change, whether told or read."""

    STREAM = "stream"
    READ = "read"
    ANSWER = "answer"
    REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """IBKR's last word; no moment where IBKR has not confirmed what is shown.

    `silent_since`: where nothing proves that it still holds, when the live stream gave its last sign of life.
    """

    at: datetime | None = None
    way: Way | None = None
    silent_since: datetime | None = None


NO_WORD = Word()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTold:
    """What the row of an order keeps of the moments at which IBKR said something of it."""

    status: OrderStatus
    submitted_at: datetime | None
    acknowledged_at: datetime | None
    changed_at: datetime
    # The last look for it, and how many of IBKR's lists have missed it since.
    checked_at: datetime | None
    absences: int


def of_order(told: OrderTold, sight: Sight, now: datetime, *, proof: timedelta) -> Word:
    """IBKR's last word on an order's status. What is over stays over: nothing has to prove it again."""
    if told.submitted_at is None and told.acknowledged_at is None:
        return NO_WORD
    if told.status in OVER:
        return _of_end(told)
    if told.status not in WORKING:
        return NO_WORD
    at, way = _last_change(told)
    if told.absences == 0:
        if told.checked_at is not None and told.checked_at > at:
            at, way = told.checked_at, Way.READ
        if sight.heard_at is not None and sight.heard_at > at and _has_watched(sight, at):
            at, way = sight.heard_at, Way.STREAM
    return Word(at=at, way=way, silent_since=_silent_since(sight, at, now, proof))


def of_book(sight: Sight, now: datetime, *, proof: timedelta) -> Word:
    """IBKR's last word on the positions of an account, which are read: no stream tells them."""
    if sight.read_at is None:
        return NO_WORD
    ended_at = sight.ended_at or sight.read_at
    return Word(at=sight.read_at, way=Way.READ, silent_since=_silent_since(sight, ended_at, now, proof))


def _of_end(told: OrderTold) -> Word:
    match told.status:
        case OrderStatus.DENIED:
            return NO_WORD
        case OrderStatus.REJECTED if told.acknowledged_at is None:
            return Word(at=told.changed_at, way=Way.ANSWER)
        case OrderStatus.EXPIRED if told.acknowledged_at is None:
            # IBKR's lists were looked through, and it was in none; or it never left.
            return NO_WORD if told.checked_at is None else Word(at=told.checked_at, way=Way.READ)
    return Word(at=told.changed_at, way=Way.REPORT)


def _last_change(told: OrderTold) -> tuple[datetime, Way]:
    """When IBKR last changed the order. A cancel that is asked for is our word, not IBKR's."""
    if told.acknowledged_at is not None and told.status is OrderStatus.PENDING_CANCEL:
        return told.acknowledged_at, Way.ANSWER
    answered = told.status is OrderStatus.ACCEPTED and told.changed_at == told.acknowledged_at
    return told.changed_at, Way.ANSWER if answered else Way.REPORT


def _has_watched(sight: Sight, at: datetime) -> bool:
    """Whether the stream has run since before `at`, or since before everything was read."""
    if sight.stream_since is None:
        return False
    return sight.stream_since <= at or (sight.read_at is not None and sight.stream_since <= sight.read_at)


def _silent_since(sight: Sight, at: datetime, now: datetime, proof: timedelta) -> datetime | None:
    if clocks.is_recent(at, now, proof):
        return None
    if sight.stream_since is not None and clocks.is_recent(sight.heard_at, now, proof):
        return None
    return sight.heard_at or at
