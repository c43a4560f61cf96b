"""Answers as HTTP responses."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import ClientPayloadError, http, web

from brokers.simulator.wire import Answer

log = logging.getLogger(__name__)


@web.middleware
async def in_kind(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever goes wrong is answered as the broker would, never with a page or a trace."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return as_json({"error": refusal.reason, "statusCode": refusal.status}, refusal.status)
    except (http.HttpProcessingError, ClientPayloadError, web.RequestPayloadError):
        # The body was promised in a way it did not come.
        return as_json({"error": "Bad Request", "statusCode": 400}, 400)
    except Exception:
        log.exception("%s %s failed.", request.method, request.path)
        return as_json({"error": "Internal Server Error", "statusCode": 500}, 500)


def respond(answer: Answer) -> web.Response:
    response = _plain(answer)
    response.headers.update(answer.headers)
    return response


def _plain(answer: Answer) -> web.Response:
    if answer.raw is not None:
        return web.Response(body=answer.raw, status=answer.status, content_type=answer.kind)
    if answer.text is not None:
        kind = "text/html" if answer.text.lstrip().startswith("<") else "text/plain"
        return web.Response(text=answer.text, status=answer.status, content_type=kind)
    return as_json(answer.body, answer.status, answer.kind)


def as_json(body: Any, status: int = 200, kind: str = "application/json") -> web.Response:
    return web.Response(body=encoded(body), status=status, content_type=kind, charset="utf-8")


def encoded(body: Any) -> bytes:
    """JSON; what a client sent and we send back may hold characters that no UTF-8 text can."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return msgspec.json.encode(_printable(body))


def _printable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_printable(name): _printable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_printable(inner) for inner in value]
        case _:
            return value


async def half(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Promise the whole body, send half of it, and hang up."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(status=whole.status, headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
