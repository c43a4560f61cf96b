"""A watch ends when it is told to, whatever happens at that very moment."""

from __future__ import annotations

import asyncio

import pytest
from django.db import OperationalError

from accounts.models import Team
from brokers.connections import sessions
from brokers.domain.session.feed import FeedEvent
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 10.0


async def ended(task: asyncio.Task[None]) -> bool:
    """Whether a task has ended of the one cancellation that it was told."""
    await asyncio.wait([task], timeout=SECONDS)
    return task.done()


def test_a_watch_ends_though_news_arrives_at_that_moment(team: Team, gateway: RunningGateway) -> None:
    lab.make(team, gateway)

    async def story() -> bool:
        async with lab.watching() as keeper:
            await lab.until(
                lambda: [each.listening for each in keeper.watches.values() if each.listening], "it listens"
            )
            [watch] = keeper.watches.values()
            listening = watch.listening
            assert listening is not None
            # Where it waits for nothing but news.
            await lab.until(lambda: listening.news._getters, "it waits for news")  # type: ignore[attr-defined]
            listening.news.put_nowait(FeedEvent())
            watch.task.cancel()
            return await ended(watch.task)

    assert asyncio.run(story())


def test_a_watch_that_pauses_ends_though_it_is_woken_at_that_moment(team: Team, gateway: RunningGateway) -> None:
    connection = rows.connection(team)
    gateway.fault(action={"status": 503, "body": ""}, match={"user": connection.username}, times=None)

    async def story() -> bool:
        async with lab.watching() as keeper:
            await lab.until(
                lambda: [each for each in keeper.watches.values() if each.errands.wake._waiters], "it pauses"
            )
            [watch] = keeper.watches.values()
            watch.errands.wake.set()
            watch.task.cancel()
            return await ended(watch.task)

    assert asyncio.run(story())


def test_a_watch_ends_though_the_database_is_away(
    team: Team, gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.make(team, gateway)

    def is_away(_: int) -> None:
        raise OperationalError("the database is away")

    async def story() -> bool:
        async with lab.watching() as keeper:
            await lab.until(lambda: [each for each in keeper.watches.values() if each.listening], "it listens")
            [watch] = keeper.watches.values()
            monkeypatch.setattr(sessions, "stream_closed", is_away)
            watch.task.cancel()
            return await ended(watch.task)

    assert asyncio.run(story())
