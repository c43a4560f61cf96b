"""What became of a signal: in the answer that waits for it, and at its status address."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount
from brokers.tests import rows as broker_rows
from strategies.drain import drain
from strategies.models import SeenKey, Signal, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows
from strategies.tests.webhook import doors
from strategies.webhook.door import Door
from strategies.webhook.status import PATIENCE_SECONDS, status_url, wants_decision

pytestmark = pytest.mark.django_db(transaction=True)

BUY = {"ticker": "AAPL", "action": "buy", "quantity": 3}


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    now = timezone.now()
    made = broker_rows.account(team, book_as_of=now)
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team) -> Strategy:
    return rows.strategy(team, timezone.now())


@pytest.fixture
def draining() -> Iterator[None]:
    """The drain, as a worker runs it, until the test is over."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            drain(linger=0.2)
        connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    yield
    over.set()
    worker.join(20)
    assert not worker.is_alive()


def ask(url: str, *, method: str = "GET") -> doors.Response:
    path = "/trading/" + url.partition("/trading/")[2]
    return doors.with_door(lambda door: doors.knock(door, path, b"", method=method))


@pytest.mark.usefixtures("draining")
def test_a_sender_that_waits_is_told_each_decision(strategy: Strategy, account: BrokerageAccount) -> None:
    subscription = rows.subscription(strategy, account, timezone.now())
    answer = doors.post(doors.path_of(strategy), BUY, query="wait=decision")
    assert (answer.status, answer.json["settled"]) == (200, True)
    (decision,) = answer.json["decisions"]
    assert decision["subscription"] == str(subscription.code)
    assert (decision["account"], decision["status"], decision["rule"]) == (account.account_id, "accepted", "D01")
    (order,) = decision["orders"]
    assert (order["side"], order["quantity"], order["ticker"], order["status"]) == ("buy", "3", "AAPL", "created")
    assert order["limitPrice"] is None


@pytest.mark.usefixtures("draining")
def test_a_test_that_waits_is_told_its_plan(strategy: Strategy, account: BrokerageAccount) -> None:
    rows.subscription(strategy, account, timezone.now())
    answer = doors.post(doors.path_of(strategy), {**BUY, "test": True}, query="wait=decision")
    (decision,) = answer.json["decisions"]
    assert (decision["status"], decision["orders"]) == ("rehearsed", [])
    assert decision["plan"]["intents"][0]["quantity"] == "3"


@pytest.mark.usefixtures("draining")
def test_many_who_wait_are_each_told_their_own(strategy: Strategy, account: BrokerageAccount) -> None:
    rows.subscription(strategy, account, timezone.now(), allow_add=True)
    path = doors.path_of(strategy)

    async def scenario(door: Door) -> list[doors.Response]:
        bodies = ({**BUY, "quantity": n} for n in range(1, 21))
        return list(await asyncio.gather(*(doors.knock(door, path, body, query="wait=decision") for body in bodies)))

    answers = doors.with_door(scenario)
    assert [answer.json["decisions"][0]["orders"][0]["quantity"] for answer in answers] == [
        str(n) for n in range(1, 21)
    ]


def test_when_nobody_decides_the_answer_comes_all_the_same(strategy: Strategy, account: BrokerageAccount) -> None:
    rows.subscription(strategy, account, timezone.now())

    path = doors.path_of(strategy)

    async def scenario(door: Door) -> tuple[doors.Response, float]:
        clock = asyncio.get_running_loop().time
        began = clock()
        answer = await doors.knock(door, path, BUY, query="wait=decision")
        return answer, clock() - began

    answer, took = doors.with_door(scenario)
    assert (answer.status, answer.json["settled"], answer.json["decisions"]) == (200, False, [])
    assert took >= PATIENCE_SECONDS
    assert Signal.objects.get().code == UUID(answer.json["id"])


def test_a_signal_that_is_set_aside_is_told_at_once(strategy: Strategy) -> None:
    old = (timezone.now() - timedelta(hours=3)).isoformat()
    answer = doors.post(doors.path_of(strategy), {**BUY, "time": old}, query="wait=decision")
    assert (answer.status, answer.code, answer.json["settled"]) == (200, "stale-signal", True)
    assert "3 hours old" in answer.json["message"]
    signal = Signal.objects.get()
    assert (signal.set_aside, signal.dispatched_at is not None) == ("stale-signal", True)


