"""The page of what a connection shows the proxy before its gateway."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.access import row_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.connections import proxies
from brokers.connections.connections import ConnectionRefused
from brokers.domain.sessions import AuthMethod, Environment
from brokers.models import Connection
from brokers.pages.forms import ProxyForm


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def connection_proxy(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.OWNER)
    if connection.environment == Environment.SIMULATED:
        raise Http404("A simulated connection has no gateway of yours.")
    if AuthMethod(connection.auth_method).signs:
        raise Http404("A connection that signs has no gateway.")
    # Before the form, too: what holds a secret is not kept while a person confirms, so it would be typed twice.
    require_step_up(request)
    form = ProxyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values, actor, now = form.cleaned_data, actor_of(request), timezone.now()
        try:
            if values["part"] == "header":
                proxies.show_header(
                    connection=connection, header=values["header"], secret=values["secret"], actor=actor, now=now
                )
            else:
                proxies.show_certificate(
                    connection=connection, certificate=values["certificate"], key=values["key"], actor=actor, now=now
                )
        except ConnectionRefused as refusal:
            form.add_error(_FIELD_OF.get(refusal.code), str(refusal))
        else:
            messages.success(request, _DONE[values["part"], form.removes])
            return redirect("connection_proxy", team_code, connection_code)
    context = {
        "connection": connection,
        "form": form,
        "shown": proxies.shown(connection),
        "encrypted": connection.base_url.startswith("https://"),
        "now": timezone.now(),
    }
    return render(request, "brokers/connection_proxy.html", context, status=422 if form.errors else 200)


# What the page says by the part of it and by whether that part was removed.
_DONE = {
    ("header", False): "The header is kept. Halyard signs in again with it.",
    ("header", True): "No header is sent any more. Halyard signs in again without it.",
    ("certificate", False): "The certificate is kept. Halyard signs in again with it.",
    ("certificate", True): "No certificate is shown any more. Halyard signs in again without it.",
}


_FIELD_OF = {
    "proxy-header": "header",
    "proxy-secret": "secret",
    "client-certificate": "certificate",
    "client-certificate-over": "certificate",
    "client-key": "key",
}
