"""Pages of signals and refused deliveries: the list, and each of them."""

from __future__ import annotations

import json
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts import downloads
from accounts.access import row_for, team_for
from accounts.models import Team
from accounts.pages.paging import SIZE
from brokers.live import order_rows
from brokers.models import Order
from strategies import live
from strategies.display.readings import pairs
from strategies.display.stories import own_story, stories
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Refusal
from strategies.pages.forms.signals import SignalFilter
from strategies.pages.shared import offer_rows
from strategies.reading import parse
from strategies.reading.corrections import corrected
from strategies.reading.warnings import sentence
from strategies.webhook import export, log
from strategies.webhook.headers import shown
from strategies.webhook.rows import KEPT_OF_A_STRANGER

MOST_REPEATS = 50
# Refusals of senders that the owner has not let in: only the beginning of their bodies is kept.
UNKNOWN_SENDERS = {
    "not-found",
    "invalid-password",
    "not-trading-view",
    "invalid-ip-address",
    "signature-required",
    "invalid-signature",
    "signature-expired",
}


@require_GET
def signals(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    form = _filter(request, team)
    criteria = form.log_filter()
    after = (request.GET.get("signals_before", ""), request.GET.get("refusals_before", ""))
    try:
        page = log.page(team, criteria, *after)
    except log.SearchTooBroad as error:
        form.add_error("q", str(error))
        page = log.LogPage([], {})
    context = {
        "rows": page.rows,
        "portion": page.portion,
        "searched": bool(criteria.q),
        "older": page.older,
        "first": not any(after),
        "form": form,
        "filtered": criteria.narrows,
        "more": any((criteria.since, criteria.until, criteria.q)),
        "want": criteria.tags if not any(after) else "page:first",
        "limit": SIZE,
    }
    return render(request, "strategies/signals.html", context)


@require_GET
def signals_export(request: HttpRequest, team_code: UUID, form: str) -> HttpResponseBase:
    """The filtered list as a file, sent while it is read, so that it is never in memory as a whole."""
    team = team_for(request.user, team_code)
    filters = _filter(request, team)
    criteria = filters.log_filter()
    if filters.errors:
        return downloads.refused(filters)
    return downloads.download("deliveries", form, export.FORMATS[form](log.all_rows(team, criteria)))


def _filter(request: HttpRequest, team: Team) -> SignalFilter:
    form = SignalFilter(request.GET)
    offer_rows(form, "strategy", team.strategies.order_by("name"))
    return form


@require_GET
def signal(request: HttpRequest, team_code: UUID, signal_code: UUID) -> HttpResponse:
    signal = row_for(request.user, team_code, live.signal_rows().select_related("endpoint"), signal_code)
    decisions = list(
        Decision.objects.filter(signal=signal)
        .select_related("ticket", "terms", "subscription__account__connection", "answered_by")
        .order_by("pk")
    )
    orders = (
        order_rows()
        .filter(ticket__in=[decision.ticket_id for decision in decisions if decision.ticket_id])
        .order_by("pk")
    )
    by_ticket: dict[int, list[Order]] = {}
    for order in orders:
        by_ticket.setdefault(order.ticket_id, []).append(order)
    cards = [
        {
            "decision": decision,
            "orders": by_ticket.get(decision.ticket_id or 0, []),
            "stories": stories(signal, decision, by_ticket.get(decision.ticket_id or 0, [])),
            "asked": decision.expires_at is not None,
            "trouble": live.trouble_of(by_ticket.get(decision.ticket_id or 0, [])),
        }
        for decision in decisions
    ]
    context = {
        "signal": signal,
        "outcome": live.outcome_of(signal),
        "cards": cards,
        "own_phases": [] if any(card["stories"] for card in cards) else own_story(signal),
        "watch": " ".join([f"signal-{signal.code}", *(f"order-{order.code}" for order in orders)]),
        "body": _pretty(signal.body),
        "pairs": pairs(signal.reading),
        "reading": json.dumps(signal.reading, indent=2, ensure_ascii=False),
        "warnings": [sentence(code) for code in signal.warnings],
        "headers": shown(signal.headers),
        "repeats": signal.repeats.order_by("-pk")[:MOST_REPEATS],
        "most_repeats": MOST_REPEATS,
        "waits": signal.not_before is not None and signal.dispatched_at is None and not signal.set_aside,
    }
    return render(request, "strategies/signal.html", context)


def _pretty(body: str) -> str:
    """The raw body: JSON on one line is indented, anything else is unchanged."""
    try:
        value = json.loads(body)
        return body if "\n" in body else json.dumps(value, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        # Not JSON, a number without end, or nested deeper than anybody reads.
        return body


@require_GET
def refusal(request: HttpRequest, team_code: UUID, log_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    rows = Refusal.objects.select_related("endpoint__strategy")
    refusal = get_object_or_404(rows, team=team, log_code=log_code)
    strategy = refusal.endpoint.strategy
    kind, allowed = Kind(strategy.asset_class), [str(ticker).upper() for ticker in strategy.allowed_tickers]
    context = {
        "refusal": refusal,
        "body": _pretty(refusal.body),
        "headers": shown(refusal.headers),
        "hint": _hint(refusal, kind, allowed),
        "correction": corrected(refusal.body, kind=kind, allowed_tickers=allowed, now=refusal.received_at)
        if refusal.body
        else None,
        "cut": refusal.message_code in UNKNOWN_SENDERS and len(refusal.body.encode()) >= KEPT_OF_A_STRANGER,
    }
    return render(request, "strategies/refusal.html", context)


def _hint(refusal: Refusal, kind: Kind, allowed: list[str]) -> str:
    """The hint that the sender was answered, from reading the body once more; empty when it is refused otherwise today."""
    try:
        parse.parse(refusal.body.encode(), kind=kind, allowed_tickers=allowed, now=refusal.received_at)
    except Refused as refused:
        return refused.hint if refused.code == refusal.message_code else ""
    return ""
