"""How long the product takes to start, and what it weighs when it has nothing to do.

    python -m benchmarks.bench_start [--settle 60] [--rounds 3]

The product starts as `make run` starts it, in a folder whose database is prepared, as that of the second run is. Counted
are the seconds from the command to the first answer with a 2xx and to a `/readyz` with every part; then, `--settle`
seconds later, the proportional share of memory (PSS) of each process, without PostgreSQL and Valkey. The baseline of the
same run is a Python that imports Django and ends. Told as well is the processor time of our processes until the first
answer, which other load hardly changes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.goals import Figure, note
from benchmarks.trading import weight
from config.supervisor import ports
from config.tests import tables
from config.tests.product import ROOT
from config.tests.watching import outside

PATIENCE = 240.0


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settle", type=float, default=60, help="seconds between ready and weighing")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="halyard-bench-") as name:
        folder = Path(name) / "data"
        tables.fill(folder, tables.named())
        started(folder, 0)  # prepares the database and makes the demo
        rounds = [started(folder, options.settle if last else 0) for last in last_is_true(options.rounds)]
    base = bare_import()
    first, ready = statistics.median(each.first for each in rounds), statistics.median(each.ready for each in rounds)
    weights, worked = rounds[-1].weights, min((each.worked for each in rounds), key=lambda each: sum(each.values()))
    note(Figure(what="start to the first answer", figure=first, unit="s", goal=3, baseline=base))
    note(Figure(what="start to all ready", figure=ready, unit="s", goal=15, baseline=base))
    note(Figure(what="idle memory, PSS", figure=sum(weights.values()), unit="MB", goal=350))
    print(f"first answer after {first:.1f} s (goal 3), {first / base:.1f} times an import of Django ({base:.2f} s)")
    by_name = ", ".join(f"{name} {seconds:.2f}" for name, seconds in sorted(worked.items()))
    print(f"processor time until then, the least: {sum(worked.values()):.2f} s ({by_name})")
    print(f"every part ready after {ready:.1f} s (goal 15)")
    for process, megabytes in sorted(weights.items(), key=lambda each: -each[1]):
        print(f"  {process:<12} {megabytes:6.1f} MB")
    print(f"idle without PostgreSQL and Valkey: {sum(weights.values()):.0f} MB PSS (goal 350)")


def last_is_true(rounds: int) -> list[bool]:
    return [place == rounds - 1 for place in range(rounds)]


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds to the first 2xx and to ready; seconds of processor by process until the first 2xx; megabytes by process."""

    first: float
    ready: float
    worked: dict[str, float]
    weights: dict[str, float]


def started(folder: Path, settle: float) -> Start:
    """One start, weighed `settle` seconds after it is ready."""
    port = ports.free("127.0.0.1", 0)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "config.run"],
        cwd=ROOT,
        env=outside(folder, PORT=str(port)),
        stdout=subprocess.DEVNULL,
    )
    try:
        first = until(port, "healthz", began)
        worked = weight.processor(folder)
        ready = until(port, "readyz", began)
        time.sleep(settle)
        return Start(first, ready, worked, weight.pss(folder))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def until(port: int, path: str, began: float) -> float:
    """Seconds since `began` when the path answers with a 2xx."""
    while time.monotonic() < began + PATIENCE:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30).close()
            return time.monotonic() - began
        time.sleep(0.02)
    raise SystemExit(f"/{path} did not answer within {PATIENCE:.0f} s.")


def bare_import() -> float:
    code = "import django; django.setup(); import django.contrib.admin.sites"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "django.conf.global_settings"}
    times = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        times.append(time.monotonic() - began)
    return min(times)


if __name__ == "__main__":
    main()
