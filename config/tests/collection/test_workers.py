"""How many workers a run has: more than cores, and no more than there is room for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config import pytest_workers
from config.pytest_workers import available_bytes, workers

GIB = 2**30


@pytest.mark.parametrize(
    ("cores", "memory", "number"),
    [(2, 23 * GIB, 6), (1, 23 * GIB, 3), (16, 64 * GIB, 8), (4, 4 * GIB, 4), (2, GIB // 2, 1), (2, None, 6)],
)
def test_there_are_three_for_each_core_as_far_as_there_is_room(cores: int, memory: int | None, number: int) -> None:
    assert workers(cores, memory) == number


def test_the_room_is_what_the_system_says(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16384 kB\nMemFree:         1000 kB\nMemAvailable:    4096 kB\n")
    assert available_bytes(meminfo) == 4 * 2**20
    assert available_bytes(tmp_path / "elsewhere") is None


def test_a_whole_run_is_given_them(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest_workers, "available_bytes", lambda _: 64 * GIB)
    monkeypatch.setattr(pytestconfig.option, "quick", False)
    given = pytestconfig.hook.pytest_xdist_auto_num_workers(config=pytestconfig)
    assert given == workers(os.cpu_count() or 1, 64 * GIB)


def test_a_quick_run_has_as_many_as_cores(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytestconfig.option, "quick", True)
    assert pytest_workers.pytest_xdist_auto_num_workers(pytestconfig) is None
