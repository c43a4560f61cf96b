"""Addresses of gateways that lead into the operator's own network: written, looked up, dialled, or answered with another one."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Team
from brokers import ibkr
from brokers.connections import connections
from brokers.connections.connections import ConnectionRefused
from brokers.connections.reach import check_address, reach
from brokers.domain import addresses
from brokers.domain.addresses import AddressRefused, Reach
from brokers.domain.brokerage import BrokerUnavailable, LoginRefused, NotSent
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.lines.requests import NotAllowed, Request
from brokers.ibkr.tests.conftest import leg
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests.neighbours import paper

PUBLIC = Reach(ports=((1, 65535),))
LOOPBACK = Reach(networks=addresses.networks(["127.0.0.0/8"]), ports=((1, 65535),))
GLOBAL = "93.184.216.34"


class Listener:
    """Something inside the network that nobody outside should reach; it counts who does."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.heard = 0
        self._socket = socket.create_server((host, 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._socket.accept()
                self.heard += 1
                peer.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def inside() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def login(address: str) -> Login:
    return Login(
        username="MALLORY1", environment=Environment.PAPER, auth_method=AuthMethod.GATEWAY, base_url=f"{address}/v1/api"
    )


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "169.254.1.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "168.63.129.16",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:1::1",
        "x",
    ],
)
def test_nobody_is_sent_into_a_network_that_the_operator_does_not_allow(address: str) -> None:
    refusal = PUBLIC.refusal(address)
    assert refusal is not None
    assert refusal.code == "private-address"


@pytest.mark.parametrize("address", [GLOBAL, "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_public_addresses_are_within_reach(address: str) -> None:
    assert PUBLIC.refusal(address) is None


def test_the_operator_allows_networks_one_by_one() -> None:
    allowed = Reach(networks=addresses.networks(["10.1.0.0/16", "::1/128"]))
    assert [
        allowed.refusal(address) is None for address in ("10.1.2.3", "::1", "::ffff:10.1.2.3", "10.2.0.1", "127.0.0.1")
    ] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_what_a_cloud_tells_about_itself_is_in_no_network_however_wide() -> None:
    wide = Reach(networks=addresses.networks(["0.0.0.0/0", "::/0"]))
    assert wide.refusal("169.254.169.254") is not None
    assert wide.refusal("::ffff:169.254.169.254") is not None
    assert wide.refusal("fd00:ec2::254") is not None
    assert wide.refusal("0.0.0.0") is not None
    exact = Reach(networks=addresses.networks(["169.254.169.254/32"]))
    assert exact.refusal("169.254.169.254") is None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://alice:secret@gateway.example:5000/v1/api", "invalid-address"),
        ("https://@gateway.example:5000/v1/api", "invalid-address"),
        ("https://gateway.example:5000/v1/api?x=1", "invalid-address"),
        ("https://gateway.example:5000/v1/api?", "invalid-address"),
        ("https://gateway.example:5000/#/v1/api", "invalid-address"),
        ("https://gateway.example:5000/v1/../admin", "invalid-address"),
        ("https://gateway.example:5000/v1/%2e%2e/admin", "invalid-address"),
        ("https://gateway.example:5000/v1/api\r\nHost: x", "invalid-address"),
        ("https://gateway.example\\@127.0.0.1/v1/api", "invalid-address"),
        ("ftp://gateway.example/v1/api", "invalid-address"),
        ("gopher://127.0.0.1:6379/_", "invalid-address"),
        ("https:///v1/api", "invalid-address"),
        ("https://gateway.example:99999/v1/api", "invalid-address"),
        ("https://gate way.example/v1/api", "invalid-address"),
        ("https://2130706433/v1/api", "numeric-host"),
        ("https://0x7f000001/v1/api", "numeric-host"),
        ("https://0177.0.0.1/v1/api", "numeric-host"),
        ("https://127.1/v1/api", "numeric-host"),
        ("https://0x7f.0.0.0x1/v1/api", "numeric-host"),
        ("https://[fe80::1%25eth0]/v1/api", "numeric-host"),
        ("https://127.0.0.1./v1/api", "numeric-host"),
        ("https://gateway.example:22/v1/api", "port-not-allowed"),
        ("https://gateway.example:6379/v1/api", "port-not-allowed"),
    ],
)
def test_an_address_that_is_written_to_mislead_is_refused_with_its_code(url: str, code: str, settings: Any) -> None:
    settings.GATEWAY_PORTS = ["443", "5000-5010"]
    with pytest.raises(AddressRefused) as refusal:
        check_address(url)
    assert refusal.value.code == code
    assert str(refusal.value).endswith(".")


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"])
def test_no_connection_is_made_to_one(team: Team, settings: Any, host: str) -> None:
    settings.TRUST_PRIVATE_GATEWAYS = False
    with pytest.raises(ConnectionRefused) as refusal:
        connections.connect(
            team=team,
            actor=None,
            name="Mine",
            username="MALLORY1",
            environment=Environment.PAPER,
            base_url=f"https://{host}:5000/v1/api",
            now=team.created_at,
        )
    assert refusal.value.code == "private-address"
    settings.GATEWAY_RANGES = ["127.0.0.0/8"]
    assert reach().refusal("127.0.0.1") is None
    assert reach().refusal("10.0.0.1") is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])
