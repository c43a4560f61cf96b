"""A clock that jumps by an hour, either way: what is shown stays true, and no order is lost, doubled or sent late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.doubts.evidence import Source
from brokers.domain.orders import OrderStatus
from brokers.models import Connection, Order
from brokers.orders import doubt, unsent
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab
from brokers.tests.neighbours import status
from brokers.tests.sessions.watched import events, until_shown

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)
JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["ahead", "back"])


class Clock:
    """The clock of this machine, and how far it has jumped."""

    def __init__(self) -> None:
        self.jumped = timedelta(0)

    def __call__(self) -> datetime:
        return timezone.now() + self.jumped


@asynccontextmanager
async def running(clock: Clock) -> AsyncIterator[None]:
    async with lab.watching(clock=clock), lab.working(clock=clock):
        yield


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@JUMPS
def test_what_happens_after_it_is_shown(bench: lab.Lab, jump: timedelta) -> None:
    Connection.objects.update(ownership="yield")
    clock = Clock()

    async def story() -> None:
        async with running(clock):
            await until_shown(bench.connection, "active")
            clock.jumped = jump
            await asyncio.to_thread(bench.gateway.tws, bench.user)
            await until_shown(bench.connection, "competing", "left-to-others")
            await asyncio.to_thread(bench.gateway.leave, bench.user)
            await until_shown(bench.connection, "active")
            made = clock()
            order = await asyncio.to_thread(
                lab.asked, lambda: bench.order(created_at=made, expires_at=made + timedelta(minutes=1))
            )
            await lab.until(lambda: status(order) == "filled", "the order is filled")

    asyncio.run(story())
    assert len(bench.posts()) == len(bench.at_broker()) == 1


@JUMPS
def test_a_gateway_that_was_away_is_asked_again_within_moments(team: Team, settings: Any, jump: timedelta) -> None:
    clock = Clock()
    with running_gateway() as gateway:
        settings.GATEWAY_URL = gateway.url
        bench = lab.make(team, gateway)

        async def story() -> None:
            async with running(clock):
                await until_shown(bench.connection, "active")
                await asyncio.to_thread(gateway.kill)
                await until_shown(bench.connection, "unreachable")
                clock.jumped = jump
                await asyncio.to_thread(gateway.restart)
                await until_shown(bench.connection, "active")

        asyncio.run(story())
    assert [event for event in events(bench.connection) if event[0] == "unreachable"] == [
        ("unreachable", "not-reached")
    ]


@JUMPS
def test_an_order_whose_answer_was_lost_is_found_and_not_sent_again(bench: lab.Lab, jump: timedelta) -> None:
    clock = Clock()
    match = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}
    bench.gateway.fault(match=match, action={"drop_connection": True}, phase="after")
    reads = {"user": bench.user, "path": "/iserver/account/orders"}
    bench.gateway.fault(match=reads, action={"status": 503}, times=None, ttl_s=60)
    order = bench.order()

    async def story() -> None:
        async with running(clock):
            await lab.until(lambda: status(order) == "unknown", "its answer is lost")
            clock.jumped = jump
            await asyncio.to_thread(bench.gateway.clear_faults)
            await lab.until(lambda: status(order) == "filled", "it is found")

    asyncio.run(story())
    assert len(bench.posts()) == len(bench.at_broker()) == 1


def test_a_session_that_was_kept_before_it_is_looked_at_before_an_order_leaves(bench: lab.Lab) -> None:
    """Kept an hour ahead of now, it would be believed for an hour."""
    from brokers.connections import sessions

    bench.connection.refresh_from_db()
    kept = bench.connection.last_kept_at
    assert kept is not None
    assert sessions.believed_active(bench.connection, kept + timedelta(seconds=1))
    assert not sessions.believed_active(bench.connection, kept - HOUR)


@pytest.mark.parametrize("role", ["entry", "exit"])
def test_an_order_that_waited_may_leave_no_later_than_its_time_from_now_on(bench: lab.Lab, role: str) -> None:
    made = timezone.now()
    order = bench.order(role=role, created_at=made, expires_at=made + timedelta(seconds=60))
    now = made - HOUR
    unsent.expire_overdue(now)
    order.refresh_from_db()
    assert (order.status, order.expires_at) == ("created", now + timedelta(seconds=60))
    unsent.expire_overdue(now + timedelta(seconds=59))
    assert status(order) == "created"
    unsent.expire_overdue(now + timedelta(seconds=60))
    order.refresh_from_db()
    assert order.status == "expired"
    assert "could not leave within 60 seconds" in order.reason


def test_an_order_in_doubt_is_proven_absent_from_then_on(bench: lab.Lab) -> None:
    Connection.objects.filter(pk=bench.connection.pk).update(resends="never")
    order = bench.order()
    made = timezone.now()
    for to in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN):
        assert Order.objects.move(order, to, now=made)
    now = made - HOUR
    for second in (0, 0.5, 1, 1.5):
        doubt.note_looks(order, list(Source), 0, now + timedelta(seconds=second))
        assert status(order) == "unknown"
    doubt.note_looks(order, list(Source), 0, now + timedelta(seconds=2.1))
    assert status(order) == "expired"
