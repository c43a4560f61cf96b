"""For those who look for weaknesses: where to report them, and what browsers refused to run on our pages."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, RawPostDataException
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

log = logging.getLogger(__name__)

MOST_BYTES = 16 * 1024
VALID_FOR = timedelta(days=180)


@login_not_required
@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Say whom to write to (RFC 9116), where the operator has said it."""
    if not settings.SECURITY_CONTACT:
        raise Http404("This installation names nobody to report weaknesses to.")
    expires = (timezone.now() + VALID_FOR).replace(microsecond=0)
    lines = [
        f"Contact: {settings.SECURITY_CONTACT}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {settings.PUBLIC_URL}/.well-known/security.txt",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@csrf_exempt
@login_not_required
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """Log what a browser refused: something tried to run that is not ours. A few a minute from each address."""
    if not ratelimit.consume(request, app="allauth.account", action="csp_report"):
        return HttpResponse(status=429, headers={"Retry-After": "60"})
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or len(length) > 9 or int(length) > MOST_BYTES:
        return HttpResponse(status=413)
    try:
        report = json.loads(request.body).get("csp-report", {})
        refused = [_short(report.get(name)) for name in ("violated-directive", "blocked-uri", "document-uri")]
    except (ValueError, RecursionError, AttributeError, RawPostDataException):
        return HttpResponse(status=400)
    log.warning("A browser refused content: directive %r, source %r, on page %r", *refused)
    return HttpResponse(status=204)


def _short(value: Any) -> str:
    """What may stand in a log: of an address the host and the first part of its path, since the rest may be a secret."""
    text = "".join(letter for letter in str(value or "")[:300] if letter.isprintable())
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc:
        return text[:80]
    return f"{parts.scheme}://{parts.hostname}/{parts.path.strip('/').partition('/')[0]}"[:120]
