"""What a clock that was set back leaves behind: moments that have not come yet. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from brokers.domain.session import takeovers
from brokers.domain.session.states import State
from brokers.domain.sessions import Ownership

# Clocks of several machines differ by less; what lies further ahead was written before the clock was set back.
SKEW = timedelta(seconds=5)


def is_ahead(at: datetime | None, now: datetime) -> bool:
    """Whether a moment of the past has not come yet: the clock was set back since."""
    return at is not None and at - now > SKEW


def is_recent(at: datetime | None, now: datetime, within: timedelta) -> bool:
    """Whether a moment of the past is at most so long ago; one that has not come yet proves nothing."""
    return at is not None and now - at <= within and not is_ahead(at, now)


def set_right(
    state: State, seen_at: datetime | None, now: datetime, *, ownership: Ownership, polite_minutes: int
) -> State:
    """The state by the clock of now, `seen_at` being the last look at it. What was to come is due again.

    Takeovers count as made just now: the limits of ten minutes hold, and not for as long as the clock went back.
    """
    taken = tuple(min(at, now) if is_ahead(at, now) else at for at in state.taken)
    state = replace(
        state,
        since=now if is_ahead(state.since, now) else state.since,
        opened_at=now if is_ahead(state.opened_at, now) else state.opened_at,
        taken=taken,
    )
    if not is_ahead(seen_at, now):
        return state
    latest = takeovers.left_until(ownership, polite_minutes, now) or now
    return replace(
        state,
        next_try_at=None if state.next_try_at is None else min(state.next_try_at, now),
        left_until=None if state.left_until is None else min(state.left_until, latest),
    )
