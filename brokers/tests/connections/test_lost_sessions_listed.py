"""Connections that cannot trade, in the list of what needs somebody: one line for each reason, not for each connection."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.test import Client
from django.urls import reverse

from accounts.feed.needs import Need, needs_of
from accounts.models import Team, User
from brokers.connections import states
from brokers.domain.sessions import SessionStatus
from brokers.models import Connection
from brokers.tests import rows

AWAY = "IBKR's servers do not answer; Halyard asks again."


def lost(
    team: Team, name: str, now: datetime, *, status: SessionStatus = SessionStatus.UNREACHABLE, reason: str = AWAY
) -> Connection:
    connection = rows.connection(team, name=name, username=name.lower().replace(" ", ""))
    states.session_is(connection, status, reason, now=now, action="Look at IBKR's system status if it lasts.")
    return connection


def lines(team: Team, now: datetime) -> list[Need]:
    return [need for need in needs_of(team, now).rows if need.symbol == "connections"]


def test_one_connection_leads_to_its_page(team: Team, now: datetime) -> None:
    connection = lost(team, "Desk", now)
    (line,) = lines(team, now)
    assert line.title == "Desk cannot trade: unreachable"
    assert (line.href, line.action) == (
        reverse("connection", args=[team.code, connection.code]),
        "See the connection",
    )


def test_connections_with_one_reason_are_one_line(team: Team, now: datetime) -> None:
    lost(team, "Desk", now)
    lost(team, "Second desk", now - timedelta(minutes=5))
    lost(team, "Third desk", now)
    lost(team, "Apart", now, status=SessionStatus.REFUSED)
    shared, apart = lines(team, now)
    assert shared.title == "Desk, Second desk and Third desk cannot trade: unreachable"
    assert shared.text == f"{AWAY} Look at IBKR's system status if it lasts."
    assert shared.since == now - timedelta(minutes=5)
    assert (shared.href, shared.action) == (reverse("connections", args=[team.code]), "See the connections")
    assert apart.title == "Apart cannot trade: refused"


def test_many_connections_are_counted_after_the_third(team: Team, now: datetime) -> None:
    for name in ("A", "B", "C", "D"):
        lost(team, name, now)
    assert [line.title for line in lines(team, now)] == ["A, B, C and D cannot trade: unreachable"]
    lost(team, "E", now)
    assert [line.title for line in lines(team, now)] == ["A, B, C and 2 more cannot trade: unreachable"]


def test_what_does_not_fit_the_list_is_counted(team: Team, now: datetime) -> None:
    for number in range(12):
        lost(team, f"Desk {number}", now, reason=f"Reason {number}.")
    *_, last = shown = lines(team, now)
    assert len(shown) == 10
    assert last.title == "3 more connections cannot trade"


def test_the_dashboard_says_a_shared_reason_once_where_it_is_seen(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    lost(team, "Desk", now)
    lost(team, "Second desk", now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/").text
    # Beside each connection the sentence is in an element that the dashboard does not show.
    assert page.count("IBKR&#x27;s servers do not answer") - page.count('<span class="why">') == 1
