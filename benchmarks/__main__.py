"""What `make bench` runs: every part in a process of its own, one after the other.

    python -m benchmarks [--quick] [--only bench_walk] [--compare FILE]

At the end stands one table of goals and figures, which is kept in `benchmarks/latest.json` as well. `--compare` puts
beside it how each ratio to its baseline has changed since that run. `--quick` measures nothing worth telling: it shows within a minute or two that every part still runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.goals import table
from benchmarks.goals.noting import FILE_VARIABLE
from config.embedded import BASE_DIR

# Title, module, and what makes it short.
PARTS = (
    ("The webhook door", "bench_door", "--seconds 0.2 --rounds 1 --bell 200"),
    ("Reading a message", "bench_parsing", "--rounds 2"),
    ("A decision", "bench_decide", "--rounds 20"),
    ("An option by its parts", "trading.picking", "--rounds 20 --latency 5"),
    ("One signal to a thousand subscriptions", "bench_fanout", "--rounds 1 --sizes 5 20"),
    ("The walk", "bench_walk", "--seconds 1 --burst 20"),
    ("A burst on many accounts", "trading.burst", "--accounts 3 --rounds 1"),
    ("A decision by the size of its turn", "trading.turns", "--accounts 4 --sizes 2 4 --rounds 1"),
    ("What an order costs our processes", "bench_cost", "--orders 3"),
    ("Start and weight", "bench_start", "--settle 1 --rounds 1"),
    ("Memory", "bench_memory", "--minutes 0.5 --rate 2"),
    ("A long history", "bench_history", "--signals 2000 --orders 4000 --subscriptions 100 --teams 10 --rounds 1"),
    ("Open pages", "bench_browsers", "--sockets 20 --teams 2 --seconds 0.2 --renderings 20"),
    ("A neighbour's flood", "bench_neighbour", "--seconds 1 --floods 20 --restart 20"),
    (
        "From a decision to the wire, and doubts",
        "bench_orders",
        "--seconds 1 --rate 4 --connections 2 --rounds 1 --doubts 2 --fan 3",
    ),
    ("A tickle", "bench_sessions", "--sessions 20"),
    ("Sessions kept alive", "bench_keeping", "--sessions 5 --seconds 3 --settle 1"),
    ("A stop that is lost", "bench_stops", "--stops 1"),
    ("Stolen sessions", "bench_steals", "--steals 3 --users 2"),
    ("The rulebook", "bench_rulebook", "--seconds 0.1"),
)


LATEST = BASE_DIR / "benchmarks" / "latest.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the shortest form of each, to see that all of them run")
    parser.add_argument("--only", nargs="+", metavar="MODULE", help="some of the parts, as bench_walk bench_door")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="an earlier latest.json to compare with")
    options = parser.parse_args()
    earlier = json.loads(options.compare.read_text()) if options.compare else None
    with tempfile.TemporaryDirectory(prefix="halyard-bench-") as folder:
        notes = Path(folder) / "figures"
        machine = table.speed()
        measure([part for part in PARTS if not options.only or part[1] in options.only], options.quick, notes)
        run = table.as_json(table.read_notes(notes), machine)
    print(*table.lines(run, earlier), sep="\n")
    LATEST.write_text(json.dumps(run, indent=2) + "\n")


def measure(parts: Sequence[tuple[str, str, str]], quick: bool, notes: Path) -> None:
    """Run the parts one after the other; each notes its figures in the file."""
    for title, module, short in parts:
        print(title, flush=True)
        command = [sys.executable, "-m", f"benchmarks.{module}", *(short.split() if quick else [])]
        run = subprocess.run(command, env={**os.environ, FILE_VARIABLE: str(notes)}, check=False)
        if run.returncode:
            raise SystemExit(f"{title}: benchmarks.{module} ended with {run.returncode}.")
        print(flush=True)


if __name__ == "__main__":
    main()