async def test_it_is_checked_again_at_every_dial(inside: Listener, host: str) -> None:
    """As if it had been allowed when the connection was made."""
    async with ibkr.new_http(PUBLIC) as http:
        broker = ibkr.connect(login(f"http://{host}:{inside.port}"), http)
        with pytest.raises(LoginRefused, match="private network"):
            await broker.session()
        outcome = await broker.submit("DU1", [leg("hy-1")])
        await broker.close()
    assert isinstance(outcome, NotSent)
    assert inside.heard == 0


async def test_a_port_that_the_operator_does_not_allow_is_not_dialled(inside: Listener) -> None:
    within = Reach(networks=LOOPBACK.networks, ports=((443, 443),))
    async with ibkr.new_http(within) as http:
        broker = ibkr.connect(login(f"http://127.0.0.1:{inside.port}"), http)
        with pytest.raises(LoginRefused, match=f"port {inside.port}"):
            await broker.session()
        await broker.close()
    assert inside.heard == 0


async def test_a_name_that_leads_elsewhere_the_next_time_is_not_followed(
    inside: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a public address, to pass the check; then one of ours."""
    answers = iter([[GLOBAL], ["127.0.0.1"], [GLOBAL, "127.0.0.1"]])

    def look_up(host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(answers)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    from brokers import dialing

    dialing.check(addresses.location(f"http://rebind.example:{inside.port}/v1/api"), PUBLIC)
    for _ in range(2):
        async with ibkr.new_http(PUBLIC) as http:
            broker = ibkr.connect(login(f"http://rebind.example:{inside.port}"), http)
            with pytest.raises(LoginRefused):
                await broker.session()
            await broker.close()
    assert inside.heard == 0


async def test_an_address_that_was_kept_before_it_was_refused_is_not_used(inside: Listener) -> None:
    async with ibkr.new_http(LOOPBACK) as http:
        for address in (f"http://127.0.0.1:{inside.port}/?x=", f"http://u:p@127.0.0.1:{inside.port}"):
            with pytest.raises(LoginRefused, match="Make the connection again"):
                ibkr.connect(login(address), http)
    assert inside.heard == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_neither_an_answer_nor_the_stream_is_followed_elsewhere(
    gateway: RunningGateway, inside: Listener, status: int
) -> None:
    user = f"MALLORY{status}"
    gateway.sign_in(user)
    elsewhere = {"status": status, "body": "", "headers": {"Location": f"http://127.0.0.1:{inside.port}/secret"}}
    address = login(gateway.base_url(user).removesuffix("/v1/api"))
    async with ibkr.new_http(LOOPBACK) as http:
        broker, feed = ibkr.connect(address, http), ibkr.listen(address, http)
        gateway.fault(action=elsewhere, match={"user": user, "path": "/ws"}, times=None)
        with pytest.raises(BrokerUnavailable, match="another address"):
            await anext(feed.events())
        gateway.fault(action=elsewhere, match={"user": user}, times=None)
        assert not (await broker.session()).authenticated
        await broker.submit("DU1", [leg("hy-1")])
        await broker.close()
        await feed.close()
    assert inside.heard == 0


async def test_what_was_opened_for_the_operators_own_gateway_serves_no_users_address(gateway: RunningGateway) -> None:
    """The same host and port: an open connection of the simulator's must not carry what may not be dialled."""
    simulated = Login(
        username="SIM1",
        environment=Environment.SIMULATED,
        auth_method=AuthMethod.GATEWAY,
        base_url=gateway.base_url("SIM1"),
    )
    async with ibkr.new_http(PUBLIC) as http:
        ours, theirs = ibkr.connect(simulated, http), ibkr.connect(login(gateway.url), http)
        await ours.session()
        with pytest.raises(LoginRefused):
            await theirs.session()
        with pytest.raises(NotAllowed):
            await theirs._client.write(Request("DELETE", "x"))
        await ours.close()
        await theirs.close()


@pytest.mark.django_db(transaction=True)
def test_a_paper_connection_within_reach_is_made(team: Team, gateway: RunningGateway) -> None:
    assert paper(team, gateway, "GOOD2").base_url == gateway.base_url("GOOD2")


@pytest.mark.parametrize("words", [["10.0.0.1/8"], ["ten"], ["10.0.0.0/40"]])
def test_networks_that_cannot_be_read_are_said(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        addresses.networks(words)


@pytest.mark.parametrize("words", [["0"], ["http"], ["5000-4000"], ["443-70000"], ["-5"]])
def test_ports_that_cannot_be_read_are_said(words: list[str]) -> None:
    with pytest.raises(ValueError, match="no port"):
        addresses.ports(words)
