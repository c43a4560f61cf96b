"""The least that a server of pushes can be: websockets by path, and a line on which a message for a path comes in.

    python -m benchmarks.pushing.bare PORT LINE_PORT

A message on the line: the path, a newline, its length in four bytes, and the text. It is framed once and written to every
socket that was opened with the path. No session is asked about, nothing is rendered, and Valkey is not on its way.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
from collections import defaultdict

import uvloop

_PEPPER = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_fans: defaultdict[bytes, list[asyncio.StreamWriter]] = defaultdict(list)


async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the handshake, and read what is said for as long as it is open."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        # Somebody looked whether anybody listens.
        writer.close()
        return
    key = head.split(b"Sec-WebSocket-Key: ", 1)[1].split(b"\r\n", 1)[0]
    accept = base64.b64encode(hashlib.sha1(key + _PEPPER).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )
    fan = _fans[head.split(b" ", 2)[1]]
    fan.append(writer)
    while await reader.read(4096):
        pass
    fan.remove(writer)
    writer.close()


async def line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while path := (await reader.readline()).strip():
        text = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
        assert 126 <= len(text) < 2**16
        frame = bytes((0x81, 126)) + len(text).to_bytes(2, "big") + text
        for each in _fans[path]:
            each.write(frame)
    writer.close()


async def run(port: int, line_port: int) -> None:
    async with (
        await asyncio.start_server(opened, "127.0.0.1", port, backlog=2048) as server,
        await asyncio.start_server(line, "127.0.0.1", line_port),
    ):
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("line_port", type=int)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options.port, options.line_port))


if __name__ == "__main__":
    main()
