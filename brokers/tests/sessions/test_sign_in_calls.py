"""A gateway that answers with a page, breaks off, hangs or signs in somebody else, at each call of a sign-in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.connections import connections, sessions
from brokers.domain.session.words import WORDS
from brokers.domain.sessions import AuthStatus
from brokers.models import BrokerageAccount, Connection, Order
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, neighbours
from brokers.tests.sessions.watched import events, shown, stays_shown, until_shown

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


def read_again(bench: lab.Lab) -> Connection:
    return Connection.objects.get(pk=bench.connection.pk)


def heard_of_loss(bench: lab.Lab) -> bool:
    """Whether the loss is written down: the session is in doubt, or known to be lost."""
    return read_again(bench).last_kept_at is None or shown(bench.connection)[0] != "active"


def test_another_users_session_is_refused_and_no_order_leaves(bench: lab.Lab) -> None:
    async def story() -> None:
        async with lab.watching(), lab.working():
            await until_shown(bench.connection, "active")
            await lab.until(lambda: read_again(bench).stream_since is not None, "the stream speaks")
            await asyncio.to_thread(signs_in_as, bench, "DU7654321")
            # Until the stream's word has arrived nobody here can know.
            await lab.until(lambda: heard_of_loss(bench), "the loss is heard")
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


def test_no_order_leaves_from_the_word_that_the_login_ended(bench: lab.Lab) -> None:
    """The stream says so at once; what the session is now is known only when IBKR has answered, which may take long."""

    async def story() -> None:
        async with lab.watching(), lab.working():
            await until_shown(bench.connection, "active")
            await lab.until(lambda: read_again(bench).stream_since is not None, "the stream speaks")
            match = {"user": bench.user, "path": CALLS["status"]}
            bench.gateway.fault(match=match, action={"delay_ms": 3000}, times=1, ttl_s=60)
            await asyncio.to_thread(signs_in_as, bench, "DU7654321")
            await lab.until(lambda: heard_of_loss(bench), "the loss is heard")
            await asyncio.to_thread(lab.asked, bench.order)
            await until_shown(bench.connection, "refused", "another-user")
            await stays_shown(bench.connection, "refused", "another-user")

    asyncio.run(story())
    assert bench.posts() == []


def test_what_is_next_waits_where_the_session_is_doubted_while_an_order_is_answered(bench: lab.Lab) -> None:
    match = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}
    bench.gateway.fault(match=match, action={"delay_ms": 1500}, times=1, ttl_s=60)
    orders = [bench.order(), bench.order()]

    async def story() -> None:
        async with lab.working():
            await lab.until(lambda: statuses(orders)[0] == "submitted", "the first leaves")
            await asyncio.to_thread(lab.asked, lambda: sessions.loss_heard(bench.connection.pk, timezone.now()))
            await lab.until(lambda: statuses(orders) == ["accepted"] * 2, "both are at IBKR")

    asyncio.run(story())
    paths = [entry["path"] for entry in bench.gateway.journal(bench.user)]
    first, second = (n for n, path in enumerate(paths) if path.endswith("/orders") and path.count("/") == 4)
    # In between the session is asked, and whose it is.
    assert {CALLS["status"], CALLS["accounts"], CALLS["details"]} <= set(paths[first:second])


def statuses(orders: list[Order]) -> list[str]:
    return [neighbours.status(order) for order in orders]


def test_what_was_asked_before_the_loss_was_heard_proves_nothing(bench: lab.Lab) -> None:
    now = timezone.now()
    ready = AuthStatus(authenticated=True, connected=True, competing=False, established=True)
    sessions.loss_heard(bench.connection.pk, now)
    sessions.seen(bench.connection.pk, ready, now + timedelta(seconds=1), asked_at=now - timedelta(seconds=1))
    assert not sessions.believed_active(read_again(bench), now + timedelta(seconds=1))
    # Nor does a tickle, which says not whose session it is.
    assert sessions.kept_as_before({bench.connection.pk: now + timedelta(seconds=1)}) == set()
    assert sessions.may_be_another(read_again(bench), now + timedelta(seconds=1))
