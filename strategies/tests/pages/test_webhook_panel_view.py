"""What a strategy's webhooks were sent: meters, last uses, and the proof that a revoked URL takes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from time_machine import TimeMachineFixture

from accounts.models import Team, User
from strategies.models import Refusal, Strategy, WebhookEndpoint, WebhookMinute
from strategies.setup import strategies
from strategies.tests import rows
from strategies.tests.webhook.doors import BUY, knock, path_of, post, with_door
from strategies.webhook import traffic
from strategies.webhook.door import Door

MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.django_db


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return strategies.create_strategy(team=team, actor=None, name="Trend", now=now)


def minute(of: WebhookEndpoint, at: datetime, **values: int) -> WebhookMinute:
    start = at.replace(second=0, microsecond=0)
    return WebhookMinute.objects.create(endpoint=of, minute=start, last_at=start + timedelta(seconds=5), **values)


def test_it_counts_since_the_viewers_midnight(strategy: Strategy, now: datetime) -> None:
    endpoint = strategy.endpoints.get()
    minute(endpoint, now, taken=5, refused=2, over=1, strangers=4, old_key=1)
    minute(endpoint, now - timedelta(hours=2), taken=10, refused=1)
    minute(endpoint, now - timedelta(hours=16), taken=100, strangers=9)
    [row] = traffic.live_traffic(strategy, now)
    assert (row.today, row.refused, row.over, row.strangers, row.old_key) == (15, 3, 1, 4, 1)
    assert row.last_used_at == row.last_old_key_at == now + timedelta(seconds=5)
    assert row.meter.minute.load == 5
    assert row.meter.hour.load == 5
    with timezone.override("Asia/Tokyo"):
        assert traffic.live_traffic(strategy, now)[0].today == 5


def test_strangers_are_no_use_of_the_url(strategy: Strategy, now: datetime) -> None:
    minute(strategy.endpoints.get(), now, strangers=40)
    [row] = traffic.live_traffic(strategy, now)
    assert (row.last_used_at, row.strangers, row.meter.minute.load) == (None, 40, 0)


def test_the_page_shows_a_viewer_the_meter_and_no_url(
    client: Client, bob: User, team: Team, strategy: Strategy, now: datetime, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(now, tick=False)  # The meter is of one minute, which the next page may not be in.
    minute(strategy.endpoints.get(), now, taken=60, over=3, strangers=2)
    client.force_login(bob)
    for path in ("", "meters/"):
        page = client.get(f"/teams/{team.code}/strategies/{strategy.code}/{path}").text
        for words in (
            "at the limit",
            "over the limit (429)",
            "<dt>Over the limit today</dt> <dd> 3 </dd>",
            "Strangers use a wrong password",
        ):
            assert words in " ".join(page.split())
        assert str(strategy.endpoints.get().code) not in page


def test_the_meter_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team, strategy: Strategy) -> None:
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/strategies/{strategy.code}/meters/").status_code == 404


def test_it_asks_to_copy_a_url_again_that_is_of_an_old_server_key(
    client: Client, alice: User, team: Team, strategy: Strategy
) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/strategies/{strategy.code}/"
    minute(strategy.endpoints.get(), timezone.now() - MINUTE, taken=1)
    assert "earlier server key" not in client.get(path).text
    minute(strategy.endpoints.get(), timezone.now(), taken=1, old_key=1)
    assert "Last used with a password of an earlier server key" in client.get(path).text


@pytest.mark.django_db(transaction=True)
def test_a_revoked_url_is_proven_to_take_nothing(client: Client, alice: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    old = strategy.endpoints.get()
    path = path_of(old)
    assert post(path).status == 200
    strategies.rotate_webhook(strategy=strategy, actor=alice, now=timezone.now())
    strategies.disable_webhook(endpoint=old, actor=alice, now=timezone.now())
    for quantity in (2, 3):
        assert post(path, {**BUY, "quantity": quantity}).status == 404
    [row] = traffic.revoked_endpoints(strategy)
    assert row.endpoint == old
    assert (row.accepted_since, row.refused_since) == (0, 2)
    assert row.last_accepted_at == strategy.signals.get().received_at
    assert row.last_refused_at is not None
    client.force_login(alice)
    page = " ".join(client.get(f"/teams/{team.code}/strategies/{strategy.code}/").text.split())
    assert "Revoked URLs" in page
    assert '<td data-label="Accepted since" class="number">0</td>' in page


@pytest.mark.django_db(transaction=True)
def test_of_a_flood_to_a_revoked_url_twenty_a_minute_are_written_down_and_all_are_counted(
    team: Team, now: datetime
) -> None:
    strategy = rows.strategy(team, now)
    endpoint = strategy.endpoints.get()
    strategies.disable_webhook(endpoint=endpoint, actor=None, now=timezone.now() - MINUTE)

    async def flood(door: Door) -> None:
        for _ in range(45):
            await knock(door, path_of_endpoint)

    path_of_endpoint = path_of(endpoint)
    with_door(flood)
    minutes = WebhookMinute.objects.count()
    assert Refusal.objects.count() <= 20 * minutes
    assert traffic.revoked_endpoints(strategy)[0].refused_since == 45


def test_what_a_revoked_url_refused_in_later_minutes_is_counted_by_its_meter(strategy: Strategy, now: datetime) -> None:
    endpoint = strategy.endpoints.get()
    WebhookEndpoint.objects.update(enabled=False, disabled_at=now + timedelta(seconds=30))
    minute(endpoint, now, strangers=7)
    minute(endpoint, now + MINUTE, strangers=4)
    for seconds in (10, 40):
        Refusal.objects.create(
            team=strategy.team,
            endpoint=endpoint,
            status=404,
            message_code="not-found",
            sentence="Webhook not row.",
            received_at=now + timedelta(seconds=seconds),
        )
    [row] = traffic.revoked_endpoints(strategy)
    assert row.refused_since == 5
