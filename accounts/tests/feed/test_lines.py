"""A line takes frames that are made already, beside what uvicorn sends on it, and refuses them where they cannot stand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from accounts.feed import lines

pytestmark = pytest.mark.usefixtures("servers")
MEGABYTE = lines.frame("x" * (1 << 20))
MOST_BUFFERED = 64  # megabytes that no machine keeps for a client that does not read


class Application:
    """Accepts a line and is told when its client has gone."""

    def __init__(self) -> None:
        self.is_open, self.is_over = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        write = lines.writer_of(scope)
        assert write is not None, "the server takes no frames"
        assert not write(lines.frame("before it is open"))
        await send({"type": "websocket.accept"})
        self.write, self.send = write, send
        self.is_open.set()
        while (await receive())["type"] != "websocket.disconnect":
            pass
        self.is_over.set()


@contextlib.asynccontextmanager
async def opened(*, packs: bool = False) -> AsyncIterator[tuple[Application, ClientConnection]]:
    """What a server has of a line, and the client at its other end."""
    application = Application()
    async with served(application, packs=packs) as url, connect(url, max_size=None, max_queue=1) as client:
        await application.is_open.wait()
        yield application, client


@contextlib.asynccontextmanager
async def served(application: Any, *, packs: bool = False) -> AsyncIterator[str]:
    """Where a server with this application listens."""
    config = uvicorn.Config(
        application, lifespan="off", ws="accounts.feed.lines:Line", ws_per_message_deflate=packs, log_level="warning"
    )
    config.load()
    make: Any = config.ws_protocol_class
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: make(config=config, server_state=ServerState(), app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_frames_of_every_length_come_whole_and_in_order_with_what_the_server_sends() -> None:
    texts = ["", "é", "x" * 125, "x" * 126, "ü" * 32_767, "x" * 65_535, "x" * 65_536]
    async with opened() as (line, client):
        for text in texts:
            assert line.write(lines.frame(text))
            await line.send({"type": "websocket.send", "text": f"behind {len(text)}"})
        for text in texts:
            assert await client.recv() == text
            assert await client.recv() == f"behind {len(text)}"


async def test_a_client_that_does_not_read_is_written_no_more() -> None:
    async with opened() as (line, client):
        written = 0
        while line.write(MEGABYTE):
            written += 1
            assert written < MOST_BUFFERED, "all that a client does not read is kept"
            await asyncio.sleep(0)
        # Once it reads it has all that was written.
        for _ in range(written):
            assert len(await client.recv()) == 1 << 20


async def test_nothing_is_written_behind_the_end_of_a_line() -> None:
    async with opened() as (line, client):
        await line.send({"type": "websocket.close", "code": 4404})
        assert not line.write(lines.frame("too late"))
        await client.wait_closed()
        assert client.close_code == 4404


async def test_a_line_whose_client_has_gone_is_written_no_more() -> None:
    async with opened() as (line, client):
        client.transport.abort()
        await line.is_over.wait()
        assert not line.write(lines.frame("is anybody there?"))


async def test_a_packed_line_takes_no_frames_that_are_not() -> None:
    async with opened(packs=True) as (line, client):
        assert not line.write(lines.frame("plain"))
        await line.send({"type": "websocket.send", "text": "packed"})
        assert await client.recv() == "packed"


# What `Line` asks of uvicorn's line and of what stands behind it.
_PRIVATE = ["handshake_complete", "close_sent", "disconnected", "conn", "writable", "transport"]


class Renamed:
    """A part of a line that has none of the names that it had."""


@pytest.mark.parametrize("name", _PRIVATE)
async def test_a_line_whose_names_are_gone_is_sent_to_in_the_usual_way(name: str) -> None:
    async with opened() as (line, client):
        await falls_back(line, client, name, None)


@pytest.mark.parametrize("name", ["conn", "writable", "transport"])
async def test_so_is_one_whose_parts_have_other_names(name: str) -> None:
    async with opened() as (line, client):
        await falls_back(line, client, name, Renamed())


async def falls_back(line: Application, client: ClientConnection, name: str, instead: object) -> None:
    """Without this name, or with something else behind it, a frame does not leave; what the server sends does."""
    protocol = line.write.__self__  # type: ignore[attr-defined]
    assert line.write(lines.frame("straight"))
    was = getattr(protocol, name)
    delattr(protocol, name) if instead is None else setattr(protocol, name, instead)
    assert not line.write(lines.frame("lost"))
    # uvicorn itself goes by the name that it knows.
    setattr(protocol, name, was)
    await line.send({"type": "websocket.send", "text": "in the usual way"})
    assert [await client.recv(), await client.recv()] == ["straight", "in the usual way"]


async def test_a_server_that_lacks_a_name_from_the_start_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_ASKED", (*lines._ASKED, "a name of another release"))
    heard = asyncio.Event()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert lines.writer_of(scope) is None
        heard.set()
        await send({"type": "websocket.close"})

    async with served(application) as url:
        with contextlib.suppress(InvalidStatus):
            await connect(url)
    assert heard.is_set()
