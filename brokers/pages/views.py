"""Pages about what is true at the broker: orders, positions, accounts, connections and their sessions."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.models import Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import membership_for, team_for, thing_for
from accounts.models import Role, Team
from accounts.paging import page_of
from brokers.connections import connections as activities
from brokers.domain.orders import IN_FLIGHT, OVER, WAITING, WORKING, OrderStatus
from brokers.domain.path import path
from brokers.domain.sessions import Environment, Region
from brokers.live import open_closings, order_rows, with_closings
from brokers.models import BrokerageAccount, Connection, Order, Position
from brokers.orders import cancels, closing
from brokers.pages.forms import ConnectionForm, OrderFilter
from brokers.stress import stress

CURVE = timedelta(hours=24)
CURVE_POINTS = 360
HELP = {
    "paper-account": "paper_account",
    "dedicated-user": "dedicated_user",
    "precautions": "precautions",
    "daily-reset": "daily_reset",
}


@require_GET
def orders(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    form = OrderFilter(request.GET)
    form.fields["account"].queryset = found.accounts.order_by("account_id")  # type: ignore[attr-defined]
    values = form.cleaned_data if form.is_valid() else {}
    page = page_of(_filtered(order_rows().filter(team=found), values), request.GET.get("before", ""))
    want = [values.get("state") or "", f"ticker:{values['ticker'].upper()}" if values.get("ticker") else ""]
    if values.get("account"):
        want.append(f"account:{values['account'].code}")
    context = {
        "orders": page.items,
        "page": page,
        "form": form,
        "filtered": any(values.values()),
        # Older pages stand still: what is new belongs on the first.
        "list": "orders" if page.first else "orders-older",
        "want": " ".join(word for word in want if word),
    }
    return render(request, "brokers/orders.html", context)


def _filtered(rows: QuerySet[Order], values: dict[str, Any]) -> QuerySet[Order]:
    match values.get("state"):
        case "open":
            rows = rows.filter(status__in=WAITING | IN_FLIGHT | WORKING)
        case "doubt":
            rows = rows.filter(status__in=[OrderStatus.UNKNOWN, OrderStatus.NEEDS_ATTENTION])
        case "filled":
            rows = rows.filter(status=OrderStatus.FILLED)
        case "over":
            rows = rows.filter(status__in=OVER - {OrderStatus.FILLED})
    if values.get("ticker"):
        rows = rows.filter(ticker__iexact=values["ticker"].strip())
    if values.get("account"):
        rows = rows.filter(account=values["account"])
    return rows


@require_GET
def order(request: HttpRequest, team: UUID, order: UUID) -> HttpResponse:
    found = thing_for(request.user, team, order_rows().select_related("parent"), order)
    attempts = [
        {
            "attempt": attempt,
            "request": _pretty(attempt.request),
            "answer": _pretty(attempt.answer) if attempt.answer is not None else "",
        }
        for attempt in found.attempts.order_by("pk")
    ]
    status = OrderStatus(found.status)
    context = {
        "order": found,
        "path": path(
            status,
            created_at=found.created_at,
            submitted_at=found.submitted_at,
            acknowledged_at=found.acknowledged_at,
            filled_at=found.filled_at,
            changed_at=found.changed_at,
        ),
        "over": status in OVER,
        "estimate": _estimate_of(found),
        "children": order_rows().filter(parent=found).order_by("pk"),
        "parent": order_rows().filter(pk=found.parent_id).first() if found.parent_id else None,
        "executions": found.executions.order_by("executed_at", "pk"),
        "events": found.events.order_by("pk"),
        "attempts": attempts,
    }
    return render(request, "brokers/order.html", context)


def _estimate_of(order: Order) -> dict[str, Any] | None:
    """What the order was expected to cost when it was decided. The way up is taken by name."""
    decision = getattr(order.ticket, "decision", None)
    rows = (decision.inputs or {}).get("assessment", []) if decision is not None else []
    return next((row for row in rows if row["role"] == order.role), None)


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@require_POST
def order_cancel(request: HttpRequest, team: UUID, order: UUID) -> HttpResponse:
    found = thing_for(request.user, team, Order.objects.all(), order, Role.TRADER)
    actor = request.user if request.user.is_authenticated else None
    if cancels.request_cancel(order=found, actor=actor, now=timezone.now()):
        if found.status == OrderStatus.CANCELED:
            messages.success(request, "The order is canceled; it had not been sent.")
        else:
            messages.success(request, "IBKR is asked to cancel it. A fill can still overtake the cancel.")
    else:
        messages.warning(
            request, f"The order is {found.get_status_display().lower()}, so there is nothing left to cancel."
        )
    return redirect("order", team, order)


@require_GET
def positions(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    context = {"accounts": accounts_of(found), "closings": closing.told_of(found, timezone.now())}
    return render(request, "brokers/positions.html", context)


def accounts_of(team: Team) -> list[BrokerageAccount]:
    """The team's accounts with their positions, those with enabled connections first."""
    held = Prefetch("positions", Position.objects.order_by("ticker"), to_attr="held")
    rows = BrokerageAccount.objects.filter(team=team).select_related("connection").prefetch_related(held)
    accounts: list[BrokerageAccount] = list(rows.order_by("-connection__enabled", "pk"))
    closings = list(open_closings().filter(team=team))
    for account in accounts:
        with_closings(account.held, closings)  # type: ignore[attr-defined]
    return accounts


