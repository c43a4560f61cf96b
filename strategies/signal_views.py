"""Pages of signals and refused deliveries: the list, each of them, and one written by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts.access import team_for, thing_for
from accounts.models import Role, Team
from accounts.paging import SIZE, page_of
from brokers.domain.orders import Side
from brokers.domain.sessions import Environment
from brokers.live import order_rows
from brokers.models import Order
from strategies import live, trying
from strategies.domain.refusals import Refused
from strategies.domain.slippage import Slippage, slippage
from strategies.domain.timeline import Phase, timeline, total
from strategies.forms import SignalFilter, SignalForm
from strategies.models import Decision, Refusal, Signal
from strategies.pages import actor_of, choices


@require_GET
def signals(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    form = SignalFilter(request.GET)
    choices(form, "strategy", found.strategies.order_by("name"))
    values = form.cleaned_data if form.is_valid() else {}
    after = (request.GET.get("signals_before", ""), request.GET.get("refusals_before", ""))
    rows, older = _deliveries(found, values, *after)
    context = {
        "rows": rows,
        "older": older,
        "first": not any(after),
        "form": form,
        "filtered": any(values.values()),
        "want": _wanted(values) if not any(after) else "page:first",
        "limit": SIZE,
    }
    return render(request, "strategies/signals.html", context)


def _deliveries(
    team: Team, values: dict[str, Any], signals_before: str, refusals_before: str
) -> tuple[list[live.Row], dict[str, str]]:
    """A page of signals and refused deliveries in one list, and where the next one begins."""
    taken = page_of(_filtered(live.signal_rows().filter(team=team), values), signals_before)
    refused = page_of(_refused(team, values), refusals_before, code="log_code")
    everything = live.rows(taken.items, refused.items)
    rows = everything[:SIZE]
    if not (taken.older or refused.older or len(everything) > SIZE):
        return rows, {}
    last_signal = next((str(row.signal.code) for row in reversed(rows) if row.signal), signals_before)
    last_refusal = next((str(row.refusal.log_code) for row in reversed(rows) if row.refusal), refusals_before)
    return rows, {"signals_before": last_signal, "refusals_before": last_refusal}


def _filtered(rows: QuerySet[Signal], values: dict[str, Any]) -> QuerySet[Signal]:
    if values.get("strategy"):
        rows = rows.filter(strategy=values["strategy"])
    if values.get("ticker"):
        rows = rows.filter(ticker__istartswith=values["ticker"].strip())
    if values.get("action"):
        rows = rows.filter(action=values["action"])
    match values.get("outcome"):
        case "accepted" | "rejected" | "pending" as status:
            decided = Decision.objects.filter(signal=OuterRef("pk"), status=status)
            rows = rows.filter(Exists(decided))
        case "nobody":
            anybody = Decision.objects.filter(signal=OuterRef("pk"))
            rows = rows.filter(~Exists(anybody), dispatched_at__isnull=False)
        case "refused":
            rows = rows.none()
    return rows


def _refused(team: Team, values: dict[str, Any]) -> QuerySet[Refusal]:
    """Refused deliveries have no ticker and no action that could be filtered by."""
    rows = Refusal.objects.filter(team=team).select_related("endpoint__strategy")
    if values.get("ticker") or values.get("action") or values.get("outcome") not in {None, "", "refused"}:
        return rows.none()
    return rows.filter(endpoint__strategy=values["strategy"]) if values.get("strategy") else rows


def _wanted(values: dict[str, Any]) -> str:
    words = [
        f"strategy:{values['strategy'].code}" if values.get("strategy") else "",
        f"ticker:{values['ticker'].strip().upper()}" if values.get("ticker") else "",
        f"action:{values['action']}" if values.get("action") else "",
        f"outcome:{values['outcome']}" if values.get("outcome") else "",
    ]
    return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class OrderStory:
    """An order of a decision: its waterfall and its price against the signal's."""

    order: Order
    phases: list[Phase]
    total: float
    slippage: Slippage | None


