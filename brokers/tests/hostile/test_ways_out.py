"""The ways out of a process, against a server that counts: nothing is followed elsewhere, and connections are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from django.conf import settings
from yarl import URL

from brokers.dialing import KEPT_SECONDS, Redirected, Way
from brokers.processes.watching.tending import APART_SECONDS, KEEP_JITTER


@dataclass
class Server:
    """Sends everybody who asks for `/elsewhere` to `/there`, and remembers who came over which connection."""

    url: URL = field(default_factory=URL)
    asked: list[tuple[str, object]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.transport))
        if request.path == "/elsewhere":
            raise web.HTTPFound("/there")
        return web.Response(text="{}")


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server, app = Server(), web.Application()
    app.router.add_route("*", "/{tail:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1])
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def way() -> AsyncIterator[Way]:
    made = Way(None, keepalive_timeout=KEPT_SECONDS)
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.usefixtures("servers")
async def test_neither_a_request_nor_a_stream_is_sent_elsewhere() -> None:
    async with serving() as server, way() as out:
        async with out.request("POST", server.url / "elsewhere") as answer:
            assert answer.status == 302
        with pytest.raises(Redirected):
            await out.stream(server.url / "elsewhere")
    assert [path for path, _ in server.asked] == ["/elsewhere", "/elsewhere"]


@pytest.mark.usefixtures("servers")
async def test_one_tickle_after_the_other_goes_over_one_connection() -> None:
    async with serving() as server, way() as out:
        for _ in range(3):
            async with out.request("POST", server.url / "tickle") as answer:
                await answer.read()
            await asyncio.sleep(0)
    assert len({connection for _, connection in server.asked}) == 1


def test_a_connection_is_kept_for_longer_than_from_one_tickle_to_the_next() -> None:
    """Otherwise every tickle dials, and shakes hands."""
    assert settings.KEEP_SECONDS * KEEP_JITTER[1] + 2 * APART_SECONDS < KEPT_SECONDS
