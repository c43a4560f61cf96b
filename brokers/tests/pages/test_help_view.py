"""Pages of help, and the links that lead to them from the trouble itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.connections import sessions, states
from brokers.domain.brokerage import LoginRefused
from brokers.domain.help.pages import PAGES
from brokers.domain.sessions import SessionStatus
from brokers.models import Connection
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", PAGES)
def test_anybody_may_read_a_page(client: Client, name: str) -> None:
    page = client.get(f"/help/{name}/")
    assert page.status_code == 200
    assert "At your connections" not in page.text


@pytest.mark.usefixtures("default_nights")
def test_the_daily_reset_is_told_as_the_gate_keeps_it(client: Client, settings: Any) -> None:
    page = client.get("/help/daily-reset/").text
    assert "23:45 to 01:45 in New York" in page
    assert "Friday 23:00 to 03:00 in New York" in page
    settings.RESET_WINDOWS = ["NA=22:10-23:20 America/Chicago"]
    page = client.get("/help/daily-reset/").text
    assert "22:10 to 23:20 in Chicago" in page
    assert "23:45" not in page


def test_the_index_lists_them_all(client: Client) -> None:
    page = client.get("/help/").text
    assert all(f'href="/help/{name}/"' in page for name in PAGES)
    assert client.get("/help/elsewhere/").status_code == 404


@pytest.mark.parametrize(
    ("code", "page"),
    [
        ("lite-account", "lite"),
        ("key-not-active", "oauth"),
        ("user-is-live", "paper-account"),
        ("proxy-refuses", "guard-gateway"),
        ("account-not-shown", "paper-account"),
    ],
)
def test_a_refused_login_links_to_the_page_of_its_own_trouble(
    client: Client, alice: User, team: Team, now: datetime, code: str, page: str
) -> None:
    made = rows.connection(team)
    sessions.failed(made, LoginRefused("IBKR refused it.", help_page="paper_account", code=code), now)
    assert made.session_events.latest("pk").evidence["help_page"] == page
    client.force_login(alice)
    text = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    block = text.partition('class="session-help"')[2].partition("</p>")[0]
    assert f'href="/help/{page}/"' in block
    assert block.count("<a ") == 1


def test_a_session_that_trades_needs_no_help(client: Client, alice: User, team: Team, now: datetime) -> None:
    made = rows.connection(team)
    states.session_is(made, SessionStatus.ACTIVE, "Signed in.", now=now, code="signed-in")
    client.force_login(alice)
    text = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert "session-help" not in text


def test_an_order_that_was_refused_links_to_its_page(client: Client, alice: User, team: Team) -> None:
    order = rows.order(
        rows.account(team), status="rejected", reason="It lacks the permission.", reason_code="no-trading-permission"
    )
    client.force_login(alice)
    assert "/help/permissions/" in client.get(f"/teams/{team.code}/orders/{order.code}/").text


def test_the_checklist_ticks_itself(client: Client, alice: User, team: Team, now: datetime) -> None:
    account = rows.account(team, asset_types="STK", is_lite=False)
    Connection.objects.update(environment="paper", last_kept_at=now)
    client.force_login(alice)
    path = f"/teams/{team.code}/connections/{account.connection.code}/"
    assert client.get(path).text.count('<li class="done">') == 5
    states.session_is(account.connection, SessionStatus.COMPETING, "Taken.", now=timezone.now())
    quarrel = client.get(path).text
    assert (quarrel.count('<li class="done">'), quarrel.count('<li class="not">')) == (4, 1)
    account.connection.session_events.update(at=timezone.now() - timedelta(days=8))
    assert client.get(path).text.count('<li class="done">') == 5


def test_a_page_says_how_it_is_at_the_readers_own_connections(
    client: Client, alice: User, charlie: User, team: Team
) -> None:
    account = rows.account(team, is_lite=True)
    Connection.objects.update(environment="paper", name="Our paper")
    client.force_login(alice)
    assert "Our paper" in client.get("/help/lite/").text
    assert f"/connections/{account.connection.code}/" in client.get("/help/dedicated-user/").text
    client.force_login(charlie)
    assert "Our paper" not in client.get("/help/lite/").text


def test_what_is_alike_at_several_connections_is_one_line(client: Client, alice: User, team: Team) -> None:
    for name in ("First desk", "Second desk"):
        rows.account(team, of=rows.connection(team, name=name, username=name[:5]))
    Connection.objects.update(environment="paper")
    client.force_login(alice)
    ticks = client.get("/help/paper-account/").text.partition("At your connections")[2].partition("</ul>")[0]
    assert ticks.count("A paper account of the team has been connected") == 1
    assert "First desk" in ticks
    assert "Second desk" in ticks


@pytest.mark.parametrize("name", ["daily-reset", "oauth", "lite"])
def test_a_page_does_not_lead_to_itself(client: Client, name: str) -> None:
    cards = client.get(f"/help/{name}/").text.partition('class="cards"')[2]
    assert f'href="/help/{name}/"' not in cards
    assert 'href="/help/paper-account/"' in cards


def test_the_traps_are_named_before_the_connection_is_made(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/new/").text
    for name in ("paper-account", "dedicated-user", "lite", "sign-in", "precautions", "market-data", "guard-gateway"):
        assert f'href="/help/{name}/"' in page
