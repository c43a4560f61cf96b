"""Senders of signals: keep-alive connections that post, wait for the answer, and post again. A process of its own.

    python -m benchmarks.load http://127.0.0.1:8000 PATHS.json --senders 32 --seconds 5
    python -m benchmarks.load http://127.0.0.1:8000 PATHS.json --senders 256 --count 10000

Prints one JSON object: answers by status, seconds, and the percentiles of the answer times in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop


class Senders:
    """What all senders of a run share: what to post, until when, and what was answered."""

    def __init__(self, host: str, paths: list[str], seconds: float, count: int) -> None:
        self.heads = [
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: ".encode()
            for path in paths
        ]
        self.run = uuid.uuid4().hex
        self.now = datetime.now(UTC).isoformat().encode()
        self.until = time.perf_counter() + seconds if seconds else float("inf")
        self.count = count
        self.posted = 0
        self.milliseconds: list[float] = []
        self.statuses: Counter[str] = Counter()

    def next_request(self) -> bytes | None:
        """A signal nobody has sent before, or None at the end of the run."""
        if time.perf_counter() >= self.until or (self.count and self.posted >= self.count):
            return None
        self.posted += 1
        body = (
            b'{"ticker": "SPY", "action": "buy", "quantity": "10", "price": "447.31", "interval": "5", '
            b'"time": "%s", "signalId": "%s-%d"}' % (self.now, self.run.encode(), self.posted)
        )
        return self.heads[self.posted % len(self.heads)] + b"%d\r\n\r\n" % len(body) + body


class Sender(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self, senders: Senders) -> None:
        self.senders = senders
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def post(self) -> None:
        request = self.senders.next_request()
        assert self.transport is not None
        if request is None:
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, gap, body = self.buffer.partition(b"\r\n\r\n")
        if not gap:
            return
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.senders.milliseconds.append((time.perf_counter() - self.sent_at) * 1000)
        self.senders.statuses[self.buffer[9:12].decode()] += 1
        self.buffer = b""
        self.post()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None or self.buffer:
            self.senders.statuses["connection lost"] += 1
        if not self.over.done():
            self.over.set_result(None)


async def run(url: str, paths: list[str], *, senders: int, seconds: float, count: int) -> dict[str, Any]:
    """Open all connections first, then let them go at once."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    shared = Senders(parts.netloc, paths, seconds, count)
    loop = asyncio.get_running_loop()
    connected: list[Sender] = []
    for _ in range(senders):
        _, sender = await loop.create_connection(lambda: Sender(shared), parts.hostname, parts.port)
        connected.append(sender)
    started = time.perf_counter()
    shared.until = started + seconds if seconds else float("inf")
    for sender in connected:
        sender.post()
    await asyncio.gather(*(sender.over for sender in connected))
    elapsed = time.perf_counter() - started
    times = sorted(shared.milliseconds) or [0.0]
    return {
        "posted": shared.posted,
        "statuses": dict(shared.statuses),
        "seconds": elapsed,
        "rate": shared.statuses["200"] / elapsed,
        **{f"p{n}": times[min(len(times) - 1, len(times) * n // 100)] for n in (50, 95, 99)},
        "slowest": times[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("paths", type=Path)
    parser.add_argument("--senders", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--count", type=int, default=0)
    options = parser.parse_args()
    paths = json.loads(options.paths.read_text())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(
            run(options.url, paths, senders=options.senders, seconds=options.seconds, count=options.count)
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
