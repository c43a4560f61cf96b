"""The dashboard: what needs somebody, what they have, what has happened."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team, User
from brokers.domain.orders import OrderStatus
from brokers.domain.sessions import Environment
from brokers.models import Connection, Order
from brokers.tests import rows as broker
from strategies.control import team_end
from strategies.tests import rows

pytestmark = pytest.mark.django_db


def test_it_shows_a_viewer_the_walk_of_a_signal_at_a_glance(
    client: Client, bob: User, team: Team, now: datetime
) -> None:
    walk = rows.walk(team, now)
    broker.position(walk.account, unrealized_pnl=Decimal("72.50"))
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/")
    for words in (
        f'id="signal-{walk.signal.code}"',
        "Flat: a buy opens a long position.",
        "filled 10 @ 187.25",
        "in 92 ms",
        f'id="order-{walk.order.code}"',
        "fee 1.00 USD",
        "+72.50",
        walk.account.account_id,
        "Can trade:",
    ):
        assert words in page.text
    assert "Try a signal" not in page.text


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team) -> None:
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/").status_code == 404


def test_it_asks_somebody_who_is_not_signed_in_to_sign_in(client: Client, team: Team) -> None:
    assert client.get(f"/teams/{team.code}/").headers["Location"].startswith("/accounts/login/")


def test_a_closed_team_is_offered_no_first_steps(client: Client, alice: User, team: Team, now: datetime) -> None:
    client.force_login(alice)
    assert "First steps" in client.get(f"/teams/{team.code}/").text
    team_end.close_team(team=team, actor=alice, now=now)
    page = client.get(f"/teams/{team.code}/").text
    assert "First steps" not in page
    assert "Open it again" in page


@pytest.mark.parametrize(
    ("page", "step", "words"),
    [
        ("", "signals/try/", "Try a signal"),
        ("signals/", "signals/try/", "No signal yet"),
        ("orders/", "signals/try/", "No order yet"),
        ("positions/", "signals/try/", "A position begins with an order that fills."),
        ("approvals/", "subscriptions/new/", "The team has no subscription, so nothing makes plans."),
        ("guards/", "strategies/new/", "No strategy yet"),
        ("guards/", "subscriptions/new/", "No subscription yet"),
        ("strategies/", "strategies/new/", "No strategy yet"),
        ("subscriptions/", "strategies/new/", "Make the strategy first."),
    ],
)
def test_a_page_with_nothing_on_it_says_the_next_step(
    client: Client, alice: User, bob: User, team: Team, page: str, step: str, words: str
) -> None:
    broker.account(team)
    for user, leads in ((alice, True), (bob, False)):
        client.force_login(user)
        text = client.get(f"/teams/{team.code}/{page}").text
        main = text[text.index("<main") :]
        assert (f"/teams/{team.code}/{step}" in main) == leads
        assert not leads or words in main


def test_it_welcomes_a_new_team_with_a_simulated_account(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/")
    assert Connection.objects.get(team=team).environment == Environment.SIMULATED
    assert "Asking IBKR for the accounts of this connection" in page.text
    client.get(f"/teams/{team.code}/")
    assert Connection.objects.count() == 1


def test_it_makes_nothing_for_a_viewer_or_without_a_simulator(
    client: Client, alice: User, bob: User, team: Team, settings: Any
) -> None:
    client.force_login(bob)
    client.get(f"/teams/{team.code}/")
    settings.SIMULATOR = False
    client.force_login(alice)
    assert "Connect IBKR" in client.get(f"/teams/{team.code}/").text
    assert not Connection.objects.exists()


def test_it_lists_four_first_steps_until_the_first_three_are_done(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    client.force_login(alice)
    assert len(re.findall(r'<span class="mark">', client.get(f"/teams/{team.code}/").text)) == 4
    rows.walk(team, now)
    page = client.get(f"/teams/{team.code}/")
    assert "First steps" not in page.text
    assert "Connect IBKR</a> when you are ready." in page.text


def test_it_puts_what_needs_somebody_on_top(client: Client, alice: User, team: Team, now: datetime) -> None:
    account = broker.account(team)
    Connection.objects.filter(pk=account.connection_id).update(
        session_status="refused", session_reason="This user's account is a live account."
    )
    order = broker.order(account)
    Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    Order.objects.move(order, OrderStatus.NEEDS_ATTENTION, now=now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/").text
    assert f'id="need-order-{order.code}"' in page
    assert "cannot trade: refused" in page
    assert page.index('id="needs"') < page.index('id="accounts"')


def test_it_keeps_working_orders_in_sight_however_old(client: Client, alice: User, team: Team, now: datetime) -> None:
    account = broker.account(team)
    working = broker.order(account, ticker="SPY")
    for _ in range(12):
        broker.filled(broker.order(account), at=now)
    client.force_login(alice)
    assert f'id="order-{working.code}"' in client.get(f"/teams/{team.code}/").text


def test_it_asks_the_database_as_often_for_much_as_for_little(
    client: Client, alice: User, team: Team, now: datetime, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        rows.walk(team, now, name=f"Trend {number}")
    client.force_login(alice)
    client.get(f"/teams/{team.code}/")
    with django_assert_max_num_queries(31):
        client.get(f"/teams/{team.code}/")
