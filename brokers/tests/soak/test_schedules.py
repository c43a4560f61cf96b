"""Schedules as values: drawn from a seed, made smaller, and written down as they can be kept."""

from __future__ import annotations

from dataclasses import replace

from brokers.domain.protection.choices import MissingStop
from brokers.simulator.faults.faults import Faults
from brokers.tests.soak import faults, schedules
from brokers.tests.soak.schedules import Bracket, ByHand, Crash, Disturb, Fault, as_code, drawn, smaller

SEEDS = range(300)


def test_a_seed_draws_one_schedule() -> None:
    assert [drawn(seed) for seed in SEEDS] == [drawn(seed) for seed in SEEDS]
    assert len({drawn(seed).steps for seed in SEEDS}) > 290


def test_what_is_printed_is_the_schedule() -> None:
    for seed in SEEDS:
        schedule = drawn(seed)
        again = eval(as_code(schedule), vars(schedules))
        assert replace(again, seed=seed) == schedule


def test_a_smaller_one_has_less_in_it() -> None:
    for seed in SEEDS:
        schedule = drawn(seed)
        for fewer in smaller(schedule):
            shorter = len(fewer.steps) < len(schedule.steps)
            assert shorter or (len(fewer.steps) == len(schedule.steps) and fewer != schedule)


def test_the_simulator_knows_every_fault_and_a_few_thousand_seeds_draw_them_all() -> None:
    for fault in faults.TABLE.values():
        Faults().arm(fault, 0.0)
    steps = [step for seed in range(3000) for step in drawn(seed).steps]
    assert {step.name for step in steps if isinstance(step, Fault)} == set(faults.TABLE)
    assert {step.process for step in steps if isinstance(step, Crash)} == {"lane", "watch"}
    assert {step.what for step in steps if isinstance(step, Disturb)} == {"stream", "session", "stolen", "night"}
    assert {step.missing for step in steps if isinstance(step, Bracket)} == {str(choice) for choice in MissingStop}
    assert {step.targets for step in steps if isinstance(step, Bracket)} == {1, 2, 3}
    assert len({step.deed for step in steps if isinstance(step, ByHand)}) == 5
    assert {drawn(seed).weather for seed in SEEDS} == {"calm", "resets", "midnight", "database"}
