"""What many sessions cost a stream process: one statement for many rows, one question for all, and sleep where nothing is due."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
import weakref
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Team
from accounts.vault.fields import Sealed
from brokers.book import in_use
from brokers.connections import connections, sessions
from brokers.domain.orders import AssetClass
from brokers.domain.sessions import AuthStatus, Login
from brokers.management.commands import stream as stream_command
from brokers.models import BrokerageAccount, Connection, SessionEvent
from brokers.orders import closing
from brokers.processes import stream
from brokers.processes.stream import Keeper
from brokers.processes.watching import book, openings
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from strategies.tests import rows as strategy_rows

READY = AuthStatus(authenticated=True, connected=True, competing=False, established=True)


def active(team: Team, **values: Any) -> Connection:
    made = rows.connection(team)
    sessions.kept(made, READY, timezone.now() - timedelta(minutes=2))
    Connection.objects.filter(pk=made.pk).update(**values)
    made.refresh_from_db()
    return made


@pytest.mark.django_db
def test_sessions_as_they_were_are_written_in_one_statement(
    team: Team, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    many, now, events = [active(team) for _ in range(5)], timezone.now(), SessionEvent.objects.count()

    with django_assert_num_queries(1):
        written = sessions.kept_as_before({each.pk: now - timedelta(seconds=n) for n, each in enumerate(many)})

    assert written == {each.pk for each in many}
    assert SessionEvent.objects.count() == events
    for n, each in enumerate(many):
        fields = {"last_kept_at": now - timedelta(seconds=n), "session_seen_at": now - timedelta(seconds=n)}
        assert Connection.objects.filter(pk=each.pk, **fields).exists()
        judged = sessions.seen(each.pk, READY, now - timedelta(seconds=n))
        each.refresh_from_db()
        assert sessions.state_of(each, now) == judged


def moment(value: Any) -> Any:
    """A span as a moment from now; anything else as it is."""
    if isinstance(value, list):
        return [moment(each) for each in value]
    return timezone.now() + value if isinstance(value, timedelta) else value


@pytest.mark.django_db
@pytest.mark.parametrize(
    "row",
    [
        {"enabled": False},
        {"session_status": "competing"},
        {"session_code": "another"},
        {"session_reason": "Another sentence."},
        {"session_action": "Do something."},
        {"session_tries": 1},
        {"session_opens": 1},
        {"next_try_at": timedelta(0)},
        {"left_until": timedelta(0)},
        {"turned_at": None},
        {"session_seen_at": timedelta(minutes=5)},
        {"session_changed_at": timedelta(minutes=5)},
        {"session_opened_at": timedelta(minutes=5)},
        {"takeovers": [timedelta(minutes=-5), timedelta(minutes=5)]},
    ],
)
def test_what_a_row_would_say_anew_is_judged_and_not_written_over(team: Team, row: dict[str, Any]) -> None:
    """Moments are told from when the test runs: the rows are made when it is collected."""
    other, same = active(team, **{name: moment(value) for name, value in row.items()}), active(team)
    before = Connection.objects.filter(pk=other.pk).values().get()

    assert sessions.kept_as_before({other.pk: timezone.now(), same.pk: timezone.now()}) == {same.pk}
    assert Connection.objects.filter(pk=other.pk).values().get() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"username": "somebody-else"},
        {"base_url": "https://gateway.example.com/v1/api"},
        {"environment": "paper"},
        {"region": "europe"},
        {"secrets": Sealed.of({"header": "x"})},
        {"signing_keys": Sealed.of({"key": "y"})},
        {"enabled": False},
    ],
)
def test_rows_are_read_again_when_one_that_a_watch_depends_on_changes(
    team: Team, django_assert_num_queries: DjangoAssertNumQueries, change: dict[str, Any]
) -> None:
    many = [active(team) for _ in range(4)]
    with django_assert_num_queries(1):
        before = stream._sum_of_rows(0, 1)
    with django_assert_num_queries(1):
        assert stream._to_watch(0, 1) == {each.pk: connections.identity_of(each) for each in many}

    # What changes all the time says nothing.
    sessions.kept_as_before({each.pk: timezone.now() for each in many})
    assert stream._sum_of_rows(0, 1) == before
    Connection.objects.filter(pk=many[2].pk).update(**change)
    assert stream._sum_of_rows(0, 1) != before


@pytest.mark.django_db
def test_a_shard_is_told_of_its_own_rows_alone(team: Team) -> None:
    many = [active(team) for _ in range(4)]
    before = [stream._sum_of_rows(shard, 2) for shard in (0, 1)]
    Connection.objects.filter(pk=many[0].pk).update(username="somebody-else")

    changed = [stream._sum_of_rows(shard, 2) != before[shard] for shard in (0, 1)]
    assert changed == [many[0].pk % 2 == 0, many[0].pk % 2 == 1]
    assert stream._to_watch(0, 2).keys() | stream._to_watch(1, 2).keys() == {each.pk for each in many}


@pytest.mark.django_db
def test_accounts_with_something_in_them_or_a_follower_are_in_use(
    team: Team, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    holds, works, closes, follows, left, done, _empty = (rows.account(team) for _ in range(7))
    now = timezone.now()
    rows.position(holds)
    rows.order(works, status="accepted")
    rows.order(done, status="canceled")
    closing.close(
        account=closes, conid=1, ticker="AAPL", asset_class=AssetClass.STOCK, reason="A test.", actor=None, now=now
    )
    strategy = strategy_rows.strategy(team, now)
    strategy_rows.subscription(strategy, follows, now, quantity=Decimal(1))
    off = strategy_rows.subscription(strategy, left, now, quantity=Decimal(1))
    type(off).objects.filter(pk=off.pk).update(enabled=False)

    with django_assert_num_queries(1):
        assert in_use.connections() == {each.connection_id for each in (holds, works, closes, follows)}


@pytest.mark.django_db(transaction=True)
def test_a_book_is_read_often_where_it_is_in_use(
    team: Team, gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "BOOK_SECONDS", 0.3)
    used, idle = lab.make(team, gateway, positions=[{"symbol": "AAPL", "quantity": 3}]), lab.make(team, gateway)

    def read_at(of: lab.Lab) -> Any:
        return BrokerageAccount.objects.values_list("book_as_of", flat=True).get(pk=of.account.pk)

    def reads(of: lab.Lab) -> int:
        return len(gateway.journal(of.user, method="GET", path="/positions"))

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: read_at(used) and read_at(idle), "both books are read")
            before = await asyncio.to_thread(reads, used), await asyncio.to_thread(reads, idle)
            await lab.until(lambda: reads(used) >= before[0] + 3, "the book in use is read again and again")
            assert reads(idle) == before[1]
            # From the moment somebody trades by it.
            await asyncio.to_thread(lab.asked, lambda: rows.order(idle.account, status="accepted", broker_order_id="1"))
            await lab.until(lambda: reads(idle) >= before[1] + 2, "the other one is read often as well")

    asyncio.run(story())


@pytest.mark.django_db(transaction=True)
def test_who_asks_for_a_look_need_not_wait_for_the_next_tickle(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway)

    def kept_at() -> Any:
        return Connection.objects.values_list("last_kept_at", flat=True).get(pk=bench.connection.pk)

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: BrokerageAccount.objects.exclude(book_as_of=None).exists(), "the book is read")
            asked = timezone.now()
            await asyncio.to_thread(
                lab.asked, lambda: connections.verify(connection=bench.connection, actor=None, now=asked)
            )
            await lab.until(lambda: (kept_at() or asked) > asked, "the session is looked at")

    asyncio.run(story())


def test_many_begin_in_turns_and_one_that_hangs_holds_up_the_next_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "AT_ONCE", 2)
    monkeypatch.setattr(openings, "LONGEST_TURN", 3600.0)
    monkeypatch.setattr(openings, "STEP", 0.0)
    monkeypatch.setattr(openings, "LATE", 3600.0)

    async def story() -> None:
        line, began = openings.Openings(), dict[int, Callable[[], None]]()

        async def begin(number: int) -> None:
            began[number] = await line.turn()

        waiting = [asyncio.create_task(begin(number)) for number in range(5)]
        await asyncio.sleep(0.01)
        assert list(began) == [0, 1]
        # Said twice, it is one turn.
        began[1]()
        began[1]()
        await asyncio.sleep(0.01)
        assert list(began) == [0, 1, 2]
        monkeypatch.setattr(openings, "LONGEST_TURN", 0.01)
        began[2]()
        # The first one hangs; those that came after it end by themselves.
        await asyncio.gather(*waiting)
        assert list(began) == [0, 1, 2, 3, 4]

    asyncio.run(story())


def test_a_process_that_falls_behind_opens_the_next_session_once_it_has_caught_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openings, "LATE", 0.02)
    monkeypatch.setattr(openings, "LONGEST_WAIT", 3600.0)

    async def story() -> None:
        line = openings.Openings()
        beginning = asyncio.create_task(line.turn())
        for _ in range(20):
            # So long it is busy with those that are open.
            time.sleep(0.05)  # noqa: ASYNC251
            await asyncio.sleep(0)
        assert not beginning.done()
        (await beginning)()
        # One that was taken back while it waited has not kept its place.
        monkeypatch.setattr(openings, "STEP", 3600.0)
        given_up = [asyncio.create_task(line.turn()) for _ in range(openings.AT_ONCE)]
        await asyncio.sleep(0)
        for each in given_up:
            each.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        monkeypatch.setattr(openings, "STEP", 0.0)
        async with asyncio.timeout(30):
            (await line.turn())()

    asyncio.run(story())


def test_a_process_that_is_always_late_opens_sessions_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "LATE", -1.0)
    monkeypatch.setattr(openings, "LONGEST_WAIT", 0.02)

    async def story() -> None:
        line = openings.Openings()
        async with asyncio.timeout(30):
            for _ in range(3):
                (await line.turn())()

    asyncio.run(story())


def test_of_many_those_in_use_begin_first_and_of_few_nobody_waits() -> None:
    async def story() -> None:
        keeper = Keeper(_not_asked, _not_asked)
        identity = ("", "", "", "", Sealed.of({}), Sealed.of({}))
        keeper.in_use = frozenset({7, 12})
        keeper._begin(dict.fromkeys(range(stream.AT_ONCE + 1), identity))
        assert list(keeper.watches)[:3] == [7, 12, 0]
        assert all(watch.openings is keeper.openings for watch in keeper.watches.values())
        keeper._begin({100: identity})
        assert keeper.watches[100].openings is None
        # None of them has begun yet.
        await keeper._stop_watches()
        keeper.threads.close()

    asyncio.run(story())


@pytest.mark.django_db(transaction=True)
def test_more_than_begin_at_once_are_all_opened(
    team: Team, gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "AT_ONCE", 1)
    monkeypatch.setattr(openings, "AT_ONCE", 1)
    monkeypatch.setattr(openings, "LONGEST_TURN", 3600.0)
    refused, *others = [rows.connection(team) for _ in range(4)]
    gateway.fault(action={"status": 401, "body": ""}, match={"user": refused.username}, times=None)

    def opened() -> int:
        return Connection.objects.filter(session_status="active").count()

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: opened() == len(others), "all but the one that is not signed in are open")

    asyncio.run(story())


def _not_asked(login: Login) -> Any:
    raise AssertionError(login)


def test_the_stream_process_may_hold_as_many_sockets_as_the_system_lets_it() -> None:
    before, switches = resource.getrlimit(resource.RLIMIT_NOFILE), sys.getswitchinterval()
    thresholds = gc.get_threshold()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        stream_command._prepare()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        sys.setswitchinterval(switches)
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def test_garbage_among_many_sessions_is_looked_for_seldom_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking through everything stops the loop, for a second where ten thousand sessions are open."""
    monkeypatch.setattr(stream_command, "COLLECT_SECONDS", 0.01)
    thresholds, full = gc.get_threshold(), list[str]()

    def noted(phase: str, about: dict[str, int]) -> None:
        if phase == "start" and about["generation"] == 2:
            full.append(phase)

    async def story() -> None:
        busy: list[list[list[int]]] = [[[]] for _ in range(200_000)]
        assert not full
        del busy
        ring: list[Any] = []
        ring.append(Ring(ring))
        gone = weakref.ref(ring[0])
        del ring
        collecting = asyncio.create_task(stream_command._collect())
        await lab.until(lambda: gone() is None, "garbage that refers to itself is found")
        collecting.cancel()

    try:
        stream_command._rarely_collect()
        gc.callbacks.append(noted)
        asyncio.run(story())
        assert full
    finally:
        gc.callbacks.remove(noted)
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class Ring:
    """Refers to what refers to it."""

    def __init__(self, other: object) -> None:
        self.other = other
