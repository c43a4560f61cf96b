"""A thousand open pages: how soon after the commit each of a team's pages has an order's row, and at what rate.

    python -m benchmarks.bench_browsers [--sockets 1000] [--teams 10] [--seconds 10] [--renderings 300]

The web process as the Procfile starts it, Valkey, and this process that changes orders and renders their rows; the pages
are bare websockets in a third process. Three rounds: one push at a time to the pages of one team; one team after the
other at so many pushes a second that 5,000 rows a second arrive; and one push at a time to all pages, all of one team.
The baseline of each is the same row at the same moments through a bare websocket server: rendered nowhere, and sent
straight to it. Before them each kind of row is rendered so many times, counted in processor time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks.goals import Figure, note
from benchmarks.pushing import rendering
from benchmarks.servers import migrated_database, served, wait_for

ONE_GOAL_MS, RATE_GOAL_MS, DELIVERIES = 10.0, 20.0, 5000
# Between two pushes that are measured alone.
PAUSE_SECONDS = 0.1
SETTLE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Desk:
    """A team of the bench: its websocket's path, the session of somebody signed in, and one account."""

    path: str
    session: str
    account: Any


@dataclass(frozen=True, slots=True)
class Round:
    """What is pushed to whom, how many times and how often."""

    what: str
    desks: Sequence[Desk]
    sockets: int
    pushes: int
    pause: float
    goal_ms: float


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds from the commit to the arrival, one of each page and push; and how many never arrived."""

    each: list[float]
    missing: int

    def at(self, percent: int) -> float:
        assert self.each, "no row came to any page"
        return self.each[min(len(self.each) - 1, len(self.each) * percent // 100)]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--teams", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10, help="of each round")
    parser.add_argument("--renderings", type=int, default=300, help="of each kind of row")
    options = parser.parse_args(argv)
    with migrated_database():
        rendering.measure(options.renderings)
        desks = [desk(number) for number in range(options.teams)]
        for each in rounds(desks, options.sockets, options.seconds):
            with served("config.asgi:application") as url:
                ours = measure(each, urlsplit(url).port or 0, change)
            with bare() as (port, write):
                report(each, ours, measure(each, port, write))


def rounds(desks: Sequence[Desk], sockets: int, seconds: float) -> list[Round]:
    of_one = sockets // len(desks)
    rate, alone = DELIVERIES / of_one, max(1, int(seconds / PAUSE_SECONDS))
    return [
        Round(f"one push to {of_one} of {sockets:,} pages", desks, sockets, alone, PAUSE_SECONDS, ONE_GOAL_MS),
        Round(
            f"{rate:g} pushes a second to {of_one} of {sockets:,} pages each",
            desks,
            sockets,
            max(1, int(rate * seconds)),
            1 / rate,
            RATE_GOAL_MS,
        ),
        Round(
            f"{DELIVERIES / sockets:g} pushes a second to {sockets:,} pages of one team",
            desks[:1],
            sockets,
            max(1, int(seconds * DELIVERIES / sockets)),
            sockets / DELIVERIES,
            RATE_GOAL_MS,
        ),
    ]


def desk(number: int) -> Desk:
    """A team with an account, and its owner signed in."""
    from django.conf import settings
    from django.test import Client
    from django.utils import timezone

    from accounts import teams
    from accounts.models import User
    from brokers.tests import rows

    owner = User.objects.create_user(f"owner{number}@example.com", "a password")
    team = teams.found_team(owner=owner, name=f"Desk {number}", now=timezone.now())
    client = Client()
    client.force_login(owner)
    return Desk(
        f"/ws/teams/{team.code}/",
        client.cookies[settings.SESSION_COOKIE_NAME].output(header="", attrs=[]).strip(),
        rows.account(team),
    )


def measure(of: Round, port: int, push: Callable[[Desk, Any], float]) -> Times:
    """Open the pages, push, and tell when each row came to each page."""
    from accounts.feed import pushes
    from brokers.tests import rows

    orders = [(each, rows.order(each.account)) for each in (of.desks[n % len(of.desks)] for n in range(of.pushes))]
    began: dict[str, float] = {}
    with pages(of, port) as came:
        # The first rendering of a process loads its templates.
        push(of.desks[0], rows.order(of.desks[0].account))
        pushes.flush(PATIENCE_SECONDS)
        time.sleep(SETTLE_SECONDS)
        start = time.monotonic()
        for number, (each, order) in enumerate(orders):
            time.sleep(max(0.0, start + number * of.pause - time.monotonic()))
            began[str(order.code)] = push(each, order)
        pushes.flush(PATIENCE_SECONDS)
        time.sleep(SETTLE_SECONDS)
    arrived: defaultdict[str, list[float]] = defaultdict(list)
    for code, at in came:
        if code in began:
            arrived[code].append((at - began[code]) * 1000)
    times = sorted(each for list_ in arrived.values() for each in list_)
    return Times(times, of.pushes * (of.sockets // len(of.desks)) - len(times))


def change(of: Desk, order: Any) -> float:
    """Change the order and commit, as a lane does; the moment of the commit by the machine's clock."""
    from django.db import transaction

    from brokers import live

    at: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: at.append(time.monotonic()))
        type(order).objects.filter(pk=order.pk).update(quantity=order.quantity + 1)
        live.order_changed(order)
    return at[0]


@contextlib.contextmanager
def pages(of: Round, port: int) -> Iterator[list[tuple[str, float]]]:
    """So many pages, the teams' in turn, in a process of its own; at the end which row came when."""
    came: list[tuple[str, float]] = []
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        each_of = (of.desks[number % len(of.desks)] for number in range(of.sockets))
        json.dump([(each.path, each.session) for each in each_of], file)
        file.flush()
        command = [sys.executable, "-m", "benchmarks.pushing.sockets", "127.0.0.1", str(port), file.name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "open\n", "the pages could not be opened"
            yield came
            said, _ = process.communicate()
            assert process.returncode == 0, "the pages ended before their time"
            came += json.loads(said)


@contextlib.contextmanager
def bare() -> Iterator[tuple[int, Callable[[Desk, Any], float]]]:
    """A bare websocket server: its port, and what writes a row to the pages of a team."""
    from brokers import live

    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.pushing.bare", *map(str, ports)])
    try:
        for port in ports:
            wait_for(port)
        with socket.create_connection(("127.0.0.1", ports[1])) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def write(of: Desk, order: Any) -> float:
                text = live.order_html(order.pk).encode()
                at = time.monotonic()
                line.sendall(of.path.encode() + b"\n" + len(text).to_bytes(4, "big") + text)
                return at

            yield ports[0], write
    finally:
        process.terminate()
        process.wait()


def report(of: Round, ours: Times, base: Times) -> None:
    p50, p99 = ours.at(50), ours.at(99)
    print(
        f"{of.what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, slowest {ours.each[-1]:.1f} ms; bare server"
        f" p50 {base.at(50):.1f} ms, p99 {base.at(99):.1f} ms; {ours.missing} of {len(ours.each) + ours.missing:,} rows missing"
        f" (goal: p99 within {of.goal_ms:.0f} ms)"
    )
    note(Figure(what=f"{of.what}, p99", figure=p99, unit="ms", goal=of.goal_ms, baseline=base.at(99)))


if __name__ == "__main__":
    main()
