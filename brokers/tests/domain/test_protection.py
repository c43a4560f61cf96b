"""The decision about a stop that is missing: a table of cases, and what holds for every scene."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from brokers.domain.protection.choices import EXPLAINED, LABELS, MissingStop
from brokers.domain.protection.scenes import Entry, Fault, Presence, Scene, Stop, excess_of, lack_of
from brokers.domain.protection.verdicts import GRACE, MOST_TRIES, STRAY_AFTER, Act, Condition, Step, Verdict, judge
from brokers.domain.protection.words import Subject, in_words

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=1)
SENDS = [MissingStop.CANCEL_ENTRY, MissingStop.PLACE_STOP, MissingStop.FLATTEN]


def ten(**values: Any) -> Scene:
    """Ten are held and are to have a stop; the one they had was canceled a minute ago."""
    usual = {"held": Decimal(10), "most": Decimal(10), "due": Decimal(10), "fault": Fault.CANCELED, "fault_at": EARLIER}
    return Scene(**{**usual, **values})


def stop(quantity: int = 10, **values: Any) -> Stop:
    return Stop(**{"reference": "s", "quantity": Decimal(quantity), **values})


def entry(remaining: int = 10, **values: Any) -> Entry:
    return Entry(**{"reference": "e", "remaining": Decimal(remaining), **values})


WORKS = Scene(entries=(entry(),), fault=Fault.REFUSED, fault_at=NOW)
PARTLY = Scene(
    held=Decimal(4),
    most=Decimal(4),
    due=Decimal(4),
    entries=(entry(6, filled=Decimal(4)),),
    fault=Fault.LOST,
    fault_at=NOW,
)
UNTOLD = ten(untold=Decimal(10), untold_since=EARLIER)
CANCEL, PLACE = Step(act=Act.CANCEL_ENTRY, reference="e"), Step(act=Act.PLACE_STOP, quantity=Decimal(10))
CASES: dict[str, tuple[Scene, MissingStop, str, tuple[Step, ...], bool]] = {
    "an entry that works is canceled": (WORKS, MissingStop.CANCEL_ENTRY, "mending", (CANCEL,), False),
    "before it fills there is nothing to flatten": (WORKS, MissingStop.FLATTEN, "mending", (CANCEL,), False),
    "it works on until it fills": (WORKS, MissingStop.PLACE_STOP, "entry-without-stop", (), False),
    "it works on, and somebody is told": (WORKS, MissingStop.ALARM, "alarm-chosen", (), True),
    "what is held gets its stop": (ten(), MissingStop.CANCEL_ENTRY, "mending", (PLACE,), False),
    "what is held gets its stop alone": (ten(), MissingStop.PLACE_STOP, "mending", (PLACE,), False),
    "what is held is flattened": (
        ten(),
        MissingStop.FLATTEN,
        "mending",
        (Step(act=Act.FLATTEN, quantity=Decimal(10)),),
        False,
    ),
    "what is held is told of": (ten(), MissingStop.ALARM, "alarm-chosen", (), True),
    "a part of it: the rest is canceled, and the part protected": (
        PARTLY,
        MissingStop.CANCEL_ENTRY,
        "mending",
        (CANCEL, Step(act=Act.PLACE_STOP, quantity=Decimal(4))),
        False,
    ),
    "a part of it: the rest works on": (
        PARTLY,
        MissingStop.PLACE_STOP,
        "mending",
        (Step(act=Act.PLACE_STOP, quantity=Decimal(4)),),
        False,
    ),
    "a foreign stop counts": (ten(stops=(stop(ours=False),)), MissingStop.FLATTEN, "covered", (), False),
    "a foreign stop of enough counts for an entry": (
        replace(WORKS, stops=(stop(ours=False),)),
        MissingStop.FLATTEN,
        "covered",
        (),
        False,
    ),
    "a foreign stop that is too small counts as far as it goes": (
        ten(stops=(stop(7, ours=False),)),
        MissingStop.PLACE_STOP,
        "mending",
        (Step(act=Act.PLACE_STOP, quantity=Decimal(3)),),
        False,
    ),
    "a foreign stop is never made smaller": (
        ten(stops=(stop(99, ours=False),)),
        MissingStop.FLATTEN,
        "covered",
        (),
        False,
    ),
    "one in doubt is waited for": (
        ten(stops=(stop(presence=Presence.DOUBTFUL),)),
        MissingStop.FLATTEN,
        "stop-in-doubt",
        (),
        False,
    ),
    "an entry does not wait for one that IBKR shows no more": (
        replace(WORKS, stops=(stop(presence=Presence.DOUBTFUL, asks=True, entry="e"),)),
        MissingStop.CANCEL_ENTRY,
        "stop-not-shown",
        (CANCEL,),
        False,
    ),
    "one that IBKR shows no more may be there": (
        ten(stops=(stop(presence=Presence.DOUBTFUL, asks=True),)),
        MissingStop.PLACE_STOP,
        "stop-not-shown",
        (),
        True,
    ),
    "what IBKR's list of positions alone shows is told of": (UNTOLD, MissingStop.FLATTEN, "fill-not-shown", (), True),
    "a stop that is to leave for it waits as well": (
        replace(UNTOLD, stops=(stop(presence=Presence.COMING),)),
        MissingStop.PLACE_STOP,
        "fill-not-shown",
        (),
        True,
    ),
    "a stop that works protects it": (replace(UNTOLD, stops=(stop(),)), MissingStop.FLATTEN, "covered", (), False),
    "its fill may be told in a moment": (
        replace(UNTOLD, untold_since=NOW),
        MissingStop.FLATTEN,
        "fill-on-its-way",
        (),
        False,
    ),
    "what else works without a stop is canceled meanwhile": (
        replace(UNTOLD, entries=(entry(),)),
        MissingStop.FLATTEN,
        "fill-not-shown",
        (CANCEL,),
        True,
    ),
    "one on its way is waited for": (
        ten(stops=(stop(presence=Presence.COMING),)),
        MissingStop.FLATTEN,
        "stop-on-its-way",
        (),
        False,
    ),
    "what somebody canceled stays canceled": (
        ten(fault=Fault.ASKED),
        MissingStop.FLATTEN,
        "canceled-by-hand",
        (),
        True,
    ),
    "a target may have taken it along": (ten(fault_at=NOW), MissingStop.FLATTEN, "just-canceled", (), False),
    "what is being closed needs no stop": (ten(closing=True), MissingStop.PLACE_STOP, "being-closed", (), False),
    "what leaves needs no stop": (ten(exiting=Decimal(10)), MissingStop.PLACE_STOP, "covered", (), False),
    "a book that was not read proves nothing": (ten(sure=False), MissingStop.PLACE_STOP, "book-not-read", (), False),
    "a plan that is made anew is waited for": (ten(replanned=True), MissingStop.FLATTEN, "planned-again", (), False),
    "in the end a person is needed": (ten(tries=MOST_TRIES), MissingStop.PLACE_STOP, "stop-not-taken", (), True),
    "what could not be closed is not closed for ever": (
        ten(not_closed=True),
        MissingStop.FLATTEN,
        "not-closed",
        (),
        True,
    ),
    "an entry that stays needs a person": (
        replace(WORKS, entries=(entry(stays=True),)),
        MissingStop.CANCEL_ENTRY,
        "entry-not-canceled",
        (),
        True,
    ),
    "a stop of too many is made smaller": (
        ten(held=Decimal(4), most=Decimal(4), due=Decimal(4), stops=(stop(),)),
        MissingStop.FLATTEN,
        "mending",
        (Step(act=Act.RESIZE, reference="s", quantity=Decimal(4)),),
        False,
    ),
    "IBKR may be making it smaller itself": (
        ten(held=Decimal(4), most=Decimal(4), due=Decimal(4), stops=(stop(),), filled_at=NOW),
        MissingStop.FLATTEN,
        "covered",
        (),
        False,
    ),
    "a stop of too many is told of": (
        ten(held=Decimal(4), most=Decimal(4), due=Decimal(4), stops=(stop(),)),
        MissingStop.ALARM,
        "alarm-chosen",
        (),
        True,
    ),
    "a stop of too few is joined by another": (
        ten(fault=None, stops=(stop(6),)),
        MissingStop.PLACE_STOP,
        "mending",
        (Step(act=Act.PLACE_STOP, quantity=Decimal(4)),),
        False,
    ),
    "a stop by itself goes with the position": (
        Scene(flat=True, stops=(stop(alone=True),)),
        MissingStop.ALARM,
        "mending",
        (Step(act=Act.CANCEL_STOP, reference="s"),),
        False,
    ),
    "a leg whose entry never worked is canceled": (
        Scene(strays=("s",), strays_since=NOW - STRAY_AFTER),
        MissingStop.CANCEL_ENTRY,
        "mending",
        (Step(act=Act.CANCEL_STOP, reference="s"),),
        False,
    ),
    "IBKR may be canceling it itself": (
        Scene(strays=("s",), strays_since=NOW),
        MissingStop.CANCEL_ENTRY,
        "covered",
        (),
        False,
    ),
    "a leg behind its entry covers it": (
        replace(WORKS, stops=(stop(entry="e"),)),
        MissingStop.FLATTEN,
        "covered",
        (),
        False,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_case(case: str) -> None:
    scene, choice, code, steps, alarm = CASES[case]
    verdict = judge(scene, choice, NOW)
    assert (verdict.code, verdict.steps, verdict.alarm) == (code, steps, alarm)


def test_what_was_just_canceled_is_looked_at_again() -> None:
    scene = ten(fault_at=NOW)
    until = judge(scene, MissingStop.PLACE_STOP, NOW).again_at
    assert until == NOW + GRACE
    assert judge(scene, MissingStop.PLACE_STOP, until).steps == (PLACE,)


# A machine with other things to do draws slowly.
often = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
UNITS = some.integers(0, 20).map(Decimal)


def test_a_stop_that_ends_with_its_target_gives_way_before_the_newest() -> None:
    """The target beside it has filled, and IBKR's word on the stop is still to come: the others are as large as what is left."""
    ends, stays = stop(3, reference="ends", ends=True), stop(7, reference="stays")
    scene = Scene(held=Decimal(7), most=Decimal(7), due=Decimal(7), stops=(ends, stays))
    assert excess_of(scene) == (("ends", Decimal(0)),)


