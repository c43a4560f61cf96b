"""A proxy before a gateway that asks who comes: over TLS with a client certificate, and with a secret in a header."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import connection as database
from django.test import Client as Browser

from accounts.models import AuditEntry, Team, User
from brokers import ibkr
from brokers.connections import connections, proxies
from brokers.connections.connections import ConnectionRefused, login_of
from brokers.domain import addresses
from brokers.domain.addresses import Reach
from brokers.domain.brokerage import CertificateRefused
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.models import Connection

SECRET = "a-long-random-secret-of-ours"
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
LOOPBACK = Reach(networks=addresses.networks(["127.0.0.0/8", "::1/128"]), ports=((1, 65535),))
READY = {"authenticated": True, "connected": True, "competing": False, "established": True}


def certificate(name: str, *, days: int = 3650) -> tuple[str, str]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


@contextlib.asynccontextmanager
async def guarded(folder: Path, client: str, heard: list[dict[str, str]]) -> AsyncIterator[str]:
    """A proxy on loopback that lets in who shows this client certificate and sends the secret; its address."""
    own, key = certificate("localhost")
    for name, text in (("own.pem", own), ("own.key", key), ("client.pem", client)):
        (folder / name).write_text(text)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "client.pem"))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(folder / "own.pem", folder / "own.key")

    async def answer(request: web.Request) -> web.StreamResponse:
        heard.append({"path": request.path, "secret": request.headers.get("X-Gateway-Secret", "")})
        if request.headers.get("X-Gateway-Secret") != SECRET:
            return web.Response(status=403, text="Forbidden")
        if request.path.endswith("/ws"):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_json({"topic": "sts", "args": READY})
            await socket.close()
            return socket
        if request.path.endswith("/tickle"):
            return web.json_response({"session": "s1", "iserver": {"authStatus": READY}})
        return web.json_response(READY)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"https://localhost:{port}/v1/api"
    finally:
        await runner.cleanup()


def login(address: str, **secrets: str) -> Login:
    return Login(
        username="GOOD1",
        environment=Environment.PAPER,
        auth_method=AuthMethod.GATEWAY,
        base_url=address,
        secrets=secrets,
    )


async def test_it_shows_its_certificate_and_its_secret_and_nobody_else_comes_in(
    servers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, key = certificate("halyard")
    heard: list[dict[str, str]] = []
    ours = {"client_certificate": pem, "client_key": key, "proxy_header": "X-Gateway-Secret", "proxy_secret": SECRET}
    async with guarded(tmp_path, pem, heard) as address, ibkr.new_http(LOOPBACK) as http:
        # The proxy's own certificate signs itself; a real one is signed by somebody whom every machine knows.
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
        good = ibkr.connect(login(address, **ours), http)
        assert (await good.session()).ready
        feed = ibkr.listen(login(address, **ours), http)
        event = await anext(feed.events())
        assert event.auth is not None
        assert event.auth.ready
        await good.close()
        await feed.close()
        assert {entry["secret"] for entry in heard} == {SECRET}
        assert heard[-1]["path"].endswith("/ws")
        before = len(heard)
        without = ibkr.connect(login(address, proxy_header="X-Gateway-Secret", proxy_secret=SECRET), http)
        with pytest.raises(CertificateRefused):
            await without.session()
        await without.close()
        assert len(heard) == before


@pytest.fixture
def paper_connection(team: Team, settings: Any) -> Connection:
    return Connection.objects.create(
        team=team, name="Mine", username="GOOD1", environment="paper", base_url="https://gateway.example:5000/v1/api"
    )


@pytest.mark.django_db
def test_what_is_shown_is_kept_encrypted_and_never_shown_again(
    paper_connection: Connection, alice: User, client: Browser
) -> None:
    pem, key = certificate("halyard")
    proxies.show_header(connection=paper_connection, header="X-Gateway-Secret", secret=SECRET, actor=alice, now=NOW)
    proxies.show_certificate(connection=paper_connection, certificate=pem, key=key, actor=alice, now=NOW)
    assert login_of(Connection.objects.get()).secrets == {
        "proxy_header": "X-Gateway-Secret",
        "proxy_secret": SECRET,
        "client_certificate": pem,
        "client_key": key,
    }
    with database.cursor() as cursor:
        cursor.execute("SELECT secrets FROM brokers_connection")
        stored = bytes(cursor.fetchone()[0])
    assert SECRET.encode() not in stored
    assert b"PRIVATE KEY" not in stored
    assert SECRET not in repr(login_of(Connection.objects.get()))
    client.force_login(alice)
    page = client.get(f"/teams/{paper_connection.team.code}/connections/{paper_connection.code}/proxy/")
    text = page.content.decode()
    assert "X-Gateway-Secret" in text
    assert "CN=halyard" in text
    assert SECRET not in text
    assert "PRIVATE KEY-----\nM" not in text
    assert "no-store" in page.headers["Cache-Control"]
    assert (
        list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))[-2:] == ["connection.proxy_shown"] * 2
    )
    proxies.show_header(connection=paper_connection, header="", secret="", actor=alice, now=NOW)
    assert set(login_of(Connection.objects.get()).secrets) == {"client_certificate", "client_key"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("header", "secret", "code"),
    [
        ("Host", SECRET, "proxy-header"),
        ("Cookie", SECRET, "proxy-header"),
        ("Content-Length", SECRET, "proxy-header"),
        ("X-A\r\nHost", SECRET, "proxy-header"),
        ("X A", SECRET, "proxy-header"),
        ("X-Secret", "short", "proxy-secret"),
        ("X-Secret", "a long secret with spaces", "proxy-secret"),
        ("X-Secret", "a-long-secret\r\nX-Other:1", "proxy-secret"),
    ],
)
def test_a_header_that_would_be_another_one_is_refused(
    paper_connection: Connection, header: str, secret: str, code: str
) -> None:
    with pytest.raises(ConnectionRefused) as refusal:
        proxies.show_header(connection=paper_connection, header=header, secret=secret, actor=None, now=NOW)
    assert refusal.value.code == code
    assert not Connection.objects.get().secrets


@pytest.mark.django_db
def test_a_certificate_that_is_of_no_use_is_refused(paper_connection: Connection) -> None:
    pem, key = certificate("halyard")
    other = certificate("other")[1]
    over, over_key = certificate("old", days=1)
    for given, private, code in (
        ("x", "y", "client-certificate"),
        (pem, "y", "client-certificate"),
        ("-" * 30_000, key, "client-certificate"),
        ("\u00fc" + pem, key, "client-certificate"),
        (pem, other, "client-key"),
        (over, over_key, "client-certificate-over"),
    ):
        with pytest.raises(ConnectionRefused) as refusal:
            proxies.show_certificate(connection=paper_connection, certificate=given, key=private, actor=None, now=NOW)
        assert refusal.value.code == code
    Connection.objects.update(base_url="http://gateway.example:5000/v1/api")
    paper_connection.refresh_from_db()
    with pytest.raises(ConnectionRefused, match="https"):
        proxies.show_certificate(connection=paper_connection, certificate=pem, key=key, actor=None, now=NOW)


@pytest.mark.django_db
def test_only_its_owner_says_what_is_shown(
    paper_connection: Connection, alice: User, bob: User, charlie: User, client: Browser
) -> None:
    address = f"/teams/{paper_connection.team.code}/connections/{paper_connection.code}/proxy/"
    values = {"part": "header", "header": "X-Gateway-Secret", "secret": SECRET}
    for user, status in ((bob, 403), (charlie, 404)):
        client.force_login(user)
        assert client.get(address).status_code == status
        assert client.post(address, values).status_code == status
    client.force_login(alice)
    assert client.post(address, values | {"header": "Host"}).status_code == 422
    assert client.post(address, values).status_code == 302
    assert login_of(Connection.objects.get()).secrets["proxy_secret"] == SECRET


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("part", "sentences"),
    [
        ("header", ("Name the header, such as X-Gateway-Secret.", "Type the secret that your proxy asks for.")),
        ("certificate", ("Paste the certificate that your proxy asks for.", "Paste the key that the certificate")),
    ],
)
def test_an_empty_form_takes_nothing_away_and_its_own_button_does(
    paper_connection: Connection, alice: User, client: Browser, part: str, sentences: tuple[str, str]
) -> None:
    pem, key = certificate("halyard")
    proxies.show_header(connection=paper_connection, header="X-Gateway-Secret", secret=SECRET, actor=alice, now=NOW)
    proxies.show_certificate(connection=paper_connection, certificate=pem, key=key, actor=alice, now=NOW)
    before = login_of(Connection.objects.get()).secrets
    client.force_login(alice)
    address = f"/teams/{paper_connection.team.code}/connections/{paper_connection.code}/proxy/"
    page = client.post(address, {"part": part})
    assert page.status_code == 422
    assert all(sentence in page.content.decode() for sentence in sentences)
    assert login_of(Connection.objects.get()).secrets == before
    page = client.post(address, {"part": part, "removes": "yes"}, follow=True)
    assert f"No {part} is " in page.content.decode()
    assert len(login_of(Connection.objects.get()).secrets) == 2
    assert AuditEntry.objects.latest("pk").action == "connection.proxy_hidden"


@pytest.mark.django_db
def test_a_certificate_that_ended_and_an_address_that_is_not_encrypted_are_said(
    paper_connection: Connection, alice: User, client: Browser
) -> None:
    pem, key = certificate("halyard", days=1)
    then = datetime(2020, 1, 1, 12, tzinfo=UTC)
    proxies.show_certificate(connection=paper_connection, certificate=pem, key=key, actor=alice, now=then)
    Connection.objects.update(base_url="http://gateway.example:5000/v1/api")
    client.force_login(alice)
    address = f"/teams/{paper_connection.team.code}/connections/{paper_connection.code}/proxy/"
    text = client.get(address).content.decode()
    assert "and proxies refuse it" in text
    assert "which is not encrypted" in text


@pytest.mark.django_db
def test_only_who_may_follow_it_sees_the_way_to_it(
    paper_connection: Connection, alice: User, bob: User, client: Browser
) -> None:
    address = f"/teams/{paper_connection.team.code}/connections/{paper_connection.code}/"
    for user, times in ((bob, 0), (alice, 1)):
        client.force_login(user)
        assert client.get(address).content.decode().count(f"{address}proxy/") == times


@pytest.mark.django_db
def test_the_help_says_whom_a_gateway_may_answer(client: Browser) -> None:
    text = client.get("/help/guard-gateway/").content.decode()
    assert "ips: allow:" in text
    assert "never leave its port open to the internet" in text


@pytest.mark.django_db(transaction=True)
def test_a_watch_begins_again_when_what_is_shown_changes(paper_connection: Connection) -> None:
    from brokers.processes.stream import _to_watch

    before = _to_watch(0, 1)
    proxies.show_header(connection=paper_connection, header="X-Gateway-Secret", secret=SECRET, actor=None, now=NOW)
    assert _to_watch(0, 1) != before
    connections.disable(connection=paper_connection, actor=None, now=NOW)
    assert _to_watch(0, 1) == {}