def test_an_expired_signal_is_taken_and_nothing_will_happen(strategy: Strategy) -> None:
    answer = doors.post(doors.path_of(strategy), {**BUY, "expiresAt": "2026-01-01T00:00:00Z"})
    assert (answer.status, answer.json["success"], answer.code) == (200, True, "expired-signal")


def test_a_delay_is_counted_from_the_delivery(strategy: Strategy) -> None:
    doors.post(doors.path_of(strategy), {**BUY, "delay": 30})
    signal = Signal.objects.get()
    assert signal.not_before == signal.received_at + timedelta(seconds=30)
    body = ask(status_url(signal.code)).json
    assert (body["status"], body["settled"]) == ("delayed", False)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"ticker":"SPY","action":"buy"}', ' { "action" : "buy" , "ticker" : "SPY" } '),
        (
            '{"ticker":"SPY","action":"buy","extras":{"a":1,"b":2}}',
            '{"extras":{"b":2,"a":1},"ticker":"SPY","action":"buy"}',
        ),
    ],
)
def test_two_bodies_that_say_the_same_are_one_signal(strategy: Strategy, first: str, second: str) -> None:
    one, two = (doors.post(doors.path_of(strategy), body) for body in (first, second))
    assert (two.json["duplicateOf"], two.code) == (one.json["id"], "duplicate-signal")
    assert two.json["statusUrl"] == one.json["statusUrl"]
    repeat = Signal.objects.get().repeats.get()
    assert (str(repeat.log_code), repeat.address) == (two.json["logId"], "203.0.113.7")


def test_a_body_with_a_time_is_known_for_a_day_and_one_without_for_seconds(strategy: Strategy) -> None:
    doors.post(doors.path_of(strategy), {**BUY, "time": timezone.now().isoformat()})
    doors.post(doors.path_of(strategy), BUY)
    doors.post(doors.path_of(strategy), {**BUY, "signalId": "mine"})
    lives = [key.expires_at - timezone.now() for key in SeenKey.objects.order_by("expires_at")]
    assert [round(life.total_seconds() / 60) for life in lives] in ([0, 1440, 43200], [1, 1440, 43200])


def test_the_status_address_tells_and_keeps_its_secret(strategy: Strategy) -> None:
    answer = doors.post(doors.path_of(strategy), BUY)
    url = answer.json["statusUrl"]
    response = ask(url)
    assert response.status == 200
    assert response.headers["cache-control"] == "no-store"
    assert (response.json["id"], response.json["status"], response.json["decisions"]) == (
        answer.json["id"],
        "received",
        [],
    )
    assert response.json["reading"] == answer.json["reading"]
    assert url.rpartition("/")[2] not in str(response.json)


def test_only_its_own_secret_opens_a_status_address(strategy: Strategy) -> None:
    one, two = (doors.post(doors.path_of(strategy), {**BUY, "quantity": n}).json["statusUrl"] for n in (1, 2))
    mixed = one.rpartition("/")[0] + "/" + two.rpartition("/")[2]
    for url in (mixed, one[:-1], one.rpartition("/")[0], one + "/x", "/trading/signal/"):
        answer = ask(url)
        assert (answer.status, answer.code) == (404, "not-found"), url
    assert ask(one, method="POST").status == 405


def test_a_status_address_outlives_a_rotation_with_overlap(strategy: Strategy) -> None:
    with override_settings(SERVER_KEYS=["older"]):
        url = doors.post(doors.path_of(strategy), BUY).json["statusUrl"]
    with override_settings(SERVER_KEYS=["newer", "older"]):
        assert ask(url).status == 200
    with override_settings(SERVER_KEYS=["newer"]):
        assert ask(url).status == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", False),
        (b"wait=decision", True),
        (b"a=1&wait=Decision", True),
        (b"wait=plan", True),
        (b"wait=no", False),
        (b"await=decision", False),
        (b"wait", False),
        (b"wait=%ff%00", False),
    ],
)
def test_the_wish_to_wait_is_read(query: bytes, expected: bool) -> None:
    assert wants_decision(query) is expected
