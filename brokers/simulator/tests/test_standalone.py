"""`python -m brokers.simulator` alone: SQLite, an empty environment, and no other part of the project running."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brokers.simulator.testing.gateway import ROOT, RunningGateway, free_port

pytestmark = pytest.mark.usefixtures("servers")

# Nothing of the project is configured here: no database, no settings, no control token.
BARE = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


@contextmanager
def alone(folder: Path, *more: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "brokers.simulator", "--database", str(folder / "books.sqlite3"), *more],
        cwd=ROOT,
        env=BARE | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def first_line(process: subprocess.Popen[bytes]) -> str:
    """The first line the process writes, or all of it when it ends."""
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        return process.stdout.readline().decode().strip()
    finally:
        watchdog.cancel()


def test_it_serves_alone_and_keeps_its_books_in_one_file(tmp_path: Path) -> None:
    port = free_port()
    gateway = RunningGateway(preset="demo", token="", env={}, command=[], port=port)
    for begun in (True, False):
        with alone(tmp_path, "--port", str(port)) as process:
            assert first_line(process) == f"The simulated broker listens on http://127.0.0.1:{port} (demo)."
            account = gateway.sign_in("alice")
            order = {"conid": 265598, "side": "BUY", "orderType": "LMT", "price": 1, "tif": "GTC", "quantity": 5}
            path = f"/iserver/account/{account}/orders"
            if begun:
                assert gateway.call("alice", "POST", path, {"orders": [order | {"cOID": "a"}]})[1][0]["order_id"]
            gateway.call("alice", "GET", "/iserver/account/orders")
            rows = gateway.call("alice", "GET", "/iserver/account/orders")[1]["orders"]
            assert [row["order_ref"] for row in rows] == ["a"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
    assert (tmp_path / "books.sqlite3").exists()


def test_without_a_file_its_books_lie_in_the_data_folder(tmp_path: Path) -> None:
    port, checkout = free_port(), set(os.listdir(ROOT))
    command = [sys.executable, "-m", "brokers.simulator", "--port", str(port)]
    env = BARE | {"HALYARD_DATA": str(tmp_path / "data")}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert first_line(process) == f"The simulated broker listens on http://127.0.0.1:{port} (demo)."
    finally:
        process.kill()
        process.wait()
    assert {"halyard-data", "simulator.sqlite3"} <= set(os.listdir(tmp_path / "data"))
    assert {name for name in set(os.listdir(ROOT)) - checkout if "simulator" in name or "sqlite" in name} == set()


def test_a_data_folder_it_cannot_make_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    command = [sys.executable, "-m", "brokers.simulator", "--port", str(free_port())]
    env = BARE | {"HALYARD_DATA": str(tmp_path / "data")}
    refused = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Cannot keep books in {tmp_path}/data/simulator.sqlite3: ")


def test_without_a_token_there_is_no_control_plane(tmp_path: Path) -> None:
    port = free_port()
    gateway = RunningGateway(preset="fast", token="", env={}, command=[], port=port)
    with alone(tmp_path, "--port", str(port), "--preset", "fast") as process:
        first_line(process)
        for path in ("/sim/v1/counters", "/sim/v1/oauth/consumers", "/sim/v1/alice/journal"):
            assert gateway.request("GET", path) == (404, {"error": "Not Found", "statusCode": 404})


@pytest.mark.parametrize(
    ("more", "env", "says"),
    [
        (("--preset", "nice"), {}, "Unknown preset 'nice'. Choose one of demo, fast, strict."),
        ((), {"SIM_BEHAVIOUR": "{"}, "SIM_BEHAVIOUR is a JSON object of switches"),
        (("--database", "/proc/nowhere/books"), {}, "Cannot keep books in /proc/nowhere/books"),
    ],
)
def test_what_it_cannot_serve_it_says_in_a_sentence(
    tmp_path: Path, more: tuple[str, ...], env: dict[str, str], says: str
) -> None:
    with alone(tmp_path, "--port", str(free_port()), *more, env=env) as process:
        assert first_line(process).startswith(says)
        assert process.wait(timeout=30) == 1


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with alone(tmp_path, "--port", str(port)) as process:
            assert first_line(process).startswith(f"Cannot listen on 127.0.0.1:{port}: Address already in use.")
            assert process.wait(timeout=30) == 1


def test_with_tls_it_keeps_its_certificate_and_prints_its_fingerprint(tmp_path: Path) -> None:
    port, lines = free_port(), []
    for _ in range(2):
        with alone(tmp_path, "--port", str(port), "--tls") as process:
            assert first_line(process) == f"The simulated broker listens on https://127.0.0.1:{port} (demo)."
            lines.append(first_line(process))
            shown = ssl.get_server_certificate(("127.0.0.1", port))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).digest().hex(":").upper()
    assert lines == [f"The SHA-256 fingerprint of its certificate is {digest}."] * 2
    assert (tmp_path / "simulator-tls.pem").stat().st_mode & 0o777 == 0o600


def test_a_certificate_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "simulator-tls.pem").write_text("no certificate")
    with alone(tmp_path, "--port", str(free_port()), "--tls") as process:
        assert "cannot be used" in first_line(process)
        assert process.wait(20) == 1
