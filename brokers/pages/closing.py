"""Pages that end a position: what will happen, spelled out, and the wish itself."""

from __future__ import annotations

import contextlib
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.access import row_for
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.domain.orders import MAY_FILL
from brokers.models import BrokerageAccount, Closing, Order
from brokers.orders import closing
from brokers.orders.closings import combos
from brokers.pages import elsewhere
from brokers.pages.forms import ClosingForm
from brokers.protection import foreign_cancels


@require_http_methods(["GET", "POST"])
def position_close(request: HttpRequest, team_code: UUID, account_code: UUID, conid: int) -> HttpResponse:
    accounts = BrokerageAccount.objects.select_related("connection")
    account = row_for(request.user, team_code, accounts, account_code, Role.TRADER)
    position = account.positions.filter(conid=conid).first()
    if position is None:
        if request.method == "GET" and not account.closings.filter(conid=conid).exists():
            raise Http404("This account has no such position.")
        messages.success(request, "There is nothing left to close.")
        return redirect("positions", team_code)
    refusal = closing.way_out_missing(account, conid, position.ticker, position.asset_class)
    theirs = elsewhere.working(account.team, account).filter(conid=conid)
    form = ClosingForm(request.POST or None, held=abs(position.quantity))
    if request.method == "POST" and refusal is None and form.is_valid():
        actor, now = actor_of(request), timezone.now()
        named = theirs.filter(code__in=_codes(request.POST.getlist("theirs")))
        foreign_cancels.ask(named, actor=actor, now=now)
        try:
            made = closing.close(
                account=account,
                conid=conid,
                ticker=position.ticker,
                asset_class=position.asset_class,
                quantity=form.part(),
                reason=f"{actor} asked for it.",
                actor=actor,
                now=now,
            )
        except closing.NotClosable as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"{made.ticker} is being closed. {made.note}")
            return redirect("positions", team_code)
    working = Order.objects.filter(account=account, conid=conid, status__in=[str(status) for status in MAY_FILL])
    context = {
        "account": account,
        "position": position,
        "form": form,
        "side": "sell" if position.quantity > 0 else "buy",
        "working": working.order_by("pk"),
        "refusal": refusal,
        "leg": combos.of_leg(account, conid, position.asset_class, timezone.now()),
        "theirs": [(row, str(row.code) in request.POST.getlist("theirs")) for row in theirs],
        "open_closing": account.closings.filter(conid=conid, status=Closing.Status.OPEN).first(),
    }
    return render(
        request,
        "brokers/position_close.html",
        context,
        status=422 if form.errors or (refusal and request.method == "POST") else 200,
    )


def _codes(values: list[str]) -> list[UUID]:
    """The codes among what a form sent."""
    codes = []
    for value in values:
        with contextlib.suppress(ValueError):
            codes.append(UUID(value))
    return codes
