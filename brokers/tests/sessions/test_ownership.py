"""Whose the session is: yield, polite and always, within the limits of takeovers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.connections import owning
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.sessions.watched import events, until_shown, watched

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def owned(bench: lab.Lab, ownership: str, **values: Any) -> None:
    Connection.objects.filter(pk=bench.connection.pk).update(ownership=ownership, **values)


def takes(bench: lab.Lab) -> int:
    """How often the gateway was asked to push another login out."""
    inits = bench.gateway.journal(bench.user, method="POST", path="/ssodh/init")
    return sum('"compete": true' in entry["body"] or '"compete":true' in entry["body"] for entry in inits)


def test_always_takes_it_back_at_once_and_says_so(bench: lab.Lab) -> None:
    before = takes(bench)

    async def story() -> None:
        await asyncio.to_thread(bench.gateway.tws, bench.user)
        # It is taken back so soon that nobody is sure to see it gone: the story knows.
        await lab.until(lambda: ("connecting", "taking-over") in events(bench.connection), "it is taken back")
        await until_shown(bench.connection, "active")

    watched(bench.connection, story)
    assert takes(bench) == before + 1
    assert events(bench.connection)[-3:] == [
        ("competing", "competing-session"),
        ("connecting", "taking-over"),
        ("active", "signed-in"),
    ]


def test_a_person_who_insists_is_not_fought_more_than_once_a_minute(bench: lab.Lab) -> None:
    before = takes(bench)

    async def story() -> None:
        await asyncio.to_thread(bench.gateway.tws, bench.user, insists_s=1)
        await lab.until(lambda: ("connecting", "taking-over") in events(bench.connection), "it is taken back")
        await asyncio.sleep(6)
        await until_shown(bench.connection, "competing")

    watched(bench.connection, story)
    assert takes(bench) == before + 1


def test_three_takeovers_in_ten_minutes_are_the_most_and_then_it_alarms(bench: lab.Lab) -> None:
    now = timezone.now()
    owned(bench, "always", takeovers=[now - timedelta(minutes=minutes) for minutes in (8, 5, 2)])
    before = takes(bench)

    async def story() -> None:
        await asyncio.to_thread(bench.gateway.tws, bench.user)
        await until_shown(bench.connection, "competing", "takeovers-used-up")
        await asyncio.sleep(3)

    watched(bench.connection, story)
    assert takes(bench) == before
    row = Connection.objects.get(pk=bench.connection.pk)
    assert "three times in ten minutes" in row.session_reason
    assert "user of its own" in row.session_action


def test_yield_sends_nothing_and_a_waiting_order_obeys_it(bench: lab.Lab) -> None:
    owned(bench, "yield")
    before = takes(bench)

    async def story() -> None:
        await asyncio.to_thread(bench.gateway.tws, bench.user)
        await until_shown(bench.connection, "competing", "left-to-others")
        bench_orders = await asyncio.to_thread(
            lab.asked, lambda: (bench.order(), bench.order(role="exit", side="sell"))
        )
        assert bench_orders
        async with lab.working():
            await asyncio.sleep(3)

    watched(bench.connection, story)
    assert takes(bench) == before
    assert bench.posts() == []


def test_polite_leaves_it_for_a_while_and_a_button_takes_it_back(bench: lab.Lab) -> None:
    owned(bench, "polite", polite_minutes=20)
    before = takes(bench)

    async def story() -> None:
        await asyncio.to_thread(bench.gateway.tws, bench.user)
        await until_shown(bench.connection, "competing", "left-to-person")
        await asyncio.to_thread(lab.asked, bench.order)
        async with lab.working():
            await asyncio.sleep(3)
        assert await asyncio.to_thread(takes, bench) == before
        row = await asyncio.to_thread(lab.asked, lambda: Connection.objects.get(pk=bench.connection.pk))
        assert row.left_until is not None
        assert timedelta(minutes=19) < row.left_until - timezone.now() <= timedelta(minutes=20)
        await asyncio.to_thread(owning.take_back, connection=row, actor=None, now=timezone.now())
        await until_shown(bench.connection, "active")

    watched(bench.connection, story)
    assert takes(bench) == before + 1


def test_polite_takes_it_back_by_itself_for_an_exit(bench: lab.Lab) -> None:
    owned(bench, "polite", polite_minutes=20)

    async def story() -> None:
        await asyncio.to_thread(bench.gateway.tws, bench.user)
        await until_shown(bench.connection, "competing", "left-to-person")
        async with lab.working():
            await asyncio.to_thread(lab.asked, lambda: bench.order(role="exit", side="sell"))
            await until_shown(bench.connection, "active")
            await lab.until(bench.posts, "the exit leaves")

    watched(bench.connection, story)
    assert len(bench.posts()) == 1
    taken = bench.connection.session_events.get(code="taking-over")
    assert taken.evidence["exit_due"] is True


def test_polite_takes_it_back_when_the_time_is_over(bench: lab.Lab) -> None:
    owned(bench, "polite", polite_minutes=20)

    async def story() -> None:
        await asyncio.to_thread(bench.gateway.tws, bench.user)
        await until_shown(bench.connection, "competing", "left-to-person")
        await asyncio.to_thread(
            lab.asked,
            lambda: Connection.objects.filter(pk=bench.connection.pk).update(
                left_until=timezone.now(), next_try_at=timezone.now()
            ),
        )
        await until_shown(bench.connection, "active")

    watched(bench.connection, story)


def test_a_session_that_the_person_leaves_is_opened_without_pushing_anybody_out(bench: lab.Lab) -> None:
    owned(bench, "yield")
    before = takes(bench)

    async def story() -> None:
        await asyncio.to_thread(bench.gateway.tws, bench.user)
        await until_shown(bench.connection, "competing", "left-to-others")
        await asyncio.to_thread(bench.gateway.leave, bench.user)
        await until_shown(bench.connection, "active")

    watched(bench.connection, story)
    assert takes(bench) == before