@require_GET
def account(request: HttpRequest, team: UUID, account: UUID) -> HttpResponse:
    found = thing_for(request.user, team, BrokerageAccount.objects.select_related("connection"), account)
    since = timezone.now() - CURVE
    context = {
        "account": found,
        "positions": with_closings(
            list(found.positions.order_by("ticker")), list(open_closings().filter(account=found))
        ),
        "points": _thinned(list(found.equity_points.filter(at__gte=since).order_by("-at")), 48),
        "executions": found.executions.select_related("order").order_by("-pk")[:30],
        "orders": order_rows().filter(account=found).order_by("-pk")[:15],
        "orders_want": f"account:{found.code}",
    }
    return render(request, "brokers/account.html", context)


@require_GET
def account_equity(request: HttpRequest, team: UUID, account: UUID) -> JsonResponse:
    """The value of the last day as [seconds, value] pairs."""
    found = thing_for(request.user, team, BrokerageAccount.objects.all(), account)
    since = timezone.now() - CURVE
    points = list(found.equity_points.filter(at__gte=since).order_by("at").values_list("at", "equity"))
    pairs = [[round(at.timestamp(), 1), float(value)] for at, value in _thinned(points, CURVE_POINTS)]
    return JsonResponse({"currency": found.currency, "points": pairs})


def _thinned(points: list[Any], most: int) -> list[Any]:
    """Every n-th point, the last one always among them."""
    step = -(-len(points) // most) or 1
    return points[::step] + ([points[-1]] if points and (len(points) - 1) % step else [])


@require_GET
def connections(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    return render(request, "brokers/connections.html", {"connections": connections_of(found)})


def connections_of(team: Team) -> QuerySet[Connection]:
    """The team's connections, enabled ones first."""
    return team.connections.order_by("-enabled", "pk")


@require_GET
def connection(request: HttpRequest, team: UUID, connection: UUID) -> HttpResponse:
    found = thing_for(request.user, team, Connection.objects.all(), connection)
    waiting = Q(worked_at__isnull=True)
    stressed = stress.offered(found) and membership_for(request.user, team).may(Role.TRADER)
    context = {
        "connection": found,
        "events": found.session_events.order_by("-pk")[:40],
        "accounts": found.accounts.order_by("account_id"),
        "waiting": found.tickets.filter(waiting).count(),
        "stress": stress.panel(found) if stressed else None,
        "gateway": settings.GATEWAY_URL if found.environment == Environment.SIMULATED else found.base_url,
    }
    return render(request, "brokers/connection.html", context)


@require_http_methods(["GET", "POST"])
def connection_new(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team, Role.TRADER)
    first = Environment.SIMULATED if settings.SIMULATOR and not found.connections.exists() else Environment.PAPER
    form = ConnectionForm(request.POST or None, initial={"environment": first, "region": Region.NORTH_AMERICA})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        actor = request.user if request.user.is_authenticated else None
        try:
            made = activities.connect(
                team=found,
                actor=actor,
                name=values["name"],
                username=values["username"],
                environment=Environment(values["environment"]),
                base_url=values["base_url"],
                region=Region(values["region"] or Region.NORTH_AMERICA),
                now=timezone.now(),
            )
        except activities.ConnectionRefused as error:
            form.add_error(_FIELD_OF.get(error.code), str(error))
        else:
            return redirect("connection", team, made.code)
    status = 422 if form.errors else 200
    return render(request, "brokers/connection_new.html", {"form": form}, status=status)


_FIELD_OF = {
    "no-simulator": "environment",
    "invalid-username": "username",
    "username-taken": "username",
    "invalid-address": "base_url",
    "address-not-encrypted": "base_url",
    "unknown-host": "base_url",
    "private-address": "base_url",
}


@require_POST
def connection_switch(request: HttpRequest, team: UUID, connection: UUID) -> HttpResponse:
    found = thing_for(request.user, team, Connection.objects.all(), connection, Role.TRADER)
    actor = request.user if request.user.is_authenticated else None
    if request.POST.get("enabled") == "no":
        activities.disable(connection=found, actor=actor, now=timezone.now())
        messages.success(request, "The connection is off. Nothing new is sent; orders working at IBKR go on there.")
        return redirect("connection", team, connection)
    try:
        activities.enable(connection=found, actor=actor, now=timezone.now())
    except activities.ConnectionRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The connection is on; Halyard is signing in.")
    return redirect("connection", team, connection)


@require_POST
def connection_verify(request: HttpRequest, team: UUID, connection: UUID) -> HttpResponse:
    found = thing_for(request.user, team, Connection.objects.all(), connection, Role.TRADER)
    actor = request.user if request.user.is_authenticated else None
    activities.verify(connection=found, actor=actor, now=timezone.now())
    messages.success(request, "IBKR is being asked; its answer appears here by itself.")
    return redirect("connection", team, connection)


@login_not_required
@require_GET
def help_page(request: HttpRequest, page: str) -> HttpResponse:
    if page not in HELP:
        raise Http404("There is no help page with this name.")
    return render(request, f"brokers/help/{HELP[page]}.html")
