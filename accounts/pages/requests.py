"""Requests as the middleware leaves them: their types, and who sent one."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class HtmxHttpRequest(HttpRequest):
    """A request after `HtmxMiddleware`, as the documentation of django-htmx types it."""

    htmx: HtmxDetails


def actor_of(request: HttpRequest) -> User | None:
    """The signed-in user, for the audit."""
    return request.user if isinstance(request.user, User) else None
