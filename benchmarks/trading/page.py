"""A page that is open: signed in as a browser does, its websocket open, and what comes over it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping

import aiohttp

PING_SECONDS = 20.0
_ROW = re.compile(r'id="(?:order|signal)-([0-9a-f-]{36})"')
# The row of an order that is filled, by the words that a list is filtered by.
FILLED = re.compile(r'id="order-([0-9a-f-]{36})"\s+data-feed-into="orders"\s+data-feed-tags="[^"]*\bfilled\b')


@contextlib.asynccontextmanager
async def line(url: str, who: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """The line of a page of `who["team"]` at the product at `url`, kept alive; signed in by `email` and `password`."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar()) as browser:
        form = await (await browser.get(f"{url}/accounts/login/")).text()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token is not None
        fields = {"login": who["email"], "password": who["password"], "csrfmiddlewaretoken": token[1]}
        headers = {"Origin": url, "Referer": f"{url}/accounts/login/"}
        entered = await browser.post(f"{url}/accounts/login/", data=fields, headers=headers)
        assert "/teams/" in str(entered.url), entered.url
        address = f"{url.replace('http', 'ws', 1)}/ws/teams/{who['team']}/"
        async with browser.ws_connect(address, headers={"Origin": url}, max_msg_size=0) as opened:
            pinging = asyncio.create_task(_ping(opened))
            try:
                yield opened
            finally:
                pinging.cancel()
                await asyncio.gather(pinging, return_exceptions=True)


async def _ping(opened: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        await opened.send_str("ping")
        await asyncio.sleep(PING_SECONDS)


@contextlib.contextmanager
def watched(url: str, *owners: Mapping[str, str], row: re.Pattern[str] = _ROW) -> Iterator[dict[str, float]]:
    """A page of each of these teams is open; when each row came first, by its code, by this machine's clock."""
    came: dict[str, float] = {}
    ready, over = threading.Barrier(len(owners) + 1, timeout=60), threading.Event()
    threads = [
        threading.Thread(target=asyncio.run, args=(_watch(url, each, row, came, ready, over),)) for each in owners
    ]
    for thread in threads:
        thread.start()
    try:
        ready.wait()
        yield came
    finally:
        over.set()
        for thread in threads:
            thread.join()


async def _watch(
    url: str,
    who: Mapping[str, str],
    row: re.Pattern[str],
    came: dict[str, float],
    ready: threading.Barrier,
    over: threading.Event,
) -> None:
    try:
        async with line(url, who) as opened:
            await asyncio.to_thread(ready.wait)
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    message = await opened.receive(timeout=0.5)
                    for code in row.findall(str(message.data)):
                        came.setdefault(code, time.time())
    except BaseException:
        ready.abort()
        raise
