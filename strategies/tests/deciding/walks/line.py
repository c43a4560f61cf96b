"""The line between a worker and its gateway, on which an order can be caught: it has left the worker, and never arrives."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from brokers.simulator.testing.gateway import RunningGateway


class Line:
    """A port on loopback that leads to a gateway's."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway_port = gateway.port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._catches = False
        self.caught = threading.Event()
        _begin(self._serve)

    def catch(self) -> None:
        """Let the next order not through; `caught` tells when it has come."""
        self.caught.clear()
        self._catches = True

    def end(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._server.accept()
                theirs = socket.create_connection(("127.0.0.1", self._gateway_port))
                _begin(self._carry, ours, theirs)
                _begin(_pump, theirs, ours)

    def _carry(self, ours: socket.socket, theirs: socket.socket) -> None:
        """What the worker says, as it says it."""
        with contextlib.suppress(OSError), theirs:
            while said := ours.recv(65536):
                first, _, _ = said.partition(b"\r\n")
                if self._catches and first.startswith(b"POST ") and b"/orders " in first:
                    self._catches = False
                    self.caught.set()
                    return
                theirs.sendall(said)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError), sink:
        while said := source.recv(65536):
            sink.sendall(said)


def _begin(work: Callable[..., None], *values: object) -> None:
    threading.Thread(target=work, args=values, daemon=True).start()


@contextlib.contextmanager
def line_to(gateway: RunningGateway) -> Iterator[Line]:
    made = Line(gateway)
    try:
        yield made
    finally:
        made.end()
