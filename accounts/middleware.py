"""The client of every request, security headers of every answer, and the time zone of every page."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from accounts import zones
from accounts.entrance import addresses

log = logging.getLogger(__name__)

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
SECRET_PLACES = ("/accounts/", "/invitations/", "/admin/")

Handler = Callable[[HttpRequest], HttpResponse]

# Everything comes from this host; styles and scripts are files, so nothing inline may run.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; report-uri /csp-report; connect-src 'self'{sockets}"
)


class ClientAddress:
    """Puts the client's own address in the place of the proxy's, and drops what only a trusted proxy may say.

    The first of all: whatever comes after it, a limit, a log or an address that is built, sees one truth.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta, trusted = request.META, settings.TRUSTED_PROXIES
        if not addresses.PROXY_HEADERS.isdisjoint(meta):
            meta[addresses.BY_PROXY] = True
        peer, forwarded = meta.get("REMOTE_ADDR"), meta.pop("HTTP_X_FORWARDED_FOR", "")
        if not addresses.is_trusted(peer, trusted):
            meta.pop("HTTP_X_FORWARDED_PROTO", None)
            if forwarded and addresses.is_private(peer):
                _warn_of(str(peer))
        if client := addresses.client_address(peer, forwarded, trusted):
            meta["REMOTE_ADDR"] = client
        return self.get_response(request)


class NoNul:
    """Refuses text with a NUL in it before a view asks the database for it, which takes none."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/"):
            # The API refuses it itself, in JSON and with the name of the parameter.
            return self.get_response(request)
        texts = [request.path, *_values(request.GET)]
        if request.content_type in FORMS:
            texts += _values(request.POST)
        if any("\x00" in text for text in texts):
            raise BadRequest("It holds a NUL character, which no text here does. Type the text again and send it.")
        return self.get_response(request)


def _values(query: QueryDict) -> list[str]:
    return [text for name, texts in query.lists() for text in (name, *map(str, texts))]


class NotKept:
    """Keeps pages of sign-in, invitations and the operator out of every cache: they show secrets, some of them once."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith(SECRET_PLACES) and "no-store" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "no-store, private"
        return response


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


@functools.lru_cache(maxsize=100)
def _warn_of(proxy: str) -> None:
    """Say it once: a proxy nobody trusts makes one client of all people, with one limit for all of them."""
    log.warning(
        "Requests come through %s with X-Forwarded-For, which is not believed: everybody behind it counts as one client. "
        "If it is your reverse proxy, add it to HALYARD_TRUSTED_PROXIES.",
        proxy,
    )


def _plain_host(request: HttpRequest) -> bool:
    return all(letter.isalnum() or letter in ".-:[]" for letter in request.headers.get("host", "/"))


class StaticFiles:
    """Styles, scripts and pictures, each sent as one piece.

    WhiteNoise hands on an open file, which is read piece by piece where a server is synchronous. Under ASGI Django reads
    such a file to its end in another thread before it sends any of it, and warns of that each time. This thread can read
    it as well: none is larger than a few hundred kilobytes.
    """

    def __init__(self, get_response: Handler) -> None:
        self._whitenoise = WhiteNoiseMiddleware(get_response)
        self._whitenoise.serve = _whole

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = self._whitenoise(request)
        return response


def _whole(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
    found = static_file.get_response(request.method, request.META)
    content = b""
    if found.file is not None:
        with found.file:
            content = found.file.read()
    response = HttpResponse(content, status=int(found.status))
    # Its headers are all of them: no Content-Type stands beside a "304 Not Modified".
    del response.headers["Content-Type"]
    for name, value in found.headers:
        response.headers[name] = value
    return response


class ViewersTimeZone:
    """Times are shown in the viewer's zone: the one they chose, else the one their browser told us."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", "") or "UTC"
        if name == "UTC":
            name = request.COOKIES.get("time_zone", "UTC")
        with timezone.override(zones.zone_named(name)):
            return self.get_response(request)
