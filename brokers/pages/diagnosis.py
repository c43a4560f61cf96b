"""Pages of a connection's diagnosis: figures, the curve of its times, the session's story, and the log of its calls."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.access import row_for
from accounts.pages.paging import page_of
from brokers.connections.diagnosis import diagnose
from brokers.domain.calls import MESSAGES, PER_SECOND, CallOutcome
from brokers.domain.latency import IBKR_AVERAGE_MS, scale_of
from brokers.models import Call, Connection, Order

MOST_OF_AN_ORDER = 50


@require_GET
def diagnosis(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code)
    chosen = request.GET.get("calls", "")
    calls = _chosen(connection.calls.select_related("order"), chosen)
    page = page_of(calls.order_by("-pk"), request.GET.get("before", ""))
    figures = diagnose(connection, timezone.now())
    context = {
        "connection": connection,
        "figures": figures,
        "scale": scale_of(figures.kinds),
        "yardstick": IBKR_AVERAGE_MS,
        "per_second": round(PER_SECOND),
        "keep_days": settings.KEEP_CALLS_DAYS,
        "keep_calls": settings.KEEP_CALLS,
        "events": connection.session_events.order_by("-pk")[:60],
        "page": page,
        "chosen": chosen if chosen in CHOICES else "",
        "choices": CHOICES.items(),
    }
    return render(request, "brokers/diagnosis.html", context)


CHOICES = {"": "All calls", "orders": "For orders", "errors": "Errors", "stream": "Live stream"}


def _chosen(calls: QuerySet[Call], chosen: str) -> QuerySet[Call]:
    match chosen:
        case "orders":
            return calls.filter(order__isnull=False)
        case "stream":
            return calls.filter(method__in=MESSAGES)
        case "errors":
            return calls.exclude(outcome=CallOutcome.ANSWERED)
        case _:
            return calls


@require_GET
def curve(request: HttpRequest, team_code: UUID, connection_code: UUID) -> JsonResponse:
    """The times of the last day: seconds, then p50, p95 and p99 in milliseconds."""
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code)
    points = diagnose(connection, timezone.now()).points
    rows = [[point.at.timestamp(), *(round(ms, 1) for ms in (point.p50, point.p95, point.p99))] for point in points]
    return JsonResponse({"yardstick": IBKR_AVERAGE_MS, "points": rows})


def calls_of(orders: list[Order]) -> QuerySet[Call]:
    """The first calls that were made for these orders, and messages that name them, for the page of one of them."""
    return Call.objects.filter(order__in=orders).order_by("at", "pk")[:MOST_OF_AN_ORDER]
