"""Bringing the brokerage session up, and seeing it go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from brokers.domain.addresses import Reach, networks
from brokers.domain.brokerage import BrokerUnavailable, SessionLost
from brokers.domain.sessions import Environment, Login
from brokers.ibkr import IbkrBrokerage, connect, new_http
from brokers.ibkr.pacing import NO_PACING


async def test_it_signs_in_and_reads_what_must_be_read_first(gateway: Any, login: Login) -> None:
    brokerage = connect(login)
    assert not (await brokerage.session()).ready
    assert (await brokerage.open_session()).ready
    assert (await brokerage.session()).ready
    paths = [entry["path"] for entry in gateway.journal(login.username)]
    assert paths == [
        "/iserver/auth/status",
        "/tickle",
        "/iserver/auth/ssodh/init",
        "/iserver/accounts",
        "/portfolio/accounts",
        "/iserver/account/orders",
        "/iserver/account/trades",
        "/iserver/auth/status",
    ]
    assert brokerage.session_token
    await brokerage.close()


async def test_the_accounts_that_opening_read_are_not_read_again_and_later_ones_are(gateway: Any, login: Login) -> None:
    def reads() -> int:
        return len(gateway.journal(login.username, path="/iserver/accounts"))

    brokerage = connect(login)
    assert (await brokerage.open_session()).ready
    opened_with = await brokerage.accounts()
    assert (reads(), len(opened_with)) == (1, 1)
    # Somebody else may have signed in since.
    assert await brokerage.accounts() == opened_with
    assert reads() == 2
    await brokerage.close()


async def test_accounts_that_opening_read_a_while_ago_are_read_again(
    gateway: Any, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brokers.ibkr.brokerage.ACCOUNTS_ARE_NEW", 0.0)
    brokerage = connect(login)
    assert (await brokerage.open_session()).ready
    await brokerage.accounts()
    assert len(gateway.journal(login.username, path="/iserver/accounts")) == 2
    await brokerage.close()


async def test_it_does_not_sign_in_where_it_is_signed_in(gateway: Any, login: Login, brokerage: IbkrBrokerage) -> None:
    again = connect(login)
    assert (await again.open_session()).ready
    await again.close()
    assert len(gateway.journal(login.username, path="/ssodh/init")) == 1


async def test_it_takes_the_session_back_from_another_login(
    gateway: Any, login: Login, brokerage: IbkrBrokerage
) -> None:
    gateway.steal(login.username)
    assert (await brokerage.session()).competing
    assert (await brokerage.open_session()).ready


async def test_a_sign_in_that_answers_200_and_says_no_is_not_ready(gateway: Any, login: Login) -> None:
    refused = {"authenticated": False, "connected": True, "competing": True, "established": False, "message": ""}
    match = {"user": login.username, "path": "/iserver/auth/ssodh/init"}
    gateway.fault(match=match, action={"status": 200, "body": refused})
    brokerage = connect(login)
    status = await brokerage.open_session()
    await brokerage.close()
    assert (status.ready, status.competing) == (False, True)
    assert not gateway.journal(login.username, path="/iserver/accounts")


async def test_a_tickle_without_a_session_is_signed_out(gateway: Any, login: Login, brokerage: IbkrBrokerage) -> None:
    gateway.fault(
        match={"user": login.username, "path": "/tickle"}, action={"status": 200, "body": {"error": "no session"}}
    )
    status = await brokerage.tickle()
    assert (status.ready, status.code) == (False, "not-signed-in")
    assert status.message.endswith('IBKR: "no session"')


async def test_a_lost_session_is_told_by_reads(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    gateway.lose(login.username)
    with pytest.raises(SessionLost):
        await brokerage.orders(account)


async def test_a_read_is_tried_again_when_the_server_is_busy(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    match = {"user": login.username, "path": "/iserver/account/*/summary"}
    gateway.fault(match=match, action={"status": 503, "body": ""}, times=2)
    assert (await brokerage.summary(account)).net_liquidation == 1_000_000
    assert len(gateway.journal(login.username, path=f"/iserver/account/{account}/summary")) == 3


async def test_a_read_gives_up_after_the_third_time(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    match = {"user": login.username, "path": "/iserver/account/*/summary"}
    gateway.fault(match=match, action={"drop_connection": True}, times=None, ttl_s=5)
    with pytest.raises(BrokerUnavailable):
        await brokerage.summary(account)


async def test_a_paper_connection_meets_a_paper_login(gateway: Any, login: Login) -> None:
    within = Reach(networks=networks(["127.0.0.0/8"]), ports=((1, 65535),))
    async with new_http(within) as http:
        paper = connect(replace(login, environment=Environment.PAPER), http, pacing=NO_PACING)
        assert (await paper.open_session()).ready
        await paper.close()


async def test_many_logins_share_one_session_without_cookies(login: Login) -> None:
    async with new_http() as http:
        shared = connect(login, http)
        assert (await shared.open_session()).ready
        await shared.close()
        assert not http.closed


async def test_a_session_that_keeps_cookies_is_not_taken(login: Login) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(ValueError, match="new_http"):
            connect(login, http)
