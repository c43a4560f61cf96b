"""A connection's diagnosis: its figures, its curve, its story and its calls, and an order's own calls on its page."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import Team, User
from brokers.models import Connection, SessionEvent
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(team: Team) -> Connection:
    return rows.connection(team, username="ALICE1")


@pytest.fixture
def now() -> datetime:
    """The page shows the last day by its own clock."""
    return timezone.now()


def address(connection: Connection, page: str = "diagnosis/") -> str:
    return f"/teams/{connection.team.code}/connections/{connection.code}/{page}"


def test_a_viewer_reads_figures_story_and_calls(
    client: Client, bob: User, connection: Connection, now: datetime
) -> None:
    rows.call(connection, at=now, took_ms=120.4, own_ms=3, request='{"x": 1}', answer='{"order_status": "Filled"}')
    rows.call(connection, at=now, took_ms=300, outcome="refused", status=400, endpoint="iserver/auth/status")
    SessionEvent.objects.create(connection=connection, status="competing", reason="Somebody signed in in TWS.", at=now)
    client.force_login(bob)
    page = client.get(address(connection))
    for text in (
        "120 ms",
        "252 ms",
        "refused",
        "Somebody signed in in TWS.",
        "&quot;order_status&quot;: &quot;Filled&quot;",
        "50 % of 2 calls in the last day went wrong.",
        'role="img"',
    ):
        assert text in page.text, text
    assert 'href="' + address(connection) in client.get(address(connection, "")).text


def test_it_says_that_there_was_no_call(client: Client, bob: User, connection: Connection) -> None:
    client.force_login(bob)
    page = client.get(address(connection))
    assert "No call in the last day" in page.text
    assert "No call has been kept." in page.text
    assert client.get(address(connection, "times.json")).json() == {"yardstick": 252.0, "points": []}


def test_a_stranger_finds_nothing_and_another_team_sees_none_of_it(
    client: Client, charlie: User, connection: Connection, now: datetime
) -> None:
    theirs = rows.connection(teams.found_team(owner=charlie, name="Theirs", now=now))
    rows.call(connection, address="/ours")
    rows.call(theirs, address="/theirs")
    client.force_login(charlie)
    for page in ("diagnosis/", "times.json"):
        assert client.get(address(connection, page)).status_code == 404
        crossed = f"/teams/{theirs.team.code}/connections/{connection.code}/{page}"
        assert client.get(crossed).status_code == 404
    own = client.get(address(theirs)).text
    assert "/theirs" in own
    assert "/ours" not in own


def test_hostile_texts_of_a_gateway_stay_texts(client: Client, bob: User, connection: Connection) -> None:
    rows.call(connection, answer='{"error": "<script>alert(1)</script>"}', address='/x"><img src=x onerror=alert(1)>')
    client.force_login(bob)
    page = client.get(address(connection))
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


def test_it_shows_errors_only_and_calls_for_orders_only(
    client: Client, bob: User, team: Team, connection: Connection
) -> None:
    order = rows.order(rows.account(team, connection))
    rows.call(connection, address="/plain")
    rows.call(connection, address="/wrong", outcome="no_answer", status=None)
    rows.call(connection, address="/for-an-order", order=order)
    client.force_login(bob)
    errors, orders = (client.get(address(connection), {"calls": which}).text for which in ("errors", "orders"))
    assert ("/plain" in errors, "/wrong" in errors, "/for-an-order" in errors) == (False, True, False)
    assert ("/plain" in orders, "/wrong" in orders, "/for-an-order" in orders) == (False, False, True)
    assert f"/orders/{order.code}/" in orders


def test_older_calls_are_a_page_further(client: Client, bob: User, connection: Connection) -> None:
    made = [rows.call(connection, address=f"/call-{number:03}") for number in range(60)]
    client.force_login(bob)
    first = client.get(address(connection))
    older = client.get(address(connection), {"before": str(made[10].code)})
    assert ("/call-059" in first.text, "/call-010" in first.text, "/call-009" in first.text) == (True, True, False)
    assert ("/call-010" in older.text, "/call-009" in older.text) == (False, True)


def test_the_curve_is_of_the_last_day(client: Client, bob: User, connection: Connection, now: datetime) -> None:
    for hours in (30, 20, 1):
        rows.call(connection, at=now - timedelta(hours=hours), took_ms=hours)
    client.force_login(bob)
    points = client.get(address(connection, "times.json")).json()["points"]
    assert [point[1:] for point in points] == [[20, 20, 20], [1, 1, 1]]


def test_it_says_whose_time_it_is_and_shows_a_slow_call_beside_quick_ones(
    client: Client, bob: User, connection: Connection, now: datetime
) -> None:
    for _ in range(9):
        rows.call(connection, at=now, took_ms=100, own_ms=10)
    rows.call(connection, at=now, took_ms=20_000, own_ms=0, endpoint="iserver/accounts")
    client.force_login(bob)
    page = client.get(address(connection)).text
    for words in ("Halyard: under 1 %", "IBKR, its gateway and the network: 100 %", "By itself 90 ms", "logarithmic"):
        assert words in page, words
    assert "100 ms to 20 s" in page
    assert "Our own share" not in page


def test_messages_of_the_stream_stand_apart_and_count_in_no_figure(
    client: Client, bob: User, connection: Connection, now: datetime
) -> None:
    rows.call(connection, at=now, took_ms=120, address="/a-request")
    rows.call(
        connection, at=now, method="RECEIVED", endpoint="ws/sor", address="/ws/sor?left_out=3", took_ms=0, status=None
    )
    client.force_login(bob)
    page = client.get(address(connection)).text
    assert "None of 1 call in the last day went wrong." in page
    assert "a message of the live stream that Halyard received" in page
    stream = client.get(address(connection), {"calls": "stream"}).text
    assert ("/ws/sor?left_out=3" in stream, "/a-request" in stream) == (True, False)


def test_an_order_shows_its_own_calls_and_leads_to_the_diagnosis(
    client: Client, bob: User, team: Team, connection: Connection
) -> None:
    account = rows.account(team, connection)
    order, other = rows.order(account), rows.order(account)
    rows.call(connection, order=order, address="/its-own")
    rows.call(connection, order=other, address="/of-another")
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/orders/{order.code}/")
    assert "/its-own" in page.text
    assert "/of-another" not in page.text
    assert address(connection) in page.text
