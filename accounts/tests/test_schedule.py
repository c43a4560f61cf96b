"""What is due is begun once a period, however many workers ask for it at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection

from accounts import schedule
from accounts.models import ScheduledTask

PERIODS = {"often": 2.0, "seldom": 60.0}


@pytest.mark.django_db
def test_it_is_due_at_first_and_then_once_a_period(now: datetime) -> None:
    assert sorted(schedule.claim(PERIODS, now)) == ["often", "seldom"]
    assert schedule.claim(PERIODS, now + timedelta(seconds=1)) == []
    assert schedule.claim(PERIODS, now + timedelta(seconds=2)) == ["often"]
    assert schedule.claim(PERIODS, now + timedelta(seconds=2)) == []
    assert sorted(schedule.claim(PERIODS, now + timedelta(seconds=60))) == ["often", "seldom"]


@pytest.mark.django_db
def test_ticks_that_come_a_little_early_or_late_lose_no_period(now: datetime) -> None:
    jitter = (0.0, 0.1, -0.1, 0.2, -0.2)
    ticks = [now + timedelta(seconds=second + jitter[second % 5]) for second in range(41)]
    begun = sum("often" in schedule.claim(PERIODS, moment) for moment in ticks)
    assert begun == 21


@pytest.mark.django_db
def test_a_clock_that_was_put_back_holds_nothing_up_for_longer_than_a_period(now: datetime) -> None:
    schedule.claim(PERIODS, now + timedelta(days=1))
    assert sorted(schedule.claim(PERIODS, now)) == ["often", "seldom"]
    assert schedule.claim(PERIODS, now) == []


@pytest.mark.django_db
def test_what_could_not_be_begun_is_due_again_at_once(now: datetime) -> None:
    schedule.claim(PERIODS, now)
    schedule.give_back(["seldom"])
    assert schedule.claim(PERIODS, now + timedelta(seconds=1)) == ["seldom"]
    schedule.give_back([])
    assert schedule.claim(PERIODS, now + timedelta(seconds=1)) == []


@pytest.mark.django_db
def test_another_period_counts_from_the_next_question_on(now: datetime) -> None:
    schedule.claim({"often": 60.0}, now)
    assert schedule.claim({"often": 2.0}, now + timedelta(seconds=2)) == ["often"]
    assert ScheduledTask.objects.get(name="often").period_seconds == 2.0


@pytest.mark.django_db(transaction=True)
def test_of_workers_that_ask_at_the_same_moment_one_begins_it(now: datetime) -> None:
    """Eight at once, forty ticks: each second one of them gets each name that is due, and nobody else does."""

    def ask(moment: datetime) -> list[str]:
        try:
            return schedule.claim(PERIODS, moment)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        for second in range(40):
            answers = workers.map(ask, [now + timedelta(seconds=second)] * 8)
            given = [name for names in answers for name in names]
            due = [name for name, period in PERIODS.items() if second % period == 0]
            assert sorted(given) == sorted(due), second
