"""The page of somebody who departed: what they knew, each with a check box, and the new values once."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.access import row_for
from accounts.departures import joined_through
from accounts.entrance.step_up import is_fresh, require_step_up
from accounts.models import Departure, Role
from accounts.pages.requests import actor_of
from brokers.connections.connections import ConnectionRefused
from strategies.models import WebhookEndpoint
from strategies.setup.departures import DepartureSettled, known_by, new_secrets, rotate
from strategies.setup.strategies import StrategyRefused

# Session key: what was rotated a moment ago and has not been shown yet. Codes only; the page reads the values.
ROTATED = "rotated"


@require_http_methods(["GET", "POST"])
def departure(request: HttpRequest, team_code: UUID, departure_code: UUID) -> HttpResponse:
    rows = Departure.objects.select_related("team", "user")
    departure = row_for(request.user, team_code, rows, departure_code, Role.OWNER)
    if request.method == "POST":
        require_step_up(request)
        return _settle(request, departure)
    once = request.session.get(ROTATED)
    made = []
    if once and once["departure"] == str(departure.code) and is_fresh(request):
        del request.session[ROTATED]
        endpoints = WebhookEndpoint.objects.filter(team=departure.team, code__in=once["endpoints"])
        connections = departure.team.connections.filter(code__in=once["connections"])
        made = new_secrets(endpoints.select_related("strategy"), connections)
    context = {
        "departure": departure,
        "known": known_by(departure),
        "joined": joined_through(departure),
        "still_sees": departure.role_after == Role.TRADER,
        "made": made,
        "disabled_old": bool(once and once["disabled_old"]),
    }
    response = render(request, "strategies/departure.html", context)
    # New values are shown once: neither a cache nor the way back may show them again.
    response.headers["Cache-Control"] = "no-store, private"
    return response


def _settle(request: HttpRequest, departure: Departure) -> HttpResponse:
    chosen = set() if "rotate_nothing" in request.POST else set(request.POST.getlist("rotate"))
    known = known_by(departure)
    connections = [row for row, _ in known.headers if str(row.code) in chosen]
    disable_old = request.POST.get("disable_old") == "yes"
    try:
        endpoints = rotate(
            departure=departure,
            strategies=[row for row, _ in known.strategies if str(row.code) in chosen],
            connections=connections,
            disable_old=disable_old,
            actor=actor_of(request),
            now=timezone.now(),
        )
    except (DepartureSettled, StrategyRefused, ConnectionRefused) as refused:
        messages.error(request, str(refused))
        return redirect("departure", departure.team.code, departure.code)
    if not endpoints and not connections:
        messages.success(request, "Kept. Nothing was rotated.")
        return redirect("team_settings", departure.team.code)
    request.session[ROTATED] = {
        "departure": str(departure.code),
        "endpoints": [str(endpoint.code) for endpoint in endpoints],
        "connections": [str(connection.code) for connection in connections],
        "disabled_old": disable_old,
    }
    return redirect("departure", departure.team.code, departure.code)
