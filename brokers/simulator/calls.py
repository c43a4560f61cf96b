"""Calls, and the table of the paths they may name."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import User
from brokers.simulator.oauth.oauth import AccessToken, Presented
from brokers.simulator.wire import Answer

_TRUE = frozenset({"true", "1", "yes"})


class Unreadable(Exception):
    """The body is no JSON object."""


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
        value = self.query.get(name, "")
        return value.lower() in _TRUE if self.gateway.behaviour.lenient_booleans else value == "true"

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.query.get(name, default))
        except ValueError:
            return default


Handler = Callable[[Call], Answer]


class Routes:
    """Paths and who answers them."""

    def __init__(self) -> None:
        self._fixed: dict[tuple[str, str], Handler] = {}
        self._patterns: dict[tuple[str, int], list[tuple[tuple[str, ...], Handler]]] = defaultdict(list)

    @classmethod
    def joined(cls, *tables: Self) -> Self:
        """One table of several; where patterns overlap, the earlier table answers."""
        whole = cls()
        for table in tables:
            if twice := whole._fixed.keys() & table._fixed.keys():
                raise ValueError(f"Two handlers answer {sorted(twice)}.")
            whole._fixed |= table._fixed
            for size, rows in table._patterns.items():
                whole._patterns[size] += rows
        return whole

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
        patterned = [(m, "/" + "/".join(parts)) for (m, _), rows in self._patterns.items() for parts, _ in rows]
        return sorted([*self._fixed, *patterned])

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """The handler of a path, with what stands in the path's braces."""
        path = path.rstrip("/") or "/"
        if (fixed := self._fixed.get((method, path))) is not None:
            return fixed, {}
        names = path.strip("/").split("/")
        for parts, handler in self._patterns.get((method, len(names)), ()):
            params = _fit(parts, names)
            if params is not None:
                return handler, params
        return None


def _fit(parts: tuple[str, ...], names: list[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for part, name in zip(parts, names, strict=True):
        if part.startswith("{"):
            params[part[1:-1]] = name
        elif part != name:
            return None
    return params
