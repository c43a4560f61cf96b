"""Names of one team's gateways whose servers never answer: they hold up no other team's dial."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from brokers import dialing, ibkr, names
from brokers.domain import addresses
from brokers.domain.addresses import AddressRefused, Reach
from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.names import Line

LOOPBACK = Reach(networks=addresses.networks(["127.0.0.0/8"]), ports=((1, 65535),))
CLOSED = 9
NAMES = 64


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A resolver that answers nothing about names in `hostile.example` until it is let go."""
    monkeypatch.setattr(dialing, "_names", names.Names())
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
    while dialing._names.under_way and time.monotonic() < until:
        time.sleep(0.01)
    assert not dialing._names.under_way
    assert not any(dialing._names.held.values())


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
        assert dialing._names.held[Line.FIRST] == {"mallory": names.MOST_OF_A_TEAM}

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


@pytest.mark.parametrize(("teams", "each"), [(64, 8), (256, 2), (400, 1)])
async def test_many_hostile_teams_delay_no_other_teams_dial(silence: threading.Event, teams: int, each: int) -> None:
    """Each of many asks for as many names as it can at once, and again once its names hang."""
    resolver = dialing.Resolver(LOOPBACK)

    async def asks(team: str, name: str) -> list[Any]:
        with dialing.on_behalf_of(team):
            return [row["host"] for row in await resolver.resolve(name, 443)]

    assert await asks("alice", "gateway.example") == ["127.0.0.1"]
    floods = []
    for wave in range(2):
        floods += [
            asyncio.ensure_future(asks(f"mallory{team}", f"n{wave}-{number}-{team}.hostile.example"))
            for number in range(each)
            for team in range(teams)
        ]
        await asyncio.sleep(0.5)
        assert dialing._names.held[Line.FIRST].total() <= names.THREADS * 3 / 4
        for name in ("gateway.example", f"another{wave}.example"):
            async with asyncio.timeout(1):
                assert await asks("alice", name) == ["127.0.0.1"]
        if teams <= 64:
            async with asyncio.timeout(1):
                assert await asks(f"new{wave}", f"new{wave}.example") == ["127.0.0.1"]
        await asyncio.sleep(names.SLOW_SECONDS)
    silence.set()
    answers = await asyncio.gather(*floods, return_exceptions=True)
    assert all(isinstance(answer, OSError) for answer in answers)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_team_whose_names_hung_is_served_last_for_a_while(silence: threading.Event) -> None:
    clock = Clock()
    look_ups = names.Names(clock=clock)
    hanging = look_ups.ask("mallory", "n0.hostile.example", 443)
    until = time.monotonic() + 10
    while not look_ups._running and time.monotonic() < until:
        time.sleep(0.01)
    clock.now += names.SLOW_SECONDS + 1
    # While it hangs, and two minutes more. Its good names are answered all the same.
    for _ in range(2):
        assert look_ups._line("mallory") is Line.LAST
        assert look_ups._line("alice") is Line.FIRST
        assert look_ups.ask("mallory", "gateway.example", 443).result(5) == ["127.0.0.1"]
        silence.set()
        with pytest.raises(socket.gaierror):
            hanging.result(5)
    clock.now += names.SLOW_FOR_SECONDS + 1
    assert look_ups._line("mallory") is Line.FIRST


def test_a_name_that_waits_with_those_that_hang_is_not_waited_for_by_others(silence: threading.Event) -> None:
    """A hostile team that asks for a good team's own name does not delay the good team's look-up of it."""
    look_ups = names.Names()
    look_ups._slow_until["mallory"] = time.monotonic() + 60
    blocked = [look_ups.ask(f"m{n}", f"n{n}.hostile.example", 443) for n in range(3)]
    look_ups._pools[Line.LAST].shutdown(cancel_futures=True)
    look_ups._pools[Line.LAST] = ThreadPoolExecutor(1)
    occupied = look_ups._pools[Line.LAST].submit(silence.wait, 30)
    waiting = look_ups.ask("mallory", "gateway.example", 443)
    assert look_ups.ask("alice", "gateway.example", 443).result(5) == ["127.0.0.1"]
    assert not waiting.done()
    silence.set()
    assert waiting.result(5) == ["127.0.0.1"]
    assert occupied.result(5)
    assert all(isinstance(each.exception(5), socket.gaierror) for each in blocked)


def test_what_is_remembered_of_teams_has_an_end() -> None:
    until: dict[str, float] = {}
    for team in range(3 * names._MOST_REMEMBERED):
        names._remember(until, str(team), 0.0, 60.0)
    assert len(until) <= names._MOST_REMEMBERED


def test_a_connection_with_one_more_name_is_not_made_and_the_others_are(silence: threading.Event) -> None:
    with dialing.on_behalf_of("mallory"):
        for number in range(names.MOST_OF_A_TEAM):
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
