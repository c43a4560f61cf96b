"""The addresses of the installation, walked through Django's resolver: nothing is listed by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

_PART = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>")


@dataclass(frozen=True, slots=True)
class Page:
    """One pattern of the URL map."""

    name: str
    route: str
    view: Any

    @property
    def parts(self) -> list[str]:
        """The names of the parts of its address."""
        return [typed or named for typed, named in _PART.findall(self.route)]

    @property
    def kind(self) -> str:
        if self.route.startswith("admin/"):
            return "admin"
        if self.name.startswith("api-"):
            return "api"
        return "team" if self.route.startswith("teams/<uuid:team_code>/") else "other"


def pages(kind: str = "") -> list[Page]:
    """Every page, or those of one kind; the first of those that share a name is the one that answers."""
    found = {(page.name if page.kind != "admin" else page.route): page for page in reversed([*_walk(get_resolver())])}
    return [page for page in reversed(found.values()) if kind in {"", page.kind}]


def _walk(resolver: URLResolver, before: str = "") -> Iterator[Page]:
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry, route)
        elif isinstance(entry, URLPattern):
            yield Page(entry.name or route, route, entry.callback)
