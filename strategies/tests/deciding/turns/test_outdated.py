"""A backlog that is too old for everybody is set aside in bulk, and each of its signals says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import teams
from accounts.models import Team, User
from brokers.models import BrokerageAccount, Connection
from brokers.tests import rows as broker_rows
from strategies.deciding import outdated, settle
from strategies.domain.message.freshness import seconds
from strategies.domain.rota import Rota
from strategies.models import Decision, Signal, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db
NIGHT = datetime(2026, 11, 19, 4, 43, tzinfo=UTC)  # New York's gate closes; IBKR is back at BACK.
BACK = datetime(2026, 11, 19, 6, 45, tzinfo=UTC)


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now)
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime, account: BrokerageAccount) -> Strategy:
    """Its signals live for ten minutes at most."""
    made = rows.strategy(team, now)
    rows.subscription(made, account, now, allow_add=True)
    return made


def backlog(strategy: Strategy, at: datetime, count: int, **values: Any) -> list[Signal]:
    first = rows.signal(strategy, at, **{"reading": reading(quantity="1"), **values})
    fields = {field.attname: getattr(first, field.attname) for field in Signal._meta.concrete_fields}
    for name in ("id", "code", "log_code", "key"):
        fields.pop(name)
    return [first, *Signal.objects.bulk_create(Signal(**fields, key=f"{at}-{n}") for n in range(count - 1))]


def settle_all(now: datetime) -> None:
    BrokerageAccount.objects.update(book_as_of=now)
    rota = Rota(bounded=False)
    while settle.settle_waiting(now, rota=rota):
        pass


def test_five_thousand_are_set_aside_in_few_statements_and_a_new_one_leaves(strategy: Strategy, now: datetime) -> None:
    backlog(strategy, now - timedelta(minutes=12), 5_000)
    fresh = rows.signal(strategy, now, reading=reading(quantity="1"))
    with CaptureQueriesContext(connection) as queries:
        settle_all(now)
    assert len(queries) <= 100, "three bulk updates and one decision"
    assert Signal.objects.filter(set_aside="stale-signal", dispatched_at=now).count() == 5_000
    assert list(Decision.objects.values_list("signal", "status")) == [(fresh.pk, "accepted")]


def test_each_says_how_long_it_waited_and_what_to_do(
    strategy: Strategy, team: Team, alice: User, client: Client, now: datetime
) -> None:
    signal = backlog(strategy, now - timedelta(minutes=12), 100)[0]
    settle_all(now)
    signal.refresh_from_db()
    assert signal.note == (
        "It waited here for 12 minutes, and no subscription of its strategy gives an order more than 600 seconds to leave, "
        "so it was not traded late. Send it again if it is still wanted."
    )
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/").text
    assert "stale-signal" in page
    assert "It waited here for 12 minutes" in page


@pytest.mark.parametrize("age", [601, 7_199, 7_200, 2 * 86_400 - 1, 2 * 86_400])
def test_an_age_is_said_as_elsewhere(strategy: Strategy, now: datetime, age: int) -> None:
    signal = rows.signal(strategy, now - timedelta(seconds=age))
    outdated.set_aside(strategy.team_id, now)
    signal.refresh_from_db()
    assert signal.note.startswith(f"It waited here for {seconds(timedelta(seconds=age))}, ")


def test_what_is_in_time_for_one_subscription_is_decided(
    strategy: Strategy, team: Team, account: BrokerageAccount, now: datetime
) -> None:
    patient = broker_rows.account(team, book_as_of=now)
    knows(patient.connection, now)
    rows.subscription(strategy, patient, now, exit_time_to_live_seconds=900)
    backlog(strategy, now - timedelta(minutes=12), 100)
    settle_all(now)
    assert not Signal.objects.exclude(set_aside="").exists()
    assert Decision.objects.count() == 200


def test_few_are_decided_for_each_account_as_ever(strategy: Strategy, now: datetime) -> None:
    signal = rows.signal(strategy, now - timedelta(minutes=12), reading=reading())
    settle_all(now)
    assert Decision.objects.get(signal=signal).rule == "T01"


@pytest.mark.parametrize(
    "values", [{"is_test": True}, {"fanned_out_to": 0}, {"not_before": datetime(2026, 11, 20, 14, 59, 30, tzinfo=UTC)}]
)
def test_tests_what_was_begun_and_what_was_delayed_stay(
    strategy: Strategy, now: datetime, values: dict[str, Any]
) -> None:
    backlog(strategy, now - timedelta(minutes=12), 100, **values)
    assert outdated.set_aside(strategy.team_id, now) == 0


def test_nobody_elses_signals_are_touched(strategy: Strategy, charlie: User, now: datetime) -> None:
    theirs = rows.strategy(teams.found_team(owner=charlie, name="Others", now=now), now)
    other = backlog(theirs, now - timedelta(minutes=12), 3)
    mine = backlog(strategy, now - timedelta(minutes=12), 3)
    assert outdated.set_aside(strategy.team_id, now) == 3
    assert set(Signal.objects.filter(dispatched_at=None)) == set(other)
    assert set(Signal.objects.exclude(set_aside="")) == set(mine)


@pytest.mark.usefixtures("default_nights")
def test_what_a_nights_restart_may_have_prolonged_is_decided_one_by_one(
    strategy: Strategy, account: BrokerageAccount
) -> None:
    Connection.objects.filter(pk=account.connection_id).update(environment="paper", username="PAPER1")
    before, within, after = (
        backlog(strategy, at, 2)
        for at in (NIGHT - timedelta(minutes=11), NIGHT - timedelta(minutes=5), BACK + timedelta(seconds=1))
    )
    assert outdated.set_aside(strategy.team_id, BACK + timedelta(minutes=20)) == 4
    assert set(Signal.objects.filter(dispatched_at=None)) == set(within)
    assert set(Signal.objects.exclude(set_aside="")) == {*before, *after}
    long_ago = backlog(strategy, NIGHT - timedelta(days=3), 2)
    assert outdated.set_aside(strategy.team_id, BACK + timedelta(minutes=20)) == 0
    assert set(Signal.objects.filter(dispatched_at=None)) == {*within, *long_ago}
