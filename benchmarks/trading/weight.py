"""What the processes of a running product weigh: their proportional share of memory (PSS), as the kernel counts it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from config import embedded

SERVERS = {"postgres", "valkey"}


def pss(folder: Path) -> dict[str, float]:
    """Megabytes by process of the run in this folder, the supervisor's own included, PostgreSQL and Valkey left out.

    Processes of one name (a worker and its pool) count together; what several share counts for each by its part.
    """
    run = embedded.read_run(folder)
    names = {pid: name for name, pid in run["processes"].items()} | {run["pid"]: "supervisor"}
    parents = _parents()
    found: dict[str, float] = {}
    for pid in parents:
        name = _name(pid, names, parents)
        if name and name not in SERVERS:
            with contextlib.suppress(OSError):
                found[name] = found.get(name, 0.0) + _megabytes(pid)
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
