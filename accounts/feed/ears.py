"""What a group hears: taken from Valkey once in a process, and handed to each of its open pages there.

A Channels consumer of its own for each page would take every message from the layer, unpack it and hand it through two
tasks, once for each page: at a thousand pages that took most of a core. So all pages of a group share one ear.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from channels.layers import get_channel_layer

from accounts.feed import lines
from accounts.loops import endings

log = logging.getLogger(__name__)

# After so many pages of one message the loop serves others: a signal at the door, a page of another team.
AT_ONCE = 50


class Page(Protocol):
    """What listens. `hear` takes a message at once and never waits: a page that is slow to read holds up no other.

    A message with html has beside it what goes to each browser, made once: `text`, and `frame` as it stands on a line.
    """

    def hear(self, message: dict[str, Any]) -> None: ...


def spoken(message: dict[str, Any]) -> dict[str, Any]:
    """A message of a group as its pages hear it."""
    if "html" not in message:
        return message
    number = message.get("number")
    text = message["html"] if number is None else f"<!--{number}-->{message['html']}"
    return {**message, "text": text, "frame": lines.frame(text)}


class Ear:
    """One group's channel in this process, and the pages that listen by it."""

    def __init__(self, layer: Any, group: str) -> None:
        self.layer, self.group = layer, group
        # In the order in which they came.
        self.pages: dict[Page, None] = {}
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.hands_round = False
        self.listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        # The layer gives a channel back only where its receiver is cancelled: never in the middle of a round.
        while not self.listening.done():
            if not self.hands_round:
                self.listening.cancel()
            # Once more where the cancellation got lost.
            await asyncio.wait({self.listening}, timeout=endings.AGAIN_SECONDS)

    async def _listen(self) -> None:
        try:
            channel = await self.layer.new_channel()
            await self.layer.group_add(self.group, channel)
        except Exception as error:
            self.is_open.set_exception(error)
            return
        self.is_open.set_result(None)
        try:
            while True:
                try:
                    await self._hand_round(spoken(await self.layer.receive(channel)))
                except Exception:
                    # Nothing starts this task again while pages listen, so no message may end it.
                    log.exception("A message of %s was lost", self.group)
        finally:
            await self.layer.group_discard(self.group, channel)

    async def _hand_round(self, message: dict[str, Any]) -> None:
        self.hands_round = True
        for number, page in enumerate(list(self.pages), start=1):
            # It may have left while others were served.
            if page in self.pages:
                try:
                    page.hear(message)
                except Exception:
                    log.exception("A page did not take a message of %s", self.group)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        self.hands_round = False
        if not self.pages:
            self.listening.cancel()


# By loop and layer: a web process has one of each, tests have many.
_ears: dict[tuple[asyncio.AbstractEventLoop, Any, str], Ear] = {}


async def listen(group: str, page: Page) -> None:
    """From its return on the page hears what the group is sent. Raises what Redis raises; the page hears nothing then."""
    key = _key(group)
    ear = _ears.get(key)
    if ear is None:
        ear = _ears[key] = Ear(key[1], group)
    ear.pages[page] = None
    try:
        await asyncio.shield(ear.is_open)
    except BaseException:
        await leave(group, page)
        raise


async def leave(group: str, page: Page) -> None:
    """The page hears nothing more. The last one of a group closes its ear."""
    key = _key(group)
    ear = _ears.get(key)
    if ear is None or page not in ear.pages:
        return
    del ear.pages[page]
    if not ear.pages:
        del _ears[key]
        await ear.close()


def _key(group: str) -> tuple[asyncio.AbstractEventLoop, Any, str]:
    return asyncio.get_running_loop(), get_channel_layer(), group
