"""What a history costs: a walk, the door, pages, lists of the API, filters, a search and a retention run.

    python -m benchmarks.bench_history [--signals 1000000] [--orders 2000000] [--subscriptions 10000] [--teams 1000]

Two databases on one server, one with a few hundred orders, one with the history of everybody, of which nearly a third
belongs to the team that asks. Each thing is asked of the one and of the other in turn, so that whatever else the machine
does hits both. The figures are ratios. The walk goes through the product's own functions; nothing is sent.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks.goals import Figure, note
from benchmarks.servers import migrated_database, served
from benchmarks.trading.history import Sizes
from config import embedded

GOAL = 1.2
SMALL = Sizes(teams=10, subscriptions=100, signals=1_000, orders=2_000, refusals=300)
DOOR = "the door, one delivery"

# Milliseconds of each round, of the small database and of the large one.
Figures = dict[str, tuple[list[float], list[float]]]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=2_000_000)
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument("--teams", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(argv)
    large = Sizes(
        teams=options.teams,
        subscriptions=options.subscriptions,
        signals=options.signals,
        orders=options.orders,
        refusals=options.signals // 10,
    )
    with migrated_database() as folder:
        names = copy_the_empty_one(folder)
        with asked(folder, names[0], 0, SMALL) as small, asked(folder, names[1], 1, large) as full:
            figures = measure((small, full), options.rounds)
            figures[DOOR] = knock((small, full), options.rounds * 20)
            report(figures, large, full.filled)


def copy_the_empty_one(folder: Path) -> tuple[str, str]:
    """The URLs of two databases with tables and no rows."""
    import psycopg
    from django.db import connections

    used: Any = connections["default"]
    used.close()
    used.close_pool()
    url = embedded.urls(folder).database
    start, end = url.split("@/halyard?")
    with psycopg.connect(f"{start}@/postgres?{end}", autocommit=True) as session:
        session.execute("CREATE DATABASE large TEMPLATE halyard")
    return url, f"{start}@/large?{end}"


class Asked:
    """A process that was given a database, and answers what is asked of it."""

    def __init__(self, process: subprocess.Popen[str], environment: dict[str, str]) -> None:
        self._process, self.environment = process, environment
        told = json.loads(self._line())
        self.names: list[str] = told["names"]
        self.door: str = told["door"]
        self.filled: float = told["filled"]

    def ask(self, name: str) -> float:
        """How many milliseconds it took."""
        assert self._process.stdin is not None
        print(name, file=self._process.stdin, flush=True)
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise SystemExit("The process that is asked has ended; its error stands above.")
        return line


@contextmanager
def asked(folder: Path, database: str, number: int, sizes: Sizes) -> Iterator[Asked]:
    """Fill the database; nothing is shared with another one, in Valkey either."""
    redis = embedded.urls(folder).redis.replace("?db=0", f"?db={number + 1}")
    environment = {**os.environ, "DATABASE_URL": database, "REDIS_URL": redis}
    command = [sys.executable, "-m", "benchmarks.trading.asked", json.dumps(asdict(sizes))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Asked(process, environment)
        finally:
            process.kill()


def measure(both: tuple[Asked, Asked], rounds: int) -> Figures:
    """What each was asked and how long it took, after one round that warms it."""
    figures: Figures = {}
    for name in both[0].names:
        times = [tuple(each.ask(name) for each in both) for _ in range(rounds + 1)][1:]
        figures[name] = ([small for small, _ in times], [large for _, large in times])
    return figures


def knock(both: tuple[Asked, Asked], count: int) -> tuple[list[float], list[float]]:
    """So many deliveries to each, one at a time, each stored before it is answered; milliseconds."""
    small, large = both
    application = "config.asgi:application"
    with served(application, small.environment) as one, served(application, large.environment) as two:
        lines = [http.client.HTTPConnection(urlsplit(url).netloc) for url in (one, two)]
        times = [
            tuple(deliver(line, each.door) for line, each in zip(lines, both, strict=True)) for _ in range(count + 20)
        ]
    return [first for first, _ in times[20:]], [second for _, second in times[20:]]


def deliver(line: http.client.HTTPConnection, path: str) -> float:
    body = json.dumps({"ticker": "AAPL", "action": "buy", "quantity": "10", "signalId": uuid.uuid4().hex})
    started = time.perf_counter()
    line.request("POST", path, body, {"Content-Type": "application/json"})
    answer = line.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise SystemExit(f"The door answered {answer.status} {said!r}; the bench would measure something else.")
    return (time.perf_counter() - started) * 1000


def report(figures: Figures, sizes: Sizes, filled: float) -> None:
    print(
        f"{sizes.signals:,} signals, {sizes.orders:,} orders, {sizes.subscriptions:,} subscriptions, {sizes.teams:,} teams"
        f" (filled in {filled:.0f} s), against {SMALL.orders:,} orders"
    )
    print(f"{'':44}{'small':>10}{'large':>10}{'ratio':>8}")
    ratios = []
    for name, (small, large) in figures.items():
        before, after = median(small), median(large)
        ratios.append(after / before)
        print(f"{name:44}{before:7.1f} ms{after:7.1f} ms{ratios[-1]:8.2f}{'' if ratios[-1] <= GOAL else '  beyond'}")
    note(Figure(what="a long history, the slowest by its ratio", figure=max(ratios), unit="times", goal=GOAL))
    print(f"{sum(ratio <= GOAL for ratio in ratios)} of {len(ratios)} within {GOAL} times (goal: all)")


if __name__ == "__main__":
    main(sys.argv[1:])
