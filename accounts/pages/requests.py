"""Requests as the middleware leaves them, for the types of views."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxHttpRequest(HttpRequest):
    """A request after `HtmxMiddleware`, as the documentation of django-htmx types it."""

    htmx: HtmxDetails
