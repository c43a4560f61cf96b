"""The page that removes a connection, after saying what hangs on it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.access import row_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.connections.connections import ConnectionRefused
from brokers.models import Connection
from strategies.setup import removal


@require_http_methods(["GET", "POST"])
def connection_remove(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    if connection.removed_at is not None:
        raise Http404("This connection was removed.")
    refusal = ""
    if request.method == "POST":
        require_step_up(request)
        actor = actor_of(request)
        try:
            removal.remove_connection(connection=connection, actor=actor, now=timezone.now())
        except ConnectionRefused as refused:
            refusal = f"{refused} ({refused.code})"
        else:
            messages.success(request, f"{connection.name} is removed. Its orders and its story stay where they were.")
            return redirect("connections", team_code)
    context = {"connection": connection, "hanging": removal.hanging_on(connection), "refusal": refusal}
    return render(request, "strategies/connection_remove.html", context, status=422 if refusal else 200)
