"""Kill -9 of the process in which orders are decided and sent, between the commit that says "submitted" and IBKR's answer.

Every second process dies a random moment after the row says so, and the others when their POST has left and will never
arrive. Every order arrives at IBKR once: one whose POST had arrived is found there, one that had not is sent again once
that is proven. KILLS=200 kills so often.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from brokers.domain.doubts.verdicts import Resend
from brokers.models import Execution, Order, SubmissionAttempt
from brokers.postgres.locks import Space, direct_parameters
from brokers.postgres.notices import SIGNALS_CHANNEL, notify
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests import rows as broker_rows
from config.tests.product import ROOT
from strategies.models import Strategy
from strategies.tests import rows
from strategies.tests.deciding.walks.line import Line, line_to
from strategies.tests.deciding.walks.test_handed_over import handed
from strategies.tests.lookups import reading

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
KILLS = int(os.environ.get("KILLS", "16"))
# From the commit of a decision to the order's arrival at IBKR: seconds.
LONGEST = 0.002
PATIENCE = 90.0


class Worker:
    """The process that is killed, and the one that it is forked from. `url_of_gateway`: its own, or a line's that leads there."""

    def __init__(self, gateway: RunningGateway, url_of_gateway: str) -> None:
        named = connection.settings_dict
        url = f"postgresql://{named['USER']}@/{named['NAME']}?host={named['HOST']}&port={named['PORT']}"
        addresses = {"HALYARD_GATEWAY_URL": url_of_gateway, "SIM_CONTROL_TOKEN": gateway.token}
        environment = {**os.environ, "DATABASE_URL": url, **addresses}
        command = [sys.executable, "-m", "strategies.tests.deciding.walks.worker"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.mother = subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)
        self.pid = 0

    def begin(self) -> None:
        assert self.mother.stdin is not None
        assert self.mother.stdout is not None
        self.mother.stdin.write("\n")
        self.mother.stdin.flush()
        self.pid = int(self.mother.stdout.readline())

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.pid = 0

    def end(self) -> None:
        if self.pid:
            self.kill()
        self.mother.kill()
        self.mother.communicate()


@pytest.fixture
def worker(gateway: RunningGateway) -> Iterator[Worker]:
    made = Worker(gateway, gateway.url)
    yield made
    made.end()


@pytest.fixture
def line(gateway: RunningGateway) -> Iterator[Line]:
    with line_to(gateway) as made:
        yield made


@pytest.fixture
def on_the_line(gateway: RunningGateway, line: Line) -> Iterator[Worker]:
    """A worker whose orders can be caught on their way."""
    made = Worker(gateway, line.url)
    yield made
    made.end()


def followed(team: Team, gateway: RunningGateway, number: int) -> tuple[lab.Lab, Strategy]:
    """An account of a connection of its own, which sends again what IBKR provably never had."""
    bench = lab.make(team, gateway, broker_rows.connection(team, resends=Resend.ALL))
    strategy = rows.strategy(team, timezone.now(), name=f"Number {number}")
    rows.subscription(strategy, bench.account, timezone.now(), allow_add=True, entry_time_to_live_seconds=600)
    return bench, strategy


def send(strategy: Strategy) -> None:
    rows.signal(strategy, timezone.now(), reading=reading("buy", quantity="1"))
    notify(SIGNALS_CHANNEL)


