"""Rows that are updated by a statement written once are as Django's update of many leaves them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from brokers.models import Ticket
from brokers.postgres.updates import updated
from brokers.tests import rows
from strategies.deciding.record import _COLUMNS
from strategies.models import Decision
from strategies.tests import rows as strategy_rows

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def decisions(team: Team) -> list[Decision]:
    account, source = rows.account(team), strategy_rows.strategy(team, NOW)
    follower = strategy_rows.subscription(source, account, NOW)
    return [strategy_rows.rejected(strategy_rows.signal(source, NOW), follower, NOW) for _ in range(4)]


def settle(decision: Decision, ticket: Ticket | None) -> None:
    decision.status, decision.rule, decision.reason_code = Decision.Status.REJECTED, "R01", "a-code"
    decision.reason, decision.waiting_for, decision.way_out = 'It is {"quoted"}, 100 %s \\.', "", ""
    decision.inputs, decision.plan = {"a": [1, None, 'b"\\']}, None
    decision.decided_at, decision.expires_at, decision.ticket = NOW, None, ticket


def values_of(decision: Decision) -> dict[str, Any]:
    kept: dict[str, Any] = Decision.objects.filter(pk=decision.pk).values(*_COLUMNS).get()
    kept.pop("ticket")
    return kept


def test_rows_are_as_django_leaves_them_whatever_their_number(decisions: list[Decision]) -> None:
    for decision in decisions:
        settle(decision, None)
    theirs, *ours, one = decisions
    Decision.objects.bulk_update([theirs], _COLUMNS)
    with CaptureQueriesContext(connection) as seen:
        updated(ours, _COLUMNS)
        updated([one], _COLUMNS)
        updated([], _COLUMNS)
    assert len(seen) == 2
    assert [values_of(each) for each in (*ours, one)] == [values_of(theirs)] * 3
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM strategies_decision WHERE plan IS NULL AND inputs->'a'->>2 = %s", ['b"\\'])
        assert cursor.fetchone() == (4,)


def test_each_row_has_its_own_values_and_others_stay(decisions: list[Decision]) -> None:
    first, second, third, _ = decisions
    before = values_of(third)
    first.reason, second.reason = "The first.", "The second."
    updated([second, first], ("reason",))
    assert [values_of(each)["reason"] for each in (first, second)] == ["The first.", "The second."]
    assert values_of(third) == before


def test_a_key_that_came_after_its_object_is_written(decisions: list[Decision], team: Team) -> None:
    ticket = rows.order(rows.account(team)).ticket
    later = Ticket(pk=None)
    decisions[0].status, decisions[0].ticket = Decision.Status.ACCEPTED, later
    later.pk = ticket.pk
    updated(decisions[:1], ("status", "ticket"))
    assert Decision.objects.get(pk=decisions[0].pk).ticket_id == ticket.pk


def test_what_a_column_is_too_short_for_is_refused_and_not_cut(decisions: list[Decision]) -> None:
    decisions[0].reason_code = "x" * 1000
    with pytest.raises(DataError), transaction.atomic():
        updated(decisions[:1], ("reason_code",))
    assert values_of(decisions[0])["reason_code"] != "x" * 1000
