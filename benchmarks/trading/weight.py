"""What the processes of a running product weigh and have worked, as the kernel counts it: their proportional share of
memory (PSS), and their processor time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from config import embedded

SERVERS = {"postgres", "valkey"}


def pss(folder: Path) -> dict[str, float]:
    """Megabytes by process of the run in this folder, the supervisor's own included, PostgreSQL and Valkey left out.

    Processes of one name (a worker and its pool) count together; what several share counts for each by its part.
    """
    return _by_name(folder, _megabytes)


def processor(folder: Path) -> dict[str, float]:
    """Seconds of processor time by process of the run in this folder, as for `pss`, those of children that ended included."""
    return _by_name(folder, _seconds)


def _by_name(folder: Path, measure: Callable[[int], float]) -> dict[str, float]:
    run = embedded.read_run(folder)
    names = {pid: name for name, pid in run["processes"].items()} | {run["pid"]: "supervisor"}
    parents = _parents()
    found: dict[str, float] = {}
    for pid in parents:
        name = _name(pid, names, parents)
        if name and name not in SERVERS:
            with contextlib.suppress(OSError):
                found[name] = found.get(name, 0.0) + measure(pid)
    return found


def _name(pid: int, names: dict[int, str], parents: dict[int, int]) -> str | None:
    while pid > 1:
        if pid in names:
            return names[pid]
        pid = parents.get(pid, 0)
    return None


def _parents() -> dict[int, int]:
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
    return found


def _megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _seconds(pid: int) -> float:
    # Fields 14 to 17 of the line, of which the first two are left of the bracket.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
