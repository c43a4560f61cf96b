"""Pages of orders: the list, one of them with its way and its attempts, and the wish to cancel it."""

from __future__ import annotations

import json
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import messages
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.access import row_for, team_for
from accounts.models import Role, Team
from accounts.newest import newest
from accounts.pages.paging import Page, page_of
from accounts.pages.requests import actor_of
from accounts.plans import patience
from brokers.domain.contracts.lifetimes import has_an_end_to_move
from brokers.domain.orders import CHANGED_IN_PLACE, IN_FLIGHT, OVER, WAITING, WORKING, OrderStatus, OrderType, Release
from brokers.domain.orders import Role as OrderRole
from brokers.domain.path import path
from brokers.live import order_rows
from brokers.models import ForeignOrder, Order, OrderPrompt, SubmissionAttempt
from brokers.orders import cancels
from brokers.orders.fills import account_legs
from brokers.orders.modifications import words
from brokers.orders.modifications.checks import changeable
from brokers.orders.modifications.ends import worked
from brokers.orders.remains import left_by_canceling
from brokers.orders.unasked import suppressions
from brokers.pages import elsewhere
from brokers.pages.diagnosis import calls_of
from brokers.pages.doubts import doubt_of, seconds_of
from brokers.pages.forms import OrderFilter
from brokers.protection import shown
from brokers.whatif import before_entries

Row = TypeVar("Row", bound=Model)
POST = SubmissionAttempt.Kind.POST
# Legs leave in the request of the order they belong to.
PROTECTIVE = frozenset({OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT})
TRAVELS = frozenset({Release.WITH_PARENT, Release.IN_GROUP})


