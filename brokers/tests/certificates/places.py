"""Ports on loopback where something else than a gateway answers, and connections that lead there."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.connections import trials
from brokers.connections.connections import login_of
from brokers.domain.help.pages import page_of
from brokers.domain.trials import Report
from brokers.models import Connection
from brokers.tests import lab
from brokers.tests.certificates.conftest import LOOPBACK
from brokers.tests.hostile.test_guarded_gateways import certificate
from brokers.tests.sessions.watched import events, until_shown


def paper(team: Team, address: str, username: str, **secrets: str) -> Connection:
    made = Connection(
        team=team,
        name="Gate",
        username=username,
        environment="paper",
        base_url=address,
        created_at=timezone.now(),
        session_changed_at=timezone.now(),
    )
    made.secrets = made.secrets.of(secrets)
    made.save()
    return made


def row(made: Connection) -> Connection:
    return Connection.objects.get(pk=made.pk)


def trial_code(made: Connection) -> str:
    """What the trial says of the first step that is not good."""

    async def go() -> Report:
        async with ibkr.new_http(LOOPBACK) as http:
            return await trials.try_login(login_of(made), lambda login: ibkr.connect(login, http), timezone.now)

    report = asyncio.run(go())
    return next(step.code for step in report.steps if step.outcome != "good")


def assert_shown(made: Connection, status: str, code: str) -> None:
    """The stream process shows this state, with its sentence, its action, its page and its event."""

    async def story() -> None:
        async with lab.watching():
            await until_shown(made, status, code)

    asyncio.run(story())
    shown = row(made)
    assert shown.session_reason.endswith(".")
    assert shown.session_action
    assert shown.next_try_at is not None
    assert page_of(code)
    assert events(made)[-1] == (status, code)


@contextlib.contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on loopback where every call is talked to, one after another."""

    def serve(server: socket.socket) -> None:
        while True:
            try:
                call, _ = server.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), call:
                call.settimeout(2)
                talk(call)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@contextlib.contextmanager
def hanging_up() -> Iterator[int]:
    """Something that takes every call and hangs up at the first word."""

    def talk(call: socket.socket) -> None:
        call.recv(64)
        call.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serving(talk) as port:
        yield port


def page_of_400(words: bytes) -> bytes:
    body = b"<html><body><center>%s</center></body></html>" % words
    return b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)


@contextlib.contextmanager
def either(folder: Path, answer: bytes) -> Iterator[int]:
    """A TLS port that answers plain http with something of its own."""
    own, key = certificate("localhost")
    (folder / "own.pem").write_text(own + key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "own.pem")

    def talk(call: socket.socket) -> None:
        if call.recv(1, socket.MSG_PEEK) == b"\x16":
            tls.wrap_socket(call, server_side=True).close()
        else:
            call.recv(4096)
            call.sendall(answer)

    with serving(talk) as port:
        yield port


@contextlib.contextmanager
def asking(folder: Path, *, nicely: bool) -> Iterator[int]:
    """A proxy that wants a client certificate which nobody has: it ends the handshake, or shows a page as nginx does."""
    own, key = certificate("localhost")
    (folder / "own.pem").write_text(own + key)
    (folder / "wanted.pem").write_text(certificate("halyard")[0])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "own.pem")
    if not nicely:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(folder / "wanted.pem")

    def talk(call: socket.socket) -> None:
        with tls.wrap_socket(call, server_side=True) as line:
            line.recv(4096)
            line.sendall(page_of_400(b"No required SSL certificate was sent"))

    with serving(talk) as port:
        yield port


def certificate_of(path: Path) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text().split("-----BEGIN PRIVATE")[0])).hexdigest()
