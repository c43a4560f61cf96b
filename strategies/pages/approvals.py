"""The approval inbox: plans that wait for a person, and the answers."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import membership_for, row_for
from accounts.entrance import addresses
from accounts.models import Role
from accounts.pages.requests import HtmxHttpRequest, actor_of
from strategies import live
from strategies.control import approval
from strategies.display import proposals
from strategies.models import Decision, Subscription


@require_GET
@never_cache
def approvals(request: HttpRequest, team_code: UUID) -> HttpResponse:
    membership = membership_for(request.user, team_code)
    team = membership.team
    subscriptions = Subscription.objects.filter(team=team, enabled=True)
    waiting = proposals.waiting(team)
    context = {
        "cards": [
            {"decision": each, "card": card} for each, card in zip(waiting, proposals.cards(waiting), strict=True)
        ],
        "answered": [{"decision": each, "verdict": proposals.verdict(each)} for each in proposals.answered(team)],
        "may_answer": membership.may(Role.APPROVER),
        "subscribed": team.subscriptions.exists(),
        "asking": subscriptions.filter(terms__values__auto_submit=False).count(),
        "recent": proposals.RECENT,
    }
    return render(request, "strategies/approvals.html", context)


@require_POST
def approval_approve(request: HtmxHttpRequest, team_code: UUID, decision_code: UUID) -> HttpResponse:
    """Approves the whole plan, or with the button `smaller` the quantity in the field beside it."""
    decision = row_for(request.user, team_code, proposals.rows(), decision_code, Role.APPROVER)
    quantity = None
    if "smaller" in request.POST:
        try:
            quantity = _quantity(request.POST.get(f"quantity-{decision_code}", ""))
        except ValueError as error:
            return _answer(request, decision, str(error))
    try:
        approval.approve(
            decision,
            actor=actor_of(request),
            quantity=quantity,
            address=addresses.of_request(request),
            now=timezone.now(),
        )
    except approval.ApprovalRefused as refused:
        return _answer(request, decision, str(refused))
    return _answer(request, decision)


@require_POST
def approval_decline(request: HtmxHttpRequest, team_code: UUID, decision_code: UUID) -> HttpResponse:
    decision = row_for(request.user, team_code, proposals.rows(), decision_code, Role.APPROVER)
    reason = request.POST.get(f"reason-{decision_code}", "")[:200]
    try:
        approval.decline(
            decision,
            actor=actor_of(request),
            reason=reason,
            now=timezone.now(),
        )
    except approval.ApprovalRefused as refused:
        return _answer(request, decision, str(refused))
    return _answer(request, decision)


def _quantity(text: str) -> Decimal:
    try:
        value = Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        raise ValueError("Write the quantity as a number, such as 5.") from None
    if not value.is_finite() or value <= 0:
        raise ValueError("Approve a quantity above zero, or decline.")
    return value


def _answer(request: HtmxHttpRequest, decision: Decision, refused: str = "") -> HttpResponse:
    """The present card for htmx; a page without scripts goes back to the list."""
    decision = proposals.rows().get(pk=decision.pk)
    if request.htmx:
        return HttpResponse(live.proposal_html(decision, refused))
    if refused:
        messages.error(request, refused)
    elif decision.status == Decision.Status.PROPOSED:
        messages.success(request, f"Your approval counts. {proposals.card(decision).shortage}")
    else:
        messages.success(request, proposals.describe_outcome(decision))
    return redirect("approvals", decision.team.code)
