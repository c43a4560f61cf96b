"""Small servers that speak the services' own APIs, on loopback: what came is kept, and what they answer is said before."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Service:
    """A server of one service. `answers`: what it says next, as status, headers and body; then what it usually says.

    A status of 0 hangs, one below zero drops the line once the request has been read.
    """

    usual: tuple[int, dict[str, str], str]
    url: str = ""
    came: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], str]] = field(default_factory=list)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.came]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.came.append((request.path_qs, dict(request.headers), await request.read()))
        status, headers, body = self.answers.pop(0) if self.answers else self.usual
        if status == 0:
            await asyncio.sleep(3600)
        if status < 0 and request.transport is not None:
            request.transport.abort()
            raise web.HTTPInternalServerError
        return web.Response(status=status, headers=headers, text=body)


@contextmanager
def serving(usual: tuple[int, dict[str, str], str] = (200, {}, "ok")) -> Iterator[Service]:
    """A server on a port of its own, while this lasts."""
    service, begun, loop = Service(usual), threading.Event(), asyncio.new_event_loop()

    async def begin() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", service.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def run() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(begin())
        begun.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        # Whoever hung goes with the server.
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
