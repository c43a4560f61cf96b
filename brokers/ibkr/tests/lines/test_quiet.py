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


async def test_a_process_that_is_late_again_and_again_judges_no_line_silent() -> None:
    ended, seconds = asyncio.Event(), 0.4
    with Silence(seconds, ended.set) as silence:
        silence.begins()
        began = time.monotonic()
        # Each pass of this loop takes longer than a look may be late, as where thousands of lines are to be read.
        while time.monotonic() - began < 2 * seconds:
            time.sleep(seconds / 10)  # noqa: ASYNC251
            await asyncio.sleep(0)
        assert not ended.is_set()
        # On time again it says so.
        async with asyncio.timeout(30):
            await ended.wait()


async def test_a_line_that_says_nothing_for_very_long_is_silent_however_late_the_process_is() -> None:
    ended, seconds = asyncio.Event(), 0.2
    with Silence(seconds, ended.set) as silence:
        silence.begins()
        began = time.monotonic()
        while not ended.is_set() and time.monotonic() - began < 30:
            time.sleep(seconds / 10)  # noqa: ASYNC251
            await asyncio.sleep(0)
        assert 3 * seconds <= time.monotonic() - began < 30
