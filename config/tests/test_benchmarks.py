"""Every part of `make bench` runs, in its shortest form: nothing that measures may rot unseen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS
from benchmarks.goals import table
from benchmarks.goals.noting import FILE_VARIABLE
from config.embedded import BASE_DIR
from config.tests import tables

# Words that only a part that reached its last line prints; of one that has two halves, those of each.
LAST_LINES = {
    "bench_door": "200 answered 200, lost 0",
    "bench_parsing": "times a plain JSON parse",
    "bench_decide": "buy by risk, with both legs",
    "trading.picking": "chain known from an earlier day: ... chain known, price at hand: ",
    "bench_fanout": "1,000 subscriptions: goal 3 s",
    "bench_walk": "20 of 20 orders",
    "trading.burst": "3 orders on the wire",
    "trading.turns": "a decision of the largest takes",
    "bench_cost": "an order: ",
    "bench_start": "idle without PostgreSQL and Valkey",
    "bench_memory": "largest growth",
    "bench_history": "times (goal: all)",
    "bench_browsers": "pushes a second to 20 pages of one team: p50",
    "bench_neighbour": "beside 20 signals/s of another team: 2 of 2 orders left ... after 20 signals of another team",
    "bench_orders": "in doubt, arrived, and the answer was lost: 1 orders settled",
    "bench_sessions": "tickle with a turn of the shared pace",
    "bench_keeping": "5 of 5 sessions are active",
    "bench_stops": "goal: seen within 2 s: ",
    "bench_steals": "a night of quarrel, always, back after 300 s",
    "bench_rulebook": "a second on one core",
}


@pytest.mark.long
@pytest.mark.usefixtures("servers", "django_db_setup")
@pytest.mark.parametrize(("module", "short"), [(module, short) for _, module, short in PARTS])
def test_every_part_of_the_bench_runs_and_notes_a_figure(
    module: str, short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "figures"
    monkeypatch.setenv(FILE_VARIABLE, str(notes))
    if known := tables.made():
        monkeypatch.setenv(tables.VARIABLE, str(known))
    run = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *short.split()],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert all(words in run.stdout for words in LAST_LINES[module].split(" ... "))
    assert table.read_notes(notes), "its figures are in no table of goals"
    # Parts run in the project's folder: what a simulator keeps belongs into a temporary one.
    assert not list(BASE_DIR.glob("*.sqlite3"))
