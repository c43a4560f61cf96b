"""A gateway that answers with a page, breaks off, hangs or signs in somebody else, at each call of a sign-in."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.connections import connections
from brokers.domain.session.words import WORDS
from brokers.models import BrokerageAccount, Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, neighbours
from brokers.tests.sessions.watched import events, stays_shown, until_shown

pytestmark = pytest.mark.django_db(transaction=True)
CALLS = {
    "status": "/iserver/auth/status",
    "tickle": "/tickle",
    "init": "/iserver/auth/ssodh/init",
    "accounts": "/iserver/accounts",
    "details": "/portfolio/accounts",
}
FAULTS: dict[str, dict[str, Any]] = {
    "page": {"html_body": True},
    "dies": {"drop_connection": True},
    "hangs": {"hang": True},
    "nonsense": {"status": 200, "body": ["no", "object"]},
}
UNREACHABLE, UNREAD = ("unreachable", "not-reached"), ("not_opened", "accounts-unread")
CLOSED, OPEN = ("not_opened", "session-does-not-open"), ("active", "signed-in")
# What is shown while the gateway does this at that call. Where the sign-in itself answers, a strange tickle is no matter.
SHOWN: dict[str, tuple[tuple[str, str], ...]] = {
    "page": (("signed_out", "sign-in-page"), OPEN, CLOSED, UNREAD, UNREAD),
    "dies": (UNREACHABLE, CLOSED, CLOSED, UNREAD, UNREAD),
    "hangs": (UNREACHABLE, CLOSED, CLOSED, UNREAD, UNREAD),
    "nonsense": (("signed_out", "not-signed-in"), OPEN, CLOSED, ("refused", "no-account"), OPEN),
}


def pressed(connection: Connection) -> None:
    """Somebody presses the button, so that nobody waits for the next look."""
    connections.verify(connection=connection, actor=None, now=timezone.now())


@pytest.mark.parametrize("fault", FAULTS)
def test_it_says_what_it_is_and_signs_in_once_it_is_over(
    team: Team, gateway: RunningGateway, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brokers.ibkr.lines.wire.READ_TIMEOUT", aiohttp.ClientTimeout(total=0.4))
    made = {call: neighbours.paper(team, gateway, f"SIGN{fault}{call}".upper()) for call in CALLS}
    expected = dict(zip(CALLS, SHOWN[fault], strict=True))
    for call, connection in made.items():
        match = {"user": connection.username, "path": CALLS[call]}
        gateway.fault(match=match, action=FAULTS[fault], times=None, ttl_s=60)

    async def story() -> None:
        async with lab.watching():
            for call, connection in made.items():
                await until_shown(connection, *expected[call], within=30)
            await asyncio.to_thread(gateway.clear_faults)
            for connection in made.values():
                await asyncio.to_thread(lab.asked, lambda: pressed(connection))  # noqa: B023
                await until_shown(connection, "active", within=30)

    asyncio.run(story())
    for call, connection in made.items():
        seen = events(connection)
        # Nothing counts as open before it is, and it opens once.
        assert seen.count(OPEN) == 1, (call, seen)
        assert {status for status, _ in seen} <= {"connecting", expected[call][0], "active"}, (call, seen)


@pytest.mark.parametrize("code", ["accounts-unread", "another-user", "sign-in-page", "not-reached"])
def test_each_of_them_says_what_to_do(code: str) -> None:
    assert WORDS[code].reason
    assert WORDS[code].action


@pytest.fixture
def bench(team: Team, gateway: RunningGateway, request: pytest.FixtureRequest) -> lab.Lab:
    """A paper user whose accounts were shown before."""
    return lab.make(team, gateway, neighbours.paper(team, gateway, f"WHO{abs(hash(request.node.name)) % 10**8}"))


def signs_in_as(bench: lab.Lab, *numbers: str) -> None:
    """The gateway's login ends, and somebody with other accounts logs in at its page."""
    bench.gateway.sign_out(bench.user)
    properties = {number: {"hasChildAccounts": False, "liteUnderPro": False} for number in numbers}
    accounts = {"accounts": list(numbers), "acctProps": properties, "isPaper": True, "selectedAccount": numbers[0]}
    rows = [{"accountId": number, "currency": "USD"} for number in numbers]
    for path, body in (("/iserver/accounts", accounts), ("/portfolio/accounts", rows)):
        match = {"user": bench.user, "path": path}
        bench.gateway.fault(match=match, action={"status": 200, "body": body}, times=None, ttl_s=60)
    bench.gateway.person_signs_in(bench.user)


def test_another_users_session_is_refused_and_no_order_leaves(bench: lab.Lab) -> None:
    async def story() -> None:
        async with lab.watching(), lab.working():
            await until_shown(bench.connection, "active")
            await asyncio.to_thread(signs_in_as, bench, "DU7654321")
            order = await asyncio.to_thread(lab.asked, bench.order)
            await until_shown(bench.connection, "refused", "another-user")
            await stays_shown(bench.connection, "refused", "another-user", seconds=2)
            await asyncio.to_thread(bench.gateway.clear_faults)
            await asyncio.to_thread(lab.asked, lambda: pressed(bench.connection))
            await until_shown(bench.connection, "active")
            await lab.until(
                lambda: type(order).objects.get(pk=order.pk).status != "created", "it leaves for its own user"
            )

    asyncio.run(story())
    assert BrokerageAccount.objects.count() == 1
    assert [status for status, _ in events(bench.connection)].count("refused") == 1
    assert len(bench.posts()) == 1


def test_one_more_account_is_no_other_user(bench: lab.Lab, settings: Any) -> None:
    settings.KEEP_SECONDS = 1

    async def story() -> None:
        async with lab.watching():
            await until_shown(bench.connection, "active")
            await asyncio.to_thread(signs_in_as, bench, "DU7654321", bench.account.account_id)
            await lab.until(BrokerageAccount.objects.filter(account_id="DU7654321").exists, "it is found")
            await until_shown(bench.connection, "active")

    asyncio.run(story())


def test_an_edited_user_may_show_other_accounts(bench: lab.Lab) -> None:
    Connection.objects.update(proved_at=None)
    BrokerageAccount.objects.update(capabilities_as_of=None)
    signs_in_as(bench, "DU7654321")

    async def story() -> None:
        async with lab.watching():
            await lab.until(BrokerageAccount.objects.filter(account_id="DU7654321").exists, "it is found")
            await until_shown(bench.connection, "active")

    asyncio.run(story())
