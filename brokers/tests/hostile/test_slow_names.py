"""Names of one team's gateways whose servers never answer: they hold up no other team's dial."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from brokers import dialing, ibkr
from brokers.domain import addresses
from brokers.domain.addresses import AddressRefused, Reach
from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.sessions import AuthMethod, Environment, Login

LOOPBACK = Reach(networks=addresses.networks(["127.0.0.0/8"]), ports=((1, 65535),))
CLOSED = 9
NAMES = 64


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A resolver that answers nothing about names in `hostile.example` until it is let go."""
    let_go = threading.Event()

    def look_up(host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        if host.endswith("hostile.example"):
            let_go.wait(30)
            raise socket.gaierror("no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield let_go
    let_go.set()
    until = time.monotonic() + 10
    while dialing._held and time.monotonic() < until:
        time.sleep(0.01)
    assert not dialing._held
    assert not dialing._under_way


def login(host: str, team: str) -> Login:
    return Login(
        username="USER1",
        environment=Environment.PAPER,
        auth_method=AuthMethod.GATEWAY,
        base_url=f"http://{host}:{CLOSED}/v1/api",
        tenant=team,
    )


async def test_a_team_whose_names_hang_delays_no_other_teams_dial(servers: None, silence: threading.Event) -> None:
    async with ibkr.new_http(LOOPBACK) as http:
        hostile = [ibkr.connect(login(f"n{number}.hostile.example", "mallory"), http) for number in range(NAMES)]
        good = ibkr.connect(login("gateway.example", "alice"), http)
        asked = [asyncio.ensure_future(broker.session()) for broker in hostile]
        await asyncio.sleep(0.3)
        assert dialing._held == {"mallory": dialing.MOST_OF_A_TEAM}

        began = time.monotonic()
        with pytest.raises(BrokerUnavailable) as dialled:  # nothing listens there, which is known at once
            await good.session()
        assert time.monotonic() - began < 1
        assert "look" not in str(dialled.value)

        silence.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, BrokerUnavailable) for answer in answers), answers
        for broker in (*hostile, good):
            await broker.close()


async def test_many_hostile_teams_delay_no_other_teams_dial(silence: threading.Event) -> None:
    resolver = dialing.Resolver(LOOPBACK)

    async def asks(team: str, number: int) -> None:
        with dialing.on_behalf_of(team):
            await resolver.resolve(f"n{number}-{team}.hostile.example", 443)

    asked = [asyncio.ensure_future(asks(f"mallory{team}", number)) for team in range(20) for number in range(8)]
    await asyncio.sleep(0.3)
    with dialing.on_behalf_of("alice"):
        async with asyncio.timeout(1):
            assert [each["host"] for each in await resolver.resolve("gateway.example", 443)] == ["127.0.0.1"]
    silence.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, OSError) for answer in answers)


def test_a_connection_with_one_more_name_is_not_made_and_the_others_are(silence: threading.Event) -> None:
    with dialing.on_behalf_of("mallory"):
        for number in range(dialing.MOST_OF_A_TEAM):
            dialing.addresses_of(f"n{number}.hostile.example", 443)
        # The same name again holds nothing more.
        dialing.addresses_of("n0.hostile.example", 443)
        with pytest.raises(AddressRefused, match="other names of your team's gateways wait") as refused:
            dialing.check(addresses.location("https://n9.hostile.example/v1/api"), LOOPBACK)
    assert refused.value.code == "too-many-names"
    with dialing.on_behalf_of("alice"):
        dialing.check(addresses.location("https://gateway.example/v1/api"), LOOPBACK)
    silence.set()


def test_a_login_names_its_team() -> None:
    """Dials are counted by it, so it may never be left out where there is one."""
    assert "tenant" in {field.name for field in dataclasses.fields(Login)}