@some.composite
def scenes(draw: some.DrawFn) -> Scene:
    entries = tuple(
        Entry(
            reference=f"e{n}",
            remaining=draw(UNITS) + 1,
            filled=draw(UNITS),
            leaving=draw(some.booleans()),
            stays=draw(some.booleans()),
        )
        for n in range(draw(some.integers(0, 2)))
    )
    stops = tuple(
        Stop(
            reference=f"s{n}",
            quantity=draw(UNITS) + 1,
            presence=draw(some.sampled_from(Presence)),
            ours=draw(some.booleans()),
            alone=draw(some.booleans()),
            asks=draw(some.booleans()),
            entry=draw(some.sampled_from(["", *(each.reference for each in entries)])),
        )
        for n in range(draw(some.integers(0, 4)))
    )
    held = draw(UNITS)
    return Scene(
        held=held,
        most=held + draw(UNITS),
        due=min(held, draw(UNITS)),
        exiting=draw(UNITS),
        entries=entries,
        stops=stops,
        fault=draw(some.sampled_from([None, *Fault])),
        fault_at=draw(some.sampled_from([NOW, EARLIER])),
        sure=draw(some.booleans()),
        flat=held == 0 and draw(some.booleans()),
        closing=draw(some.booleans()),
        not_closed=draw(some.booleans()),
        tries=draw(some.integers(0, 3)),
    )


