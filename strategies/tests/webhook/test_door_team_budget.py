"""What all webhooks of a team take together in a minute: no team uses up the door, however many webhooks it has."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts import teams
from accounts.models import Team, User
from strategies.domain.quota import Budget
from strategies.models import Refusal, Signal, Strategy, WebhookMinute
from strategies.tests import rows
from strategies.tests.webhook import doors
from strategies.webhook import traffic
from strategies.webhook.door import Door

MINUTE = datetime(2026, 11, 19, 6, 45, tzinfo=UTC)
BUY = {"ticker": "SPY", "action": "buy"}
EXIT = {"ticker": "SPY", "action": "exit"}


class TestABudget:
    seconds = st.floats(0, 59.9)

    @given(st.lists(st.tuples(seconds, st.booleans()), max_size=60), st.integers(1, 20), st.integers(0, 30))
    def test_no_more_entries_than_it_says_and_a_third_beside_it_for_ways_out(
        self, deliveries: list[tuple[float, bool]], most: int, before: int
    ) -> None:
        budget = Budget(MINUTE, taken_minute_before=before)
        taken = {True: 0, False: 0}
        for second, leaves in sorted(deliveries):
            load = sum(taken.values()) + 1 + before * (1 - second / 60)
            wait = budget.admit(MINUTE + timedelta(seconds=second), leaves=leaves, per_minute=most)
            assert (wait is None) == (load <= most or (leaves and taken[True] + 1 <= max(most // 3, 1)))
            if wait is None:
                taken[leaves] += 1
            else:
                assert 1 <= wait <= 120
        assert taken[False] <= most
        assert sum(taken.values()) <= most + max(most // 3, 1)


@pytest.fixture
def budget(settings: Any) -> int:
    settings.WEBHOOK_TEAM_PER_MINUTE = 6
    return 6


@pytest.fixture
def strategies(team: Team) -> list[Strategy]:
    return [rows.strategy(team, timezone.now(), name) for name in ("Trend", "Range")]


@pytest.fixture(autouse=True)
def _away_from_the_full_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute into its minute, so that what is counted is of one."""
    at = timezone.now().replace(second=30)
    monkeypatch.setattr("django.utils.timezone.now", lambda: at)


def send(*sent: tuple[Strategy, Mapping[str, object]]) -> list[doors.Response]:
    """Each on its own, in turn, through one door."""
    paths = {strategy.pk: doors.path_of(strategy) for strategy, _ in sent}

    async def scenario(door: Door) -> list[doors.Response]:
        return [
            await doors.knock(door, paths[strategy.pk], {**body, "signalId": f"s{n}"} if body is BUY else body)
            for n, (strategy, body) in enumerate(sent)
        ]

    return doors.with_door(scenario)


def statuses(answers: Sequence[doors.Response]) -> list[int]:
    return [answer.status for answer in answers]


@pytest.mark.django_db(transaction=True)
class TestAtTheDoor:
    def test_what_is_over_the_teams_budget_is_refused_with_the_time_to_wait(
        self, strategies: list[Strategy], budget: int
    ) -> None:
        answers = send(*[(strategy, BUY) for strategy in strategies for _ in range(4)])
        assert statuses(answers) == [200] * 6 + [429] * 2
        last = answers[-1]
        assert last.code == "too-many-for-team"
        assert 1 <= int(last.headers["retry-after"]) <= 120
        assert "more than the 6 a minute that a team may send" in last.json["message"]
        assert Signal.objects.count() == 6
        assert set(Refusal.objects.values_list("status", "message_code")) == {(429, "too-many-for-team")}
        assert list(WebhookMinute.objects.order_by("endpoint").values_list("taken", "over")) == [(4, 0), (4, 2)]

    def test_ways_out_keep_a_third_of_it(self, strategies: list[Strategy], budget: int) -> None:
        send(*[(strategies[0], BUY)] * 8)
        exits = [{**EXIT, "signalId": f"e{n}"} for n in range(3)]
        assert statuses(send(*[(strategies[1], body) for body in exits])) == [200, 200, 429]

    def test_another_team_does_not_feel_it(self, strategies: list[Strategy], charlie: User, budget: int) -> None:
        theirs = rows.strategy(teams.found_team(owner=charlie, name="Others", now=timezone.now()), timezone.now())
        answers = send(*[(strategies[0], BUY)] * 8, *[(theirs, BUY)] * 6)
        assert statuses(answers) == [200] * 6 + [429] * 2 + [200] * 6

    def test_what_one_webhooks_own_limit_refuses_uses_up_nothing(self, strategies: list[Strategy], budget: int) -> None:
        Strategy.objects.filter(pk=strategies[0].pk).update(per_minute=2)
        answers = send(*[(strategies[0], BUY)] * 9, *[(strategies[1], BUY)] * 5)
        assert statuses(answers) == [200] * 2 + [429] * 7 + [200] * 4 + [429]
        assert (answers[8].code, answers[-1].code) == ("too-many-requests", "too-many-for-team")

    def test_what_other_processes_took_counts(self, strategies: list[Strategy], budget: int) -> None:
        """Two doors, as of two web processes: each hears of the other's with its next answer, or when it is new."""
        paths = [doors.path_of(strategy) for strategy in strategies]

        async def scenario(first: Door) -> list[doors.Response]:
            second = Door()
            await second.open()
            try:
                knocks = [(first, 0), *[(second, 0)] * 6, (first, 0), (first, 0), (first, 1)]
                return [
                    await doors.knock(door, paths[path], {**BUY, "signalId": f"s{n}"})
                    for n, (door, path) in enumerate(knocks)
                ]
            finally:
                await second.close()

        assert statuses(doors.with_door(scenario)) == [200] * 6 + [429] + [200] + [429] * 2

    def test_the_page_shows_what_is_used_of_it(self, strategies: list[Strategy], team: Team, budget: int) -> None:
        send(*[(strategy, BUY) for strategy in strategies for _ in range(4)])
        gauge = traffic.team_gauge(team, timezone.now())
        assert (gauge.load, gauge.limit, gauge.tone) == (6, 6, "bad")

    def test_a_flood_that_comes_at_once_is_bounded_too(self, strategies: list[Strategy], budget: int) -> None:
        paths = [doors.path_of(strategy) for strategy in strategies]

        async def flood(door: Door) -> list[doors.Response]:
            bodies = [{**BUY, "signalId": f"f{n}"} for n in range(40)]
            return list(await asyncio.gather(*(doors.knock(door, paths[n % 2], body) for n, body in enumerate(bodies))))

        answers = doors.with_door(flood)
        assert [statuses(answers).count(status) for status in (200, 429)] == [6, 34]
