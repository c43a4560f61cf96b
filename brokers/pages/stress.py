"""The stress panel of a simulated connection: its buttons, and what is armed."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import row_for
from accounts.models import Role
from accounts.pages.requests import HtmxHttpRequest, actor_of
from brokers.domain.sessions import Environment
from brokers.models import Connection
from brokers.stress import stress


def _simulated(request: HttpRequest, team_code: UUID, connection_code: UUID) -> Connection:
    """The connection, for those who may trade; a paper or live one has nothing at this address."""
    simulated = Connection.objects.filter(environment=Environment.SIMULATED).select_related("team")
    return row_for(request.user, team_code, simulated, connection_code, Role.TRADER)


@require_http_methods(["GET", "POST"])
def panel(request: HtmxHttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = _simulated(request, team_code, connection_code)
    if request.method == "GET":
        return _shown(request, connection) if request.htmx else redirect(_page(connection))
    actor = actor_of(request)
    code = request.POST.get("button", "")
    try:
        pressed = stress.press(connection=connection, actor=actor, code=code, now=timezone.now())
    except stress.StressRefused as refused:
        return _answer(request, connection, code, str(refused), well=False)
    return _answer(request, connection, code, pressed.done, well=True)


@require_POST
def clear(request: HtmxHttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = _simulated(request, team_code, connection_code)
    actor = actor_of(request)
    try:
        stress.clear(connection=connection, actor=actor, now=timezone.now())
    except stress.StressRefused as refused:
        return _answer(request, connection, "clear", str(refused), well=False)
    return _answer(request, connection, "clear", "Nothing is armed any more.", well=True)


def _answer(request: HtmxHttpRequest, connection: Connection, where: str, text: str, *, well: bool) -> HttpResponse:
    """Say it beside the button that was pressed, or on top of the page where there is no script."""
    if request.htmx:
        return _shown(request, connection, outcome=text, where=where, well=well)
    (messages.success if well else messages.error)(request, text)
    return redirect(_page(connection))


def _page(connection: Connection) -> str:
    return reverse("connection", args=[connection.team.code, connection.code])


def _shown(request: HttpRequest, connection: Connection, **answer: object) -> HttpResponse:
    context = {"connection": connection, "stress": stress.panel(connection), **answer}
    return render(request, "brokers/_stress.html", context)
