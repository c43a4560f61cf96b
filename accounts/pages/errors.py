"""The page of a request that cannot be answered as it is."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import BadRequest, DisallowedHost
from django.http import HttpRequest, HttpResponseBadRequest
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBadRequest:
    """Say what to do; where the name of this installation is at fault, that is not to send it again."""
    sentence = str(exception) if type(exception) is BadRequest else ""
    if isinstance(exception, DisallowedHost):
        sentence = (
            f"Halyard does not answer to this name. Open {settings.PUBLIC_URL}, or let the operator add the name to "
            "HALYARD_ALLOWED_HOSTS."
        )
    return HttpResponseBadRequest(render_to_string("400.html", {"sentence": sentence}))
