"""Open pages without a browser: bare websockets that answer pings and note when each order's row came. A process of its own.

    python -m benchmarks.pushing.sockets 127.0.0.1 8000 SOCKETS.json

SOCKETS.json: `[["/ws/teams/CODE/", "name=value of the session's cookie"], ...]`. Prints "open" once all are; at the end of its input it prints
`[[code of an order, seconds by the machine's monotonic clock], ...]`, a pair for each row that came to a socket.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import cast

import uvloop

PING_SECONDS = 20.0
_TEXT, _CLOSE, _PING = 1, 8, 9
_ROW = b'id="order-'
_CODE_LENGTH = 36


class Socket(asyncio.Protocol):
    """One line, opened as a browser opens it."""

    def __init__(self, host: str, path: str, session: str, came: list[tuple[bytes, float]]) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self.head = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {session}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        ).encode()
        self.was_closed = 0
        self.came, self.buffer, self.is_open = came, b"", asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.head)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self.buffer += data
        if not self.is_open.done():
            head, gap, self.buffer = self.buffer.partition(b"\r\n\r\n")
            if not gap:
                self.buffer = head
                return
            # A browser would unpack them; here their rows could not be found.
            assert b"permessage-deflate" not in head, "the server packs its messages"
            assert head.startswith(b"HTTP/1.1 101"), head
            self.is_open.set_result(None)
        while (frame := self._next_frame()) is not None:
            self._take(*frame, now)

    def _next_frame(self) -> tuple[int, bytes] | None:
        if len(self.buffer) < 2:
            return None
        length, start = self.buffer[1], 2
        if length >= 126:
            start = 4 if length == 126 else 10
            length = int.from_bytes(self.buffer[2:start], "big")
        if len(self.buffer) < start + length:
            return None
        kind, body = self.buffer[0] & 15, self.buffer[start : start + length]
        self.buffer = self.buffer[start + length :]
        return kind, body

    def _take(self, kind: int, body: bytes, now: float) -> None:
        if kind == _TEXT and (at := body.find(_ROW)) >= 0:
            self.came.append((body[at + len(_ROW) : at + len(_ROW) + _CODE_LENGTH], now))
        elif kind == _PING:
            self.say(10, body)
        elif kind == _CLOSE:
            self.was_closed = int.from_bytes(body[:2], "big")

    def say(self, kind: int, body: bytes) -> None:
        # A browser masks what it says; with zeros it stays as it is.
        self.transport.write(bytes((128 | kind, 128 | len(body), 0, 0, 0, 0)) + body)


async def run(host: str, port: int, sockets: list[tuple[str, str]]) -> list[tuple[str, float]]:
    """Open all, keep them open until the input ends, and tell what came."""
    loop, came, opened = asyncio.get_running_loop(), list[tuple[bytes, float]](), list[Socket]()
    for path, session in sockets:
        _, socket = await loop.create_connection(
            lambda path=path, session=session: Socket(f"{host}:{port}", path, session, came),  # type: ignore[misc]
            host,
            port,
        )
        await socket.is_open
        opened.append(socket)
    print("open", flush=True)
    pinging = asyncio.create_task(_ping(opened))
    await asyncio.to_thread(sys.stdin.read)
    pinging.cancel()
    if closed := {socket.was_closed for socket in opened} - {0}:
        raise SystemExit(f"The server closed lines, with {closed}")
    return [(code.decode(), at) for code, at in came]


async def _ping(sockets: list[Socket]) -> None:
    """Each says every twenty seconds that it is open; they take turns, as pages of many people do."""
    while True:
        for socket in sockets:
            socket.say(1, b"ping")
            await asyncio.sleep(PING_SECONDS / len(sockets))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("sockets", type=Path)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        came = runner.run(run(options.host, options.port, json.loads(options.sockets.read_text())))
    print(json.dumps(came))


if __name__ == "__main__":
    main()
