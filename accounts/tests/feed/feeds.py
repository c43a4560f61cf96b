"""Browsers on the team feed for tests, over the real Redis."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.conf import settings
from django.test import Client

from accounts.feed.routing import websocket_urlpatterns
from accounts.models import User

HOST = "halyard.example:8000"
PATIENCE_SECONDS = 5
_NUMBER = re.compile(r"^<!--\d+-->")


class Page:
    """A page that opens its line; `session` is the cookie of somebody signed in."""

    def __init__(self, path: str, session: str | None, origin: str | None = f"http://{HOST}") -> None:
        headers = [(b"host", HOST.encode())]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        if session is not None:
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()))
        scope = {"type": "websocket", "path": path, "headers": headers, "query_string": b"", "subprotocols": []}
        application = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
        # `Any`, since asgiref's testing has no types.
        self.line: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]

    async def open(self) -> Page:
        """Connect; the server must accept."""
        await self.line.send_input({"type": "websocket.connect"})
        assert (await self.hear())["type"] == "websocket.accept"
        return self

    async def hear(self) -> dict[str, Any]:
        """The next thing the server does."""
        message: dict[str, Any] = await self.line.receive_output(PATIENCE_SECONDS)
        return message

    async def hear_text(self) -> str:
        """The next thing must be text; without the number of a push."""
        return _NUMBER.sub("", await self.hear_frame())

    async def hear_frame(self) -> str:
        """The next thing must be text, as it comes."""
        message = await self.hear()
        assert message["type"] == "websocket.send", message
        text: str = message["text"]
        return text

    async def ping(self) -> int:
        """Say that the page is open; the number of the team's last push, or of one that was left out."""
        await self.say(text="ping")
        word, number = (await self.hear_frame()).split(" ")
        assert word == "pong"
        return int(number)

    async def is_closed(self) -> int:
        """The next thing must be the end; its code."""
        message = await self.hear()
        assert message["type"] == "websocket.close", message
        code: int = message["code"]
        return code

    async def say(self, *, text: str | None = None, data: bytes | None = None) -> None:
        await self.line.send_input({"type": "websocket.receive", "text": text, "bytes": data})

    async def leave(self) -> None:
        await self.line.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.line.wait(PATIENCE_SECONDS)


async def aside(work: Callable[[], object]) -> None:
    """Run it where the database may be asked, and give the connection back: a thread's own would stay open."""
    await database_sync_to_async(work)()


def signed_in(user: User) -> str:
    """The session cookie of this person."""
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value
