"""Whose the session is when another login of the same user takes it: the choice, and taking it back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.access import row_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.connections import owning
from brokers.connections.connections import ConnectionRefused
from brokers.domain.sessions import Environment, Ownership
from brokers.models import Connection

OWNERSHIPS = [
    (Ownership.ALWAYS, "takes it back at once"),
    (Ownership.POLITE, "leaves it to them for some minutes"),
    (Ownership.YIELD, "leaves it to them until they sign out"),
]


@require_POST
def connection_ownership(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    ownership, minutes = request.POST.get("ownership", ""), request.POST.get("polite_minutes", "").strip()
    if connection.environment == Environment.LIVE and ownership != Ownership.YIELD:
        require_step_up(request)
    try:
        owning.choose(
            connection=connection,
            ownership=ownership,
            minutes=_minutes(minutes),
            actor=actor_of(request),
            now=timezone.now(),
        )
    except ConnectionRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
    else:
        choice = dict(OWNERSHIPS)[Ownership(ownership)]
        messages.success(request, f"When another login takes the session, Halyard {choice}.")
    return redirect("connection", team_code, connection_code)


def _minutes(typed: str) -> int | None:
    """The minutes that were typed; 0, which is refused, for what is no number."""
    if not typed:
        return None
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 6 else 0


@require_POST
def connection_take_back(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    if connection.environment == Environment.LIVE:
        require_step_up(request)
    if owning.take_back(connection=connection, actor=actor_of(request), now=timezone.now()):
        messages.success(
            request, "Halyard takes the session back, at most once a minute; how it went appears here by itself."
        )
    else:
        messages.error(
            request, "No other login has this session now, so there is nothing to take back. (not-competing)"
        )
    return redirect("connection", team_code, connection_code)