def after(scene: Scene, verdict: Verdict) -> Scene:
    """The scene as our own rows show it once the steps are written down."""
    for step in verdict.steps:
        match step.act:
            case Act.CANCEL_ENTRY:
                leaving = (
                    replace(each, leaving=True) if each.reference == step.reference else each for each in scene.entries
                )
                scene = replace(scene, entries=tuple(leaving))
            case Act.PLACE_STOP:
                scene = replace(scene, stops=(*scene.stops, stop(int(step.quantity), presence=Presence.COMING)))
            case Act.FLATTEN:
                scene = replace(scene, closing=True)
            case Act.RESIZE:
                sized = (
                    replace(each, quantity=step.quantity) if each.reference == step.reference else each
                    for each in scene.stops
                )
                scene = replace(scene, stops=tuple(sized))
            case Act.CANCEL_STOP:
                scene = replace(scene, stops=tuple(each for each in scene.stops if each.reference != step.reference))
    return scene


@often
@given(scenes(), some.sampled_from(MissingStop))
def test_a_mend_is_done_once(scene: Scene, choice: MissingStop) -> None:
    verdict = judge(scene, choice, NOW)
    assert not judge(after(scene, verdict), choice, NOW).steps


@often
@given(scenes(), some.sampled_from(MissingStop))
def test_no_stop_is_placed_for_more_than_lacks_one_in_the_worst_case(scene: Scene, choice: MissingStop) -> None:
    """Whatever a stop in doubt turns out to be, no unit of the position gets two."""
    placed = sum(step.quantity for step in judge(scene, choice, NOW).steps if step.act is Act.PLACE_STOP)
    assert placed <= lack_of(scene, *Presence).held


