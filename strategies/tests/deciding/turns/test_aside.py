"""Turns of a team that does much are taken beside those of the others, who wait for none of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts import teams
from accounts.models import Team, User
from brokers.postgres.locks import Space, alone_until_commit
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.deciding.aside import LONGEST_PAUSE, Aside, pauses
from strategies.domain.rota import FIRST_SIZE, Rota
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told() -> threading.Event:
    return threading.Event()


@pytest.fixture
def aside(told: threading.Event) -> Iterator[settle.Beside]:
    made: settle.Beside = Aside(told.set)
    yield made
    made.close()


def followed(team: Team, now: datetime) -> Strategy:
    made, account = rows.strategy(team, now, name=f"Of {team.name}"), broker_rows.account(team, book_as_of=now)
    knows(account.connection, now)
    rows.subscription(made, account, now, allow_add=True)
    return made


def signals(strategy: Strategy, now: datetime, count: int) -> None:
    for _ in range(count):
        rows.signal(strategy, now, reading=reading("buy", quantity="1"))


def decided_of(strategy: Strategy) -> int:
    return Decision.objects.filter(signal__strategy=strategy).count()


@pytest.fixture
def theirs(charlie: User, now: datetime) -> Strategy:
    return followed(teams.found_team(owner=charlie, name="Others", now=now), now)


def test_a_signal_is_decided_while_the_turn_of_a_flood_hangs(
    team: Team, theirs: Strategy, now: datetime, aside: settle.Beside, told: threading.Event
) -> None:
    mine, rota = followed(team, now), Rota()
    signals(mine, now, FIRST_SIZE + 4)
    assert settle.settle_waiting(now, rota=rota, aside=aside) == FIRST_SIZE, "its first turn is one like any other's"
    signals(theirs, now, 1)
    held, over = threading.Event(), threading.Event()

    def hold_the_team() -> None:
        try:
            with transaction.atomic():
                alone_until_commit(Space.STOP, team.pk)
                held.set()
                over.wait(60)
        finally:
            connections.close_all()

    holder = threading.Thread(target=hold_the_team)
    holder.start()
    assert held.wait(60)
    try:
        # In whichever order: the flood's turn begins and hangs.
        settle.settle_waiting(now, rota=rota, aside=aside)
        assert rota.aside == team.pk
        assert decided_of(theirs) == 1
        signals(theirs, now, 1)
        settle.settle_waiting(now, rota=rota, aside=aside)
        assert (decided_of(theirs), decided_of(mine)) == (2, FIRST_SIZE)
    finally:
        over.set()
        holder.join()
    assert told.wait(60)
    assert settle.settle_waiting(now, rota=rota, aside=aside) == 4
    assert decided_of(mine) == FIRST_SIZE + 4


def test_what_a_turn_raises_is_raised_where_it_is_asked_for_and_the_next_turn_goes_on(told: threading.Event) -> None:
    aside: Aside[int] = Aside(told.set)

    def fails() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return 0

    def goes_on() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 42")
            return int(cursor.fetchone()[0])

    try:
        aside.begin(1, fails)
        assert told.wait(60)
        with pytest.raises(OperationalError):
            aside.ended()
        told.clear()
        aside.begin(2, goes_on)
        assert told.wait(60)
        assert aside.ended() == (2, 42)
        assert aside.ended() is None
    finally:
        aside.close()


class Awaited(threading.Event):
    """An event that notes for how long it was waited for, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        return super().wait(0)


def test_a_turn_stands_still_before_a_statement_while_another_is_under_way() -> None:
    free, asked = Awaited(), list[str]()
    with connection.execute_wrapper(pauses(free)), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        [first] = free.waited
        assert first == LONGEST_PAUSE
        free.set()
        cursor.execute("SELECT 2")
        asked.append(str(cursor.fetchone()))
    assert (len(free.waited), asked) == (1, ["(2,)"]), "and it asks all the same"


def test_others_are_under_way_for_as_long_as_they_say(aside: settle.Beside) -> None:
    assert aside.free.is_set()
    with aside.waits():
        assert not aside.free.is_set()
    assert aside.free.is_set()


def test_at_its_end_it_gives_back_its_connection(told: threading.Event) -> None:
    aside: Aside[BaseDatabaseWrapper] = Aside(told.set)

    def turn() -> BaseDatabaseWrapper:
        connection.ensure_connection()
        return connections["default"]

    aside.begin(1, turn)
    assert told.wait(60)
    ended = aside.ended()
    assert ended is not None
    assert ended[1].connection is not None
    aside.close()
    assert ended[1].connection is None
