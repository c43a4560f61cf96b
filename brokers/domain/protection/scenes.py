"""A position with its entries and stops, as the decision about its protection sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

NOTHING = Decimal(0)


class Fault(StrEnum):
    """What became of the stop.

    half_accepted: refused in the answer that took its entry. lost: acknowledged or sent, and proven absent. not_sent:
    it could not leave. asked: canceled because somebody, or a plan, asked for it. in_doubt: it may exist or not.
    too_small and too_large: it works for fewer or more units than are held. alone: it works, and its entry never did.
    """

    REFUSED = "refused"
    HALF_ACCEPTED = "half_accepted"
    CANCELED = "canceled"
    LOST = "lost"
    NOT_SENT = "not_sent"
    ASKED = "asked"
    IN_DOUBT = "in_doubt"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    ALONE = "alone"


class Presence(StrEnum):
    """Whether a stop is there: `coming` has not left yet, `doubtful` may be at IBKR or not."""

    WORKING = "working"
    COMING = "coming"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A stop that would close `quantity` units. `entry`: the working entry it sleeps behind, "" where it is awake.

    `ours`: Halyard has placed it. `alone`: it was sent by itself, so that nothing but us takes it back.
    `asks`: only a person can tell whether IBKR has it. `ends`: the target beside it has filled, and IBKR cancels it.
    """

    reference: str
    quantity: Decimal
    presence: Presence = Presence.WORKING
    ours: bool = True
    alone: bool = False
    entry: str = ""
    asks: bool = False
    ends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry at IBKR that came with a stop. `leaving`: its cancel is under way; `stays`: IBKR has refused to cancel it."""

    reference: str
    remaining: Decimal
    filled: Decimal = NOTHING
    leaving: bool = False
    stays: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One instrument of one account.

    `held` are the units held on the side that is protected, `most` as many as may be by anything that is known, `due`
    those that are to have a stop, and `exiting` what our own exits are about to close. `filled_at`: when the last fill was seen. `sure`: what is held is known.
    `flat`: nothing is held by all that is known. `replanned`: the plan that the stop belongs to is being made anew.
    `fault` is what became of the last stop that ended, at `fault_at`; `strays` are legs whose entry never worked, since
    `strays_since`. `tries` counts stops that were placed for this of late and came to nothing. `untold` are those of the due
    units that IBKR's list of positions has shown since `untold_since`, and no fill: an entry that is looked for made them.
    `may_be_split`: what is held may have been split, and a person is asked.
    """

    held: Decimal = NOTHING
    most: Decimal = NOTHING
    due: Decimal = NOTHING
    exiting: Decimal = NOTHING
    entries: tuple[Entry, ...] = ()
    stops: tuple[Stop, ...] = ()
    fault: Fault | None = None
    fault_at: datetime | None = None
    strays: tuple[str, ...] = ()
    strays_since: datetime | None = None
    filled_at: datetime | None = None
    sure: bool = True
    flat: bool = False
    replanned: bool = False
    closing: bool = False
    not_closed: bool = False
    tries: int = 0
    untold: Decimal = NOTHING
    untold_since: datetime | None = None
    may_be_split: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Units without a stop: of what is held, and of the entries by their references."""

    held: Decimal = NOTHING
    entries: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.held > 0 or bool(self.entries)


def lack_of(scene: Scene, *presences: Presence) -> Lack:
    """What lacks a stop, where stops of these presences count."""
    counted = [stop for stop in scene.stops if stop.presence in presences]
    filled = {entry.reference: entry.filled for entry in scene.entries}
    awake = sum((stop.quantity for stop in counted if stop.entry not in filled), NOTHING)
    behind: dict[str, Decimal] = {}
    for stop in counted:
        if stop.entry in filled:
            behind[stop.entry] = behind.get(stop.entry, NOTHING) + stop.quantity
    # A leg covers what of its entry is still held, and with the rest of its size what has not filled.
    due = max(scene.due - scene.exiting, NOTHING)
    left: dict[str, Decimal] = {}
    for reference, size in behind.items():
        used = min(size, filled[reference], due)
        due -= used
        left[reference] = size - used
    spare = max(awake - due, NOTHING)
    bare: list[str] = []
    for entry in scene.entries:
        missing = max(entry.remaining - left.get(entry.reference, NOTHING), NOTHING)
        taken = min(spare, missing)
        spare -= taken
        if missing > taken:
            bare.append(entry.reference)
    return Lack(held=max(due - awake, NOTHING), entries=tuple(bare))


def excess_of(scene: Scene) -> tuple[tuple[str, Decimal], ...]:
    """Our stops that would close more than may be held, each with the size it is to have: those give way first whose target has
    filled, since they end with it, then the newest."""
    filled = {entry.reference: entry.filled for entry in scene.entries}
    ours = [stop for stop in scene.stops if stop.ours and stop.presence is Presence.WORKING]
    legs = sum((min(stop.quantity, filled[stop.entry]) for stop in ours if stop.entry in filled), NOTHING)
    awake = [stop for stop in ours if stop.entry not in filled]
    over = sum((stop.quantity for stop in awake), NOTHING) + legs - max(scene.held, scene.most)
    changed: list[tuple[str, Decimal]] = []
    for stop in [*(one for one in awake if one.ends), *(one for one in reversed(awake) if not one.ends)]:
        if over <= 0:
            break
        cut = min(over, stop.quantity)
        over -= cut
        changed.append((stop.reference, stop.quantity - cut))
    return tuple(changed)
