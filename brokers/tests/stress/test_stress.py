"""Stress: what each button does at the gateway, and how Halyard copes with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from accounts.models import AuditEntry, Team, User
from brokers.domain.orders import OrderStatus, OrderType
from brokers.domain.sessions import SessionStatus
from brokers.models import BrokerageAccount, Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.stress import stress
from brokers.tests import lab, rows


@pytest.fixture
def bench(transactional_db: None, team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def press(bench: lab.Lab, actor: User, code: str, now: datetime) -> None:
    stress.press(connection=bench.connection, actor=actor, code=code, now=now)


@pytest.mark.parametrize("environment", ["paper", "live"])
@pytest.mark.django_db
def test_it_refuses_a_connection_the_database_does_not_call_simulated(
    team: Team, alice: User, gateway: RunningGateway, now: datetime, environment: str
) -> None:
    made = rows.connection(team)
    # The row in hand is old: meanwhile the connection is another one.
    Connection.objects.filter(pk=made.pk).update(environment=environment)
    for act in (
        lambda: stress.press(connection=made, actor=alice, code="timeout", now=now),
        lambda: stress.clear(connection=made, actor=alice, now=now),
    ):
        with pytest.raises(stress.StressRefused) as refused:
            act()
        assert refused.value.code == "not-simulated"
    assert gateway.control("GET", f"/{made.username}/faults") == []
    assert not AuditEntry.objects.filter(action__startswith="stress.").exists()


@pytest.mark.django_db
def test_it_refuses_a_connection_that_is_off(team: Team, alice: User, gateway: RunningGateway, now: datetime) -> None:
    made = rows.connection(team, enabled=False)
    with pytest.raises(stress.StressRefused, match="Switch it on first"):
        stress.press(connection=made, actor=alice, code="timeout", now=now)


def test_an_order_that_times_out_is_in_doubt_and_was_sent_once(bench: lab.Lab, alice: User, now: datetime) -> None:
    press(bench, alice, "timeout", now)
    order = bench.order()
    lab.work()
    order.refresh_from_db()
    assert order.status in {OrderStatus.UNKNOWN, OrderStatus.FILLED}
    assert len(bench.posts()) == 1
    assert bench.gateway.books(bench.user)[order.reference]["status"] == "Filled"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lasts": True, "begins_in_s": 10, "left_s": 40}, "begins in 10 s"),
        ({"lasts": True, "left_s": 23}, "under way, 23 s left"),
        ({"lasts": True, "waiting": False, "hits": 4}, "over"),
        ({"left_s": 600}, "armed, 10 min left"),
        ({"hits": 1, "times": 3, "left_s": 42}, "met 1 of 3, 42 s left"),
        ({"hits": 1, "waiting": False}, "met 1 of 1"),
        ({"hits": 7, "times": None, "waiting": False}, "met 7 times"),
        ({"waiting": False}, "ran out, nobody met it"),
    ],
)
def test_a_fault_says_how_far_it_is(changes: dict[str, Any], words: str) -> None:
    shown: dict[str, Any] = {
        "code": "reset",
        "label": "Nightly reset",
        "hits": 0,
        "times": 1,
        "waiting": True,
        "lasts": False,
        "begins_in_s": 0,
        "left_s": 0,
    }
    assert stress.Armed(**{**shown, **changes}).words == words


def test_a_reset_begins_by_itself(bench: lab.Lab, alice: User, now: datetime) -> None:
    press(bench, alice, "reset", now)
    [shown] = [row.latest for row in stress.panel(bench.connection).rows if row.latest]
    assert (shown.code, shown.words) == ("reset", "begins in 10 s")


def test_a_half_filled_order_stalls(bench: lab.Lab, alice: User, now: datetime) -> None:
    press(bench, alice, "partial", now)
    order = bench.order(quantity=10)
    lab.work()
    assert bench.gateway.books(bench.user)[order.reference]["filled"] == "5"


def test_an_order_that_is_refused_with_429_is_sent_later_and_taken_once(
    bench: lab.Lab, alice: User, now: datetime
) -> None:
    press(bench, alice, "too_many", now)
    order = bench.order()
    lab.work()
    order.refresh_from_db()
    assert [entry["status"] for entry in bench.posts()] == [429, 200]
    assert list(bench.gateway.books(bench.user)) == [order.reference]


def test_the_stop_leg_alone_is_refused(bench: lab.Lab, alice: User, now: datetime) -> None:
    press(bench, alice, "stop_leg", now)
    entry = bench.order(type=OrderType.LIMIT, limit_price=50)
    stop = rows.order(
        entry.ticket,
        parent=entry,
        quantity=1,
        role="stop_loss",
        side="sell",
        type=OrderType.STOP,
        stop_price=40,
        release="with_parent",
    )
    lab.work()
    entry.refresh_from_db()
    stop.refresh_from_db()
    # An entry is not to fill without its stop: its cancel is asked for, as the subscription says from the start.
    assert (entry.status, stop.status) == (OrderStatus.PENDING_CANCEL, OrderStatus.REJECTED)
    assert "the stop was refused" in stop.reason


@pytest.mark.parametrize("code", ["steal", "cut"])
async def test_a_session_that_is_stolen_or_cut_comes_back(
    bench: lab.Lab, alice: User, now: datetime, code: str
) -> None:
    import asyncio

    def active() -> bool:
        return Connection.objects.get(pk=bench.connection.pk).session_status == SessionStatus.ACTIVE

    def read() -> bool:
        return BrokerageAccount.objects.get(pk=bench.account.pk).book_as_of is not None

    def is_listed() -> bool:
        events = set(bench.connection.session_events.values_list("status", "code"))
        # Whoever loses the stream alone can trade all the same.
        return (
            (SessionStatus.ACTIVE, "stream-ended") in events
            if code == "cut"
            else any(status == SessionStatus.COMPETING for status, _ in events)
        )

    async with lab.watching():
        # Everything has been read once: from here on the session's news come by the live stream.
        await lab.until(lambda: bool(bench.gateway.events(bench.user, "sts")) and read(), "the live stream is open")
        await asyncio.to_thread(press, bench, alice, code, now)
        await lab.until(is_listed, "the story tells of it")
        await lab.until(active, "the session is back")
