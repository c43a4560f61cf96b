"""The dashboard: what needs a person, the latest orders and signals, and the first steps."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.access import membership_for
from accounts.models import Membership, Role, Team
from accounts.newest import newest
from accounts.pages.requests import actor_of
from brokers.domain.orders import IN_FLIGHT, WAITING, WORKING
from brokers.domain.sessions import Environment
from brokers.live import order_rows
from brokers.models import Connection
from brokers.pages.accounts import accounts_of
from brokers.pages.connections import connections_of
from brokers.stress import control_plane
from strategies import live
from strategies.display.clocks import clocks_of
from strategies.models import Refusal
from strategies.pages.shared import LATEST
from strategies.rehearsal import first_signal
from strategies.setup import strategies


@require_GET
def dashboard(request: HttpRequest, team_code: UUID) -> HttpResponse:
    membership = membership_for(request.user, team_code)
    team = membership.team
    if request.session.get("team") != str(team_code):
        request.session["team"] = str(team_code)
    connections = list(connections_of(team))
    if not connections and settings.SIMULATOR and membership.may(Role.TRADER):
        strategies.welcome(team=team, actor=actor_of(request), now=timezone.now())
        connections = list(connections_of(team))
    own = order_rows().filter(team=team)
    working = list(own.filter(status__in=WAITING | IN_FLIGHT | WORKING).order_by("-pk")[:15])
    latest = list(newest(order_rows(), team)[:LATEST])
    shown = {order.pk: order for order in [*working, *latest]}
    accounts = accounts_of(team)
    traded = {order.asset_class for order in working} | {
        each.asset_class for a in accounts for each in a.positions.all()
    }
    clocks = clocks_of(team, traded, timezone.now())
    context = {
        "connections": connections,
        "accounts": accounts,
        "clocks": clocks,
        "clocks_turn_at": min((each.turns_at for each in clocks if each.turns_at), default=None),
        "orders": [shown[pk] for pk in sorted(shown, reverse=True)],
        "rows": _latest_rows(team),
        "steps": _steps(team, membership),
        "never_closes": _never_closes(connections),
        "only_simulated": all(connection.environment == Environment.SIMULATED for connection in connections),
    }
    return render(request, "strategies/dashboard.html", context)


def _never_closes(connections: list[Connection]) -> bool:
    """Whether the team trades on a simulated market that is open at any hour."""
    simulated = [each for each in connections if each.enabled and each.environment == Environment.SIMULATED]
    return bool(simulated and control_plane.never_closes(simulated[0].username))


def _latest_rows(team: Team) -> list[live.Row]:
    signals = newest(live.signal_rows(), team)[:LATEST]
    refusals = newest(Refusal.objects.select_related("endpoint__strategy"), team)[:LATEST]
    return live.rows(signals, refusals)[:LATEST]


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first steps, with its reason and the page to do it on."""

    title: str
    text: str
    done: bool
    href: str
    action: str


def _steps(team: Team, membership: Membership) -> list[Step]:
    """The first steps, until the first three are done: connecting a broker is offered, and not insisted on."""
    if not membership.may(Role.TRADER):
        return []
    steps = [
        Step(
            "Try a signal",
            "Write one by hand and watch it become a simulated order.",
            team.signals.exists(),
            reverse("signal_try", args=[team.code]),
            "Try a signal",
        ),
        Step(
            "Make a strategy",
            "It gives you a secret webhook URL for TradingView or any program.",
            team.strategies.exclude(name=first_signal.FIRST).exists(),
            reverse("strategy_new", args=[team.code]),
            "Make a strategy",
        ),
        Step(
            "Subscribe an account",
            "Say which account follows it, how much and on which sides.",
            team.subscriptions.filter(enabled=True).exclude(strategy__name=first_signal.FIRST).exists(),
            reverse("subscription_new", args=[team.code]),
            "Subscribe",
        ),
        Step(
            "Connect IBKR",
            "Paper first. Until then the simulated account does all of it.",
            team.connections.exclude(environment=Environment.SIMULATED).exists(),
            reverse("connection_new", args=[team.code]),
            "Connect IBKR",
        ),
    ]
    return [] if all(step.done for step in steps[:3]) else steps