@require_GET
def signal(request: HttpRequest, team: UUID, signal: UUID) -> HttpResponse:
    found = thing_for(request.user, team, live.signal_rows().select_related("endpoint"), signal)
    decisions = list(
        Decision.objects.filter(signal=found)
        .select_related("ticket", "terms", "subscription__account__connection")
        .order_by("pk")
    )
    orders = order_rows().filter(ticket__in=[each.ticket_id for each in decisions if each.ticket_id]).order_by("pk")
    by_ticket: dict[int, list[Order]] = {}
    for order in orders:
        by_ticket.setdefault(order.ticket_id, []).append(order)
    cards = [
        {
            "decision": decision,
            "orders": by_ticket.get(decision.ticket_id or 0, []),
            "stories": [_story(found, decision, order) for order in by_ticket.get(decision.ticket_id or 0, [])],
        }
        for decision in decisions
    ]
    own = (
        timeline(found.received_at, [("Stored", True, found.stored_at), ("Handed out", True, found.dispatched_at)])
        if not orders
        else []
    )
    context = {
        "signal": found,
        "outcome": live.outcome_of(found),
        "cards": cards,
        "own_phases": own,
        "watch": " ".join([f"signal-{found.code}", *(f"order-{order.code}" for order in orders)]),
        "body": _pretty(found.body),
        "reading": json.dumps(found.reading, indent=2, ensure_ascii=False),
        "warnings": [_warning(code) for code in found.warnings],
    }
    return render(request, "strategies/signal.html", context)


def _story(signal: Signal, decision: Decision, order: Order) -> OrderStory:
    phases = timeline(
        signal.received_at,
        [
            ("Stored", True, signal.stored_at),
            ("Decided", True, decision.decided_at),
            ("Sent to IBKR", True, order.submitted_at),
            ("Acknowledged", False, order.acknowledged_at),
            ("Filled", False, order.filled_at),
        ],
    )
    lost = slippage(Side(order.side), order.signal_price, order.average_price, order.filled_quantity, order.multiplier)
    return OrderStory(order=order, phases=phases, total=total(phases), slippage=lost)


def _pretty(body: str) -> str:
    """The raw body; JSON on one line is given room, anything else stays as it came."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    return body if "\n" in body else json.dumps(value, indent=2, ensure_ascii=False)


def _warning(code: str) -> str:
    kind, _, name = code.partition(":")
    if kind == "unknown-field":
        return f"The field {name} is not one we know; it was kept and not used."
    if kind == "blank-field":
        return f"The field {name} was empty and was not used."
    if kind.startswith("ignored-"):
        return (
            f"The field {kind.removeprefix('ignored-')} could not be read; it only informs, so the order is the same."
        )
    return code


@require_GET
def refusal(request: HttpRequest, team: UUID, log: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    rows = Refusal.objects.select_related("endpoint__strategy")
    refused = get_object_or_404(rows, team=found, log_code=log)
    return render(request, "strategies/refusal.html", {"refusal": refused, "body": _pretty(refused.body)})


@require_http_methods(["GET", "POST"])
def signal_try(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team, Role.TRADER)
    initial = {"strategy": request.GET.get("strategy", "")}
    form = SignalForm(request.POST or None, initial=initial)
    strategies = found.strategies.filter(enabled=True).order_by("pk")
    choices(form, "strategy", strategies)
    if request.method == "POST" and form.is_valid():
        try:
            sent = trying.send(
                team=found,
                strategy=form.cleaned_data["strategy"],
                message_body=form.message_body(),
                actor=actor_of(request),
                now=timezone.now(),
            )
        except Refused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, refused.message)
        else:
            return redirect("signal", team, sent.code)
    context = {
        "form": form,
        "has_strategies": strategies.exists(),
        "account": trying.simulated_account(found),
        "live": found.subscriptions.filter(
            enabled=True, account__connection__environment=Environment.LIVE, account__connection__enabled=True
        ).exists(),
    }
    return render(request, "strategies/signal_try.html", context, status=422 if form.errors else 200)
