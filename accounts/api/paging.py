"""Pages of the REST API's lists, newest first, by cursor."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db.models import QuerySet
from rest_framework import pagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from accounts.api.refusals import Refused
from accounts.newest import order

MAX_LIMIT = 200


class NewestFirst(pagination.CursorPagination):
    """Pages by cursor. The cursor holds a primary key, so it is encrypted: those never leave the database."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = MAX_LIMIT
    request: Request | None = None

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit", str(self.page_size))
        if not (text.isdecimal() and len(text) < 6 and int(text) > 0):
            raise Refused(
                f"limit is {text[:80]!r}. Use a whole number from 1 to {MAX_LIMIT}.", "invalid-limit", "limit"
            )
        return min(int(text), MAX_LIMIT)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        self.request = request
        return super().paginate_queryset(self.of(queryset), request, view)

    def of(self, rows: QuerySet[Any]) -> Any:
        """The rows as they are put into order."""
        return _ByIndex(rows)

    def decode_cursor(self, request: Request) -> Any:
        encrypted = request.query_params.get("cursor")
        if encrypted is None:
            return None
        try:
            reverse, position, owner = _cipher().decrypt(encrypted.encode()).decode().split(" ", 2)
            if owner != _owner(request):
                raise ValueError("a cursor of another list")
            return pagination.Cursor(offset=0, reverse=reverse == "previous", position=int(position))
        except (InvalidToken, ValueError):
            raise Refused(
                "This cursor is not one of this list. Take `next` or `previous` of an answer as it is.",
                "invalid-cursor",
                "cursor",
            ) from None

    def encode_cursor(self, cursor: Any) -> str:
        # Ids are unique, so a position never needs an offset beside it.
        assert self.request is not None
        plain = f"{'previous' if cursor.reverse else 'next'} {cursor.position} {_owner(self.request)}"
        encrypted = _cipher().encrypt(plain.encode()).decode()
        assert self.base_url is not None
        return replace_query_param(self.base_url, "cursor", encrypted)


class NewestByKey(NewestFirst):
    """The same of rows that have no team of their own: of something of the team's of which there are few, by its index."""

    def of(self, rows: QuerySet[Any]) -> Any:
        return rows


class _ByIndex:
    """The rows of one team, whose order by the key is that of the index over team and key."""

    def __init__(self, rows: QuerySet[Any]) -> None:
        self._rows = rows

    def order_by(self, key: str) -> QuerySet[Any]:
        """Newest first for `-id`, else oldest first."""
        return self._rows.order_by(*order(self._rows.model, oldest=not key.startswith("-")))


def _owner(request: Request) -> str:
    """The team and the list a cursor belongs to: the places of one team's rows tell another nothing."""
    return f"{getattr(request.auth, 'team_id', '')} {request.path}"


def _cipher() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"api cursor {settings.SECRET_KEY}".encode()).digest()))
