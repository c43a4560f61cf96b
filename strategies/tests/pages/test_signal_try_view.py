"""Trying a signal by hand."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from django.test import Client

from accounts.models import Role, Team, User
from brokers.models import Connection
from brokers.tests import rows as broker
from strategies.models import Signal, Strategy
from strategies.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)
ORDER = {"ticker": "spy", "action": "buy", "quantity": "10", "price": "660.5"}


def test_it_makes_what_a_new_team_needs_and_leads_to_the_signal(client: Client, alice: User, team: Team) -> None:
    account = broker.account(team)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/try/")
    assert f"followed by {account.account_id}" in page.text
    answer = client.post(f"/teams/{team.code}/signals/try/", ORDER)
    signal = Signal.objects.get()
    assert answer.headers["Location"] == f"/teams/{team.code}/signals/{signal.code}/"
    assert json.loads(signal.body) == {"ticker": "spy", "action": "buy", "quantity": "10", "price": "660.5"}
    assert signal.reading["instrument"]["symbol"] == "SPY"
    subscription = Strategy.objects.get().subscriptions.get()
    assert (subscription.account, subscription.enabled) == (account, True)


def test_it_sends_to_the_strategy_one_chooses(client: Client, bob: User, team: Team, now: datetime) -> None:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    rows.strategy(team, now, "First")
    second = rows.strategy(team, now, "Second")
    client.force_login(bob)
    client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "strategy": str(second.code)})
    client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "strategy": str(second.code)})
    assert [signal.strategy for signal in Signal.objects.all()] == [second, second]


def test_it_forbids_a_viewer_and_hides_from_a_stranger(client: Client, bob: User, charlie: User, team: Team) -> None:
    for user, status in ((bob, 403), (charlie, 404)):
        client.force_login(user)
        assert client.get(f"/teams/{team.code}/signals/try/").status_code == status
        assert client.post(f"/teams/{team.code}/signals/try/", ORDER).status_code == status
    assert not Signal.objects.exists()
    assert not Strategy.objects.exists()


def test_it_says_what_the_sender_of_such_a_message_would_read(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    rows.strategy(team, now)
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "ticker": "no such ticker"})
    assert page.status_code == 422
    assert "no such ticker" in page.text
    assert 'role="alert"' in page.text
    page = client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "quantity": "-1"})
    assert 'aria-invalid="true"' in page.text
    assert not Signal.objects.exists()


def test_it_warns_before_a_signal_that_could_trade_real_money(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    walk = rows.walk(team, now)
    client.force_login(alice)
    assert "real money" not in client.get(f"/teams/{team.code}/signals/try/").text
    Connection.objects.filter(pk=walk.account.connection_id).update(environment="live")
    assert "real money" in client.get(f"/teams/{team.code}/signals/try/").text
