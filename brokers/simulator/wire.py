"""Requests, answers and the table of paths."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brokers.simulator.gateway import Gateway, User
    from brokers.simulator.oauth.oauth import AccessToken, Presented

_TRUE = frozenset({"true", "1", "yes"})


class Unreadable(Exception):
    """The body is no JSON object."""


@dataclass(slots=True)
class Answer:
    """What goes back: a JSON body, or plain text."""

    body: Any = None
    status: int = 200
    text: str | None = None
    kind: str = "application/json"


@dataclass(slots=True, kw_only=True)
class Call:
    """One request to one user's gateway."""

    gateway: Gateway
    user: User
    method: str
    path: str
    query: Mapping[str, str]
    raw: bytes
    now: float
    address: str = ""
    params: dict[str, str] = field(default_factory=dict)
    effects: dict[str, Any] = field(default_factory=dict)
    # What was signed, when the request carries an OAuth header; and whose it is.
    presented: Presented | None = None
    granted: AccessToken | None = None

    def json(self) -> Any:
        """The body, which is a JSON object; an empty body is an empty one."""
        try:
            body = json.loads(self.raw) if self.raw else {}
        except (ValueError, RecursionError):
            raise Unreadable from None
        if not isinstance(body, dict):
            raise Unreadable
        return body

    def flag(self, name: str) -> bool:
        """A boolean of the query, in any of the spellings clients use."""
        given = self.query.get(name, "")
        return given.lower() in _TRUE if self.gateway.behaviour.lenient_booleans else given == "true"

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.query.get(name, default))
        except ValueError:
            return default


def error(text: str, status: int = 400, *, with_code: bool = True) -> Answer:
    """A refusal; some carry their status in the body, some do not."""
    body: dict[str, Any] = {"error": text}
    if with_code:
        body["statusCode"] = status
    return Answer(body, status)


Handler = Callable[[Call], Answer]


class Routes:
    """Paths and who answers them."""

    def __init__(self) -> None:
        self._fixed: dict[tuple[str, str], Handler] = {}
        self._patterns: dict[tuple[str, int], list[tuple[tuple[str, ...], Handler]]] = defaultdict(list)

    def add(self, methods: str, *paths: str) -> Callable[[Handler], Handler]:
        """Register a handler for methods ("GET POST") and paths ("/a/{b}")."""

        def register(handler: Handler) -> Handler:
            for method in methods.split():
                for path in paths:
                    if "{" in path:
                        parts = tuple(path.strip("/").split("/"))
                        self._patterns[method, len(parts)].append((parts, handler))
                    else:
                        self._fixed[method, path] = handler
            return handler

        return register

    def listed(self) -> list[tuple[str, str]]:
        """Every method and path that is served."""
        patterned = [(m, "/" + "/".join(parts)) for (m, _), found in self._patterns.items() for parts, _ in found]
        return sorted([*self._fixed, *patterned])

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        path = path.rstrip("/") or "/"
        if (fixed := self._fixed.get((method, path))) is not None:
            return fixed, {}
        asked = path.strip("/").split("/")
        for parts, handler in self._patterns.get((method, len(asked)), ()):
            params = _fit(parts, asked)
            if params is not None:
                return handler, params
        return None


def _fit(parts: tuple[str, ...], asked: list[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for part, given in zip(parts, asked, strict=True):
        if part.startswith("{"):
            params[part[1:-1]] = given
        elif part != given:
            return None
    return params


ROUTES = Routes()
