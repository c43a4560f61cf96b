"""A line to the gateway that does not come about, and one that somebody closes: what the product shows of each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from django.test import Client

from accounts.models import Team, User
from brokers import certificates
from brokers.domain.certificates import fingerprint
from brokers.domain.session.words import WORDS
from brokers.ibkr.lines import wire
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.certificates.conftest import listener
from brokers.tests.certificates.places import (
    asking,
    assert_shown,
    certificate_of,
    either,
    hanging_up,
    page_of_400,
    paper,
    row,
    trial_code,
)
from brokers.tests.hostile.test_guarded_gateways import certificate, guarded
from brokers.tests.sessions.watched import events, until_shown

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("opened", "code"),
    [
        (lambda: listener(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), "gateway-speaks-http"),
        (lambda: listener(b"SSH-2.0-OpenSSH_9.6\r\n"), "gateway-speaks-http"),
        (hanging_up, "tls-broken-off"),
        (listener, "handshake-unanswered"),
    ],
    ids=["http", "ssh", "hangs-up", "hangs"],
)
def test_https_where_no_tls_is_spoken_says_what_is_there(
    team: Team, servers: None, opened: Callable[[], Any], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "HANDSHAKE_SECONDS", 0.5)
    monkeypatch.setattr(wire, "READ_TIMEOUT", aiohttp.ClientTimeout(total=2, connect=0.5, sock_connect=0.5))
    with opened() as there:
        port = there if isinstance(there, int) else there[0]
        made = paper(team, f"https://localhost:{port}/v1/api", "WRONG1")
        assert trial_code(made) == code
        assert_shown(made, "encryption_failed", code)


def test_a_gateway_that_ends_handshakes_is_told_until_it_does_no_more(team: Team, secured: RunningGateway) -> None:
    secured.sign_in("ENDS1")
    made = paper(team, secured.base_url("ENDS1"), "ENDS1", certificate_sha256=fingerprint(secured.fingerprint))
    secured.control("POST", "/tls", {"refuses_s": 4})

    async def story() -> None:
        async with lab.watching():
            await until_shown(made, "encryption_failed", "tls-broken-off")
            await until_shown(made, "active")

    asyncio.run(story())
    assert events(made)[0] == ("encryption_failed", "tls-broken-off")


def test_a_gateway_whose_handshakes_hang_is_told_until_they_do_no_more(
    team: Team, secured: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "READ_TIMEOUT", aiohttp.ClientTimeout(total=8, connect=1, sock_connect=1))
    secured.sign_in("HANGS1")
    made = paper(team, secured.base_url("HANGS1"), "HANGS1", certificate_sha256=fingerprint(secured.fingerprint))
    secured.control("POST", "/tls", {"hangs_s": 8})

    async def story() -> None:
        async with lab.watching():
            await until_shown(made, "encryption_failed", "handshake-unanswered")
            assert await asyncio.to_thread(lab.asked, lambda: sentences(made)) == WORDS["handshake-unanswered"]
            await until_shown(made, "active", within=60)

    asyncio.run(story())
    assert events(made)[0] == ("encryption_failed", "handshake-unanswered")


@pytest.mark.parametrize("shows", ["none", "another", "the wanted one"])
def test_a_gateway_that_wants_a_client_certificate_is_told_until_it_does_no_more(
    team: Team, secured: RunningGateway, shows: str
) -> None:
    user = f"WANTS{len(shows)}"
    secured.sign_in(user)
    wanted, stranger = certificate("halyard"), certificate("stranger")
    pem, key = wanted if shows == "the wanted one" else stranger
    secrets = {} if shows == "none" else {"client_certificate": pem, "client_key": key}
    pin = fingerprint(secured.fingerprint)
    made = paper(team, secured.base_url(user), user, certificate_sha256=pin, **secrets)
    secured.control("POST", "/tls", {"wants_s": 10, "certificate": wanted[0]})

    async def story() -> None:
        async with lab.watching():
            if shows != "the wanted one":
                await until_shown(made, "encryption_failed", "client-certificate-wanted")
                assert await asyncio.to_thread(lab.asked, lambda: sentences(made)) == WORDS["client-certificate-wanted"]
            await until_shown(made, "active", within=60)

    asyncio.run(story())
    until_it_answers(secured)
    failed = ("encryption_failed", "client-certificate-wanted")
    assert (failed in events(made)) is (shows != "the wanted one")


def until_it_answers(gateway: RunningGateway) -> None:
    """Until the gateway takes calls of others again."""
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        with contextlib.suppress(OSError):
            gateway.control("GET", "/tls")
            return
        time.sleep(0.2)
    pytest.fail("the gateway still disturbs its lines")


def sentences(connection: Connection) -> tuple[str, str]:
    shown = row(connection)
    return shown.session_reason, shown.session_action


@pytest.mark.parametrize("how", ["refuses_s", "hangs_s", "wants_s"])
@pytest.mark.parametrize("seconds", [-1, 601, True, "4"])
def test_handshakes_are_disturbed_for_minutes_at_most(secured: RunningGateway, how: str, seconds: object) -> None:
    with pytest.raises(RuntimeError, match="400"):
        secured.control("POST", "/tls", {how: seconds})


def test_what_is_no_certificate_of_a_client_is_refused(secured: RunningGateway) -> None:
    with pytest.raises(RuntimeError, match="400"):
        secured.control("POST", "/tls", {"wants_s": 5, "certificate": "no certificate"})
    secured.control("GET", "/tls")


def test_plain_http_at_a_tls_port_is_told_as_the_trial_tells_it(team: Team, secured: RunningGateway) -> None:
    made = paper(team, f"http://localhost:{secured.port}/v1/api", "PLAIN1")
    assert trial_code(made) == "gateway-speaks-https"
    assert_shown(made, "encryption_failed", "gateway-speaks-https")
    assert "https://" in row(made).session_action


@pytest.mark.parametrize(
    "answer",
    [
        page_of_400(b"The plain HTTP request was sent to HTTPS port"),
        page_of_400(b"Client sent an HTTP request to an HTTPS server."),
        b"\x15\x03\x03\x00\x02\x02\x50",
        b"",
    ],
    ids=["nginx", "go", "alert", "hangs-up"],
)
def test_whatever_a_tls_port_answers_to_plain_http_it_is_told(
    team: Team, servers: None, tmp_path: Path, answer: bytes
) -> None:
    with either(tmp_path, answer) as port:
        made = paper(team, f"http://localhost:{port}/v1/api", "PLAIN2")
        assert_shown(made, "encryption_failed", "gateway-speaks-https")
    assert {status for status, _ in events(made)} == {"encryption_failed"}


@pytest.mark.parametrize("nicely", [False, True], ids=["alert", "page"])
@pytest.mark.parametrize("shows", ["none", "another"])
def test_a_proxy_that_wants_another_client_certificate_is_told(
    team: Team, servers: None, tmp_path: Path, shows: str, nicely: bool, client: Client, alice: User
) -> None:
    pem, key = certificate("stranger")
    secrets = {} if shows == "none" else {"client_certificate": pem, "client_key": key}
    with asking(tmp_path, nicely=nicely) as port:
        pin = certificate_of(tmp_path / "own.pem")
        made = paper(team, f"https://localhost:{port}/v1/api", "PROXY1", certificate_sha256=pin, **secrets)
        assert_shown(made, "encryption_failed", "client-certificate-wanted")
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert "/help/guard-gateway/" in page


def test_a_proxy_that_does_not_take_the_secret_is_told(
    team: Team, servers: None, tmp_path: Path, client: Client, alice: User
) -> None:
    ours, key = certificate("halyard")
    heard: list[dict[str, str]] = []

    async def story() -> None:
        async with guarded(tmp_path, ours, heard) as address:
            secrets = {"certificate_sha256": certificate_of(tmp_path / "own.pem")}
            secrets |= {"client_certificate": ours, "client_key": key}
            made = await asyncio.to_thread(lab.asked, lambda: paper(team, address, "PROXY2", **secrets))
            async with lab.watching():
                await until_shown(made, "refused", "proxy-refuses")

    asyncio.run(story())
    assert heard
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{Connection.objects.get().code}/").text
    assert "/help/guard-gateway/" in page
    assert "What the proxy is shown" in page


@pytest.mark.parametrize("status", [403])
def test_a_gateway_that_answers_403_leads_to_its_own_page(
    team: Team, secured: RunningGateway, client: Client, alice: User, status: int
) -> None:
    made = paper(team, secured.base_url("FORBID1"), "FORBID1", certificate_sha256=fingerprint(secured.fingerprint))
    secured.fault(match={"user": "FORBID1"}, action={"status": status, "body": "Access Denied"}, times=None, ttl_s=60)
    assert_shown(made, "refused", "gateway-forbids")
    secured.clear_faults()
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert "/help/gateway/" in page
    assert not ("looks again at" in page and "once that is done" in page)
