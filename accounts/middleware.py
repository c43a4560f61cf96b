"""Security headers of every answer, and the time zone of every page."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

Handler = Callable[[HttpRequest], HttpResponse]

# Everything comes from this host; styles and scripts are files, so nothing inline may run.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; connect-src 'self'{sockets}"
)


class ContentSecurityPolicy:
    """A strict policy on every answer."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Older browsers do not count a websocket to the same host as 'self'.
        sockets = f" {'wss' if settings.HTTPS else 'ws'}://{request.headers.get('host', '')}"
        response.headers.setdefault(
            "Content-Security-Policy", POLICY.format(sockets=sockets if _plain_host(request) else "")
        )
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
        return response


def _plain_host(request: HttpRequest) -> bool:
    return all(letter.isalnum() or letter in ".-:[]" for letter in request.headers.get("host", "/"))


class ViewersTimeZone:
    """Times are shown in the viewer's zone: the one they chose, else the one their browser told us."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", "") or "UTC"
        if name == "UTC":
            name = request.COOKIES.get("time_zone", "UTC")
        try:
            zone = zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            zone = zoneinfo.ZoneInfo("UTC")
        with timezone.override(zone):
            return self.get_response(request)
