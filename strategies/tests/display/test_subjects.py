"""What the record calls what codes stand for."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from accounts import audit, teams
from accounts.models import Team, User
from strategies.tests import rows

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("strategy", "Trend"),
        ("subscription", "Trend on {account}"),
        ("signal", "buy AAPL, Trend"),
        ("decision", "buy AAPL, Trend on {account}"),
        ("endpoint", "webhook of Trend"),
    ],
)
def test_the_record_names_what_a_code_stands_for(
    client: Client, alice: User, team: Team, now: datetime, row: str, name: str
) -> None:
    walk = rows.walk(team, now)
    code = walk.strategy.endpoints.get().code if row == "endpoint" else getattr(walk, row).code
    other = teams.found_team(owner=alice, name="Another", now=now)
    for each in (team, other):
        audit.record(team=each, actor=alice, action="strategy.changed", subject=f"{row} {code}", now=now)
    client.force_login(alice)
    words = f">Strategy: changed</strong> {row} {name.format(account=walk.account.account_id)}\n"
    assert words in client.get(f"/teams/{team.code}/record/").text
    # Another team's record learns no name by a code.
    assert f"</strong> {row} {code}" in client.get(f"/teams/{other.code}/record/").text
