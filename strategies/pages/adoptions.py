"""Whose an order is that was adopted: the page on which a person says it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.access import membership_for, row_for
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.live import order_rows
from brokers.models import Order
from strategies.control import adoptions
from strategies.control.adoptions import AdoptionRefused
from strategies.models import Adoption


@require_http_methods(["GET", "POST"])
def order_owner(request: HttpRequest, team_code: UUID, order_code: UUID) -> HttpResponse:
    role = Role.TRADER if request.method == "POST" else Role.VIEWER
    order = row_for(request.user, team_code, order_rows(), order_code, role)
    if request.method == "POST":
        return _choose(request, team_code, order)
    context = {
        "order": order,
        "asked": adoptions.is_asked(order),
        "candidates": adoptions.candidates(order),
        "meant": adoptions.meant(order),
        "said": Adoption.objects.filter(ticket=order.ticket_id).select_related("chosen_by").first(),
        "may_trade": membership_for(request.user, team_code).may(Role.TRADER),
    }
    return render(request, "strategies/order_owner.html", context)


def _choose(request: HttpRequest, team_code: UUID, order: Order) -> HttpResponse:
    word = request.POST.get("subscription", "")
    try:
        chosen = None if word == "none" else UUID(word)
    except ValueError:
        messages.error(request, "Mark the subscription that this order was for, then save. (unknown-choice)")
        return redirect("order_owner", team_code, order.code)
    try:
        adoptions.choose(order=order, subscription=chosen, actor=actor_of(request), now=timezone.now())
    except AdoptionRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
        return redirect("order_owner", team_code, order.code)
    messages.success(request, "From now on the order counts as you said. You can say it again.")
    return redirect("order", team_code, order.code)
