"""The page of profit and loss: what is made and open by currency, its curve, its days, and what each strategy brought."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.access import team_for
from brokers.domain.profit.days import trading_day
from brokers.domain.profit.statistics import Point
from strategies.pages.profit.forms import BY, ProfitFilter
from strategies.profit import reading
from strategies.profit.reading import Report

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# So many months stand in the calendar, the last one first.
MOST_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of days up to today that one press shows."""

    label: str
    first: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the calendar: weeks of seven places, each a day's point, a day without one, or none of this month."""

    first: date
    weeks: list[list[tuple[date, Decimal | None] | None]]
    net: Decimal


@require_GET
def pnl(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    form, now = ProfitFilter(request.GET, team=team), timezone.now()
    scope = form.scope
    by = (form.cleaned_data.get("by") if form.is_valid() else "") or "strategy"
    found = reading.answer(scope, now)
    context = {
        "reports": [(report, _months(report.points), _curve(report)) for report in found.reports],
        "apart": found.apart,
        "unseen": found.unseen,
        "groups": reading.groups(scope, by),
        "by": by,
        "by_label": dict(BY)[by],
        "weekdays": WEEKDAYS,
        "spans": _spans(form, now),
        "form": form,
        "filtered": form.narrows,
    }
    return render(request, "strategies/pnl.html", context)


def _spans(form: ProfitFilter, now: datetime) -> list[Span]:
    today = trading_day(now)
    shown = form.scope.first if form.scope.last is None else None
    spans = [
        ("Today", today),
        ("Week", today - timedelta(days=6)),
        ("Month", today - timedelta(days=29)),
        ("Year", today - timedelta(days=364)),
    ]
    found = [Span(label, first.isoformat(), shown == first) for label, first in spans]
    return [*found, Span("All", "", form.scope.first is None and form.scope.last is None)]


def _curve(report: Report) -> dict[str, object]:
    """What the chart draws: numbers of the canvas, which are shown to the cent and never reckoned with."""
    return {
        "id": f"curve-{report.currency}",
        "currency": report.currency,
        "days": [point.day.isoformat() for point in report.points],
        "totals": [float(round(point.total, 2)) for point in report.points],
        "drawdowns": [float(round(point.drawdown, 2)) for point in report.points],
    }


def _months(points: Iterable[Point]) -> list[Month]:
    """The calendar of the last months with a trade, the last one first."""
    by_month: dict[date, dict[date, Decimal]] = defaultdict(dict)
    for point in points:
        by_month[point.day.replace(day=1)][point.day] = point.net
    shown = sorted(by_month, reverse=True)[:MOST_MONTHS]
    return [_month(first, by_month[first]) for first in shown]


def _month(first: date, days: dict[date, Decimal]) -> Month:
    end = (first + timedelta(days=31)).replace(day=1)
    places: list[tuple[date, Decimal | None] | None] = [None] * first.weekday()
    places += [(day, days.get(day)) for day in (first + timedelta(days=n) for n in range((end - first).days))]
    places += [None] * (-len(places) % 7)
    weeks = [places[start : start + 7] for start in range(0, len(places), 7)]
    return Month(first, weeks, sum(days.values(), Decimal(0)))
