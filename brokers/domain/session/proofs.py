"""Whether a copy of an account is the present: it was read a moment ago, or a live stream has watched it since. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from brokers.domain.session import clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """When the account was read, since when its stream runs without a gap, and when that last gave a sign of life."""

    read_at: datetime | None
    # When that read had ended: at a gateway that takes ten seconds to answer, this is as new as it gets.
    ended_at: datetime | None = None
    stream_since: datetime | None
    heard_at: datetime | None


def is_present(sight: Sight, now: datetime, *, proof: timedelta, fresh: timedelta) -> bool:
    """Whether the copy may be decided by.

    A read holds for `proof` from its end, and for `fresh` while the stream that has run since before it gave a sign of life within
    `proof`. A stream that was opened after the read says nothing of what happened between the two.
    """
    if clocks.is_recent(sight.read_at, now, proof):
        return True
    if clocks.is_recent(sight.ended_at, now, proof) and clocks.is_recent(sight.read_at, now, fresh):
        return True
    if sight.read_at is None or sight.stream_since is None or sight.stream_since > sight.read_at:
        return False
    return clocks.is_recent(sight.heard_at, now, proof) and clocks.is_recent(sight.read_at, now, fresh)
