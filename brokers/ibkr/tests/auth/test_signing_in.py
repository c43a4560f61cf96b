"""The product signs in at the simulator's OAuth server, and says what is wrong where it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brokers.domain.brokerage import Ambiguous, BrokerUnavailable, LoginRefused, NotSent, Paused
from brokers.domain.sessions import Environment, Login
from brokers.ibkr import IbkrBrokerage, connect, listen
from brokers.ibkr.auth import method_of
from brokers.ibkr.auth.gateway import GatewayLogin, SimulatedLogin
from brokers.ibkr.auth.oauth import OAuthLogin
from brokers.ibkr.auth.shelf import MemoryShelf
from brokers.ibkr.auth.signing import Stamps
from brokers.ibkr.client import Client
from brokers.ibkr.lines.requests import Request
from brokers.ibkr.pacing import Egress
from brokers.ibkr.tests.auth.conftest import Registered, oauth
from brokers.ibkr.tests.conftest import leg

Open = Callable[..., IbkrBrokerage]


@pytest.fixture
async def open_at() -> AsyncIterator[Open]:
    opened: list[IbkrBrokerage] = []

    def start(login: Login, **more: Any) -> IbkrBrokerage:
        opened.append(connect(login, **more))
        return opened[-1]

    yield start
    for each in opened:
        await each.close()


async def refused(brokerage: IbkrBrokerage) -> LoginRefused:
    with pytest.raises(LoginRefused) as problem:
        await brokerage.open_session()
    assert problem.value.help_page == "oauth"
    return problem.value


# -- it works ----------------------------------------------------------------------------------------------------


async def test_it_signs_in_trades_and_listens(registered: Registered, open_at: Open) -> None:
    shelf = MemoryShelf()
    broker = open_at(registered.login, shelf=shelf)
    assert (await broker.open_session()).ready
    [facts] = await broker.accounts()
    feed = listen(registered.login, shelf=shelf)
    events = feed.events()
    await asyncio.wait_for(anext(events), 10)
    outcome = await broker.submit(facts.account_id, [leg("oauth-1")])
    assert type(outcome).__name__ == "Accepted"
    async with asyncio.timeout(10):
        async for event in events:
            if any(fill.reference == "oauth-1" for fill in event.executions):
                break
    await feed.close()
    assert registered.asked() == 1


async def test_every_attempt_has_a_signature_of_its_own(registered: Registered, open_at: Open) -> None:
    broker = open_at(registered.login)
    await broker.open_session()
    registered.gateway.fault(
        action={"status": 503, "body": ""}, match={"user": registered.login.username, "path": "/tickle"}, times=2
    )
    assert (await broker.tickle()).ready
    assert [r for r in registered.refusals() if registered.login.username in str(r)] == []


async def test_a_query_and_filled_in_parts_are_signed_as_they_are_sent(registered: Registered) -> None:
    client = Client(registered.login)
    await client.read(Request("POST", "iserver/auth/ssodh/init", body={"publish": True, "compete": True}))
    await client.read(Request("GET", "iserver/accounts"))
    answer = await client.read(Request("GET", "trsrv/stocks", params={"symbols": "BRK B,AAPL"}))
    assert (answer.status, list(answer.body)) == (200, ["BRK B", "AAPL"])
    answer = await client.read(Request("GET", "iserver/contract/{conid}/info", {"conid": "265598"}))
    assert answer.status == 200
    await client.close()


def test_each_login_has_its_own_way(login: Login, registered: Registered) -> None:
    assert type(method_of(login)) is SimulatedLogin
    assert type(method_of(registered.login)) is OAuthLogin
    shown = {"proxy_header": "X-Secret", "proxy_secret": "s"}
    paper = Login(
        username="A", environment=Environment.PAPER, auth_method=login.auth_method, base_url="https://g/", secrets=shown
    )
    method = method_of(paper)
    assert type(method) is GatewayLogin
    assert (method.base_url, method.headers("GET", "x"), method.expires_at) == ("https://g", {"X-Secret": "s"}, None)


# -- the token's life --------------------------------------------------------------------------------------------


async def test_a_token_that_ran_out_is_replaced_and_the_session_goes_on(registered: Registered, open_at: Open) -> None:
    broker = open_at(registered.login)
    await broker.open_session()
    registered.gateway.control("POST", "/oauth/expire", {"username": registered.login.username})
    assert (await broker.session()).ready
    assert registered.asked() == 2


async def test_a_token_is_renewed_before_its_end(registered: Registered, open_at: Open) -> None:
    with registered.gateway.behaving(lst_life_s=2.0):
        broker = open_at(registered.login)
        await broker.open_session()
        await asyncio.sleep(2.1)
        await broker.open_session()
    assert registered.asked() == 2


async def test_a_session_that_is_gone_begins_with_a_new_token(registered: Registered, open_at: Open) -> None:
    client = Client(registered.login, shelf=(shelf := MemoryShelf()))
    await client.read(Request("POST", "tickle"))
    await client.read(Request("POST", "logout"))
    await client.close()
    assert (await open_at(registered.login, shelf=shelf).open_session()).ready
    assert registered.asked() == 2


async def test_a_write_that_is_refused_for_its_token_leaves_once(registered: Registered, open_at: Open) -> None:
    broker = open_at(registered.login)
    await broker.open_session()
    [facts] = await broker.accounts()
    registered.gateway.control("POST", "/oauth/expire", {"username": registered.login.username})
    outcome = await broker.submit(facts.account_id, [leg("late-1")])
    # Whether the token ended before IBKR's door or behind it is not known: it is looked for.
    assert isinstance(outcome, Ambiguous)
    path = f"/iserver/account/{facts.account_id}/orders"
    assert len(registered.gateway.journal(registered.login.username, method="POST", path=path)) <= 1
    assert (await broker.open_session()).ready
    assert (await broker.orders(facts.account_id)).orders == []


async def test_a_write_that_is_refused_for_its_signature_has_not_arrived(registered: Registered, open_at: Open) -> None:
    broker = open_at(registered.login)
    await broker.open_session()
    [facts] = await broker.accounts()
    registered.gateway.fault(
        match={"user": registered.login.username, "path": "/iserver/account/*/orders"},
        action={"status": 401, "body": {"error": "Invalid signature", "statusCode": 401}},
    )
    outcome = await broker.submit(facts.account_id, [leg("forged-1")])
    assert isinstance(outcome, NotSent)
    assert (outcome.code, outcome.session_lost) == ("keys-do-not-match", True)
    assert type(await broker.submit(facts.account_id, [leg("forged-1")])).__name__ == "Accepted"
    # The token is not given up for one signature.
    assert registered.asked() == 1


async def test_many_who_ask_at_once_get_one_token(registered: Registered, open_at: Open) -> None:
    shelf = MemoryShelf()
    brokers = [open_at(registered.login, shelf=shelf) for _ in range(6)]
    await asyncio.gather(*(broker.tickle() for broker in brokers))
    assert registered.asked() == 1


# -- it says what is wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["pending", "revoked"])
async def test_a_consumer_that_is_not_active_is_waited_for(registered: Registered, open_at: Open, state: str) -> None:
    registered.state(state)
    assert (await refused(open_at(registered.login))).code == "key-not-active"
    registered.state("active")
    assert (await open_at(registered.login).open_session()).ready


async def test_a_wrong_consumer_key_is_named(registered: Registered, open_at: Open) -> None:
    problem = await refused(open_at(registered.changed(consumer_key="NOBODYXYZ")))
    assert problem.code == "key-not-active"
    assert "nine letters" in str(problem)


async def test_another_signature_key_is_named(registered: Registered, open_at: Open) -> None:
    problem = await refused(open_at(registered.changed(signature_key=oauth.keys(2).signature)))
    assert problem.code == "keys-do-not-match"


async def test_another_encryption_key_is_named_before_anything_leaves(registered: Registered, open_at: Open) -> None:
    problem = await refused(open_at(registered.changed(encryption_key=oauth.keys(2).encryption)))
    assert problem.code == "secret-of-another-key"
    assert registered.asked() == 0


async def test_a_secret_that_is_not_the_newest_is_named(registered: Registered, open_at: Open) -> None:
    newest = registered.granted_again()
    assert (await refused(open_at(registered.login))).code == "keys-do-not-match"
    assert (await open_at(registered.changed(access_token_secret=newest)).open_session()).ready


async def test_a_token_that_was_revoked_is_named(registered: Registered, open_at: Open) -> None:
    problem = await refused(open_at(registered.changed(access_token="0" * 20)))
    assert problem.code == "token-revoked"


async def test_another_prime_is_named_and_its_token_not_used(registered: Registered, open_at: Open) -> None:
    # The group of 1536 bits (RFC 3526) is not the one that was registered.
    other = int(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
        "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
        "49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D"
        "670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
        16,
    )
    problem = await refused(open_at(registered.changed(dh_parameters=f"{other:x}")))
    assert problem.code in {"token-not-proved", "keys-do-not-match"}
    assert registered.asked() == 1


async def test_a_proof_that_is_wrong_is_not_believed(registered: Registered, open_at: Open) -> None:
    registered.gateway.fault(
        match={"user": registered.login.username, "path": "/oauth/live_session_token"},
        action={"spoil": {"live_session_token_signature": "00" * 20}},
    )
    assert (await refused(open_at(registered.login))).code == "token-not-proved"


@pytest.mark.parametrize(("minutes", "which"), [(-20, "behind"), (20, "ahead of")])
async def test_a_clock_that_differs_is_named(registered: Registered, minutes: int, which: str) -> None:
    method = OAuthLogin(
        registered.login,
        MemoryShelf(),
        now=lambda: datetime.now(UTC) + timedelta(minutes=minutes),
        stamps=Stamps(),
    )
    client = Client(registered.login)
    with pytest.raises(LoginRefused, match=rf"20 minutes {which} IBKR's") as problem:
        await method.prepare(client.post)
    await client.close()
    assert problem.value.code == "clock-differs"


@pytest.mark.parametrize(
    ("action", "error", "code"),
    [
        ({"status": 200, "body": "<html>IBKR is under maintenance</html>"}, BrokerUnavailable, "no-token-given"),
        ({"status": 503, "body": "Service Unavailable"}, BrokerUnavailable, "no-token-given"),
        ({"status": 200, "body": {"diffie_hellman_response": "1"}}, LoginRefused, "prime-differs"),
        ({"status": 200, "body": []}, BrokerUnavailable, "no-token-given"),
        ({"status": 429, "body": {"error": "too many requests"}}, Paused, "too-many-requests"),
    ],
)
async def test_a_token_server_that_goes_wrong_is_named(
    registered: Registered, open_at: Open, action: dict[str, Any], error: type[Exception], code: str
) -> None:
    registered.gateway.fault(
        match={"user": registered.login.username, "path": "/oauth/live_session_token"}, action=action
    )
    with pytest.raises(error) as problem:
        await open_at(registered.login, egress=Egress()).open_session()
    assert getattr(problem.value, "code", "") == code


async def test_a_token_that_cannot_be_renewed_signs_until_its_end(registered: Registered, open_at: Open) -> None:
    ahead = timedelta()

    def now() -> datetime:
        return datetime.now(UTC) + ahead

    client = Client(registered.login)
    method = OAuthLogin(registered.login, MemoryShelf(now), now=now)
    await method.prepare(client.post)
    for ahead in (timedelta(hours=23, minutes=30), timedelta(hours=25)):
        registered.gateway.fault(
            match={"user": registered.login.username, "path": "/oauth/live_session_token"},
            action={"status": 503, "body": "Service Unavailable"},
        )
        if ahead < timedelta(hours=24):
            await method.prepare(client.post)
        else:
            with pytest.raises(BrokerUnavailable):
                await method.prepare(client.post)
    await client.close()
    assert registered.asked() == 3
