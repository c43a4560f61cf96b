"""When a session that another login of the same user has may be taken back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from brokers.domain.sessions import Ownership

ONE_EACH = timedelta(minutes=1)
MOST = 3
WITHIN = timedelta(minutes=10)


def left_until(ownership: Ownership, minutes: int, now: datetime) -> datetime | None:
    """Until when a session that was just lost to another login is left to it; None for "until somebody asks"."""
    match ownership:
        case Ownership.ALWAYS:
            return now
        case Ownership.POLITE:
            return now + timedelta(minutes=minutes)
        case Ownership.YIELD:
            return None


def allowed_from(taken: Sequence[datetime], now: datetime) -> datetime:
    """From when one more takeover keeps within the limits: one a minute, three in ten minutes."""
    recent = sorted(at for at in taken if now - at < WITHIN)
    if not recent:
        return now
    earliest = recent[-1] + ONE_EACH
    if len(recent) >= MOST:
        earliest = max(earliest, recent[-MOST] + WITHIN)
    return max(now, earliest)


def used_up(taken: Sequence[datetime], now: datetime) -> bool:
    """Whether the takeovers of these ten minutes are spent: somebody quarrels with us about the session."""
    return sum(now - at < WITHIN for at in taken) >= MOST


def may_take_from(
    ownership: Ownership, left: datetime | None, taken: Sequence[datetime], now: datetime, *, exit_due: bool
) -> datetime | None:
    """From when the session may be taken back; None while only a person can say so.

    `left` is until when it is left to the other login. A way out that waits does not leave it to anybody, but under
    *yield* it does.
    """
    if exit_due and ownership is not Ownership.YIELD:
        left = now
    return None if left is None else max(left, allowed_from(taken, now))
