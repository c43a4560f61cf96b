"""The decision about a position or an entry without its stop: what to do now, by what is known and what was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from brokers.domain.protection.choices import MissingStop
from brokers.domain.protection.scenes import NOTHING, Fault, Lack, Presence, Scene, excess_of, lack_of

# A target that fills takes its stop along, and IBKR may say so in either order.
GRACE = timedelta(seconds=0.75)
# IBKR itself cancels the legs of an entry that ends, and makes a leg smaller when the other one fills.
STRAY_AFTER = timedelta(seconds=2)
# IBKR's list of positions may show a fill for so long before the fill is told.
TOLD_WITHIN = timedelta(seconds=5)
MOST_TRIES = 2


class Condition(StrEnum):
    """covered: nothing is missing. waiting: something is, and nothing can be done yet. lacking: something is missing."""

    COVERED = "covered"
    WAITING = "waiting"
    LACKING = "lacking"


class Act(StrEnum):
    CANCEL_ENTRY = "cancel_entry"
    PLACE_STOP = "place_stop"
    FLATTEN = "flatten"
    RESIZE = "resize"
    CANCEL_STOP = "cancel_stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do: to the order `reference`, or for `quantity` units."""

    act: Act
    reference: str = ""
    quantity: Decimal = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is true, and what follows. `alarm`: a person is needed. `again_at`: when to look again by the clock alone.

    `lacks` counts the units of the position without a stop; `code` names the verdict and never changes.
    """

    condition: Condition
    code: str
    fault: Fault | None = None
    lacks: Decimal = NOTHING
    steps: tuple[Step, ...] = ()
    alarm: bool = False
    again_at: datetime | None = None


_CERTAIN = (Presence.WORKING, Presence.COMING)
# Of these nothing is written down: they pass within moments, and mostly they mean nothing.
PASSING = frozenset({"just-canceled", "stop-on-its-way", "fill-on-its-way"})


def judge(scene: Scene, choice: MissingStop, now: datetime) -> Verdict:
    """What to do now about the protection of one instrument in one account."""
    if scene.may_be_split:
        return _undecided(scene)
    if scene.untold > 0 and (bare := lack_of(scene, Presence.WORKING)).held > 0:
        return _untold(scene, choice, bare, now)
    lack = lack_of(scene, *_CERTAIN)
    if not lack and (coming := lack_of(scene, Presence.WORKING)):
        return Verdict(condition=Condition.WAITING, code="stop-on-its-way", fault=scene.fault, lacks=coming.held)
    if not lack:
        return _beyond(scene, choice, now)
    possible = lack_of(scene, *_CERTAIN, Presence.DOUBTFUL)
    fault = scene.fault or (Fault.IN_DOUBT if not possible else Fault.TOO_SMALL)
    if scene.closing:
        return Verdict(condition=Condition.WAITING, code="being-closed", fault=fault, lacks=lack.held)
    if scene.replanned:
        return Verdict(condition=Condition.WAITING, code="planned-again", fault=fault, lacks=lack.held)
    if not possible:
        return _doubtful(scene, choice, lack)
    if fault is Fault.CANCELED and scene.fault_at is not None and now < scene.fault_at + GRACE:
        until = scene.fault_at + GRACE
        return Verdict(condition=Condition.WAITING, code="just-canceled", fault=fault, lacks=lack.held, again_at=until)
    if fault is Fault.ASKED:
        return _alarm("canceled-by-hand", fault, lack.held)
    if choice is MissingStop.ALARM:
        return _alarm("alarm-chosen", fault, lack.held)
    return _act(scene, choice, fault, possible.held, possible.entries)


def _undecided(scene: Scene) -> Verdict:
    """Nobody has said yet whether it was split: no price and no size is known, so nothing leaves."""
    lack = lack_of(scene, *_CERTAIN)
    if not lack:
        return Verdict(condition=Condition.COVERED, code="covered")
    return _alarm("split-undecided", scene.fault or Fault.TOO_SMALL, lack.held)


def _untold(scene: Scene, choice: MissingStop, bare: Lack, now: datetime) -> Verdict:
    """The entry has filled by IBKR's list of positions, and by nothing else: nothing leaves there until it is known.

    What is on its way waits for that as well, so that only a stop that works counts.
    """
    fault = scene.fault or Fault.IN_DOUBT
    until = now if scene.untold_since is None else scene.untold_since + TOLD_WITHIN
    if now < until:
        return Verdict(
            condition=Condition.WAITING, code="fill-on-its-way", fault=fault, lacks=bare.held, again_at=until
        )
    steps: tuple[Step, ...] = ()
    if choice in {MissingStop.CANCEL_ENTRY, MissingStop.FLATTEN}:
        steps = _canceled(scene, bare)
    return Verdict(
        condition=Condition.LACKING, code="fill-not-shown", fault=fault, lacks=bare.held, steps=steps, alarm=True
    )


def _canceled(scene: Scene, lack: Lack) -> tuple[Step, ...]:
    """A cancel of each entry that lacks its stop."""
    bare = [each for each in scene.entries if each.reference in lack.entries and not (each.leaving or each.stays)]
    return tuple(Step(act=Act.CANCEL_ENTRY, reference=each.reference) for each in bare)


def _doubtful(scene: Scene, choice: MissingStop, lack: Lack) -> Verdict:
    """The stop may be at IBKR: a second one would be one too many. An entry need not wait for it."""
    if not any(stop.asks for stop in scene.stops if stop.presence is Presence.DOUBTFUL):
        return Verdict(condition=Condition.WAITING, code="stop-in-doubt", fault=Fault.IN_DOUBT, lacks=lack.held)
    steps: tuple[Step, ...] = ()
    if choice in {MissingStop.CANCEL_ENTRY, MissingStop.FLATTEN}:
        steps = _canceled(scene, lack)
    return Verdict(
        condition=Condition.LACKING,
        code="stop-not-shown",
        fault=Fault.LOST,
        lacks=lack.held,
        steps=steps,
        alarm=lack.held > 0 or not steps,
    )


def _act(scene: Scene, choice: MissingStop, fault: Fault, held: Decimal, entries: tuple[str, ...]) -> Verdict:
    """Do what was chosen: for the entries first, which may fill at any moment, then for what is held."""
    bare = [entry for entry in scene.entries if entry.reference in entries]
    steps: list[Step] = []
    if choice is not MissingStop.PLACE_STOP:
        steps += [
            Step(act=Act.CANCEL_ENTRY, reference=entry.reference)
            for entry in bare
            if not (entry.leaving or entry.stays)
        ]
    stays = choice is not MissingStop.PLACE_STOP and any(entry.stays for entry in bare)
    given_up = False
    if held > 0 and not scene.sure:
        return Verdict(
            condition=Condition.WAITING, code="book-not-read", fault=fault, lacks=held, steps=tuple(steps), alarm=stays
        )
    if held > 0 and choice is MissingStop.FLATTEN:
        given_up = scene.not_closed
        steps += [] if given_up else [Step(act=Act.FLATTEN, quantity=held)]
    elif held > 0:
        given_up = scene.tries >= MOST_TRIES
        steps += [] if given_up else [Step(act=Act.PLACE_STOP, quantity=held)]
    if given_up:
        code = "not-closed" if choice is MissingStop.FLATTEN else "stop-not-taken"
    elif stays:
        code = "entry-not-canceled"
    else:
        code = "mending" if steps else "entry-without-stop"
    return Verdict(
        condition=Condition.LACKING,
        code=code,
        fault=fault,
        lacks=held,
        steps=tuple(steps),
        alarm=given_up or stays,
    )


def _alarm(code: str, fault: Fault, lacks: Decimal) -> Verdict:
    return Verdict(condition=Condition.LACKING, code=code, fault=fault, lacks=lacks, alarm=True)


def _beyond(scene: Scene, choice: MissingStop, now: datetime) -> Verdict:
    """Nothing lacks a stop; a stop may be too much."""
    covered = Verdict(condition=Condition.COVERED, code="covered")
    if scene.closing:
        return covered
    if scene.strays and scene.strays_since is not None:
        until = scene.strays_since + STRAY_AFTER
        if now < until:
            return Verdict(condition=Condition.COVERED, code="covered", again_at=until)
        return _lessen(choice, Fault.ALONE, [Step(act=Act.CANCEL_STOP, reference=each) for each in scene.strays])
    if scene.flat:
        alone = [stop.reference for stop in scene.stops if stop.ours and stop.alone and not scene.entries]
        steps = [Step(act=Act.CANCEL_STOP, reference=each) for each in alone]
        return _lessen(MissingStop.PLACE_STOP, Fault.TOO_LARGE, steps) if steps else covered
    if not scene.sure or scene.held <= 0 or scene.exiting > 0:
        return covered
    steps = [
        Step(act=Act.RESIZE, reference=reference, quantity=quantity)
        if quantity > 0
        else Step(act=Act.CANCEL_STOP, reference=reference)
        for reference, quantity in excess_of(scene)
    ]
    cut_by = None if scene.filled_at is None else scene.filled_at + STRAY_AFTER
    if steps and cut_by is not None and now < cut_by:
        return Verdict(condition=Condition.COVERED, code="covered", again_at=cut_by)
    return _lessen(choice, Fault.TOO_LARGE, steps) if steps else covered


def _lessen(choice: MissingStop, fault: Fault, steps: list[Step]) -> Verdict:
    if choice is MissingStop.ALARM:
        return _alarm("alarm-chosen", fault, NOTHING)
    return Verdict(condition=Condition.LACKING, code="mending", fault=fault, steps=tuple(steps))