def until(condition: Any, what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, f"still waiting until {what}"
        time.sleep(0.01)


def lane_waits(worker: Worker, bench: lab.Lab, strategy: Strategy) -> None:
    """A first order opens the lane."""
    lab.watched_without_gap(bench.connection)
    mine = Order.objects.filter(account=bench.account)
    # PostgreSQL ends the sessions of a dead process when it has looked at their sockets.
    until(lambda: not _is_locked(Space.WORK, 0), "the dead worker's lanes are free")
    worker.begin()
    send(strategy)
    until(mine.filter(status__in=["accepted", "filled"]).exists, "the first order is at the broker")
    until(lambda: not _is_locked(Space.CONNECTION, bench.connection.pk), "its lane waits")


def kill_after_the_commit(worker: Worker, bench: lab.Lab, strategy: Strategy, dice: random.Random) -> None:
    """Of a second order, the process dies at a random moment after its row says "submitted"."""
    lane_waits(worker, bench, strategy)
    left = "SELECT count(*) FROM brokers_order WHERE account_id = %s AND submitted_at IS NOT NULL"
    with psycopg.connect(**direct_parameters()) as session, session.cursor() as cursor:
        for _ in range(2):
            cursor.execute(left, [bench.account.pk], prepare=True)
        send(strategy)
        # Asks without a pause: to be woken, and to sleep, is as coarse as what is aimed at.
        give_up = time.monotonic() + PATIENCE
        while cursor.execute(left, [bench.account.pk]).fetchone() != (2,):
            assert time.monotonic() < give_up, "still waiting until the second order is written down as leaving"
    moment = time.perf_counter() + dice.uniform(0, LONGEST)
    while time.perf_counter() < moment:
        pass
    worker.kill()


def kill_on_the_way(worker: Worker, bench: lab.Lab, strategy: Strategy, line: Line) -> None:
    """The POST of a second order has left the process, and is lost when it dies."""
    lane_waits(worker, bench, strategy)
    line.catch()
    send(strategy)
    assert line.caught.wait(PATIENCE), "no order has left"
    worker.kill()


def has_left_and_not_arrived(bench: lab.Lab) -> bool:
    """Whether the second order is written down as leaving and IBKR has not had it, asked before the next worker begins:
    it looks for the order, and sends it again."""
    # What lies in the gateway's sockets is read before the second question.
    bench.posts()
    arrived = len(bench.posts()) > 1
    return not arrived and Order.objects.filter(account=bench.account, submitted_at__isnull=False).count() > 1


def _is_locked(space: Space, key: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s)",
            [int(space), key],
        )
        return bool(cursor.fetchone()[0])


def test_an_order_is_neither_lost_nor_doubled(
    team: Team, gateway: RunningGateway, worker: Worker, on_the_line: Worker, line: Line, record_property: Any
) -> None:
    seed = int(os.environ.get("KILL_SEED", time.time_ns() % 1_000_000))
    dice = random.Random(seed)
    accounts: list[tuple[lab.Lab, Strategy]] = []
    between: list[bool] = []
    for number in range(KILLS):
        # Made when it is needed: a book that nobody keeps is too old to decide by after a minute and a half.
        bench, strategy = followed(team, gateway, number)
        accounts.append((bench, strategy))
        if number % 2:
            kill_on_the_way(on_the_line, bench, strategy, line)
        else:
            kill_after_the_commit(worker, bench, strategy, dice)
        between.append(has_left_and_not_arrived(bench))
    second = [Order.objects.filter(account=bench.account).order_by("pk").last() for bench, _ in accounts]
    seen = {
        "seed": seed,
        "killed": KILLS,
        "handed in memory": sum(handed()),
        "between commit and arrival": sum(between),
        "of these before the POST had left": sum(between[::2]),
    }
    record_property("kills", seen)
    print(f"Kills: {seen}")  # noqa: T201
    assert any(handed()), "none was handed over in memory"
    assert 3 * sum(between) >= KILLS, seen
    for bench, _ in accounts:
        lab.watched_without_gap(bench.connection)
    until(lambda: not _is_locked(Space.WORK, 0), "the dead worker's lanes are free")
    asyncio.run(settled(worker))
    for (bench, _), order in zip(accounts, second, strict=True):
        at_broker = [row["order_ref"] for row in bench.at_broker()]
        ours = Order.objects.filter(account=bench.account)
        filled = list(ours.filter(status="filled").values_list("reference", flat=True))
        assert sorted(at_broker) == sorted(filled), (seed, order)
        assert ours.count() == 2
        assert Execution.objects.filter(account=bench.account).count() == len(filled), seed
        # An order is sent again once. What died twice on its way says that it is not placed.
        for lost in ours.exclude(status="filled"):
            assert SubmissionAttempt.objects.filter(order=lost, kind="post").count() == 2, (seed, lost)


async def settled(worker: Worker) -> None:
    """The stream watches and another worker works until every order has filled, or is proven not to be at IBKR."""
    open_orders = Order.objects.exclude(status="filled").exclude(status="expired", reason_code="proven-absent")
    async with lab.watching():
        worker.begin()
        await lab.until(lambda: not open_orders.exists(), "every order is settled", 240, every=0.2)
