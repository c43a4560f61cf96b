"""The query behind the list of needs is written once, and is for every team and moment what the ORM would ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from psycopg import ClientCursor

from accounts.feed import needs, needs_query
from accounts.models import Departure, Leaving, Role, Team

pytestmark = pytest.mark.django_db
MOMENTS = [
    datetime(2026, 11, 20, 15, tzinfo=UTC),
    datetime(2027, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC),  # a year, a month and a week begin
    datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # clocks are put back
]
KINDS = tuple((kind.name, kind.rows) for kind in needs._kinds())


@pytest.mark.parametrize("name", [name for name, _ in KINDS])
@pytest.mark.parametrize("now", MOMENTS, ids=lambda now: f"{now:%F}")
def test_each_kind_asks_what_the_orm_would_ask(name: str, now: datetime) -> None:
    kind = tuple(each for each in KINDS if each[0] == name)
    team = Team(pk=7, name="Any", closed_at=now)
    asked = needs_query.union((*kind, *kind), team, now).query.sql_with_params()
    sql, values = needs_query.statement((*kind, *kind), team.pk, now)
    # With all values in their text, each as the driver writes one of its type.
    assert filled(sql, values) == filled(*asked)
    # Postgres plans it once for all teams and moments: nothing else is left to be told with a call.
    assert {type(value) for value in values} <= {datetime, *(type(each) for each in asked[1] if each == 7)}
    assert all(value == 7 for value in values if not isinstance(value, datetime))


def filled(sql: str, values: Sequence[Any]) -> str:
    with connection.cursor():
        assert connection.connection is not None
        return ClientCursor(connection.connection).mogrify(sql, values)


def test_all_kinds_are_one_query_and_each_team_finds_its_own(team: Team, alice: Any, now: datetime) -> None:
    other = Team.objects.create(name="Other")
    for each, email in ((team, "one@example.com"), (other, "two@example.com")):
        Departure.objects.create(team=each, email=email, how=Leaving.REMOVED, role_before=Role.OWNER, at=now)
    for each, email in ((team, "one@example.com"), (other, "two@example.com")):
        with CaptureQueriesContext(connection) as asked:
            found = needs_query.read(KINDS, each, now)
        assert len(asked) == 1
        assert [(name, facts["email"]) for name, facts in found] == [("departures", email)]


def test_a_moment_is_told_by_its_distance_from_now(team: Team, now: datetime) -> None:
    def rows(of: Team, at: datetime) -> Any:
        recent = Team.objects.filter(pk=of.pk, created_at__gte=at - timedelta(hours=1))
        return needs.with_facts(recent)

    kinds = (("recent", rows), ("recent too", rows))
    Team.objects.filter(pk=team.pk).update(created_at=now)
    assert len(needs_query.read(kinds, team, now + timedelta(minutes=59))) == 2
    assert needs_query.read(kinds, team, now + timedelta(minutes=61)) == []
