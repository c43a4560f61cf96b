"""Pages of connections: the list, one of them with its session, switching it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.access import membership_for, row_for, team_for
from accounts.entrance.step_up import is_fresh, require_step_up
from accounts.models import Role, Team
from accounts.pages.requests import actor_of
from accounts.vault.keys import VaultError
from brokers.connections import connections as activities
from brokers.connections import nights, trials
from brokers.connections.checklists import checklist_of
from brokers.connections.consents import consent_of
from brokers.domain.addresses import login_page
from brokers.domain.certificates import Certificate
from brokers.domain.sessions import Environment, SessionStatus, SimulatedPrices
from brokers.models import BrokerageAccount, Connection
from brokers.orders.prompts import messages as told
from brokers.orders.unasked import suppressions
from brokers.pages.doubts import RESENDS
from brokers.pages.live_money import missing_of
from brokers.pages.owning import OWNERSHIPS
from brokers.stress import control_plane, prices, stress

# Of the session's story; the diagnosis has more of it.
EVENTS = 12
# Of what IBKR told its user.
TOLD = 10
# States that show their way out themselves.
OWN_HELP = (SessionStatus.COMPETING, SessionStatus.RESETTING, SessionStatus.CERTIFICATE_REFUSED)
# States that end by what a person does, and not by another look.
FOR_A_PERSON = (
    SessionStatus.REFUSED,
    SessionStatus.REVOKED,
    SessionStatus.SIGNED_OUT,
    SessionStatus.CERTIFICATE_REFUSED,
    SessionStatus.ENCRYPTION_FAILED,
)
# States of moments, and those that say until when they last.
NO_LOOK_AHEAD = (SessionStatus.CONNECTING, SessionStatus.PAUSED)


@require_GET
def connections(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    return render(request, "brokers/connections.html", {"connections": connections_of(team)})


def connections_of(team: Team) -> QuerySet[Connection]:
    """The team's connections, enabled ones first, without those that were removed."""
    return team.connections.filter(removed_at=None).order_by("-enabled", "pk")


@require_GET
def connection(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code)
    waiting, now = Q(worked_at__isnull=True), timezone.now()
    accounts = list(connection.accounts.order_by("account_id"))
    events = list(connection.session_events.order_by("-pk")[: EVENTS + 1])
    stressed = stress.offered(connection) and membership_for(request.user, team_code).may(Role.TRADER)
    context = {
        "connection": connection,
        "events": events[:EVENTS],
        "more_events": len(events) > EVENTS,
        "night": nights.night_of(connection, now),
        "windows": nights.windows_of(connection),
        "accounts": accounts,
        "advises": any(account.kind == BrokerageAccount.Kind.ADVISOR for account in accounts),
        "checks": checklist_of(connection, now),
        "waiting": connection.tickets.filter(waiting).count(),
        "ownerships": OWNERSHIPS,
        "resends": RESENDS,
        "suppression": suppressions.last_of(connection),
        "told": told.of(connection, TOLD),
        "stress": stress.panel(connection) if stressed else None,
        "may_price": stressed and control_plane.is_there(),
        "signals_price": control_plane.trades_at_signals(connection),
        "by_installation": settings.SIM_PRICES == SimulatedPrices.SIGNAL,
        "gateway": _address_of(connection),
        "login_page": login_page(connection.base_url) if connection.base_url else "",
        "certificate": Certificate.from_json(connection.certificate) if connection.certificate else None,
        "proxied": _is_proxied(connection),
        "consent": _consent(request, connection),
        "own_help": OWN_HELP,
        "for_a_person": _waits_for_a_person(connection),
        "no_look_ahead": NO_LOOK_AHEAD,
        "report": trials.last(connection),
        "trial_is_late": trials.is_late(connection, now),
    }
    return render(request, "brokers/connection.html", context)


