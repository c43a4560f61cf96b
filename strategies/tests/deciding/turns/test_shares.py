"""Drains share the teams: each decides for its own, and none beside drains that share them by another number."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from accounts import teams
from accounts.models import User
from brokers.postgres.locks import Space, agree, is_free, try_only_one
from brokers.postgres.notices import ASIDE, DECISIONS_CHANNEL, notify
from config.tests.watching import eventually
from strategies import drain as module
from strategies import tasks
from strategies.deciding import settle
from strategies.drain import drain
from strategies.models import Signal
from strategies.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting() -> list[Signal]:
    """A signal of each of three teams, whose strategies nobody follows."""
    now = timezone.now()
    signals = []
    for number in range(3):
        owner = User.objects.create_user(f"owner{number}@example.com", "a password")
        team = teams.found_team(owner=owner, name=f"Team {number}", now=now)
        signals.append(rows.signal(rows.strategy(team, now), now))
    return signals


def decided(signals: list[Signal]) -> set[int]:
    return set(
        Signal.objects.filter(pk__in=[each.pk for each in signals], dispatched_at__isnull=False).values_list(
            "team_id", flat=True
        )
    )


@pytest.mark.parametrize("shards", [2, 3])
def test_each_drain_decides_for_its_own_teams(waiting: list[Signal], shards: int) -> None:
    taken: set[int] = set()
    for shard in range(shards):
        assert drain(linger=0.05, shard=shard, shards=shards)
        new = decided(waiting) - taken
        assert new == {signal.team_id for signal in waiting if signal.team_id % shards == shard}
        taken |= new
    assert taken == {signal.team_id for signal in waiting}


def test_a_look_at_a_share_sees_no_other_teams(waiting: list[Signal]) -> None:
    mine = settle.Share(waiting[0].team_id % 3, 3)
    assert settle.settle_waiting(timezone.now(), share=mine) == 1
    assert decided(waiting) == {waiting[0].team_id}


def test_two_drains_work_at_once(waiting: list[Signal], monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=20)
    met: list[int] = []

    def meet(*_: object, share: settle.Share, **__: object) -> int:
        if share.number not in met:
            both.wait()
            met.append(share.number)
        return 0

    def work(shard: int) -> None:
        drain(linger=0.05, shard=shard, shards=2)
        connections.close_all()

    monkeypatch.setattr(settle, "settle_waiting", meet)
    threads = [threading.Thread(target=work, args=(shard,), daemon=True) for shard in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(met) == [0, 1]


def test_nobody_decides_while_others_share_the_teams_by_another_number(
    waiting: list[Signal], caplog: pytest.LogCaptureFixture
) -> None:
    module._tell_once.cache_clear()
    with try_only_one(Space.DRAIN, 1) as other, caplog.at_level(logging.WARNING):
        assert other is not None
        assert agree(other, Space.DRAINS, 2)
        assert not drain(linger=0.05)
        assert not drain(linger=0.05, shard=0, shards=3)
        assert decided(waiting) == set()
        assert len(caplog.records) == 2, "once for each number"
        assert not drain(linger=0.05)
        assert len(caplog.records) == 2
        assert eventually(lambda: is_free(Space.DRAIN, 0), 10), "who may not decide holds nothing"
        assert drain(linger=0.05, shard=0, shards=2)
    assert eventually(lambda: drain(linger=0.05), 10)
    assert decided(waiting) == {signal.team_id for signal in waiting}


@pytest.mark.parametrize(("shard", "shards"), [(0, 1), (0, 2), (1, 2)])
def test_nobody_decides_beside_the_drain_of_a_release_without_shards(
    waiting: list[Signal], shard: int, shards: int
) -> None:
    with try_only_one(Space.DECIDE, 0) as old:
        assert old is not None
        assert not drain(linger=0.05, shard=shard, shards=shards)
        assert decided(waiting) == set()
    assert eventually(lambda: drain(linger=0.05, shard=shard, shards=shards), 10)


def test_the_drain_of_one_share_alone_is_asked_to_leave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Semaphore(0)

    def quiet(*_: object, **__: object) -> int:
        looked.release()
        return 0

    def work() -> None:
        drain(linger=60, shard=1, shards=2)
        connections.close_all()

    monkeypatch.setattr(settle, "settle_waiting", quiet)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert looked.acquire(timeout=20)
    notify(DECISIONS_CHANNEL, f"{ASIDE}0")
    assert looked.acquire(timeout=20), "it heard of another share, looked, and went on"
    with try_only_one(Space.DRAIN, 1) as session:
        assert session is None
    notify(DECISIONS_CHANNEL, f"{ASIDE}1")
    thread.join(20)
    assert not thread.is_alive()
    assert eventually(lambda: is_free(Space.DRAIN, 1), 10)


def test_the_task_of_all_asks_for_each_share(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    asked: list[int] = []
    settings.WORK_SHARDS = 3
    monkeypatch.setattr(tasks.decide, "delay", lambda *, shard: asked.append(shard))
    with try_only_one(Space.DRAIN, 1) as session:
        assert session is not None
        tasks.decide.run()
    assert asked == [0, 2], "the second has its drain"


@pytest.mark.parametrize("shard", [-1, 2, True, "0", 0.5, [0], {"shard": 0}])
def test_a_share_that_is_none_decides_nothing(shard: Any, waiting: list[Signal], settings: Any) -> None:
    settings.WORK_SHARDS = 2
    tasks.decide.run(shard=shard)
    assert decided(waiting) == set()
