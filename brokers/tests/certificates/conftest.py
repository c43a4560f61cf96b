"""A gateway that speaks TLS with a certificate of its own, as IBKR's does, and listeners that do not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from brokers.domain import addresses
from brokers.domain.addresses import Reach
from brokers.simulator.testing.gateway import RunningGateway, running_gateway

LOOPBACK = Reach(networks=addresses.networks(["127.0.0.0/8", "::1/128"]), ports=((1, 65535),))


@pytest.fixture(scope="module")
def secured(servers: None) -> Iterator[RunningGateway]:
    """The gateway behind `python -m brokers.simulator --tls`."""
    with running_gateway("fast", tls=True) as running:
        yield running


@contextmanager
def listener(answer: bytes = b"") -> Iterator[tuple[int, list[bytes]]]:
    """Something on loopback that takes every call, says `answer`, and says no more; its port, and what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            calls = []
            while True:
                try:
                    call, _ = server.accept()
                except OSError:
                    break
                calls.append(call)
                call.settimeout(0.5)
                try:
                    heard.append(call.recv(4096))
                    if answer:
                        call.sendall(answer)
                        call.close()
                except OSError:
                    pass
            for call in calls:
                call.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], heard
        finally:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join(5)
