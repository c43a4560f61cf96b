"""Pages of trades: the list that joins signal, fills, slippage and money, and one of them with its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, ExpressionWrapper, F, Q, QuerySet, Sum, fields
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts import downloads
from accounts.access import row_for, team_for
from accounts.pages.paging import SIZE
from accounts.plans import patience
from brokers.live import order_rows
from brokers.models import Position
from strategies.models import Decision, Trade
from strategies.pages.profit.forms import TradeFilter
from strategies.profit import export, reading

# What the list is sorted by, each with its heading; whichever has no value stands last.
SORTS = {
    "opened": "opened_at",
    "ticker": "ticker",
    "units": "entered",
    "signal": "signal_price",
    "slippage": "slippage_points",
    "latency": "latency_ms",
    "held": "held",
    "profit": "profit_home",
}
_HELD = ExpressionWrapper(F("closed_at") - F("opened_at"), output_field=fields.DurationField())
MOST_PAGES = 4_000


@dataclass(frozen=True, slots=True)
class Sorting:
    """A column of the list that may be sorted: what its link asks for, and how it is sorted now."""

    name: str
    label: str
    link: str
    state: str
    is_number: bool


@require_GET
def trades(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    form = TradeFilter(request.GET, team=team)
    sort, page = _sort(request.GET.get("sort", "")), _page(request.GET.get("page", ""))
    chosen, rows, totals, too_many = form.trades(), list[Trade](), [], False
    try:
        with patience.limited():
            ordered = _sorted(chosen, sort)
            rows = _rows(ordered, page)
            if not rows and page > 1:
                # Fewer are left than when the address was made.
                page, rows = 1, _rows(ordered, 1)
            totals = _totals(chosen)
    except patience.TooLong:
        too_many = True
    context = {
        "trades": rows[:SIZE],
        "older": page + 1 if len(rows) > SIZE and page < MOST_PAGES else "",
        "newer": page - 1 if page > 1 else "",
        "page": page,
        "totals": totals,
        "columns": _columns(sort),
        "form": form,
        "filtered": form.narrows,
        "too_many": too_many,
    }
    return render(request, "strategies/trades.html", context)


@require_GET
def trades_export(request: HttpRequest, team_code: UUID) -> HttpResponseBase:
    """All trades of the filters as a CSV file, sent while it is read."""
    form = TradeFilter(request.GET, team=team_for(request.user, team_code))
    if not form.is_valid():
        return downloads.refused(form)
    return downloads.download("trades", "csv", export.as_csv(form.trades()))


@require_GET
def trade(request: HttpRequest, team_code: UUID, trade_code: UUID) -> HttpResponse:
    rows = Trade.objects.select_related("account__connection", "strategy", "subscription", "signal")
    trade = row_for(request.user, team_code, rows, trade_code)
    parts = list(trade.parts.select_related("execution").order_by("execution__executed_at", "pk"))
    orders = order_rows().filter(pk__in={part.execution.order_id for part in parts if part.execution.order_id})
    [(_, open_profit, as_of)] = reading.valued([trade], timezone.now())
    context = {
        "trade": trade,
        "parts": parts,
        "orders": list(orders.order_by("pk")),
        "decision": Decision.objects.filter(
            ticket__orders__executions__trade_parts__trade=trade.pk, signal=trade.signal_id
        )
        .order_by("pk")
        .first()
        if trade.signal_id
        else None,
        "open_profit": open_profit if trade.left else None,
        "as_of": as_of,
        "held": Position.objects.filter(account=trade.account_id, conid=trade.conid).first() if trade.left else None,
        "others": Trade.objects.filter(account=trade.account_id, conid=trade.conid, status=Trade.Status.OPEN)
        .exclude(pk=trade.pk)
        .select_related("strategy")[:5]
        if trade.left
        else [],
    }
    return render(request, "strategies/trade.html", context)


def _sort(text: str) -> str:
    """The column and, by a minus in front, the direction; newest first where the address names none."""
    return text if text.removeprefix("-") in SORTS else "-opened"


def _page(text: str) -> int:
    return min(max(int(text), 1), MOST_PAGES) if text.isascii() and text.isdecimal() and len(text) < 6 else 1


def _rows(ordered: QuerySet[Trade], page: int) -> list[Trade]:
    """The trades of a page and the one after them. Keys are sorted alone: a hundred thousand whole rows take ten times as long."""
    keys = list(ordered.values_list("pk", flat=True)[(page - 1) * SIZE : page * SIZE + 1])
    rows = Trade.objects.select_related("account__connection", "strategy", "signal").in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


def _sorted(rows: QuerySet[Trade], sort: str) -> QuerySet[Trade]:
    falls, column = sort.startswith("-"), SORTS[sort.removeprefix("-")]
    if column == "held":
        rows = rows.annotate(held=_HELD)
    if column in {"opened_at", "ticker", "entered"}:
        return rows.order_by(f"-{column}" if falls else column, "-pk" if falls else "pk")
    value = F(column)
    return rows.order_by(value.desc(nulls_last=True) if falls else value.asc(nulls_last=True), "-pk")


_LABELS = {
    "opened": "Opened",
    "ticker": "Trade",
    "signal": "Signal's price",
    "slippage": "Slippage",
    "latency": "Signal to fill",
    "held": "Held",
    "profit": "Profit",
}


def _columns(sort: str) -> list[Sorting]:
    columns = []
    for name, label in _LABELS.items():
        mine = sort.removeprefix("-") == name
        # The other way at the second press; a first press of a number shows the largest.
        link = name if mine and sort.startswith("-") else f"-{name}"
        state = ("descending" if sort.startswith("-") else "ascending") if mine else "none"
        columns.append(Sorting(name, label, link, state, name not in {"opened", "ticker"}))
    return columns


def _totals(rows: QuerySet[Trade]) -> list[Any]:
    """One line for each currency of accounts: how many, what they made, and what of it is not known."""
    found = rows.values("home_currency").annotate(
        count=Count("pk"),
        profit=Sum("profit_home"),
        cost=Sum("fees_home"),
        unknown=Count("pk", filter=Q(profit_home=None)),
    )
    return list(found.order_by("-count"))