def _consent(request: HttpRequest, connection: Connection) -> dict[str, Any] | None:
    """What a connection to real money that nobody has consented to asks for, where its viewer may give it."""
    asks_consent = connection.enabled and activities.wants_consent(connection)
    if not asks_consent or not membership_for(request.user, connection.team.code).may(Role.TRADER):
        return None
    return {"numbers": activities.numbers_to_type(connection), "missing": missing_of(request)}


def _waits_for_a_person(connection: Connection) -> bool:
    """Whether its state ends by what a person does: keys and the simulator sign in again by themselves."""
    by_hand = nights.signs_in_by_hand(connection) and connection.environment != Environment.SIMULATED
    status = connection.session_status
    return status in FOR_A_PERSON and (by_hand or status != SessionStatus.SIGNED_OUT)


def _is_proxied(connection: Connection) -> bool:
    """Whether a proxy is shown anything. Secrets that no key opens close no page: something is kept then."""
    try:
        return bool(connection.secrets.open().keys() - {activities.PIN})
    except VaultError:
        return True


def _address_of(connection: Connection) -> str:
    if connection.environment == Environment.SIMULATED:
        return settings.GATEWAY_URL
    return connection.base_url or settings.IBKR_API_URL


@require_POST
def connection_switch(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    actor = actor_of(request)
    if request.POST.get("enabled") == "no":
        activities.disable(connection=connection, actor=actor, now=timezone.now())
        messages.success(request, "The connection is off. Nothing new is sent; orders working at IBKR go on there.")
        return redirect("connection", team_code, connection_code)
    live = connection.environment == Environment.LIVE
    if live:
        require_step_up(request)
    asks = activities.wants_consent(connection)
    typed = request.POST.getlist("account_number")
    if asks and not typed:
        return _ask(request, connection)
    consent = consent_of(actor, confirmed=is_fresh(request), typed=typed)
    try:
        activities.enable(connection=connection, actor=actor, consent=consent, now=timezone.now())
    except activities.ConnectionRefused as error:
        if asks:
            return _ask(request, connection, str(error))
        messages.error(request, str(error))
    else:
        messages.success(request, "The connection is on; Halyard is signing in.")
    return redirect("connection", team_code, connection_code)


def _ask(request: HttpRequest, connection: Connection, refusal: str = "") -> HttpResponse:
    """The page that asks for what real money takes, before a connection is switched on."""
    context = {
        "connection": connection,
        "numbers": activities.numbers_to_type(connection),
        "missing": missing_of(request),
        "refusal": refusal,
    }
    return render(request, "brokers/connection_live.html", context, status=422 if refusal else 200)


@require_POST
def connection_exits(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    actor = actor_of(request)
    confirms = request.POST.get("confirms_exits") == "yes"
    if confirms and connection.environment == Environment.LIVE:
        require_step_up(request)
    activities.confirm_exits(connection=connection, confirms=confirms, actor=actor, now=timezone.now())
    answered = "confirmed" if confirms else "declined"
    messages.success(request, f"IBKR's questions about the size and the price of exits are {answered} from now on.")
    return redirect("connection", team_code, connection_code)


@require_POST
def connection_prices(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    """Whether the orders of a simulated account meet the market's own prices or those of their signals."""
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    actor = actor_of(request)
    chosen = request.POST.get("prices", "")
    try:
        prices.choose(connection=connection, prices=chosen, actor=actor, now=timezone.now())
    except prices.PricesRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
    else:
        whose = "their signals" if chosen == SimulatedPrices.SIGNAL else "the simulated market itself"
        messages.success(request, f"Orders of this account meet the prices of {whose} from now on.")
    return redirect("connection", team_code, connection_code)


@require_POST
def connection_verify(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    actor = actor_of(request)
    activities.verify(connection=connection, actor=actor, now=timezone.now())
    messages.success(request, "IBKR is being asked; its answer appears here by itself.")
    return redirect("connection", team_code, connection_code)
