"""The template builder's page: its state in the address, the secrets out of the page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from strategies.models import Strategy
from strategies.setup import strategies
from strategies.tests import rows
from strategies.webhook.passwords import password_for, signing_keys

pytestmark = pytest.mark.django_db


def address(strategy: Strategy) -> str:
    return f"/teams/{strategy.team.code}/strategies/{strategy.code}/build/"


def test_it_begins_with_a_message_and_the_address_says_the_rest(client: Client, alice: User, team: Team) -> None:
    strategy = rows.strategy(team, timezone.now())
    client.force_login(alice)
    page = client.get(address(strategy))
    assert page.status_code == 200
    assert "&quot;ticker&quot;: &quot;{{exchange}}:{{ticker}}&quot;" in page.text
    assert "Nobody follows" in page.text
    page = client.get(
        address(strategy),
        {"source": "trendspider", "action": "sell", "sizing": "percent_of_equity", "quantity": "2.5", "price": "on"},
    )
    assert "&quot;%alert_symbol%&quot;" in page.text
    assert "&quot;quantityType&quot;: &quot;percent_of_equity&quot;" in page.text
    assert 'value="2.5"' in page.text


def test_it_shows_what_is_wrong_at_its_field_instead_of_a_message(client: Client, alice: User, team: Team) -> None:
    strategy = rows.strategy(team, timezone.now())
    client.force_login(alice)
    page = client.get(address(strategy), {"source": "curl", "action": "buy", "sizing": "risk_percent", "quantity": "1"})
    assert page.status_code == 200
    assert "Sizing by risk needs a stop loss." in page.text
    assert 'id="message"' not in page.text
    page = client.get(address(strategy), {"source": "nonsense", "action": "<script>", "ticker": "a b"})
    assert page.status_code == 200
    assert "<script>&lt;" not in page.text


def test_programs_are_copied_with_their_secrets_and_shown_without(
    client: Client, alice: User, bob: User, charlie: User, team: Team
) -> None:
    strategy = rows.strategy(team, timezone.now())
    endpoint = strategy.endpoints.get()
    state = {"source": "python", "action": "buy", "sign": "on"}
    secrets = (password_for(endpoint.code), signing_keys(endpoint.code)[0])
    client.force_login(alice)
    page = client.get(address(strategy), state).text
    text = client.get(f"{address(strategy)}text/", state)
    for secret in secrets:
        assert secret not in page
        assert secret in text.text
    assert f'data-copy-fetch="{address(strategy)}text/?source=python' in page
    assert text.headers["Content-Type"].startswith("text/plain")
    assert "no-store" in text.headers["Cache-Control"]
    for user, status in ((bob, 403), (charlie, 404)):
        client.force_login(user)
        assert client.get(f"{address(strategy)}text/", state).status_code == status
    client.force_login(bob)
    page = client.get(address(strategy), state).text
    assert str(endpoint.code) not in page
    assert "shown to traders and owners" in page
    client.force_login(charlie)
    assert client.get(address(strategy)).status_code == 404


def test_without_a_webhook_it_says_where_to_make_one(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    strategies.disable_webhook(endpoint=strategy.endpoints.get(), actor=None, now=now)
    client.force_login(alice)
    assert "no webhook URL that is switched on" in client.get(address(strategy)).text
    assert client.get(f"{address(strategy)}text/", {"source": "curl", "action": "buy"}).status_code == 404


def test_a_change_may_be_of_an_orders_end_alone(client: Client, alice: User, team: Team) -> None:
    """The builder offered no end for modify, which the webhook takes."""
    strategy = rows.strategy(team, timezone.now())
    client.force_login(alice)
    state = {"source": "curl", "action": "modify", "ticker": "AAPL", "time_in_force": "gtd", "good_till": "+3 days"}
    page = client.get(address(strategy), state).text
    assert "&quot;goodTillDate&quot;: &quot;+3 days&quot;" in page
    assert "&quot;stopLoss&quot;" not in page
    page = client.get(address(strategy), {**state, "time_in_force": "gtc"}).text
    assert "&quot;timeInForce&quot;: &quot;gtc&quot;" in page
    assert "&quot;goodTillDate&quot;" not in page
    # One without a date is refused as the webhook refuses it, at its field.
    page = client.get(address(strategy), {**state, "good_till": ""}).text
    assert 'id="message"' not in page
    page = client.get(address(strategy), {**state, "time_in_force": "", "price": "on"}).text
    assert "&quot;goodTillDate&quot;" not in page
