"""One signal: did it arrive, was it accepted, why not, what order, what fill, how many milliseconds each."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import Team, User
from brokers.models import Order
from brokers.tests import rows as broker
from strategies.tests import rows

pytestmark = pytest.mark.django_db


def test_it_answers_every_question_about_a_filled_signal(client: Client, bob: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    Order.objects.filter(pk=walk.order.pk).update(signal_price=Decimal(187))
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/signals/{walk.signal.code}/")
    for words in (
        "Accepted, 1 of 1", "Flat: a buy opens a long position.", "R1", "terms 1", "10 @ 187.25", "fee 1.00 USD",
        "2.0 ms", "6.0 ms", "4.0 ms", "30 ms", "50 ms", "92 ms", "13.4 basis points worse", "2.50 USD",
        "&quot;ticker&quot;: &quot;AAPL&quot;",
    ):  # fmt: skip
        assert words in page.text


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/signals/{walk.signal.code}/").status_code == 404


def test_it_is_not_there_under_another_team(
    client: Client, alice: User, charlie: User, team: Team, now: datetime
) -> None:
    from accounts import teams

    walk = rows.walk(team, now)
    theirs = teams.found_team(owner=charlie, name="Theirs", now=now)
    client.force_login(charlie)
    assert client.get(f"/teams/{theirs.code}/signals/{walk.signal.code}/").status_code == 404


def test_it_says_why_a_signal_was_rejected(client: Client, alice: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    signal = rows.signal(strategy, now, dispatched_at=now)
    rows.rejected(signal, rows.subscription(strategy, broker.account(team), now), now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/")
    for words in ("Rejected, 1 of 1", "The account is long already.", "already-long", "R9"):
        assert words in page.text


def test_it_offers_to_subscribe_when_nobody_follows(
    client: Client, alice: User, bob: User, team: Team, now: datetime
) -> None:
    signal = rows.signal(rows.strategy(team, now), now, dispatched_at=now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/")
    assert "No enabled subscription follows this strategy" in page.text
    assert "Subscribe an account" in page.text
    client.force_login(bob)
    assert "Subscribe an account" not in client.get(f"/teams/{team.code}/signals/{signal.code}/").text


def test_it_shows_what_we_noticed_while_reading(client: Client, alice: User, team: Team, now: datetime) -> None:
    warnings = ["unknown-field:alertName", "ignored-price", "blank-field:orderType"]
    body = '{"ticker": "<script>alert(1)</script>"}'
    signal = rows.signal(rows.strategy(team, now), now, warnings=warnings, duplicates=1, body=body)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/")
    for words in (
        "The field alertName is not one we know", "The field price could not be read",
        "The field orderType was empty", "It was delivered 1 time more",
    ):  # fmt: skip
        assert words in page.text
    assert "<script>alert(1)" not in page.text


def test_it_watches_its_own_orders_and_no_others(client: Client, alice: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    other = rows.walk(team, now + timedelta(seconds=1), name="Other")
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{walk.signal.code}/").text
    assert f'data-feed-watch="signal-{walk.signal.code} order-{walk.order.code}"' in page
    assert str(other.order.code) not in page


def test_it_shows_what_the_order_was_expected_to_cost(client: Client, bob: User, team: Team, now: datetime) -> None:
    made = rows.walk(team, now)
    expected = "Estimated fee 1.00 USD; margin needed 937.25 USD of 25,000.00 available."
    made.decision.inputs = {"assessment": [{"role": "entry", "sentence": expected}]}
    made.decision.save()
    client.force_login(bob)
    assert expected in client.get(f"/teams/{team.code}/signals/{made.signal.code}/").text
    assert expected in client.get(f"/teams/{team.code}/orders/{made.order.code}/").text
