"""What a person sees who may go on only after one more proof, or after setting up a second factor; or whom somebody else came
before in the database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from accounts.entrance.second_factors import SecondFactorNeeded
from accounts.plans.came_between import SENTENCE, came_between

log = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]
# Names of fields whose values are not kept until the person has confirmed: they send the form again instead.
SECRETS = ("password", "secret", "private", "credential", "key")


class Asking:
    """Turns a view's wish for another proof into a page. allauth keeps a plain form and carries on with it afterwards."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, SecondFactorNeeded):
            context = {"reason": str(exception), "stop_url": _stop_url(request)}
            return render(request, "accounts/second_factor_needed.html", context, status=403)
        if isinstance(exception, ReauthenticationRequired):
            return self._confirm(request)
        if came_between(exception):
            log.warning("Somebody came between at %s: %s", request.path, exception)
            if "hx-request" in request.headers:
                return HttpResponse(SENTENCE, "text/plain; charset=utf-8", status=409)
            return render(request, "409.html", {"back": _page_of(request)}, status=409)
        return None

    @staticmethod
    def _confirm(request: HttpRequest) -> HttpResponse | None:
        """The way to the confirmation where allauth has none: for scripts, and for forms that carry a secret."""
        is_script = request.headers.get("sec-fetch-mode", "navigate") != "navigate" or "hx-request" in request.headers
        carries_secret = any(word in name.lower() for name in request.POST for word in SECRETS)
        if not (is_script or carries_secret) or not request.user.is_authenticated:
            return None
        methods = get_adapter().get_reauthentication_methods(request.user)
        page = methods[0]["url"] if methods else reverse("account_login")
        where = f"{page}?{urlencode({REDIRECT_FIELD_NAME: _page_of(request)})}"
        if not is_script:
            return redirect(where)
        answer = HttpResponse("Confirm that it is you, then do this again.", "text/plain; charset=utf-8", status=403)
        answer.headers["HX-Redirect" if "hx-request" in request.headers else "Halyard-Confirm"] = where
        return answer


def _stop_url(request: HttpRequest) -> str:
    """The way to stop the team of the page that was asked for; the page itself says who may."""
    match = request.resolver_match
    code = match.kwargs.get("team_code") if match else None
    return reverse("guard_stop", args=[code, "team", code]) if code else ""


def _page_of(request: HttpRequest) -> str:
    """The page on which the person stands, on this very host; the dashboard when the browser does not say."""
    page = request.headers.get("hx-current-url") or request.headers.get("referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}):
        return reverse("home")
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
