"""REST: the log of calls, in pages with a cursor."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from accounts import teams
from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers.tests import rows


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice)


def test_a_call_says_what_was_sent_and_answered_and_how_long_it_took(api: Api, team: Team, now: datetime) -> None:
    order = rows.order(rows.account(team))
    call = rows.call(order.connection, order=order, at=now, took_ms=120.5, own_ms=3.0, request="{}", answer="[]")
    [row] = api.get("calls/")["results"]
    assert row == {
        "id": str(call.code),
        "connection": str(order.connection.code),
        "order": str(order.code),
        "at": row["at"],
        "method": "GET",
        "endpoint": "tickle",
        "address": "/tickle",
        "outcome": "answered",
        "status": 200,
        "took_ms": 120.5,
        "own_ms": 3.0,
        "size": 0,
        "pace_left": None,
        "request": "{}",
        "answer": "[]",
        "missing": 0,
    }
    assert api.get(f"calls/{call.code}/") == row


def test_calls_come_in_pages_the_newest_first(api: Api, team: Team) -> None:
    connection = rows.connection(team)
    codes = [str(rows.call(connection).code) for _ in range(5)]
    first = api.get("calls/?limit=3")
    second = api.get(first["next"].partition("/api/v1/")[2])
    assert [row["id"] for row in [*first["results"], *second["results"]]] == codes[::-1]
    assert second["next"] is None


def test_calls_are_filtered_by_connection_order_outcome_and_moment(api: Api, team: Team, now: datetime) -> None:
    account = rows.account(team)
    order = rows.order(account)
    of_order = rows.call(account.connection, order=order, at=now)
    wrong = rows.call(rows.connection(team), outcome="refused", at=now - timedelta(days=1))

    def ids(query: str) -> list[str]:
        return [row["id"] for row in api.get(f"calls/?{query}")["results"]]

    assert ids(f"order={order.code}") == [str(of_order.code)]
    assert ids("outcome=refused,no_answer") == [str(wrong.code)]
    assert ids(f"connection={wrong.connection.code}") == [str(wrong.code)]
    assert ids(f"since={(now - timedelta(hours=1)).isoformat().replace('+00:00', 'Z')}") == [str(of_order.code)]


def test_calls_of_another_team_are_not_there(api: Api, charlie: User, now: datetime) -> None:
    theirs = rows.call(rows.connection(teams.found_team(owner=charlie, name="Theirs", now=now)))
    assert api.get("calls/")["results"] == []
    assert api.get(f"calls/?connection={theirs.connection.code}")["results"] == []
