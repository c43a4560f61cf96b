"""The wire between us and a gateway, which a test cuts: refused, swallowed, or deaf in one direction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import StrEnum

from brokers.simulator.testing.gateway import free_port


class Cut(StrEnum):
    """`deaf`: what we send arrives, and no answer comes back."""

    NONE = "none"
    REFUSED = "refused"
    SWALLOWED = "swallowed"
    DEAF = "deaf"


class Cable:
    """A port on loopback that leads to a gateway's, for as long as nobody cuts it."""

    def __init__(self, gateway_port: int, port: int) -> None:
        self.port, self._gateway_port, self._cut = port, gateway_port, Cut.NONE
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def cut(self, how: Cut) -> None:
        self._cut = how
        if how is Cut.REFUSED and self._server is not None:
            self._server.close()
            self._server = None
            self._break()

    async def mend(self) -> None:
        """What was swallowed is gone for good; new lines lead there again."""
        self._break()
        self._cut = Cut.NONE
        if self._server is None:
            self._server = await asyncio.start_server(self._plugged, "127.0.0.1", self.port)

    async def end(self) -> None:
        if self._server is not None:
            self._server.close()
        self._break()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _break(self) -> None:
        for line in list(self._lines):
            line.transport.abort()

    def _plugged(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._gateway_port)
            self._lines.add(ours)
            there = self._pump(reader, ours, swallowed={Cut.SWALLOWED})
            back = self._pump(theirs, writer, swallowed={Cut.SWALLOWED, Cut.DEAF})
            ways = [asyncio.create_task(there), asyncio.create_task(back)]
            _, rest = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for each in rest:
                each.cancel()
            self._lines.discard(ours)
            ours.transport.abort()
        except OSError:
            pass
        finally:
            self._lines.discard(writer)
            writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, swallowed: set[Cut]) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if self._cut not in swallowed:
                    sink.write(data)
                    await sink.drain()


@contextlib.asynccontextmanager
async def plugged_in(gateway_port: int, port: int) -> AsyncIterator[Cable]:
    cable = Cable(gateway_port, port)
    await cable.mend()
    try:
        yield cable
    finally:
        await cable.end()


__all__ = ["Cable", "Cut", "free_port", "plugged_in"]
