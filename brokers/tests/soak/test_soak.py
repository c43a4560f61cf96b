"""Orders at random, faults before and after IBKR's acceptance, crashes at any moment: what must hold of them all.

SOAK_SEED and SOAK_COUNT choose other schedules than those of every run (`make soak`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from accounts.models import Team
from brokers.tests.soak import faults, running
from brokers.tests.soak.kept import KEPT
from brokers.tests.soak.schedules import (
    A_BLOCK,
    Bracket,
    Crash,
    Fault,
    Move,
    Place,
    Schedule,
    Shrink,
    Wait,
    as_code,
    drawn,
    smaller,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
IS_CHOSEN = bool(os.environ.get("SOAK_SEED") or os.environ.get("SOAK_COUNT"))
SEED = int(os.environ.get("SOAK_SEED") or 1000)
COUNT = int(os.environ.get("SOAK_COUNT") or 250)
# Those of a block share a world, whose looks and clock cost as much for one as for many.
BLOCKS = sorted({seed // A_BLOCK for seed in range(SEED, SEED + COUNT)})
# Of each block in every run, the same each time; `make soak` plays them all. With twice as many a sixth of a run went into
# schedules.
USUAL = A_BLOCK // 2
# As often the schedules of a block that fail are run again, to find smaller ones that fail as well: where one fault fails
# them all, each of them with runs of its own would take hours.
MOST_RUNS = 12


@pytest.mark.parametrize("block", BLOCKS)
def test_nothing_is_lost_doubled_or_unexplained(team: Team, block: int) -> None:
    seeds = range(max(block * A_BLOCK, SEED), min((block + 1) * A_BLOCK, SEED + COUNT))
    schedules = [drawn(seed) for seed in (seeds if IS_CHOSEN else seeds[:USUAL])]
    outcome = running.run(schedules, team)
    print(f"Faults met in block {block}: {json.dumps(outcome.hits, sort_keys=True)}")  # noqa: T201
    runs = iter(range(MOST_RUNS))
    failed = [
        _report(team, schedule, each, runs) for schedule, each in zip(schedules, outcome.wrong, strict=True) if each
    ]
    assert not failed, "\n\n".join(failed)
    assert outcome.neighbour == []


def test_what_failed_once_holds(team: Team) -> None:
    wrong: dict[str, list[str]] = {}
    for weather in sorted({schedule.weather for schedule in KEPT.values()}):
        these = {name: schedule for name, schedule in KEPT.items() if schedule.weather == weather}
        wrong |= dict(zip(these, running.run(list(these.values()), team).wrong, strict=True))
    assert wrong == {name: [] for name in KEPT}


def test_changes_that_leave_two_orders_and_other_rare_faults_are_met(team: Team) -> None:
    """As they are drawn: behind an order that rests, and around one that fills."""
    rests, shrinks = (Place("far", "buy", 8, ttl=600), Wait(2.0)), (Shrink(-1, 3), Wait(15.0))
    fills = (Place("market", "buy", 4), Wait(3.0), Place("market", "sell", 4), Wait(35.0))
    changes = ("modify_leaves_two", "modify_leaves_two_unnamed", "modify_answers_another_number")
    lasting = ("stream_corrects_fills", "clock_is_ahead", "clock_is_behind")
    schedules = [Schedule((*rests, Fault(name), *shrinks)) for name in changes]
    schedules += [Schedule((Fault(name), *fills)) for name in lasting]
    outcome = running.run(schedules, team)
    assert outcome.wrong == [[]] * len(schedules)
    assert [name for name in (*changes, *lasting) if not outcome.hits[name]] == []


def test_orders_are_handed_over_in_memory_also_where_their_lane_dies(team: Team) -> None:
    """At any moment: while it takes its lock, waits, sends, or writes down what IBKR said."""
    orders = (Place("market", "buy", 1), Wait(5.0))
    signed_in = Wait(10.0)
    schedules = [Schedule((signed_in, *orders, Crash("lane", moment), *orders)) for moment in range(1, 20)]
    outcome = running.run(schedules, team)
    assert outcome.wrong == [[]] * len(schedules)
    assert outcome.hits[running.HANDED] > len(schedules)


def test_an_entry_with_several_targets_closes_no_more_than_it_opens(team: Team) -> None:
    """Its worker dies at any moment, answers about a part are lost, and the market runs through targets and stops meanwhile."""
    ladder = (Wait(10.0), Bracket("market", "buy", 7, targets=3, missing="alarm"))
    runs = (Move(0, up=True), Wait(0.4), Move(0, up=True), Move(0, up=False), Move(0, up=False), Wait(35.0))
    schedules = [Schedule((*ladder, Crash("lane", moment), Wait(2.0), *runs)) for moment in range(1, 20, 2)]
    lost = [name for name in faults.of("place") if name in faults.TABLE]
    schedules += [Schedule((Wait(10.0), Fault(name), *ladder[1:], Wait(5.0), *runs)) for name in lost]
    schedules += [Schedule((*ladder, Wait(3.0), Crash("watch"), *runs))]
    outcome = running.run(schedules, team)
    assert outcome.wrong == [[]] * len(schedules)


def _report(team: Team, schedule: Schedule, wrong: list[str], runs: Iterator[int]) -> str:
    """The seed of a schedule that failed, and the least of it that fails as well, as far as the `runs` that are left go."""
    least, is_smaller = schedule, True
    while is_smaller:
        is_smaller = False
        for fewer, _ in zip(smaller(least), runs, strict=False):
            if again := running.run([fewer], team).wrong[0]:
                least, wrong, is_smaller = fewer, again, True
                break
    return f"Seed {schedule.seed}: {' '.join(wrong)}\n{as_code(least)}"
