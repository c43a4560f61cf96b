"""The page that changes an order where it stands: what it is, what it is to be, and what will happen."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.access import row_for
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.domain.orders import CHANGED_IN_PLACE, OrderStatus
from brokers.models import Order, OrderModification, Position
from brokers.orders.modifications import asking, words
from brokers.orders.modifications.checks import NotChangeable
from brokers.pages.changing.forms import ChangeForm


@require_http_methods(["GET", "POST"])
def order_change(request: HttpRequest, team_code: UUID, order_code: UUID) -> HttpResponse:
    orders = Order.objects.select_related("account__connection")
    order = row_for(request.user, team_code, orders, order_code, Role.TRADER)
    form = ChangeForm(request.POST if request.method == "POST" else None, order=order)
    if request.method == "POST" and form.is_valid():
        try:
            asked = asking.change(
                order=order,
                values=form.values(),
                lifetime=form.lifetime(),
                actor=actor_of(request),
                now=timezone.now(),
            )
        except NotChangeable as refused:
            form.add_error(None, str(refused))
        else:
            if asked.status == OrderModification.Status.NOT_MADE:
                messages.warning(request, asked.reason)
            elif asked.lifetime is not None:
                messages.success(request, f"The order is {words.of(asked)} now. Nothing was sent to IBKR.")
            else:
                said = f"IBKR is asked to change it: {words.of(asked)}. It works on as it is until IBKR has."
                messages.success(request, said)
            return redirect("order", team_code, order_code)
    position = Position.objects.filter(account=order.account_id, conid=order.conid).first()
    context = {
        "order": order,
        "form": form,
        "works": form.has_end or (OrderStatus(order.status) in CHANGED_IN_PLACE and bool(form.names)),
        "position": position,
        "open": order.modifications.filter(ended_at=None).order_by("pk"),
        "has_legs": "quantity" in form.names and order.children.exists(),
    }
    return render(request, "brokers/order_change.html", context, status=422 if form.errors else 200)
