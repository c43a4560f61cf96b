"""What a history costs: a walk, the door, pages, lists of the API, filters, a search and a retention run.

    python -m benchmarks.bench_history [--signals 1000000] [--orders 2000000] [--subscriptions 10000] [--teams 1000]

Two databases on one server, one with a few hundred orders, one with the history of everybody, of which nearly a third
belongs to the team that asks. Each thing is asked of the one and of the other in turn, so that whatever else the machine
does hits both. The figures are ratios: of times by the clock, and of processor time of the process that asks and of
PostgreSQL's, which other load hardly moves and by which the goal is judged; the door is judged by the clock. Each is printed
as soon as it is known. The walk goes through the product's own functions; nothing is sent.
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
from dataclasses import asdict, dataclass
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
Both = tuple[list[float], list[float]]


@dataclass(frozen=True, slots=True)
class Times:
    """How long one thing took, by the clock and of processor where that is known."""

    clock: Both
    processor: Both | None = None

    @property
    def ratio(self) -> float:
        """What is held against the goal."""
        return _ratio(self.processor or self.clock)


def _ratio(times: Both) -> float:
    return median(times[1]) / median(times[0])


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
    say("Two databases are made and filled; a million signals take some four minutes.")
    with migrated_database() as folder:
        names = copy_the_empty_one(folder)
        with asked(folder, names[0], 0, SMALL) as small, asked(folder, names[1], 1, large) as full:
            head(large, full.filled)
            ratios = [show(name, times) for name, times in measure((small, full), options.rounds)]
            ratios.append(show(DOOR, Times(knock((small, full), options.rounds * 20))))
            report(ratios)


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

    def ask(self, name: str) -> tuple[float, float]:
        """How many milliseconds it took by the clock, and of processor."""
        assert self._process.stdin is not None
        print(name, file=self._process.stdin, flush=True)
        clock, processor = self._line().split()
        return float(clock), float(processor)

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


def measure(both: tuple[Asked, Asked], rounds: int) -> Iterator[tuple[str, Times]]:
    """What each was asked and how long it took, after one round that warms it."""
    for name in both[0].names:
        small, large = zip(*([each.ask(name) for each in both] for _ in range(rounds + 1)), strict=True)
        clock, processor = ([[one[kind] for one in each[1:]] for each in (small, large)] for kind in (0, 1))
        yield name, Times((clock[0], clock[1]), (processor[0], processor[1]))


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


def say(line: str) -> None:
    print(line, flush=True)


def head(sizes: Sizes, filled: float) -> None:
    say(
        f"{sizes.signals:,} signals, {sizes.orders:,} orders, {sizes.subscriptions:,} subscriptions, {sizes.teams:,} teams"
        f" (filled in {filled:.0f} s), against {SMALL.orders:,} orders"
    )
    say(f"{'':44}{'by the clock, ms':>20}{'ratio':>7}{'of processor, ms':>20}{'ratio':>7}")


def show(name: str, times: Times) -> float:
    """Print one line; returns the ratio that is held against the goal."""
    columns = "".join(_column(each) for each in (times.clock, times.processor))
    say(f"{name:44}{columns}{'' if times.ratio <= GOAL else '  beyond'}")
    return times.ratio


def _column(times: Both | None) -> str:
    if times is None:
        return f"{'':27}"
    return f"{median(times[0]):10.1f}{median(times[1]):10.1f}{_ratio(times):7.2f}"


def report(ratios: Sequence[float]) -> None:
    note(Figure(what="a long history, the slowest by its ratio", figure=max(ratios), unit="times", goal=GOAL))
    print(f"{sum(ratio <= GOAL for ratio in ratios)} of {len(ratios)} within {GOAL} times (goal: all)")


if __name__ == "__main__":
    main(sys.argv[1:])
