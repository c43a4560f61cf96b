"""A session that is stolen while the stream process reads is shown as lost at once, not once it has read."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from accounts.models import Team
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.neighbours import paper, status
from brokers.tests.sessions.watched import events, until_shown

pytestmark = pytest.mark.django_db(transaction=True)
# What is read after a sign-in, and again after a fill.
READS = ["/iserver/account/orders", "/portfolio*/positions*", "/iserver/account/*/summary"]


@pytest.fixture
def bench(team: Team, gateway: RunningGateway, request: pytest.FixtureRequest) -> lab.Lab:
    made = lab.make(team, gateway, paper(team, gateway, f"READ{abs(hash(request.node.name)) % 10**8}"))
    Connection.objects.update(ownership="yield")
    return made


def hang(bench: lab.Lab, path: str) -> None:
    """Let the gateway swallow this read from now on."""
    bench.gateway.fault(match={"user": bench.user, "path": path}, action={"hang": True}, times=None, ttl_s=300)


def asked(bench: lab.Lab) -> bool:
    return any(fault["hits"] for fault in bench.gateway.faults())


@pytest.mark.parametrize("path", READS)
def test_it_is_shown_while_the_first_read_hangs(bench: lab.Lab, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody gives the read up meanwhile.
    monkeypatch.setattr("brokers.ibkr.lines.wire.READ_TIMEOUT", aiohttp.ClientTimeout(total=600))
    hang(bench, path)

    async def story() -> None:
        async with lab.watching():
            await until_shown(bench.connection, "active")
            await lab.until(lambda: asked(bench), "it is read")
            await lab.until(lambda: bench.gateway.session(bench.user)["sockets"], "its news are followed")
            await asyncio.to_thread(bench.gateway.tws, bench.user)
            await until_shown(bench.connection, "competing", "left-to-others")
            await asyncio.to_thread(bench.gateway.clear_faults)

    asyncio.run(story())
    assert events(bench.connection)[-1] == ("competing", "left-to-others")
    assert bench.connection.session_events.latest("pk").cause == "stream"


def test_a_fill_that_came_before_it_is_brought_home(bench: lab.Lab) -> None:
    order: list[Any] = []

    async def story() -> None:
        async with lab.watching(), lab.working():
            await until_shown(bench.connection, "active")
            await lab.until(lambda: bench.gateway.session(bench.user)["sockets"], "its news are followed")
            hang(bench, READS[1])
            order.append(await asyncio.to_thread(lab.asked, bench.order))
            await lab.until(lambda: status(order[0]) == "filled", "it is filled")
            await asyncio.to_thread(bench.gateway.tws, bench.user)
            await until_shown(bench.connection, "competing", "left-to-others")
            await asyncio.to_thread(bench.gateway.clear_faults)

    asyncio.run(story())
    assert len(bench.posts()) == 1


def test_one_that_comes_back_at_once_is_read_to_its_end(bench: lab.Lab) -> None:
    def taken_for_a_moment() -> None:
        bench.gateway.tws(bench.user)
        bench.gateway.leave(bench.user)
        bench.gateway.sign_in(bench.user)

    async def story() -> None:
        async with lab.watching():
            await until_shown(bench.connection, "active")
            await lab.until(lambda: bench.gateway.session(bench.user)["sockets"], "its news are followed")
            await asyncio.to_thread(taken_for_a_moment)
            await lab.until(bench.connection.accounts.filter(book_as_of__isnull=False).exists, "the book is read", 60)
            await until_shown(bench.connection, "active")

    asyncio.run(story())
    assert {event[0] for event in events(bench.connection)} <= {"active", "connecting", "competing"}
