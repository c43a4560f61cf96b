"""A delivery repeated is one signal, whoever delivers it and however often at once."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Team
from strategies.models import SeenKey, Signal, Strategy
from strategies.tests import rows
from strategies.tests.webhook import doors
from strategies.webhook.door import Door

pytestmark = pytest.mark.django_db(transaction=True)

BUY = {"ticker": "SPY", "action": "buy", "quantity": 1}


@pytest.fixture
def path(team: Team, now: datetime) -> str:
    return doors.path_of(rows.strategy(team, now))


def test_the_same_body_again_is_answered_with_the_first_signal(path: str) -> None:
    first, second = doors.post(path), doors.post(path)
    assert second.status == 200
    assert second.json["id"] == second.json["duplicateOf"] == first.json["id"]
    assert second.json["logId"] != first.json["logId"]
    assert "duplicateOf" not in first.json
    assert Signal.objects.get().duplicates == 1


def test_five_at_once_are_one_signal(path: str) -> None:
    answers = doors.post_all(path, [BUY] * 5)
    signal = Signal.objects.get()
    assert [answer.status for answer in answers] == [200] * 5
    assert {answer.json["id"] for answer in answers} == {str(signal.code)}
    assert sum("duplicateOf" in answer.json for answer in answers) == 4
    assert signal.duplicates == 4


def test_five_at_once_at_a_door_that_knows_the_webhook_are_one_signal(path: str) -> None:
    async def scenario(door: Door) -> list[doors.Response]:
        await doors.knock(door, path, {"ticker": "QQQ", "action": "buy"})
        return list(await asyncio.gather(*(doors.knock(door, path, BUY) for _ in range(5))))

    answers = doors.with_door(scenario)
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sorted(Signal.objects.values_list("duplicates", flat=True)) == [0, 4]


def test_the_same_bodies_at_two_doors_at_once_are_stored_once_each(path: str) -> None:
    """Two event loops with a database connection each, as two web processes have them, in opposite orders."""
    bodies = [{"ticker": "SPY", "action": "buy", "quantity": n} for n in range(1, 41)]
    answers: list[doors.Response] = []
    start = threading.Barrier(2)

    def sender(mine: list[dict[str, object]]) -> None:
        async def scenario(door: Door) -> None:
            await doors.knock(door, path, {"ticker": "QQQ", "action": "buy"})
            await asyncio.to_thread(start.wait, 10)
            for n in range(0, len(mine), 8):
                knocks = (doors.knock(door, path, body) for body in mine[n : n + 8])
                answers.extend(await asyncio.gather(*knocks))

        doors.with_door(scenario)

    threads = [threading.Thread(target=sender, args=(mine,)) for mine in (bodies, bodies[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert Counter(answer.status for answer in answers) == {200: 80}
    assert Signal.objects.filter(body__contains="SPY").count() == 40
    assert set(Counter(answer.json["id"] for answer in answers).values()) == {2}
    assert sum("duplicateOf" in answer.json for answer in answers) == 40
    assert set(Signal.objects.values_list("duplicates", flat=True)) == {1}


def test_another_body_is_another_signal(path: str) -> None:
    answers = doors.post_all(path, [{**BUY, "quantity": n} for n in (1, 2)])
    assert len({answer.json["id"] for answer in answers}) == 2
    assert Signal.objects.count() == 2


def test_the_same_body_at_another_webhook_is_another_signal(path: str, team: Team, now: datetime) -> None:
    other = doors.path_of(rows.strategy(team, now, name="Other"))
    assert doors.post(path).json["id"] != doors.post(other).json["id"]


def test_the_same_body_after_the_window_is_a_new_signal(path: str) -> None:
    doors.post(path)
    seen = SeenKey.objects.get()
    assert timedelta(seconds=25) < seen.expires_at - timezone.now() <= timedelta(seconds=30)
    SeenKey.objects.update(expires_at=timezone.now())
    second = doors.post(path)
    assert "duplicateOf" not in second.json
    assert Signal.objects.count() == 2
    assert str(SeenKey.objects.get().signal_code) == second.json["id"]


def test_the_window_is_the_strategys(path: str) -> None:
    Strategy.objects.update(repeat_window_seconds=600)
    doors.post(path)
    assert SeenKey.objects.get().expires_at - timezone.now() > timedelta(seconds=590)


def test_a_repeat_does_not_lengthen_the_window(path: str) -> None:
    doors.post(path)
    expires_at = SeenKey.objects.get().expires_at
    doors.post(path)
    assert SeenKey.objects.get().expires_at == expires_at


@pytest.mark.parametrize("name", ["signalId", "Idempotency-Key"])
def test_an_explicit_id_is_remembered_for_thirty_days(path: str, name: str) -> None:
    def post(quantity: int) -> doors.Response:
        if name == "signalId":
            return doors.post(path, {**BUY, "quantity": quantity, "signalId": "bar-17"})
        return doors.post(path, {**BUY, "quantity": quantity}, headers=[(name, "bar-17")])

    first, second = post(1), post(2)
    assert second.json["duplicateOf"] == first.json["id"]
    assert SeenKey.objects.get().expires_at - timezone.now() > timedelta(days=29, hours=23)
    assert Signal.objects.get().duplicates == 1


def test_the_same_body_with_another_id_is_another_signal(path: str) -> None:
    answers = doors.post_all(path, [{**BUY, "signalId": name} for name in ("bar-17", "bar-18")])
    assert len({answer.json["id"] for answer in answers}) == 2


def test_a_refused_delivery_leaves_its_key_free(path: str) -> None:
    Strategy.objects.update(enabled=False)
    doors.post(path)
    Strategy.objects.update(enabled=True)
    answer = doors.post(path)
    assert answer.status == 200
    assert "duplicateOf" not in answer.json


def test_hundreds_of_signals_at_once_keep_their_order_and_their_ids(path: str) -> None:
    answers = doors.post_all(path, [{**BUY, "quantity": n} for n in range(1, 301)])
    stored = list(Signal.objects.order_by("id").values_list("reading__quantity__value", "code"))
    assert [int(value) for value, _ in stored] == list(range(1, 301))
    assert [answer.json["id"] for answer in answers] == [str(code) for _, code in stored]
