"""The table of a run, and what a second run says beside the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.goals import Figure, note, table
from benchmarks.goals.noting import FILE_VARIABLE

DOOR = Figure(what="door", figure=900.0, unit="/s", goal=1000, at_least=True, baseline=1000.0)
WALK = Figure(what="walk", figure=10.0, unit="ms", goal=15, baseline=5.0)
IDLE = Figure(what="idle", figure=400.0, unit="MB", goal=350)


def test_a_figure_knows_its_ratio_and_whether_it_reached_its_goal() -> None:
    assert (DOOR.ratio, DOOR.reached) == (0.9, False)
    assert (WALK.ratio, WALK.reached) == (2.0, True)
    assert (IDLE.ratio, IDLE.reached) == (None, False)


def test_what_a_bench_notes_is_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures"
    note(DOOR)
    assert not file.exists(), "alone, a bench notes nothing"
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    note(DOOR)
    note(IDLE)
    assert table.read_notes(file) == [DOOR, IDLE]
    assert table.read_notes(tmp_path / "nothing") == []


def cells(run: list[str], name: str) -> list[str]:
    return next(line for line in run if line.startswith(name)).split()


def test_the_table_names_goal_figure_ratio_and_whether_it_was_reached() -> None:
    shown = table.lines(table.as_json([DOOR, WALK, IDLE], machine=20.0))
    assert cells(shown, "door") == ["door", "900.00", "/s", "≥", "1,000", "/s", "0.90", "NO"]
    assert cells(shown, "walk") == ["walk", "10.00", "ms", "≤", "15", "ms", "2.00", "yes"]
    assert cells(shown, "idle") == ["idle", "400.00", "MB", "≤", "350", "MB", "NO"]
    assert shown[-1].startswith("1 of 3 reached; the machine's speed is 20.0")


def test_two_runs_are_compared_by_their_ratios_whatever_the_machine_did() -> None:
    then = table.as_json([DOOR, WALK, IDLE], machine=20.0)
    # Half as fast: the walk takes twice as long and so does its baseline; memory does not change with speed.
    slow = [
        Figure(what="door", figure=450.0, unit="/s", goal=1000, at_least=True, baseline=500.0),
        Figure(what="walk", figure=30.0, unit="ms", goal=15, baseline=10.0),
        Figure(what="idle", figure=200.0, unit="MB", goal=350),
        Figure(what="other", figure=1.0, unit="s", goal=2),
    ]
    shown = table.lines(table.as_json(slow, machine=10.0), then)
    assert cells(shown, "door")[-2] == "1.00"
    assert cells(shown, "walk")[-2] == "1.50"
    assert cells(shown, "idle")[-2] == "0.50"
    assert cells(shown, "other")[-2] == "new"


@pytest.mark.parametrize(("at_least", "figure", "change"), [(False, 20.0, "1.00"), (True, 5.0, "1.00")])
def test_without_a_baseline_the_machines_speed_is_taken_out(at_least: bool, figure: float, change: str) -> None:
    then = table.as_json([Figure(what="x", figure=10.0, unit="s", goal=1, at_least=at_least)], machine=20.0)
    now = table.as_json([Figure(what="x", figure=figure, unit="s", goal=1, at_least=at_least)], machine=10.0)
    assert cells(table.lines(now, then), "x")[-2] == change


def test_the_speed_of_the_machine_is_measured() -> None:
    assert table.speed() > 0
