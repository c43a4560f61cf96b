"""Open pages hear of what only the door has seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from accounts.feed import pushes as feed
from accounts.feed.waiting import Audience
from accounts.models import Team
from strategies import live
from strategies.models import Refusal, Signal, Strategy
from strategies.tests import rows
from strategies.tests.webhook.doors import BUY, path_of, post, post_all
from strategies.webhook.announcements import MOST_AT_ONCE, Announcer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The keys of what is put on the line, as the feed is given them."""
    keys: list[str] = []
    put = feed.Pusher.put

    def noting(self: feed.Pusher, audience: Audience, key: str, render: Any, pause: float = 0) -> None:
        keys.append(key)
        put(self, audience, key, render, pause)

    monkeypatch.setattr(feed.Pusher, "put", noting)
    yield keys
    feed.flush()
    connections.close_all()


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


def test_a_refused_delivery_is_pushed(strategy: Strategy, pushed: list[str]) -> None:
    assert post(path_of(strategy), {"ticker": "SPY", "action": "jump"}).status == 400
    assert pushed == [f"refusal.{Refusal.objects.get().pk}"]


def test_a_signal_set_aside_or_delayed_is_pushed_and_so_is_a_repeat(strategy: Strategy, pushed: list[str]) -> None:
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    post(path_of(strategy), {**BUY, "time": old})
    post(path_of(strategy), {**BUY, "delay": 60})
    post(path_of(strategy), {**BUY, "delay": 60})
    stale, delayed = Signal.objects.order_by("pk")
    assert pushed == [f"signal.{stale.pk}", f"signal.{delayed.pk}", f"signal.{delayed.pk}"]


def test_a_signal_that_will_be_handed_out_is_left_to_whoever_does(strategy: Strategy, pushed: list[str]) -> None:
    assert post(path_of(strategy)).status == 200
    assert pushed == []


def test_of_a_flood_only_the_last_are_pushed(strategy: Strategy, pushed: list[str]) -> None:
    post_all(path_of(strategy), [{"ticker": "SPY", "action": f"jump {number}"} for number in range(120)])
    assert Refusal.objects.count() == 120
    assert 0 < len(pushed) <= 120
    assert pushed[-1] == f"refusal.{Refusal.objects.order_by('-pk')[0].pk}"


def test_it_never_waits_and_keeps_no_more_than_a_page(strategy: Strategy, pushed: list[str]) -> None:
    """A database that does not answer makes nobody wait."""
    announcer = Announcer()
    announcer.announce([UUID(int=number) for number in range(10_000)], [])
    assert len(announcer._refusals) <= MOST_AT_ONCE
    announcer.close()
    assert pushed == []


def test_what_is_pushed_is_the_row_of_the_page(strategy: Strategy) -> None:
    post(path_of(strategy), b"not json")
    assert 'data-feed-into="signals"' in live.refusal_html(Refusal.objects.get().pk)
