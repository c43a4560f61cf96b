"""The state that is shown is the one that was observed, and each change is one event with its cause."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.connections import connections, sessions
from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.sessions import AuthStatus, Cause
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab, rows
from brokers.tests.sessions.watched import events, shown, stays_shown, until_shown, watched

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def yielding(bench: lab.Lab) -> lab.Lab:
    Connection.objects.filter(pk=bench.connection.pk).update(ownership="yield")
    return bench


def test_a_stolen_session_never_reads_nobody_answers(bench: lab.Lab) -> None:
    yielding(bench)

    async def story() -> None:
        await asyncio.to_thread(bench.gateway.tws, bench.user)
        await until_shown(bench.connection, "competing", "left-to-others")
        await stays_shown(bench.connection, "competing", seconds=4)

    watched(bench.connection, story)
    assert [event for event in events(bench.connection) if event[0] == "unreachable"] == []
    assert events(bench.connection)[-1] == ("competing", "left-to-others")


def test_a_login_that_ended_reads_signed_out_and_opens_once_the_person_is_back(bench: lab.Lab) -> None:
    async def story() -> None:
        await asyncio.to_thread(bench.gateway.sign_out, bench.user)
        await until_shown(bench.connection, "signed_out", "not-signed-in")
        await stays_shown(bench.connection, "signed_out", seconds=4)
        await asyncio.to_thread(bench.gateway.person_signs_in, bench.user)
        # Somebody presses the button; otherwise it is seen at the next look.
        await asyncio.to_thread(connections.verify, connection=bench.connection, actor=None, now=timezone.now())
        await until_shown(bench.connection, "active")

    watched(bench.connection, story)
    assert [event for event in events(bench.connection) if event[0] == "unreachable"] == []


def test_a_session_that_is_being_opened_reads_connecting(team: Team, gateway: RunningGateway) -> None:
    connection = rows.connection(team)
    gateway.fault(
        preset="delayed_established", match={"user": connection.username}, action={"delay_established_ms": 3000}
    )

    async def story() -> None:
        async with lab.watching():
            await until_shown(connection, "connecting")
            await until_shown(connection, "active")

    asyncio.run(story())
    assert {event[0] for event in events(connection)} == {"connecting", "active"}


def test_a_gateway_that_is_gone_reads_unreachable_once_however_often_it_is_asked(team: Team, settings: object) -> None:
    with running_gateway() as gateway:
        settings.GATEWAY_URL = gateway.url  # type: ignore[attr-defined]
        bench = lab.make(team, gateway)

        async def story() -> None:
            await asyncio.to_thread(gateway.kill)
            await until_shown(bench.connection, "unreachable", "not-reached")
            await asyncio.sleep(3)
            await asyncio.to_thread(gateway.restart)
            await until_shown(bench.connection, "active")

        watched(bench.connection, story)
        told = [event for event in events(bench.connection) if event[0] == "unreachable"]
        assert told == [("unreachable", "not-reached")]


def test_a_read_that_fails_says_nothing_about_the_session(bench: lab.Lab) -> None:
    match = {"user": bench.user, "path": "/iserver/account/*/summary"}
    bench.gateway.fault(match=match, action={"status": 500, "body": {"error": "unknown"}}, times=6, ttl_s=20)

    async def story() -> None:
        bench.gateway.close_sockets(bench.user)
        await stays_shown(bench.connection, "active", seconds=3)

    watched(bench.connection, story)


def test_a_tickle_that_fails_once_costs_nothing(bench: lab.Lab, settings: object) -> None:
    settings.KEEP_SECONDS = 1  # type: ignore[attr-defined]
    bench.gateway.fault(preset="tickle_failed_shape", match={"user": bench.user}, times=3)
    watched(bench.connection, lambda: stays_shown(bench.connection, "active", seconds=4))


def test_what_was_asked_before_comes_too_late(bench: lab.Lab) -> None:
    now = timezone.now()
    gone = AuthStatus(authenticated=False, connected=True, competing=True)
    fine = AuthStatus(authenticated=True, connected=True, competing=False, established=True)
    yielding(bench)
    sessions.seen(bench.connection.pk, gone, now + timedelta(seconds=2), cause=Cause.STREAM)
    sessions.seen(bench.connection.pk, fine, now + timedelta(seconds=3), asked_at=now + timedelta(seconds=1))
    assert shown(bench.connection) == ("competing", "left-to-others")


def test_the_same_state_is_one_event_and_one_since(bench: lab.Lab) -> None:
    start = timezone.now() + timedelta(seconds=1)
    for second in range(5):
        away = BrokerUnavailable(f"The gateway cannot be reached: try {second}.", code="not-reached")
        sessions.seen(bench.connection.pk, away, start + timedelta(seconds=second))
    assert events(bench.connection)[-2:] == [("active", "signed-in"), ("unreachable", "not-reached")]
    row = Connection.objects.get(pk=bench.connection.pk)
    assert (row.session_changed_at, row.turned_at) == (start, start)
    event = row.session_events.order_by("-pk")[0]
    assert (event.cause, event.code) == ("look", "not-reached")
