"""An order leaves once, whatever happens to it on the way; what is told about it is true."""

from __future__ import annotations

import importlib
import socket
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from brokers.domain.brokerage import (
    Accepted,
    AlreadyRegistered,
    Ambiguous,
    BrokerUnavailable,
    NotSent,
    OrderRefused,
    PartlyAccepted,
    Prompt,
    Refused,
)
from brokers.domain.sessions import Login
from brokers.ibkr import IbkrBrokerage, connect
from brokers.ibkr.lines import wire
from brokers.ibkr.pacing import Egress
from brokers.ibkr.tests.conftest import leg

ORDERS = "/iserver/account/*/orders"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that gives up after a third of a second instead of twenty."""
    monkeypatch.setattr(wire, "WRITE_TIMEOUT", aiohttp.ClientTimeout(total=0.3, connect=0.2))


def posts(gateway: Any, login: Login) -> int:
    return len(gateway.journal(login.username, method="POST", path="/orders"))


def arm(gateway: Any, login: Login, action: dict[str, Any], *, phase: str = "before", method: str = "POST") -> None:
    path = ORDERS if method == "POST" else "/iserver/account/*/order/*"
    gateway.fault(match={"user": login.username, "method": method, "path": path}, phase=phase, action=action)


async def placed(brokerage: IbkrBrokerage, account: str, reference: str) -> int:
    reply = await brokerage.orders(account)
    assert reply.complete
    return sum(order.reference == reference for order in reply.orders)


async def test_it_is_accepted_with_its_reference(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    outcome = await brokerage.submit(account, [leg("hy-1")])
    assert isinstance(outcome, Accepted)
    assert [ack.reference for ack in outcome.acks] == ["hy-1"]
    assert posts(gateway, login) == 1


async def test_a_repeated_reference_is_known_to_ibkr(brokerage: IbkrBrokerage, account: str) -> None:
    assert isinstance(await brokerage.submit(account, [leg("hy-1")]), Accepted)
    assert isinstance(await brokerage.submit(account, [leg("hy-1")]), AlreadyRegistered)
    assert await placed(brokerage, account, "hy-1") == 1


@pytest.mark.usefixtures("impatient")
async def test_an_answer_that_does_not_come_leaves_it_in_doubt(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    arm(gateway, login, {"hang": True, "hang_s": 2})
    assert isinstance(await brokerage.submit(account, [leg("hy-1")]), Ambiguous)
    assert posts(gateway, login) == 1


async def test_a_connection_lost_after_acceptance_leaves_it_in_doubt_and_findable(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    arm(gateway, login, {"drop_connection": True}, phase="after")
    outcome = await brokerage.submit(account, [leg("hy-1")])
    assert isinstance(outcome, Ambiguous)
    assert "Halyard looks for the order" in outcome.reason
    assert posts(gateway, login) == 1
    assert await placed(brokerage, account, "hy-1") == 1


async def test_a_connection_lost_before_acceptance_leaves_it_in_doubt_too(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    arm(gateway, login, {"drop_connection": True})
    assert isinstance(await brokerage.submit(account, [leg("hy-1")]), Ambiguous)
    assert posts(gateway, login) == 1
    assert await placed(brokerage, account, "hy-1") == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, {"error": "unknown", "statusCode": 500}), (503, ""), (200, "<!DOCTYPE html>"), (504, "<html>"), (401, "")],
)
async def test_a_damaged_answer_leaves_it_in_doubt(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str, status: int, body: Any
) -> None:
    arm(gateway, login, {"status": status, "body": body}, phase="after")
    assert isinstance(await brokerage.submit(account, [leg("hy-1")]), Ambiguous)
    assert posts(gateway, login) == 1
    assert await placed(brokerage, account, "hy-1") == 1


async def test_a_refused_connection_proves_that_it_was_not_sent(login: Login) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    closed = connect(replace(login, base_url=f"http://127.0.0.1:{port}/v1/api"))
    outcome = await closed.submit("DU1", [leg("hy-1")])
    await closed.close()
    assert isinstance(outcome, NotSent)
    assert (outcome.session_lost, outcome.retry_after) == (False, None)


async def test_a_gateway_that_died_between_two_orders_proves_that_the_second_was_not_sent(login: Login) -> None:
    testing = importlib.import_module("brokers.simulator.testing.gateway")
    with testing.running_gateway("fast") as mortal:
        brokerage = connect(replace(login, base_url=mortal.base_url(login.username)))
        await brokerage.open_session()
        [account] = [facts.account_id for facts in await brokerage.accounts()]
        assert isinstance(await brokerage.submit(account, [leg("hy-1")]), Accepted)
        mortal.kill()
        assert isinstance(await brokerage.submit(account, [leg("hy-2")]), NotSent)
        mortal.restart()
        await brokerage.open_session()
        assert await placed(brokerage, account, "hy-1") == 1
        assert await placed(brokerage, account, "hy-2") == 0
        await brokerage.close()


async def test_an_order_before_any_session_was_not_sent(gateway: Any, login: Login) -> None:
    brokerage = connect(login)
    outcome = await brokerage.submit("SIM1", [leg("hy-1")])
    assert isinstance(outcome, NotSent)
    assert outcome.session_lost
    assert posts(gateway, login) == 1
    await brokerage.close()


async def test_an_order_answered_with_401_is_in_doubt(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    gateway.lose(login.username)
    assert isinstance(await brokerage.submit(account, [leg("hy-1")]), Ambiguous)
    await brokerage.open_session()
    assert await placed(brokerage, account, "hy-1") == 0


async def test_a_429_is_waited_out_by_every_client_behind_the_address(gateway: Any, login: Login) -> None:
    egress = Egress()
    first, second = connect(login, egress=egress), connect(login, egress=egress)
    await first.open_session()
    [account] = [facts.account_id for facts in await first.accounts()]
    arm(gateway, login, {"status": 429, "body": {"error": "Too Many Requests", "statusCode": 429}})
    outcome = await first.submit(account, [leg("hy-1")])
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after is not None
    kept = await second.submit(account, [leg("hy-2")])
    assert isinstance(kept, NotSent)
    with pytest.raises(BrokerUnavailable):
        await second.orders(account)
    assert posts(gateway, login) == 1
    await first.close()
    await second.close()


async def test_a_refusal_is_told_with_ibkrs_words(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    arm(gateway, login, {"reject": "No trading permissions."})
    outcome = await brokerage.submit(account, [leg("hy-1")])
    assert isinstance(outcome, Refused)
    assert outcome.code == "no-trading-permission"
    assert outcome.reason.endswith('IBKR: "No trading permissions."')


async def test_a_leg_that_failed_beside_a_live_one_is_seen_at_once(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    arm(gateway, login, {"failed_rows": [1]})
    legs = [leg("hy-P"), leg("hy-S", parent_reference="hy-P")]
    outcome = await brokerage.submit(account, legs)
    assert isinstance(outcome, PartlyAccepted)
    assert [ack.reference for ack in outcome.acks] == ["hy-P"]
    assert len(outcome.failures) == 1


async def test_a_prompt_is_answered_once_and_leaves_the_order_in_doubt(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    arm(gateway, login, {"server_prompt": True})
    prompt = await brokerage.submit(account, [leg("hy-1")])
    assert isinstance(prompt, Prompt)
    assert "Price Management Algo" in prompt.text
    assert prompt.options == ("Use on this order", "Do not use")
    outcome = await brokerage.choose(prompt, "Do not use")
    assert (outcome.code, 'answered "Do not use"' in outcome.reason) == ("prompt-answered", True)
    refused = await brokerage.choose(prompt, "Do not use")
    assert refused.code == "prompt-answered"
    assert set(gateway.books(login.username)) == {"hy-1"}
    assert len(gateway.journal(login.username, path="/iserver/notification")) == 2


async def test_an_option_that_ibkr_does_not_take_leaves_the_order_in_doubt(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str
) -> None:
    arm(gateway, login, {"server_prompt": True})
    prompt = await brokerage.submit(account, [leg("hy-1")])
    assert isinstance(prompt, Prompt)
    outcome = await brokerage.choose(prompt, "Perhaps")
    assert outcome.code == "prompt-of-ibkr"
    assert gateway.books(login.username) == {}


async def test_a_cancel_leaves_once(gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str) -> None:
    # A DELETE whose connection drops is repeated by the HTTP library, unless it is told not to.
    arm(gateway, login, {"drop_connection": True}, method="DELETE")
    with pytest.raises(BrokerUnavailable, match="did not confirm the cancel"):
        await brokerage.cancel(account, "2")
    assert len(gateway.journal(login.username, method="DELETE", path="/order/2")) == 1


async def test_a_cancel_of_an_unknown_order_is_refused(brokerage: IbkrBrokerage, account: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        await brokerage.cancel(account, "1")
    assert refused.value.code == "unknown-order"