@often
@given(scenes())
def test_who_chose_the_alarm_finds_nothing_done(scene: Scene) -> None:
    acts = {step.act for step in judge(scene, MissingStop.ALARM, NOW).steps}
    assert acts <= {Act.CANCEL_STOP}, "only a stop of Halyard's own that has nothing to close any more"


@often
@given(scenes(), some.sampled_from(SENDS))
def test_no_foreign_order_is_touched(scene: Scene, choice: MissingStop) -> None:
    ours = {each.reference for each in scene.stops if each.ours} | {each.reference for each in scene.entries}
    assert {step.reference for step in judge(scene, choice, NOW).steps if step.reference} <= ours


@often
@given(scenes(), some.sampled_from(MissingStop))
def test_what_lacks_its_stop_is_mended_or_waited_for_or_alarms(scene: Scene, choice: MissingStop) -> None:
    verdict = judge(scene, choice, NOW)
    if lack_of(scene, *Presence) and not scene.closing:
        assert verdict.condition is not Condition.COVERED
    if verdict.condition is Condition.LACKING and not verdict.steps and not verdict.alarm:
        bare = lack_of(scene, *Presence).entries
        leaving = all(each.leaving for each in scene.entries if each.reference in bare)
        assert choice is MissingStop.PLACE_STOP or leaving, "nobody acts, and nobody is told"


@often
@given(scenes(), some.sampled_from(MissingStop))
def test_every_verdict_has_its_words(scene: Scene, choice: MissingStop) -> None:
    story = in_words(judge(scene, choice, NOW), Subject(stop="the stop of 10 AAPL at 95", why="", ticker="AAPL"))
    for sentence in (story.happened, story.did, story.can_do):
        assert sentence.endswith(".")
        assert sentence[0].isupper()


def test_each_choice_is_explained_in_one_sentence() -> None:
    assert set(EXPLAINED) == set(LABELS) == set(MissingStop)
    assert all(text.endswith(".") and text.count(". ") == 0 for text in EXPLAINED.values())
