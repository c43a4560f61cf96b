"""A pytest plugin: with `-n auto` more workers than cores, since half of the time a test waits for another process.

Three times as many: while browsers, benches and schedules keep every core busy they cost nothing but what each takes to
begin, and behind those, where a test is at work for a third of its time, four workers left half of two cores idle.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

A_CORE = 3
# Each has a database of the run's Valkey for itself, and connections of a Postgres that takes two hundred.
MOST = 8
# With its gateways, its sessions of Postgres and what a test starts.
WEIGHS_BYTES = 2**30


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """None: as many as cores, for tests that wait for nobody."""
    if config.getoption("quick"):
        return None
    return workers(os.cpu_count() or 1, available_bytes(Path("/proc/meminfo")))


def workers(cores: int, memory: int | None) -> int:
    """How many there are to be; `memory` in bytes, None where the system does not say."""
    room = MOST if memory is None else memory // WEIGHS_BYTES
    return max(min(A_CORE * cores, room, MOST), 1)


def available_bytes(meminfo: Path) -> int | None:
    """What Linux says may be used without swapping; None elsewhere."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
