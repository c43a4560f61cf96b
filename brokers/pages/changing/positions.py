"""The page of a position's stop and target: what it has, to be moved; what it lacks, to be added."""

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
from brokers.domain.contracts.changes import in_words
from brokers.domain.elsewhere import classes
from brokers.models import BrokerageAccount
from brokers.orders.modifications import protecting
from brokers.orders.modifications.checks import NotChangeable
from brokers.pages.changing.forms import ProtectForm


@require_http_methods(["GET", "POST"])
def position_protect(request: HttpRequest, team_code: UUID, account_code: UUID, conid: int) -> HttpResponse:
    accounts = BrokerageAccount.objects.select_related("connection", "team")
    account = row_for(request.user, team_code, accounts, account_code, Role.TRADER)
    position = account.positions.filter(conid=conid).first()
    if position is None:
        messages.info(request, "The account holds no such position any more, so there is nothing to protect.")
        return redirect("positions", team_code)
    legs = protecting.legs(account, position)
    lacks = [] if any(legs.values()) else list(legs)
    form = ProtectForm(request.POST if request.method == "POST" else None, lacks=lacks)
    if request.method == "POST" and form.is_valid():
        values, now = form.values(), timezone.now()
        try:
            protecting.protect(account=account, conid=conid, values=values, actor=actor_of(request), now=now)
        except NotChangeable as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"{position.ticker} is being protected: {in_words(values)}.")
            return redirect("position_protect", team_code, account_code, conid)
    context = {
        "account": account,
        "position": position,
        "form": form,
        "lacks": lacks,
        "refusal": classes.no_way_out(position.ticker, position.asset_class),
        "legs": [row for rows in legs.values() for row in rows],
    }
    return render(request, "brokers/position_protect.html", context, status=422 if form.errors else 200)
