"""A flood waits, everything was killed and is started again: what is sent then is decided before what the flood left."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import teams
from accounts.models import Team, User
from brokers.models import BrokerageAccount
from brokers.tests import rows as broker_rows
from strategies.deciding import backlog, settle
from strategies.domain.rota import FIRST_SIZE, Rota
from strategies.models import Decision, Signal, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db
FLOOD = 5_000


def account_of(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now)
    for ticker, conid in (("AAPL", 265598), ("MSFT", 272093)):
        knows(made.connection, now, ticker, conid)
    return made


def follows(account: BrokerageAccount, now: datetime, name: str) -> Strategy:
    strategy = rows.strategy(account.team, now, name=name)
    rows.subscription(strategy, account, now, allow_add=True)
    return strategy


def flood(strategy: Strategy, now: datetime, count: int) -> None:
    """So many signals in one ticker."""
    first = rows.signal(strategy, now, reading=reading("buy", "AAPL", "1"))
    fields = [
        field.attname
        for field in Signal._meta.concrete_fields
        if field.attname not in {"id", "code", "key", "log_code"}
    ]
    same = {name: getattr(first, name) for name in fields}
    Signal.objects.bulk_create([Signal(**same, key=f"id:flood-{number}") for number in range(count - 1)])


def turns_until_decided(signal: Signal, now: datetime, most: int = 3) -> int:
    """Decisions of others that a new drain writes before the signal's, looked at after each round of turns."""
    rota = Rota()
    for _ in range(most):
        settle.settle_waiting(now, rota=rota)
        if mine := Decision.objects.filter(signal=signal).first():
            return Decision.objects.filter(pk__lt=mine.pk).count()
    raise AssertionError(f"not among the first {Decision.objects.count()} decisions")


def test_a_new_signal_of_another_team_waits_for_one_turn(team: Team, charlie: User, now: datetime) -> None:
    flood(follows(account_of(team, now), now, "Flood"), now, FLOOD)
    others = teams.found_team(owner=charlie, name="Others", now=now)
    new = rows.signal(follows(account_of(others, now), now, "New"), now, reading=reading("buy", "AAPL", "1"))
    assert turns_until_decided(new, now) <= FIRST_SIZE


def test_a_new_signal_in_another_ticker_of_the_account_is_in_the_first_turn(team: Team, now: datetime) -> None:
    strategy = follows(account_of(team, now), now, "Flood")
    flood(strategy, now, FLOOD)
    new = rows.signal(strategy, now, reading=reading("buy", "MSFT", "1"))
    assert turns_until_decided(new, now) < FIRST_SIZE


def test_a_new_signal_in_the_same_ticker_of_another_account_is_in_the_first_turn(team: Team, now: datetime) -> None:
    flood(follows(account_of(team, now), now, "Flood"), now, FLOOD)
    new = rows.signal(follows(account_of(team, now), now, "New"), now, reading=reading("buy", "AAPL", "1"))
    assert turns_until_decided(new, now) < FIRST_SIZE


def test_strategies_that_trade_an_account_in_common_keep_their_order_in_a_ticker(team: Team, now: datetime) -> None:
    shared, own = account_of(team, now), account_of(team, now)
    first, second, third = (rows.strategy(team, now, name=name) for name in ("First", "Second", "Third"))
    for strategy, account in ((first, shared), (second, shared), (third, own)):
        rows.subscription(strategy, account, now, allow_add=True)
    flood(first, now, 3 * FIRST_SIZE)
    behind, free = (rows.signal(of, now, reading=reading("buy", "AAPL", "1")) for of in (second, third))
    settle.settle_waiting(now, rota=Rota())
    decided = set(Decision.objects.values_list("signal", flat=True))
    assert free.pk in decided
    assert behind.pk not in decided


def test_of_what_stands_far_behind_only_the_oldest_of_its_place_is_taken(
    team: Team, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "LOOKED_AT", 5)
    strategy = follows(account_of(team, now), now, "Flood")
    flood(strategy, now, 7)
    behind = [rows.signal(strategy, now, reading=reading("buy", "MSFT", "1")) for _ in range(3)]
    looked_at = backlog.oldest(Signal.objects.filter(team=team, dispatched_at=None).order_by("pk"))
    assert len(looked_at) == 6
    assert looked_at[-1].key == behind[0].pk


def test_strategies_are_traded_together_through_those_between_them(team: Team, now: datetime) -> None:
    accounts = [account_of(team, now) for _ in range(3)]
    made = [rows.strategy(team, now, name=f"Strategy {number}") for number in range(4)]
    for strategy, account in ((0, 0), (2, 0), (2, 1), (1, 1), (3, 2)):
        rows.subscription(made[strategy], accounts[account], now)
    groups = backlog.traded_together([each.pk for each in made])
    assert len({groups[each.pk] for each in made[:3]}) == 1
    assert groups[made[3].pk] != groups[made[0].pk]


def test_no_look_at_a_flood_joins_what_postgres_takes_for_an_empty_table(team: Team, now: datetime) -> None:
    """Until Postgres has looked at a table that has grown at once, it goes through all of it for each of its rows."""
    flood(follows(account_of(team, now), now, "Flood"), now, 3_000)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', 'strategies_signal',"
            " 'relpages', 300, 'reltuples', 0::real)"
        )
        with CaptureQueriesContext(connection) as asked:
            backlog.oldest(Signal.objects.filter(team=team, dispatched_at=None).order_by("pk"))
        plans = []
        for query in asked.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
    assert len(plans) == 3
    assert [plan for plan in plans if "Nested Loop" in plan or "SubPlan" in plan] == []
