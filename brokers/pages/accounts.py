"""Pages of brokerage accounts: positions, one account with the value of its last day, and one of its contracts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Prefetch
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.access import row_for, team_for
from accounts.models import Team
from accounts.newest import newest
from brokers.book import day_ledger, quotes, trading_hours
from brokers.book.actions import told
from brokers.book.options import ended
from brokers.domain.sessions import Environment
from brokers.domain.trading_hours import TradingHours
from brokers.live import open_closings, order_rows, with_closings
from brokers.models import BrokerageAccount, ContractLookup, Position
from brokers.orders import closing
from brokers.pages import elsewhere
from brokers.pages.contracts import splits
from brokers.protection import shown
from brokers.protection.rungs import rungs

CURVE = timedelta(hours=24)
CURVE_POINTS = 360


@require_GET
def positions(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    accounts = accounts_of(team)
    context = {
        "accounts": accounts,
        "closings": closing.shown_to(team, timezone.now()),
        "lapses": shown.of_team(team, timezone.now()),
        "theirs": elsewhere.working(team),
        "unclaimed": elsewhere.unclaimed(team),
        "held": any(account.positions.all() for account in accounts),
    }
    return render(request, "brokers/positions.html", context)


def accounts_of(team: Team) -> list[BrokerageAccount]:
    """The team's accounts with their positions (prefetched) and results, those with enabled connections first."""
    positions = Prefetch("positions", Position.objects.order_by("ticker"))
    rows = (
        BrokerageAccount.objects.filter(team=team, connection__removed_at=None)
        .select_related("connection")
        .prefetch_related(positions)
    )
    accounts = list(rows.order_by("-connection__enabled", "pk"))
    closings = list(open_closings().filter(team=team))
    for account in accounts:
        with_closings(account.positions.all(), closings)
    day_ledger.with_results(accounts, timezone.now())
    return accounts


@require_GET
def account(request: HttpRequest, team_code: UUID, account_code: UUID) -> HttpResponse:
    account = row_for(request.user, team_code, BrokerageAccount.objects.select_related("connection"), account_code)
    now = timezone.now()
    since = now - CURVE
    day_ledger.with_results([account], now)
    executions = list(account.executions.select_related("order").order_by("-executed_at", "-pk")[:30])
    context = {
        "account": account,
        "positions": with_closings(
            list(account.positions.order_by("ticker")), list(open_closings().filter(account=account))
        ),
        "points": _thinned(list(account.equity_points.filter(at__gte=since).order_by("-at")), 48),
        "executions": executions,
        "ends": ended.ends(account, executions),
        "orders": newest(order_rows(), account, "account")[:15],
        "theirs": elsewhere.working(account.team, account),
        "unclaimed": elsewhere.unclaimed(account.team, account),
        "splits": [(row, told.sentence(row)) for row in splits.of_account(account)],
        "orders_want": f"account:{account.code}",
    }
    return render(request, "brokers/account.html", context)


@require_GET
def account_equity(request: HttpRequest, team_code: UUID, account_code: UUID) -> JsonResponse:
    """The value of the last day as [seconds, value] pairs."""
    account = row_for(request.user, team_code, BrokerageAccount.objects.all(), account_code)
    since = timezone.now() - CURVE
    points = list(account.equity_points.filter(at__gte=since).order_by("at").values_list("at", "equity"))
    pairs = [[round(at.timestamp(), 1), float(value)] for at, value in _thinned(points, CURVE_POINTS)]
    return JsonResponse({"currency": account.currency, "points": pairs})


@require_GET
def contract(request: HttpRequest, team_code: UUID, account_code: UUID, conid: int) -> HttpResponse:
    account = row_for(request.user, team_code, BrokerageAccount.objects.select_related("connection"), account_code)
    position = account.positions.filter(conid=conid).first()
    orders = list(newest(order_rows().filter(conid=conid), account, "account")[:10])
    found = ContractLookup.objects.numbered(account.connection_id, conid)
    lookup = found.order_by(F("hours_asked_on").desc(nulls_last=True), "pk").first()
    # What it is called where it is held or traded; one name may stand for another contract tomorrow.
    named = position or next(iter(orders), None) or lookup
    if named is None:
        raise Http404
    context = {
        "account": account,
        "conid": conid,
        "named": named,
        "contract": lookup,
        "position": position,
        "borrow": lookup and quotes.borrow_shown(lookup),
        "rungs": rungs(position),
        "orders": orders,
        "splits": [(row, told.sentence(row)) for row in splits.of_account(account, conid)],
        "hours": _hours_of(account, lookup, timezone.now()),
    }
    return render(request, "brokers/contract.html", context)


def _hours_of(account: BrokerageAccount, lookup: ContractLookup | None, now: datetime) -> dict[str, Any]:
    """What is known of when it trades: open or not, until when, and the days that IBKR listed."""
    if account.connection.environment == Environment.SIMULATED:
        return {"never_closes": True}
    known = (lookup and trading_hours.shown(lookup)) or TradingHours()
    days = known.days(now)
    return {
        "market": known.market(now),
        "opens_at": known.opens_after(now),
        "closes_at": known.closes_after(now),
        "wider_closes_at": known.closes_after(now, extended=True),
        "days": days,
        "is_extended": any(day.extended for day in days),
        "zone": (known.zone or "UTC").rpartition("/")[2].replace("_", " "),
        "asked_on": lookup and lookup.hours_asked_on,
    }


def _thinned(points: list[Any], most: int) -> list[Any]:
    """Every n-th point, the last one always among them."""
    step = -(-len(points) // most) or 1
    return points[::step] + ([points[-1]] if points and (len(points) - 1) % step else [])
