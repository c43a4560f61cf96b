"""Replaying a delivery as a dry run: then and now, and nothing stored."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role, Team, User
from brokers.models import Order
from brokers.tests import rows as broker
from strategies.deciding.settle import settle_waiting
from strategies.models import Decision, Refusal, Signal, Strategy
from strategies.tests import rows
from strategies.tests.pages.test_check_view import known

pytestmark = pytest.mark.django_db


def replay(client: Client, signal: Signal) -> str:
    answer = client.get(f"/teams/{signal.team.code}/signals/{signal.code}/replay/")
    assert answer.status_code == 200
    return answer.text


def refusal(strategy: Strategy, body: str, **values: object) -> Refusal:
    fields = {
        "status": 400,
        "message_code": "unsupported-ticker",
        "sentence": "AAPL is not on the list.",
        "body": body,
        "received_at": timezone.now(),
        **values,
    }
    return Refusal.objects.create(team=strategy.team, endpoint=strategy.endpoints.get(), **fields)


def test_a_signal_that_would_do_the_same_says_so(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, known(broker.account(team)), now)
    signal = rows.signal(strategy, now)
    settle_waiting(now)
    # What was ordered then is over: the account holds nothing and nothing works.
    Order.objects.update(status="canceled")
    client.force_login(alice)
    before = [model.objects.count() for model in (Signal, Decision, Order, Refusal)]
    page = replay(client, signal)
    assert "The same as then" in page
    assert page.count("1 order<") == 2
    assert [model.objects.count() for model in (Signal, Decision, Order, Refusal)] == before


def test_it_shows_what_differs_in_reading_and_decision(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    account = known(broker.account(team))
    rows.subscription(strategy, account, now)
    signal = rows.signal(strategy, now, reading={**rows.READING, "quantity": {"value": "7", "type": "fixed_quantity"}})
    settle_waiting(now)
    Order.objects.update(status="canceled")
    broker.position(account, quantity=Decimal(7))
    client.force_login(alice)
    page = replay(client, signal)
    assert "The same as then" not in page
    assert 'class="differs"' in page
    assert "Open long with 7 shares of AAPL." in page
    assert "Already long 7 shares of AAPL" in page


def test_one_that_follows_no_longer_would_not_be_asked(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    follower = rows.subscription(strategy, known(broker.account(team)), now)
    signal = rows.signal(strategy, now)
    settle_waiting(now)
    Order.objects.update(status="canceled")
    follower.enabled = False
    follower.save()
    client.force_login(alice)
    page = replay(client, signal)
    assert "The same as then" not in page
    assert "it would not be asked" in page
    Strategy.objects.update(enabled=False)
    assert "strategy-disabled" in replay(client, signal)


def test_a_late_signal_is_shown_as_late_and_as_if_in_time(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, known(broker.account(team)), now)
    at = (now - timedelta(days=2)).isoformat()
    body = f'{{"ticker": "AAPL", "action": "buy", "quantity": "10", "time": "{at}"}}'
    signal = rows.signal(strategy, now - timedelta(days=2), body=body, dispatched_at=now)
    client.force_login(alice)
    page = replay(client, signal)
    assert "stale-signal" in page
    assert "It was not asked." in page
    assert "Open long with 10 shares of AAPL." in page


def test_a_refusal_that_would_be_taken_now_says_so(client: Client, alice: User, team: Team) -> None:
    strategy = rows.strategy(team, timezone.now())
    row = refusal(strategy, '{"ticker": "AAPL", "action": "buy"}')
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/refused/{row.log_code}/replay/").text
    assert "Then: refused" in page
    assert "Now: taken" in page
    assert Refusal.objects.count() == 1
    assert not Signal.objects.exists()
    row = refusal(strategy, "{", message_code="malformed-json")
    page = client.get(f"/teams/{team.code}/signals/refused/{row.log_code}/replay/").text
    assert "Now: taken" not in page
    assert "malformed-json" in page


def test_a_body_that_was_let_go_says_so(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    signal = rows.signal(strategy, now, body="", forgotten_at=now, dispatched_at=now)
    row = refusal(strategy, "")
    client.force_login(alice)
    assert "The body is gone" in replay(client, signal)
    assert "AAPL, stock" in replay(client, signal)
    assert "The body is gone" in client.get(f"/teams/{team.code}/signals/refused/{row.log_code}/replay/").text


def test_traders_may_viewers_may_not_strangers_see_nothing(
    client: Client, alice: User, bob: User, charlie: User, team: Team
) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    signal, row = rows.signal(strategy, now, dispatched_at=now), refusal(strategy, "{}")
    pages = [
        f"/teams/{team.code}/signals/{signal.code}/replay/",
        f"/teams/{team.code}/signals/refused/{row.log_code}/replay/",
    ]
    for user, status in ((alice, 200), (bob, 403), (charlie, 404)):
        client.force_login(user)
        assert [client.get(page).status_code for page in pages] == [status, status]
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    client.force_login(bob)
    assert [client.post(page).status_code for page in pages] == [200, 200]