@require_GET
def orders(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    form = OrderFilter(request.GET, accounts=team.accounts.order_by("account_id"))
    values = form.cleaned_data if form.is_valid() else {}
    found = _page(team, values, request.GET.get("before", ""))
    page = found or Page(rows=[], older="", first=True)
    want = [values.get("state") or "", f"ticker:{values['ticker'].upper()}" if values.get("ticker") else ""]
    if values.get("account"):
        want.append(f"account:{values['account'].code}")
    context = {
        "orders": page.rows,
        # What has ended is not known of orders that are not ours: they stand on the first page, above.
        "theirs": _theirs(team, values) if page.first else [],
        # What waits for an answer is shown whatever the filters say of their state.
        "unclaimed": _of_ticker(elsewhere.unclaimed(team, values.get("account")), values) if page.first else [],
        "page": page,
        "form": form,
        "filtered": any(values.values()),
        "too_many": found is None,
        # Older pages stand still: what is new belongs on the first.
        "list": "orders" if page.first else "orders-older",
        "want": " ".join(word for word in want if word),
    }
    return render(request, "brokers/orders.html", context)


def _page(team: Team, values: dict[str, Any], before: str) -> Page[Order] | None:
    """The page of our orders; None where too many had to be looked through for the filters."""
    rows = _filtered(newest(order_rows(), team), values)
    if not any(values.values()):
        return page_of(rows, before)
    try:
        with patience.limited():
            return page_of(rows, before)
    except patience.TooLong:
        return None


def _theirs(team: Team, values: dict[str, Any]) -> QuerySet[ForeignOrder]:
    """Orders placed elsewhere, as far as the filters of ours may be asked of them."""
    rows = _of_ticker(elsewhere.working(team, values.get("account")), values)
    return rows.none() if values.get("state") in {"doubt", "filled", "over"} else rows


def _of_ticker(rows: QuerySet[Row], values: dict[str, Any]) -> QuerySet[Row]:
    return rows.filter(ticker__iexact=values["ticker"].strip()) if values.get("ticker") else rows


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
        # As they are kept, so that the index over tickers serves it.
        rows = rows.filter(ticker=values["ticker"].strip().upper())
    if values.get("account"):
        rows = rows.filter(account=values["account"])
    return rows


@require_GET
def order(request: HttpRequest, team_code: UUID, order_code: UUID) -> HttpResponse:
    order = row_for(request.user, team_code, order_rows().select_related("parent"), order_code)
    sent_with = _sent_with(order)
    attempts = [
        {
            "attempt": attempt,
            "request": _pretty(attempt.request),
            "answer": _pretty(attempt.answer) if attempt.answer is not None else "",
        }
        for attempt in [*sent_with, *order.attempts.order_by("pk")]
    ]
    status = OrderStatus(order.status)
    context = {
        "order": order,
        "path": path(
            status,
            created_at=order.created_at,
            submitted_at=order.submitted_at,
            acknowledged_at=order.acknowledged_at,
            filled_at=order.filled_at,
            changed_at=order.changed_at,
        ),
        "over": status in OVER,
        "changeable": has_an_end_to_move(worked(order))
        or (
            status in CHANGED_IN_PLACE
            and bool(changeable(OrderType(order.type), OrderRole(order.role), divided=bool(order.fa_group)))
        ),
        "modifications": [
            (each, words.of(each))
            for each in order.modifications.select_related("asked_by", "ticket__decision").order_by("-pk")[:5]
        ],
        "leaves": "" if status in OVER else left_by_canceling(order, timezone.now()),
        "head": sent_with[0].order if sent_with else None,
        "travels": order.release in TRAVELS,
        "estimate": _estimate_of(order),
        "children": order_rows().filter(Q(parent=order) | Q(group_entry=order)).order_by("pk"),
        "of_accounts": account_legs.in_words(order),
        "parent": order_rows().filter(pk=of).first() if (of := order.group_entry_id or order.parent_id) else None,
        "executions": order.executions.order_by("executed_at", "pk"),
        "events": order.events.order_by("pk"),
        "attempts": attempts,
        "unasked": suppressions.in_force_at(order.connection_id, order.submitted_at) if order.submitted_at else None,
        "prompts_left": order.prompts.filter(verdict=OrderPrompt.Verdict.LEFT, by=OrderPrompt.By.STREAM)[:5],
        "what_ifs": before_entries.of_order(order),
        "doubt": doubt_of(order),
        "seconds": seconds_of(order),
        "lapses": shown.of_order(order),
        "calls": calls_of([order, *(attempt.order for attempt in sent_with)]),
    }
    return render(request, "brokers/order.html", context)


def _sent_with(order: Order) -> list[SubmissionAttempt]:
    """The requests of another order that took this one along, with the answers to IBKR's questions about them."""
    if order.release not in TRAVELS:
        return []
    posts = SubmissionAttempt.objects.filter(
        order__ticket=order.ticket_id, request__contains=[{"reference": order.reference}], kind=POST
    ).exclude(order=order.pk)
    heads = {attempt.order_id for attempt in posts}
    rows = SubmissionAttempt.objects.filter(order__in=heads, kind__in=[POST, SubmissionAttempt.Kind.REPLY])
    return list(rows.select_related("order").order_by("pk"))


def _estimate_of(order: Order) -> dict[str, Any] | None:
    """What the order was expected to cost when it was decided. The way up is taken by name."""
    decision = getattr(order.ticket, "decision", None)
    rows = (decision.inputs or {}).get("assessment", []) if decision is not None else []
    return next((row for row in rows if row["role"] == order.role), None)


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@require_POST
def order_cancel(request: HttpRequest, team_code: UUID, order_code: UUID) -> HttpResponse:
    order = row_for(request.user, team_code, Order.objects.all(), order_code, Role.TRADER)
    actor = actor_of(request)
    leaves = left_by_canceling(order, timezone.now())
    if cancels.request_cancel(order=order, actor=actor, now=timezone.now()):
        if order.status == OrderStatus.CANCELED:
            sentence = "The order is canceled; it had not been sent."
        elif order.status in IN_FLIGHT:
            sentence = (
                "It is canceled as soon as IBKR is known to have it; while it waits for its turn, it does not leave."
                " A fill can still overtake the cancel."
            )
        else:
            sentence = "IBKR is asked to cancel it. A fill can still overtake the cancel."
        tell = messages.warning if order.role in PROTECTIVE and leaves else messages.success
        tell(request, f"{sentence} {leaves}".rstrip())
    else:
        messages.warning(
            request, f"The order is {order.get_status_display().lower()}, so there is nothing left to cancel."
        )
    return redirect("order", team_code, order_code)
