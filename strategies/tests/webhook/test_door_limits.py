"""What a webhook takes in a minute and in an hour, counted in the database, whoever asks which process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Team
from strategies.models import Refusal, Signal, Strategy, WebhookMinute
from strategies.setup import strategies
from strategies.tests import rows
from strategies.tests.webhook import doors
from strategies.webhook import intake
from strategies.webhook.door import Door

pytestmark = pytest.mark.django_db(transaction=True)

BUY = {"ticker": "SPY", "action": "buy", "quantity": 1}


@pytest.fixture
def strategy(team: Team) -> Strategy:
    made = rows.strategy(team, timezone.now())
    made.per_minute, made.per_hour = 6, 500
    made.save()
    return made


def send(strategy: Strategy, *bodies: Mapping[str, object]) -> list[doors.Response]:
    """Each body on its own, in turn: so the order of counting is known."""
    path = doors.path_of(strategy)

    async def scenario(door: Door) -> list[doors.Response]:
        return [await doors.knock(door, path, body) for body in bodies]

    return doors.with_door(scenario)


def buys(count: int) -> list[dict[str, object]]:
    return [{**BUY, "quantity": n} for n in range(1, count + 1)]


def meter(strategy: Strategy) -> dict[str, int]:
    """The meters of the strategy's webhooks, summed: a test may run across the full minute."""
    names = ("taken", "exits", "refused", "over", "strangers", "old_key")
    minutes = WebhookMinute.objects.filter(endpoint__strategy=strategy).values(*names)
    return {name: sum(row[name] for row in minutes) for name in names}


def test_what_is_over_the_limit_is_refused_with_the_time_to_wait(strategy: Strategy) -> None:
    answers = send(strategy, *buys(9))
    assert [answer.status for answer in answers] == [200] * 6 + [429] * 3
    last = answers[-1]
    assert last.code == "too-many-requests"
    assert 1 <= int(last.headers["retry-after"]) <= 120
    assert "6 a minute or 500 an hour" in last.json["message"]
    assert Signal.objects.count() == 6
    assert meter(strategy) == {"taken": 9, "exits": 0, "refused": 0, "over": 3, "strangers": 0, "old_key": 0}
    assert set(Refusal.objects.values_list("status", "message_code")) == {(429, "too-many-requests")}


def test_exits_and_cancels_keep_room_however_many_entries_come(strategy: Strategy) -> None:
    send(strategy, *buys(30))
    ways_out = ({"action": "exit"}, {"action": "sell", "sentiment": "flat"}, {"action": "cancel"})
    answers = send(strategy, *({"ticker": "SPY", **way} for way in ways_out))
    assert [answer.status for answer in answers] == [200, 200, 429]


def test_a_limit_of_one_still_has_room_for_a_way_out(strategy: Strategy) -> None:
    Strategy.objects.update(per_minute=1, per_hour=1)
    assert [answer.status for answer in send(strategy, *buys(2))] == [200, 429]
    assert send(strategy, {"ticker": "SPY", "action": "exit"})[0].status == 200


def test_the_hour_counts_what_the_minutes_before_it_took(strategy: Strategy) -> None:
    endpoint = strategy.endpoints.get()
    Strategy.objects.update(per_minute=100, per_hour=10)
    for minutes_ago, taken in ((3, 8), (70, 99)):
        at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
        WebhookMinute.objects.create(endpoint=endpoint, minute=at, last_at=at, taken=taken)
    answers = send(strategy, *buys(3))
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "60"


def test_a_burst_across_the_full_minute_does_not_double_the_limit(strategy: Strategy) -> None:
    minute = timezone.now().replace(second=0, microsecond=0)
    WebhookMinute.objects.create(
        endpoint=strategy.endpoints.get(), minute=minute, last_at=minute, taken=0, taken_minute_before=6_000_000
    )
    assert send(strategy, BUY)[0].status == 429


def test_deliveries_that_are_wrong_count_as_well(strategy: Strategy) -> None:
    assert [answer.status for answer in send(strategy, *[{"ticker": "SPY"}] * 6, BUY)] == [400] * 6 + [429]
    assert meter(strategy)["refused"] == 6


def test_repeats_count_as_well(strategy: Strategy) -> None:
    assert Counter(answer.status for answer in send(strategy, *[BUY] * 8)) == {200: 6, 429: 2}
    assert Signal.objects.get().duplicates == 5


def test_a_stranger_uses_up_none_of_the_limit_and_a_flood_is_not_written_down_one_by_one(strategy: Strategy) -> None:
    wrong = doors.path_of(strategy).rpartition("/")[0] + "/wrong"

    async def flood(door: Door) -> list[doors.Response]:
        return list(await asyncio.gather(*(doors.knock(door, wrong, BUY) for _ in range(60))))

    assert {answer.code for answer in doors.with_door(flood)} == {"invalid-password"}
    assert send(strategy, BUY)[0].status == 200
    assert meter(strategy) == {"taken": 1, "exits": 0, "refused": 0, "over": 0, "strangers": 60, "old_key": 0}
    # Twenty a minute; the test may run across the full minute.
    assert Refusal.objects.count() in {20, 40}


def test_our_own_test_button_is_not_limited(strategy: Strategy) -> None:
    send(strategy, *buys(9))
    sent = intake.send_test(
        strategy=strategy, message_body='{"ticker":"SPY","action":"buy"}', actor=None, now=timezone.now()
    )
    assert Signal.objects.filter(pk=sent.pk).exists()
    assert meter(strategy)["taken"] == 9


def test_two_webhooks_of_a_strategy_have_a_limit_each_and_know_each_others_signals(strategy: Strategy) -> None:
    second = strategies.rotate_webhook(strategy=strategy, actor=None, now=timezone.now())
    first = strategy.endpoints.exclude(pk=second.pk).get()
    one, two = (doors.post(doors.path_of(endpoint), {**BUY, "signalId": "a"}) for endpoint in (first, second))
    assert two.json["duplicateOf"] == one.json["id"]
    assert (two.json["messageCode"], two.status) == ("duplicate-signal", 200)
    assert set(WebhookMinute.objects.values_list("endpoint", "taken")) == {(first.pk, 1), (second.pk, 1)}


def test_the_same_key_through_both_webhooks_in_one_batch_is_one_signal(strategy: Strategy) -> None:
    second = strategies.rotate_webhook(strategy=strategy, actor=None, now=timezone.now())
    paths = [doors.path_of(endpoint) for endpoint in (second, strategy.endpoints.exclude(pk=second.pk).get())]

    async def scenario(door: Door) -> list[doors.Response]:
        body = {**BUY, "signalId": "b"}
        await asyncio.gather(*(doors.knock(door, path, BUY) for path in paths))
        return list(await asyncio.gather(*(doors.knock(door, path, body) for path in paths * 2)))

    answers = doors.with_door(scenario)
    assert [answer.status for answer in answers] == [200] * 4
    assert len({answer.json["id"] for answer in answers}) == 1
    assert Signal.objects.filter(key="id:b").get().repeats.count() == 3
