"""The ASGI application: webhooks go straight to the door, browser sockets to Channels, all else to Django."""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.core.asgi import get_asgi_application

from config import env

try:
    django = get_asgi_application()
except env.SettingError as error:
    sys.exit(str(error))  # one sentence for whoever starts it, in place of a traceback

from accounts.feed.routing import websocket_urlpatterns
from strategies.webhook.door import Door

# The loop answers signals, threads render pages. After each wait the loop would stand behind a thread for Python's own 5 ms.
sys.setswitchinterval(0.001)
door = Door()
sockets = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """One ASGI application, dispatched by protocol and path."""
    if scope["type"] == "http":
        if scope["path"].startswith(Door.prefix):
            await door(scope, receive, send)
        else:
            await django(scope, receive, send)
    elif scope["type"] == "websocket":
        await sockets(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await door.open()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await door.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
