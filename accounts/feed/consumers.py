"""The browser's end of the team feed."""

from __future__ import annotations

import asyncio
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
from accounts.feed.needs import needs_html
from accounts.feed.pushes import group_of, page_is_open, session_group_of

STRANGER = 4404
SIGNED_OUT = 4401
# The page opens its line anew.
ROLE_CHANGED = 4409
# A page that stays open is asked again this often whether its session and its membership still stand.
ASKED_EVERY = 60.0


class TeamFeed(AsyncWebsocketConsumer):
    """Authorise on connect, forward html, and answer what needs somebody: nothing else."""

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
        self.groups_heard = [group_of(team.pk)]
        if session_key := self.scope["session"].session_key:
            self.groups_heard.append(session_group_of(session_key))
        for group in self.groups_heard:
            await self.channel_layer.group_add(group, self.channel_name)
        self.asked_at = asyncio.get_running_loop().time()
        await asyncio.to_thread(page_is_open, self.team_pk)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        for group in getattr(self, "groups_heard", []):
            await self.channel_layer.group_discard(group, self.channel_name)

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
        number = event.get("number")
        await self.send(text_data=event["html"] if number is None else f"<!--{number}-->{event['html']}")

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
