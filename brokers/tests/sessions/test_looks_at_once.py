"""A test that meets trouble makes the stream look at that session at once: the badge says what the test says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.connections import connections, trials
from brokers.domain.sessions import Environment, Region
from brokers.models import Connection
from brokers.processes.watching import book
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, neighbours
from brokers.tests.sessions.watched import events, until_shown

pytestmark = pytest.mark.django_db(transaction=True)
STOLEN = {"authenticated": False, "competing": True, "connected": True, "message": "", "MAC": "98:F2:B3:23:AE:D0"}


@pytest.fixture
def quiet(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but a look asks for the session: no tickle, no book, and its stream is told nothing."""
    settings.KEEP_SECONDS = 3600
    monkeypatch.setattr(book, "BOOK_SECONDS", 3600.0)


def _verify(made: Connection) -> None:
    connections.verify(connection=Connection.objects.get(pk=made.pk), actor=None, now=timezone.now())


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ({"status": 401, "body": {"error": "access token has expired"}}, "signed_out", "login-expired"),
        ({"status": 200, "body": STOLEN}, "competing", "left-to-others"),
        ({"status": 403, "body": "Access Denied"}, "refused", "gateway-forbids"),
        ({"status": 404, "body": "Not Found"}, "unreachable", "no-gateway"),
    ],
    ids=["signed-out", "stolen", "forbidden", "no-gateway"],
)
def test_the_badge_agrees_with_a_test_without_a_tickle(
    team: Team, gateway: RunningGateway, answer: dict[str, Any], status: str, code: str
) -> None:
    made = neighbours.paper(team, gateway, f"ATONCE{status.upper().replace('_', '')}")
    Connection.objects.update(ownership="yield")
    gateway.sign_in(made.username)

    async def story() -> None:
        async with lab.watching():
            await until_shown(made, "active")
            await lab.until(lambda: made.accounts.filter(book_as_of__isnull=False).exists(), "the book is read")
            match = {"user": made.username, "path": "*/auth/status"}
            gateway.fault(match=match, action=answer, times=None, ttl_s=60)
            await asyncio.to_thread(lab.asked, lambda: _verify(made))
            await until_shown(made, status, code)

    asyncio.run(story())
    gateway.clear_faults()
    event = made.session_events.filter(code=code).earliest("pk")
    assert event.cause == "trial"


@pytest.mark.usefixtures("quiet")
def test_a_test_of_a_session_that_is_open_changes_nothing(team: Team, gateway: RunningGateway) -> None:
    made = neighbours.paper(team, gateway, "ATONCEOPEN")
    gateway.sign_in(made.username)

    async def story() -> None:
        async with lab.watching():
            await until_shown(made, "active")
            await lab.until(lambda: _untested(made), "the first test is over")
            before = len(await asyncio.to_thread(lab.asked, lambda: events(made)))
            await asyncio.to_thread(lab.asked, lambda: _verify(made))
            await lab.until(lambda: _untested(made), "the second test is over")
            await until_shown(made, "active")
            assert len(await asyncio.to_thread(lab.asked, lambda: events(made))) == before

    asyncio.run(story())


def _untested(made: Connection) -> bool:
    return Connection.objects.get(pk=made.pk).trial_asked_at is None


@pytest.mark.parametrize("environment", [Environment.PAPER, Environment.SIMULATED])
def test_a_new_connection_is_tested_and_its_page_shows_what_each_step_proves(
    team: Team, gateway: RunningGateway, environment: Environment, client: Any, alice: Any
) -> None:
    """Where nobody is signed in yet, the test is made again once the session opens for the first time."""
    made = connections.connect(
        team=team,
        actor=None,
        name="New",
        username=f"FIRSTTEST{environment}".upper(),
        environment=environment,
        base_url=gateway.base_url(f"FIRSTTEST{environment}".upper()) if environment is Environment.PAPER else "",
        region=Region.NORTH_AMERICA,
        now=timezone.now(),
    )

    if environment is Environment.PAPER:
        gateway.sign_in(made.username)
        gateway.sign_out(made.username)

    def outcomes() -> list[str]:
        report = trials.last(Connection.objects.get(pk=made.pk))
        return [f"{step.name} {step.outcome}" for step in report.steps] if report else []

    async def story() -> None:
        async with lab.watching():
            if environment is Environment.PAPER:
                await lab.until(lambda: "session look" in outcomes(), "it says that nobody is signed in")
                await asyncio.to_thread(gateway.person_signs_in, made.username)
                await asyncio.to_thread(lab.asked, lambda: _verify(made))
            await until_shown(made, "active")
            await lab.until(lambda: "accounts good" in outcomes(), "the steps are proved")

    asyncio.run(story())
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    for words in ("The last test", "It proves: IBKR has opened the brokerage session.", "IBKR shows "):
        assert words in page
