"""Orders that were placed elsewhere: one of them, its cancel, and what a person says of one that bears our reference."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.access import row_for
from accounts.models import Role, Team
from accounts.pages.requests import actor_of
from brokers.book import elsewhere
from brokers.domain.elsewhere.whose import Choice
from brokers.models import BrokerageAccount, ForeignOrder
from brokers.protection import foreign_cancels, orphaned


def working(team: Team, account: BrokerageAccount | None = None) -> QuerySet[ForeignOrder]:
    """Working orders of the team's accounts, or of one, that were placed elsewhere."""
    accounts = BrokerageAccount.objects.filter(team=team, connection__removed_at=None)
    keys = [account.pk] if account is not None else accounts.values_list("pk", flat=True)
    return elsewhere.working(keys).select_related("account__connection", "cancel_asked_by")


@require_GET
def foreign_order(request: HttpRequest, team_code: UUID, foreign_code: UUID) -> HttpResponse:
    rows = ForeignOrder.objects.select_related("account__connection", "cancel_asked_by", "left_by", "second_of")
    row = row_for(request.user, team_code, rows, foreign_code)
    undecided = orphaned.undecided().filter(pk=row.pk).exists()
    context = {
        "row": row,
        "account": row.account,
        "undecided": undecided,
        "why_not": orphaned.why_not_adopted(row) if undecided else None,
        "held": row.account.positions.filter(conid=row.conid).first(),
    }
    return render(request, "brokers/foreign_order.html", context)


@require_POST
def foreign_cancel(request: HttpRequest, team_code: UUID, foreign_code: UUID) -> HttpResponse:
    rows = ForeignOrder.objects.select_related("account__connection", "account__team")
    row = row_for(request.user, team_code, rows, foreign_code, Role.TRADER)
    if foreign_cancels.ask([row], actor=actor_of(request), now=timezone.now()):
        messages.success(request, "IBKR is asked to cancel it. A fill can still overtake the cancel.")
    else:
        messages.warning(request, "Its cancel is on its way already.")
    # Its own page ends with it.
    return redirect("orders", team_code)


_DONE = {
    Choice.ADOPT: "Halyard keeps it as its own order from now on.",
    Choice.CANCEL: "IBKR is asked to cancel it. A fill can still overtake the cancel.",
    Choice.LEAVE: "It stays as it is: Halyard counts it, and does not touch it.",
}


@require_POST
def foreign_decide(request: HttpRequest, team_code: UUID, foreign_code: UUID) -> HttpResponse:
    """What a person says of an order that bears our reference and is in no row."""
    row = row_for(request.user, team_code, ForeignOrder.objects.all(), foreign_code, Role.TRADER)
    word = request.POST.get("choice", "")
    if word not in {str(each) for each in Choice}:
        messages.error(request, "Choose what is to become of this order. (unknown-choice)")
        return redirect("foreign_order", team_code, foreign_code)
    try:
        order = orphaned.choose(row=row, choice=Choice(word), actor=actor_of(request), now=timezone.now())
    except orphaned.ChoiceRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
        return redirect("foreign_order", team_code, foreign_code)
    messages.success(request, _DONE[Choice(word)])
    if order is not None:
        return redirect("order", team_code, order.code)
    return redirect("orders", team_code)
