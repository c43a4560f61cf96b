"""An order of which nobody knows whether IBKR has it: what was looked at, and the choices of a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.access import row_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.connections import resends
from brokers.connections.connections import ConnectionRefused
from brokers.domain.doubts.choices import Choice
from brokers.domain.doubts.verdicts import Resend
from brokers.domain.orders import IN_DOUBT, OrderStatus
from brokers.domain.sessions import Environment
from brokers.models import Connection, Doubt, Order
from brokers.models.seconds import beside
from brokers.models.seconds import undecided as undecided_seconds
from brokers.orders import undecided
from brokers.orders.doubt import terms_of
from brokers.orders.identity import keeping

RESENDS = [
    (Resend.NEVER, "none"),
    (Resend.LIMIT, "limit orders, at the same price"),
    (Resend.ALL, "all orders, market orders too"),
]
_DONE = {
    Choice.ADOPT: "Halyard compares that order with this one now; the answer appears here by itself.",
    Choice.ABSENT: "The order is over: nothing of it was traded.",
    Choice.AGAIN: "This order is given up, and its signal is decided again by the position as it is now.",
}


def doubt_of(order: Order) -> dict[str, Any] | None:
    """What the page of an order in doubt shows of it; None where the order is not in doubt."""
    if OrderStatus(order.status) not in IN_DOUBT:
        return None
    doubt = order.doubts.filter(closed_at=None).first() or Doubt(order=order, opened_at=order.changed_at)
    terms = terms_of(order.account.connection)
    asks = order.status == OrderStatus.NEEDS_ATTENTION
    return {
        "row": doubt,
        "asks": asks,
        "looks": [{**look, "at": datetime.fromisoformat(look["at"])} for look in reversed(doubt.looks)],
        "needed": {"orders": terms.order_reads, "trades": terms.trade_reads, "span": round(terms.span)},
        "why_not_again": undecided.why_not_again(order) if asks else "",
    }


def seconds_of(order: Order) -> dict[str, Any] | None:
    """What the page of an order shows of the others that IBKR has for it; None where it is alone."""
    others = list(beside(order))
    if not others:
        return None
    both = [order.pk, *(each.pk for each in others)]
    return {"others": others, "count": len(both), "undecided": undecided_seconds().filter(pk__in=both).first()}


@require_POST
def order_keep_both(request: HttpRequest, team_code: UUID, order_code: UUID) -> HttpResponse:
    """A second order stays beside the one it was to change."""
    order = row_for(request.user, team_code, Order.objects.all(), order_code, Role.TRADER)
    try:
        keeping.keep_both(order=order, actor=actor_of(request), now=timezone.now())
    except keeping.KeepRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
    else:
        messages.success(request, "Both orders stay. Either can still be canceled on its own page.")
    return redirect("order", team_code, order_code)


@require_POST
def order_decide(request: HttpRequest, team_code: UUID, order_code: UUID) -> HttpResponse:
    """What a person says of an order in doubt."""
    order = row_for(
        request.user, team_code, Order.objects.select_related("account__connection"), order_code, Role.TRADER
    )
    choice, number = request.POST.get("choice", ""), request.POST.get("number", "").strip()
    if choice not in {str(each) for each in Choice}:
        messages.error(request, "Choose what is true of this order. (unknown-choice)")
        return redirect("order", team_code, order_code)
    if order.account.connection.environment == Environment.LIVE and choice == Choice.AGAIN:
        require_step_up(request)
    try:
        undecided.choose(order=order, choice=Choice(choice), number=number, actor=actor_of(request), now=timezone.now())
    except undecided.ChoiceRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
    else:
        messages.success(request, _DONE[Choice(choice)])
    return redirect("order", team_code, order_code)


@require_POST
def connection_resends(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    """Which orders of the connection may leave a second time, once IBKR provably never had them."""
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    chosen = request.POST.get("resends", "")
    if connection.environment == Environment.LIVE and chosen != Resend.NEVER:
        require_step_up(request)
    try:
        resend = resends.choose(connection=connection, resends=chosen, actor=actor_of(request), now=timezone.now())
    except ConnectionRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
    else:
        words = dict(RESENDS)[resend]
        messages.success(request, f"Sent again once it is proven that IBKR never had them: {words}.")
    return redirect("connection", team_code, connection_code)
