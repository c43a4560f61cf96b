"""The pages of a team share one ear: one subscription, every page hears, and a page that reads slowly harms no other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
from channels.layers import get_channel_layer

from accounts.feed import ears, lines
from accounts.feed.consumers import MOST_UNSENT, TeamFeed
from accounts.models import User

pytestmark = [pytest.mark.usefixtures("own_layer", "servers")]
GROUP = "team.7"
PATIENCE_SECONDS = 5


class Listener:
    """A page that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.news = asyncio.Event()

    def hear(self, message: dict[str, Any]) -> None:
        self.heard.append(message["html"])
        self.news.set()

    async def next(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.news.wait()
        self.news.clear()


class Broken(Listener):
    def hear(self, message: dict[str, Any]) -> None:
        raise ValueError("cannot take it")


async def say(html: str) -> None:
    await get_channel_layer().group_send(GROUP, {"type": "feed.html", "html": html})


def subscriptions() -> tuple[int, int]:
    """How many channels and groups this process has taken of the layer."""
    layer = get_channel_layer()
    return len(layer.channels), len(layer.groups)


async def test_the_pages_of_a_group_hear_by_one_subscription() -> None:
    pages = [Listener() for _ in range(3 * ears.AT_ONCE)]
    await asyncio.gather(*(ears.listen(GROUP, page) for page in pages))
    assert subscriptions() == (1, 1)

    await say("filled")
    await pages[-1].next()
    assert all(page.heard == ["filled"] for page in pages)

    for page in pages:
        await ears.leave(GROUP, page)
    assert subscriptions() == (0, 0)


async def test_who_has_left_hears_nothing_and_the_others_go_on() -> None:
    gone, stays, comes = Listener(), Listener(), Listener()
    for page in (gone, stays):
        await ears.listen(GROUP, page)
    await ears.leave(GROUP, gone)
    await say("one")
    await stays.next()
    await ears.leave(GROUP, stays)
    await ears.listen(GROUP, comes)
    await say("two")
    await comes.next()
    assert (gone.heard, stays.heard, comes.heard) == ([], ["one"], ["two"])
    await ears.leave(GROUP, comes)


async def test_a_page_that_fails_does_not_keep_the_message_from_the_others() -> None:
    broken, whole = Broken(), Listener()
    for page in (broken, whole):
        await ears.listen(GROUP, page)
    for html in ("one", "two"):
        await say(html)
        await whole.next()
    assert whole.heard == ["one", "two"]
    for page in (broken, whole):
        await ears.leave(GROUP, page)


async def test_what_could_not_listen_while_valkey_was_away_can_afterwards(settings: Any) -> None:
    layers = settings.CHANNEL_LAYERS
    away = {**layers["default"]["CONFIG"], "hosts": ["unix:///nonexistent/valkey.sock?db=0"]}
    settings.CHANNEL_LAYERS = {"default": {**layers["default"], "CONFIG": away}}
    pages = [Listener(), Listener()]
    said = await asyncio.gather(*(ears.listen(GROUP, page) for page in pages), return_exceptions=True)
    assert [isinstance(each, redis.RedisError) for each in said] == [True, True]
    with pytest.raises(redis.RedisError):
        await ears.listen(GROUP, pages[0])
    settings.CHANNEL_LAYERS = layers
    await ears.listen(GROUP, pages[0])
    await say("back")
    await pages[0].next()
    assert pages[0].heard == ["back"]
    await ears.leave(GROUP, pages[0])


class Socket:
    """The server's end of a line whose reader takes nothing until it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        self.sent.append(message)


def page_on(socket: Socket) -> TeamFeed:
    page = TeamFeed()
    page.base_send, page.scope = socket.send, {"user": User(pk=42)}
    return page


async def all_sent(page: TeamFeed) -> None:
    assert page.sending is not None
    await asyncio.wait_for(page.sending, PATIENCE_SECONDS)


async def test_nothing_is_sent_before_the_line_is_open() -> None:
    socket = Socket()
    socket.reads.set()
    page = page_on(socket)
    page.hear(ears.spoken({"type": "feed.html", "html": "early", "number": 5}))
    await asyncio.sleep(0)
    assert socket.sent == []
    page.is_line_open = True
    page.hear(ears.spoken({"type": "feed.html", "html": "late", "number": 6}))
    await all_sent(page)
    assert [each["text"] for each in socket.sent] == ["<!--5-->early", "<!--6-->late"]


async def test_a_page_that_does_not_read_keeps_little_waiting_and_is_closed_all_the_same() -> None:
    socket = Socket()
    page = page_on(socket)
    page.is_line_open = True
    page.hear(ears.spoken({"type": "feed.html", "html": "", "number": 0}))
    await asyncio.sleep(0)
    page.hear({"type": "feed.again", "user_id": 7})
    for number in range(1, 3 * MOST_UNSENT):
        page.hear(ears.spoken({"type": "feed.html", "html": "", "number": number}))
        assert len(page.unsent) <= MOST_UNSENT
    page.hear({"type": "feed.leave", "user_id": 42})

    socket.reads.set()
    await all_sent(page)
    numbers = [int(each["text"][4:-3]) for each in socket.sent if each["type"] == "websocket.send"]
    # What was left out is missing, so that the page reads again; what follows is there in its order.
    assert numbers[0] == 0
    assert numbers[1] > 1
    assert numbers == sorted(numbers)
    assert numbers[-1] == 3 * MOST_UNSENT - 1
    assert socket.sent[-1]["code"] == 4404


async def test_a_push_goes_straight_to_a_line_that_takes_frames_and_never_before_what_waits() -> None:
    socket, written, takes = Socket(), list[bytes](), True

    def write(frame: bytes) -> bool:
        if takes:
            written.append(frame)
        return takes

    page = page_on(socket)
    page.write_frame = write
    page.hear(ears.spoken({"type": "feed.html", "html": "early", "number": 1}))
    page.is_line_open = True
    page.hear(ears.spoken({"type": "feed.html", "html": "behind", "number": 2}))
    assert written == []
    socket.reads.set()
    await all_sent(page)
    assert [each["text"] for each in socket.sent] == ["<!--1-->early", "<!--2-->behind"]

    page.hear(ears.spoken({"type": "feed.html", "html": "straight", "number": 3}))
    assert written == [lines.frame("<!--3-->straight")]
    assert len(socket.sent) == 2

    takes = False
    page.hear(ears.spoken({"type": "feed.html", "html": "by the server", "number": 4}))
    await all_sent(page)
    assert socket.sent[-1]["text"] == "<!--4-->by the server"
    assert len(written) == 1


async def test_what_closes_a_page_is_not_written_as_a_frame() -> None:
    socket, written = Socket(), list[bytes]()
    socket.reads.set()
    page = page_on(socket)

    def write(frame: bytes) -> bool:
        written.append(frame)
        return True

    page.write_frame, page.is_line_open = write, True
    page.hear(ears.spoken({"type": "feed.leave", "user_id": 42}))
    await all_sent(page)
    page.hear(ears.spoken({"type": "feed.html", "html": "after", "number": 5}))
    assert [each["type"] for each in socket.sent] == ["websocket.close"]
    assert written == []
