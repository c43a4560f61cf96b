"""A line on which nothing comes: noticed, and never for the time that this process stood still itself."""

from __future__ import annotations

import asyncio
import socket
import time

from brokers.ibkr.lines.quiet import Silence


async def test_silence_is_noticed_once_somebody_waits() -> None:
    ended = asyncio.Event()
    with Silence(0.2, ended.set) as silence:
        began = time.monotonic()
        silence.begins()
        async with asyncio.timeout(30):
            await ended.wait()
        assert time.monotonic() - began >= 0.2


async def test_what_came_while_the_process_stood_still_is_read_before_the_line_is_called_silent() -> None:
    ended = asyncio.Event()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs, Silence(0.5, ended.set) as silence:
        silence.begins()
        reading = asyncio.create_task(asyncio.get_running_loop().sock_recv(ours, 10))
        reading.add_done_callback(lambda _: silence.begins())
        await asyncio.sleep(0)
        theirs.send(b"a beat")
        # Nothing of this loop runs meanwhile, as when a machine gives a process no time.
        time.sleep(0.8)  # noqa: ASYNC251
        assert await reading == b"a beat"
        await asyncio.sleep(0.1)
        assert not ended.is_set()
        async with asyncio.timeout(30):
            await ended.wait()
