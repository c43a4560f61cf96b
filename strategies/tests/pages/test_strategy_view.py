"""Strategies: the list, one of them with its webhook, making one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import Role, Team, User
from strategies.models import Strategy
from strategies.setup import strategies
from strategies.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


def secret(strategy: Strategy) -> str:
    return strategies.webhook_url(strategy.endpoints.get()).rpartition("/")[2]


def test_the_list_shows_followers_and_the_last_signal(client: Client, bob: User, team: Team, now: datetime) -> None:
    rows.walk(team, now)
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/strategies/")
    assert 'data-label="Followers">1</td>' in page.text
    assert f'datetime="{now.isoformat()}"' in page.text


def test_the_list_teaches_when_it_is_empty(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    assert "You get its URL and the message to paste at once." in client.get(f"/teams/{team.code}/strategies/").text


def test_it_covers_the_password_until_a_trader_asks(
    client: Client, alice: User, team: Team, strategy: Strategy
) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/strategies/{strategy.code}/"
    assert secret(strategy) not in client.get(path).text
    page = client.get(path, {"reveal": str(strategy.endpoints.get().code)})
    assert secret(strategy) in page.text
    assert "no-store" in page.headers["Cache-Control"]


def test_it_hands_the_url_to_the_copy_button(client: Client, alice: User, team: Team, strategy: Strategy) -> None:
    client.force_login(alice)
    endpoint = strategy.endpoints.get()
    path = f"/teams/{team.code}/webhooks/{endpoint.code}/secret/"
    assert client.get(path).text == strategies.webhook_url(endpoint)
    assert client.get(path, {"as": "curl"}).text.startswith("curl -H 'Content-Type: application/json' -d")


def test_it_shows_a_viewer_everything_but_the_url(client: Client, bob: User, team: Team, strategy: Strategy) -> None:
    client.force_login(bob)
    endpoint = strategy.endpoints.get()
    page = client.get(f"/teams/{team.code}/strategies/{strategy.code}/", {"reveal": str(endpoint.code)})
    assert page.status_code == 200
    assert str(endpoint.code) not in page.text
    assert client.get(f"/teams/{team.code}/webhooks/{endpoint.code}/secret/").status_code == 403
    for verb in (
        f"strategies/{strategy.code}/switch",
        f"strategies/{strategy.code}/rotate",
        f"webhooks/{endpoint.code}/disable",
    ):
        assert client.post(f"/teams/{team.code}/{verb}/", {"enabled": "no"}).status_code == 403
    assert client.get(f"/teams/{team.code}/strategies/new/").status_code == 403


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team, strategy: Strategy) -> None:
    client.force_login(charlie)
    endpoint = strategy.endpoints.get()
    for path in ("strategies/", "strategies/new/", f"strategies/{strategy.code}/", f"webhooks/{endpoint.code}/secret/"):
        assert client.get(f"/teams/{team.code}/{path}").status_code == 404


def test_it_makes_a_strategy_with_its_tickers(client: Client, bob: User, team: Team) -> None:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    client.force_login(bob)
    values = {"name": "Momentum", "asset_class": "future", "allowed_tickers": "mnq, es  mnq"}
    answer = client.post(f"/teams/{team.code}/strategies/new/", values)
    made = Strategy.objects.get(team=team)
    assert answer.headers["Location"] == f"/teams/{team.code}/strategies/{made.code}/"
    assert (made.asset_class, made.allowed_tickers) == ("future", ["MNQ", "ES"])
    assert "only MNQ, ES" in client.get(answer.headers["Location"]).text


def test_it_refuses_a_second_strategy_of_the_same_name(
    client: Client, alice: User, team: Team, strategy: Strategy
) -> None:
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/strategies/new/", {"name": "Trend", "asset_class": "stock"})
    assert page.status_code == 422
    assert "This team already has a strategy called Trend." in page.text


def test_it_rotates_with_an_overlap_and_disables_the_old_url(
    client: Client, alice: User, team: Team, strategy: Strategy
) -> None:
    client.force_login(alice)
    old = strategy.endpoints.get()
    path = f"/teams/{team.code}/strategies/{strategy.code}/"
    page = client.post(f"{path}rotate/", follow=True)
    assert "A second URL is live beside the first." in page.text
    assert page.text.count("Disable this URL</button>") == 2
    assert "Two webhook URLs are live already." in client.post(f"{path}rotate/", follow=True).text
    client.post(f"/teams/{team.code}/webhooks/{old.code}/disable/")
    old.refresh_from_db()
    assert not old.enabled
    assert str(old.code) not in client.get(path).text


def test_it_switches_off_and_on(client: Client, alice: User, team: Team, strategy: Strategy) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/strategies/{strategy.code}/switch/"
    assert "its signals are refused" in client.post(path, {"enabled": "no"}, follow=True).text
    strategy.refresh_from_db()
    assert not strategy.enabled
    assert "takes signals again" in client.post(path, {"enabled": "yes"}, follow=True).text


def test_it_waits_for_the_first_signal(
    client: Client, alice: User, team: Team, strategy: Strategy, now: datetime
) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/strategies/{strategy.code}/"
    page = client.get(path)
    assert "Waiting for the first signal" in page.text
    assert f'data-feed-want="strategy:{strategy.code}"' in page.text
    rows.signal(strategy, now)
    assert "Waiting for the first signal" not in client.get(path).text


def test_it_says_whether_tradingview_can_reach_it(
    client: Client, alice: User, team: Team, strategy: Strategy, settings: Any
) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/strategies/{strategy.code}/"
    assert "TradingView cannot" in client.get(path).text
    settings.HTTPS = True
    assert "TradingView cannot" not in client.get(path).text
