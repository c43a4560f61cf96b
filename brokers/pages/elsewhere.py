"""Orders that were placed elsewhere or are in no row: one of them, its cancel, and what a person says whose it is."""

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
from brokers.domain.elsewhere.whose import DECIDED_BY, Choice
from brokers.models import BrokerageAccount, ForeignOrder, UnclaimedOrder
from brokers.models.unclaimed import asked
from brokers.protection import claiming, foreign_cancels, orphaned
from brokers.protection.adopting import ChoiceRefused


def working(team: Team, account: BrokerageAccount | None = None) -> QuerySet[ForeignOrder]:
    """Working orders of the team's accounts, or of one, that were placed elsewhere."""
    accounts = BrokerageAccount.objects.filter(team=team, connection__removed_at=None)
    keys = [account.pk] if account is not None else accounts.values_list("pk", flat=True)
    return elsewhere.working(keys).select_related("account__connection", "cancel_asked_by")


def unclaimed(team: Team, account: BrokerageAccount | None = None) -> QuerySet[UnclaimedOrder]:
    """Orders of the team's accounts, or of one, that have filled and of which a person has to say whose they are."""
    rows = asked().filter(team=team, account__connection__removed_at=None).select_related("account__connection")
    return rows if account is None else rows.filter(account=account)


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


@require_GET
def unclaimed_order(request: HttpRequest, team_code: UUID, unclaimed_code: UUID) -> HttpResponse:
    rows = UnclaimedOrder.objects.select_related("account__connection", "decided_by", "second_of", "order")
    row = row_for(request.user, team_code, rows, unclaimed_code)
    undecided = asked().filter(pk=row.pk).exists()
    open_still = undecided or row.choice == Choice.LEAVE
    context = {
        "row": row,
        "account": row.account,
        "undecided": undecided,
        "may_adopt": open_still,
        "why_not": claiming.why_not_adopted(row) if open_still else None,
        "fills": row.order.executions.order_by("executed_at", "pk") if row.order else row.fills,
        "held": row.account.positions.filter(conid=row.conid).first(),
    }
    return render(request, "brokers/unclaimed_order.html", context)


@require_POST
def unclaimed_decide(request: HttpRequest, team_code: UUID, unclaimed_code: UUID) -> HttpResponse:
    """What a person says of an order that has filled and is in no row."""
    row = row_for(request.user, team_code, UnclaimedOrder.objects.all(), unclaimed_code, Role.TRADER)
    word = request.POST.get("choice", "")
    if word not in {str(each) for each in DECIDED_BY}:
        messages.error(request, "Choose whose this order is. (unknown-choice)")
        return redirect("unclaimed_order", team_code, unclaimed_code)
    try:
        order = claiming.choose(row=row, choice=Choice(word), actor=actor_of(request), now=timezone.now())
    except ChoiceRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
        return redirect("unclaimed_order", team_code, unclaimed_code)
    if order is None:
        messages.success(
            request, "It stays among the fills of nobody's orders. Signals may open positions there again."
        )
        return redirect("unclaimed_order", team_code, unclaimed_code)
    messages.success(request, "Halyard has it as its own order again, with its fills.")
    return redirect("order", team_code, order.code)


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
    except ChoiceRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
        return redirect("foreign_order", team_code, foreign_code)
    messages.success(request, _DONE[Choice(word)])
    if order is not None:
        return redirect("order", team_code, order.code)
    return redirect("orders", team_code)
