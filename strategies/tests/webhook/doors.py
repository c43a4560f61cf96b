"""A door to knock at in tests: the real one, with its own connection to the test database, driven as ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

from strategies.models import Strategy, WebhookEndpoint
from strategies.setup.strategies import webhook_url
from strategies.webhook.door import Door

Value = TypeVar("Value")
BUY = {"ticker": "SPY", "action": "buy", "quantity": 1}


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    json: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.json.get("messageCode", ""))


def path_of(strategy: Strategy | WebhookEndpoint) -> str:
    """The path of a strategy's webhook URL, password included."""
    endpoint = strategy if isinstance(strategy, WebhookEndpoint) else strategy.endpoints.get()
    return "/trading/" + webhook_url(endpoint).partition("/trading/")[2]


def with_door(scenario: Callable[[Door], Awaitable[Value]]) -> Value:
    """Open a door, play the scenario, close the door."""

    async def play() -> Value:
        door = Door()
        await door.open()
        try:
            return await scenario(door)
        finally:
            await door.close()

    return asyncio.run(play())


def post(path: str, body: object = BUY, **options: Any) -> Response:
    """One request to a freshly opened door."""
    return with_door(lambda door: knock(door, path, body, **options))


def post_all(path: str, bodies: Iterable[object]) -> list[Response]:
    """Requests to one door, all at once."""

    async def scenario(door: Door) -> list[Response]:
        return list(await asyncio.gather(*(knock(door, path, body) for body in bodies)))

    return with_door(scenario)


async def knock(
    door: Door,
    path: str,
    body: object = BUY,
    *,
    method: str = "POST",
    headers: Iterable[tuple[str, str]] = (),
    chunks: list[bytes] | None = None,
    client: tuple[str, int] | None = ("203.0.113.7", 4000),
    seen_path: list[str] | None = None,
    query: str = "",
) -> Response:
    """One request. `body` is bytes, text, or a value sent as JSON; `chunks` sends it in pieces."""
    pieces = list(chunks) if chunks is not None else [as_bytes(body)]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.Event().wait()
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces) or chunks is not None}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "client": client,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    await door(scope, receive, send)
    if seen_path is not None:
        seen_path.append(scope["path"])
    answer = b"".join(message.get("body", b"") for message in sent)
    headers_sent = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Response(sent[0]["status"], headers_sent, json.loads(answer))


async def in_thread(work: Callable[[], Value]) -> Value:
    """Django's ORM beside a running loop."""
    return await sync_to_async(work, thread_sensitive=False)()


def as_bytes(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()
