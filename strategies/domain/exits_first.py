"""Ways out go first: an entry lets those of its account pass that only wait for IBKR's answers."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# How long an entry lets a way out pass, from when IBKR could be asked. A lane asks for fifty contracts in about this time.
LONGEST = timedelta(seconds=20)


def going_first(waiting: Sequence[tuple[Hashable, bool]], behind: Collection[Hashable] = ()) -> list[int]:
    """Which of those that wait go before the rest: ways out before which nothing but ways out of their place stands.

    `waiting`: a place (an instrument of an account, say) and whether it is a way out, in the order received, which holds
    within each place. `behind`: places in which something else stands before all of them.
    """
    taken: list[int] = []
    blocked = set(behind)
    for number, (place, is_way_out) in enumerate(waiting):
        if is_way_out and place not in blocked:
            taken.append(number)
        else:
            blocked.add(place)
    return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """A way out that has not left. `since`: the signal, the end of the restart, the return of the session or the question to
    IBKR, the last of them.

    `awaits`: IBKR's answer that is on its way or its own turn, to complete "which waits for ..."; empty where it waits for
    something else.
    """

    account: int
    name: str
    since: datetime
    awaits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry that could leave now. `since`: the signal, the end of the restart or the return of the session, the last of them.

    `until`: its time is over; `holds_up`: a way out of its own instrument stands behind it.
    """

    account: int
    since: datetime
    until: datetime
    holds_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The way out that an entry lets pass, and those it does not wait for any longer."""

    waits_for: WayOut | None = None
    passed: tuple[WayOut, ...] = ()

    @property
    def waiting_for(self) -> str:
        """Completes "waiting for ..."; empty where it is the entry's turn."""
        return "" if self.waits_for is None else _said(self.waits_for)

    @property
    def note(self) -> str:
        """What is said of an entry that went before ways out, as a sentence; empty where it did not."""
        return "" if not self.passed else f"It waited no longer for {_said(self.passed[0])}."


def turn(entry: Entry, ways_out: Sequence[WayOut], now: datetime) -> Turn:
    """Whether it is an entry's turn. It gives no more than half of its time, and what holds up a way out gives none."""
    coming = [way_out for way_out in ways_out if way_out.account == entry.account and way_out.awaits]
    waited_for = [way_out for way_out in coming if not entry.holds_up and _is_waited_for(entry, way_out, now)]
    if waited_for:
        return Turn(waits_for=waited_for[0])
    return Turn(passed=tuple(coming))


def _is_waited_for(entry: Entry, way_out: WayOut, now: datetime) -> bool:
    end = min(way_out.since + LONGEST, entry.since + (entry.until - entry.since) / 2)
    # A moment that is still to come is of a clock that was set back: nobody waits for that.
    return way_out.since - LONGEST <= now < end


def _said(way_out: WayOut) -> str:
    return f"{way_out.name}, which waits for {way_out.awaits}"
