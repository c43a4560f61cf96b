"""A pin is all that is believed of a gateway that signs its own certificate, and nothing leaves before it holds."""

from __future__ import annotations

from typing import Any

import pytest

from brokers import certificates, ibkr
from brokers.domain.brokerage import BrokerUnavailable, CertificateRefused, NotSent
from brokers.domain.certificates import FingerprintRefused, fingerprint, spelled
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.tests.conftest import leg
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests.certificates.conftest import LOOPBACK, listener

SECRET = {"proxy_header": "X-Gateway-Secret", "proxy_secret": "a-long-random-secret-of-ours"}


def login(address: str, username: str = "PINNED1", **secrets: str) -> Login:
    return Login(
        username=username,
        environment=Environment.PAPER,
        auth_method=AuthMethod.GATEWAY,
        base_url=address,
        secrets=secrets,
    )


def at(gateway: RunningGateway, username: str, **secrets: str) -> Login:
    return login(gateway.base_url(username), username, **secrets)


async def test_the_pinned_gateway_is_spoken_to_over_https_and_wss(secured: RunningGateway) -> None:
    ours = at(secured, "WHOLE1", certificate_sha256=secured.fingerprint, **SECRET)
    async with ibkr.new_http(LOOPBACK) as http:
        broker = ibkr.connect(ours, http)
        assert (await broker.open_session()).ready
        [account] = await broker.accounts()
        assert isinstance((await broker.submit(account.account_id, [leg("tls-1")])).raw, list)
        feed = ibkr.listen(ours, http)
        assert (await anext(feed.events())) is not None
        await feed.close()
        await broker.close()


async def test_a_certificate_that_signs_itself_is_refused_without_a_pin(secured: RunningGateway) -> None:
    async with ibkr.new_http(LOOPBACK) as http:
        broker = ibkr.connect(at(secured, "NOPIN1", **SECRET), http)
        with pytest.raises(CertificateRefused) as refused:
            await broker.session()
        await broker.close()
    assert refused.value.code == "certificate-unknown"
    assert secured.journal("NOPIN1") == []


@pytest.mark.parametrize("terms", [{}, {"days": 3, "begins_in_days": -30}, {"begins_in_days": 20}, {"name": "other"}])
async def test_another_certificate_midway_is_sent_nothing(secured: RunningGateway, terms: dict[str, Any]) -> None:
    """Not a request, not a header, not an order, not the cookie of the stream."""
    name = f"MIDWAY{len(terms)}{terms.get('begins_in_days', 0)}".replace("-", "M")
    ours = at(secured, name, certificate_sha256=secured.fingerprint, **SECRET)
    async with ibkr.new_http(LOOPBACK) as http, ibkr.new_http(LOOPBACK) as later:
        broker = ibkr.connect(ours, http)
        assert (await broker.open_session()).ready
        [account] = await broker.accounts()
        await broker.close()
        secured.renew_certificate(**terms)
        before = len(secured.journal(name))
        broker = ibkr.connect(ours, later)
        outcome = await broker.submit(account.account_id, [leg("tls-2")])
        assert isinstance(outcome, NotSent)
        for ask in (broker.session, broker.tickle, broker.accounts):
            with pytest.raises(CertificateRefused) as refused:
                await ask()
            assert refused.value.code == "certificate-changed"
        with pytest.raises(CertificateRefused):
            await anext(ibkr.listen(ours, later).events())
        assert len(secured.journal(name)) == before
        assert refused.value.seen == fingerprint(secured.fingerprint)
        await broker.close()


async def test_an_expired_certificate_that_is_pinned_is_believed(secured: RunningGateway) -> None:
    """The pin says which certificate, not until when; the trader is told of its dates before."""
    seen = secured.renew_certificate(days=1, begins_in_days=-400)
    async with ibkr.new_http(LOOPBACK) as http:
        broker = ibkr.connect(at(secured, "OLD1", certificate_sha256=seen), http)
        assert (await broker.session()) is not None
        await broker.close()
    secured.renew_certificate()


async def test_a_client_certificate_does_not_set_the_pin_aside(secured: RunningGateway) -> None:
    from brokers.tests.hostile.test_guarded_gateways import certificate

    pem, key = certificate("halyard")
    shown = {"client_certificate": pem, "client_key": key}
    async with ibkr.new_http(LOOPBACK) as http:
        for pin, good in ((secured.fingerprint, True), ("ab" * 32, False)):
            broker = ibkr.connect(at(secured, "BOTH1", certificate_sha256=pin, **shown), http)
            if good:
                assert (await broker.session()) is not None
            else:
                with pytest.raises(CertificateRefused, match="another certificate"):
                    await broker.session()
            await broker.close()


async def test_https_at_a_port_that_speaks_http_is_said(servers: None) -> None:
    with listener(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as (port, heard):
        async with ibkr.new_http(LOOPBACK) as http:
            broker = ibkr.connect(login(f"https://localhost:{port}/v1/api", **SECRET), http)
            with pytest.raises(BrokerUnavailable) as refused:
                await broker.session()
            await broker.close()
    assert refused.value.code == "gateway-speaks-http"
    assert all(SECRET["proxy_secret"].encode() not in each for each in heard)


async def test_a_handshake_that_hangs_ends(servers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import aiohttp

    from brokers.ibkr.lines import wire

    monkeypatch.setattr(wire, "READ_TIMEOUT", aiohttp.ClientTimeout(total=0.6, connect=0.3))
    with listener() as (port, heard):
        async with ibkr.new_http(LOOPBACK) as http:
            broker = ibkr.connect(login(f"https://localhost:{port}/v1/api", **SECRET), http)
            with pytest.raises(BrokerUnavailable):
                await broker.session()
            await broker.close()
    assert all(SECRET["proxy_secret"].encode() not in each for each in heard)


@pytest.mark.parametrize("written", ["AB:" * 31 + "AB", "ab" * 32, " Ab-" + "ab-" * 30 + "ab ", "SHA256 " + "AB " * 32])
def test_a_fingerprint_is_read_however_it_is_written(written: str) -> None:
    assert fingerprint(written) == "ab" * 32
    assert spelled(fingerprint(written)) == "AB:" * 31 + "AB"


@pytest.mark.parametrize("written", ["ab", "zz" * 32, "ab" * 20, "ab" * 33, "certificate"])
def test_what_is_none_is_refused(written: str) -> None:
    with pytest.raises(FingerprintRefused):
        fingerprint(written)


def test_a_pinned_context_asks_for_the_certificate_and_nothing_else() -> None:
    made = certificates.PinnedContext.of("ab" * 32)
    assert made.pin == "ab" * 32
