"""Where the time of a signal went: from the first byte to the fill, phase by phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time. `took` is in milliseconds, None while it has not ended; `ours` tells whose time it was.

    `start` and `width` are hundredths of the whole, ready to draw; a phase too short to see is still a line.
    """

    name: str
    ours: bool
    took: float | None
    start: float = 0.0
    width: float = 0.0


NARROWEST = 0.6


def timeline(begin: datetime, steps: Sequence[tuple[str, bool, datetime | None]]) -> list[Phase]:
    """Phases between the moments of `steps` (name, ours, end); a missing moment leaves its phase open.

    A clock that runs behind (the broker's, an earlier step's) gives a phase of no time, never a negative one.
    """
    moments = [moment for _, _, moment in steps if moment is not None]
    whole = _ms(begin, max([begin, *moments]))
    phases: list[Phase] = []
    at = begin
    for name, ours, end in steps:
        if end is None:
            phases.append(Phase(name, ours, None))
            continue
        until = max(at, end)
        took, offset = _ms(at, until), _ms(begin, at)
        share = took / whole * 100 if whole else 0.0
        start = offset / whole * 100 if whole else 0.0
        width = max(share, NARROWEST)
        phases.append(Phase(name, ours, took, round(min(start, 100 - width), 2), round(width, 2)))
        at = until
    return phases


def total(phases: Sequence[Phase]) -> float:
    """Milliseconds of all phases that have ended."""
    return sum(phase.took for phase in phases if phase.took is not None)


def _ms(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds() * 1000
