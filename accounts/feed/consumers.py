"""The browser's end of the team feed."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone

from accounts.access import team_for
from accounts.entrance.sessions import is_idle
from accounts.feed import ears, lines
from accounts.feed.needs import needs_html
from accounts.feed.pushes import group_of, page_is_open, session_group_of

log = logging.getLogger(__name__)

STRANGER = 4404
SIGNED_OUT = 4401
# The page opens its line anew.
ROLE_CHANGED = 4409
# A page that stays open is asked again this often whether its session and its membership still stand.
ASKED_EVERY = 60.0
# Pushes that wait for a page that does not read. Beyond it they are left out: the page reads again where numbers are missing.
MOST_UNSENT = 100

# What a group may be told, and what a page does then.
_TELLS = {"feed.html": "feed_html", "feed.leave": "feed_leave", "feed.again": "feed_again", "feed.ended": "feed_ended"}


class TeamFeed(AsyncWebsocketConsumer):
    """Authorise on connect, forward html, and answer what needs somebody: nothing else."""

    # No channel of its own: what a team hears comes by the ear that its pages share.
    channel_layer_alias = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.groups_heard: list[str] = []
        self.unsent: deque[dict[str, Any]] = deque()
        self.sending: asyncio.Task[None] | None = None
        self.is_line_open = False
        self.write_frame: lines.Write | None = None

    async def connect(self) -> None:
        try:
            if not self._same_origin():
                raise Http404
            team = await database_sync_to_async(team_for)(
                self.scope["user"], self.scope["url_route"]["kwargs"]["team_code"]
            )
        except (Http404, PermissionDenied):
            # Accepted first, so that the page learns the reason and stops asking.
            await self.accept()
            await self.close(code=STRANGER)
            return
        self.team_pk = team.pk
        self.write_frame = lines.writer_of(self.scope)
        groups = [group_of(team.pk)]
        if session_key := self.scope["session"].session_key:
            groups.append(session_group_of(session_key))
        for group in groups:
            await ears.listen(group, self)
            self.groups_heard.append(group)
        self.asked_at = asyncio.get_running_loop().time()
        await asyncio.to_thread(page_is_open, self.team_pk)
        await self.accept()
        self.is_line_open = True
        self._send_on()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.is_line_open = False
            if self.sending is not None:
                self.sending.cancel()
            for group in self.groups_heard:
                await ears.leave(group, self)

    def hear(self, message: dict[str, Any]) -> None:
        """Take what the team is told; it is sent in its order, as fast as the page reads."""
        if message["type"] == "feed.html" and self._wrote(message["frame"]):
            return
        if len(self.unsent) >= MOST_UNSENT:
            self.unsent = deque(each for each in self.unsent if each["type"] != "feed.html")
        self.unsent.append(message)
        self._send_on()

    def _wrote(self, frame: bytes) -> bool:
        """Write a frame straight to the line, where nothing waits to be sent before it; whether it has left."""
        if self.write_frame is None or self.unsent or not self.is_line_open:
            return False
        return (self.sending is None or self.sending.done()) and self.write_frame(frame)

    def _send_on(self) -> None:
        if self.is_line_open and self.unsent and (self.sending is None or self.sending.done()):
            self.sending = asyncio.create_task(self._send_unsent())

    async def _send_unsent(self) -> None:
        try:
            while self.unsent and self.is_line_open:
                message = self.unsent.popleft()
                await getattr(self, _TELLS[message["type"]])(message)
        except OSError:
            # The page has gone; the server says so in a moment.
            self.unsent.clear()
        except Exception:
            log.exception("A page was not told what its team was told")

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.is_line_open = False
        await super().close(code, reason)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Take the page's ping: it is still open. The answer names the last push, so that the page sees what it missed.

        A page whose line has just opened asks for the needs: they may have changed since it was rendered.
        """
        if not hasattr(self, "team_pk"):
            return
        if text_data == "ping":
            if asyncio.get_running_loop().time() - self.asked_at >= ASKED_EVERY and not await self._still_in():
                return
            number = await asyncio.to_thread(page_is_open, self.team_pk)
            await self.send(text_data="pong" if number is None else f"pong {number}")
        elif text_data == "needs":
            await self.send(text_data=await database_sync_to_async(needs_html)(self.team_pk))

    async def feed_html(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])

    async def feed_leave(self, event: dict[str, Any]) -> None:
        if event["user_id"] == self.scope["user"].pk:
            await self.close(code=STRANGER)

    async def feed_again(self, event: dict[str, Any]) -> None:
        if event["user_id"] == self.scope["user"].pk:
            await self.close(code=ROLE_CHANGED)

    async def feed_ended(self, event: dict[str, Any]) -> None:
        await self.close(code=SIGNED_OUT)

    async def _still_in(self) -> bool:
        """Whether the session, the password it was made with, and the membership still stand; closes the page if not."""
        self.asked_at = asyncio.get_running_loop().time()
        session = SessionStore(self.scope["session"].session_key)
        user = await get_user({**self.scope, "session": session})
        if not user.is_authenticated or await database_sync_to_async(is_idle)(session, timezone.now().timestamp()):
            await self.close(code=SIGNED_OUT)
            return False
        try:
            await database_sync_to_async(team_for)(user, self.scope["url_route"]["kwargs"]["team_code"])
        except (Http404, PermissionDenied):
            await self.close(code=STRANGER)
            return False
        return True

    def _same_origin(self) -> bool:
        # Cookies travel with a websocket from any site; only pages of this very host and port may listen.
        headers = {name: value.decode("latin-1") for name, value in self.scope["headers"]}
        origin = headers.get(b"origin")
        return origin is None or urlsplit(origin).netloc == headers.get(b"host", "")
