"""One decision: its reason, its orders, its inputs, and the same decision taken again."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import membership_for, row_for
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.live import order_rows
from brokers.models import ContractLookup, Order
from brokers.whatif import asking
from brokers.whatif.asking import WhatIfRefused
from strategies import live
from strategies.control import what_if
from strategies.display import comparison, explanation, proposals, rules, what_ifs
from strategies.display.plans import tree
from strategies.models import Decision


@require_GET
@never_cache
def decision(request: HttpRequest, team_code: UUID, decision_code: UUID) -> HttpResponse:
    """`?again=yes` decides once more from the stored inputs, and writes nothing."""
    rows = Decision.objects.select_related(
        "team", "terms", "ticket", "signal__strategy", "subscription__account__connection", "answered_by"
    )
    decision = row_for(request.user, team_code, rows, decision_code)
    orders = _orders(decision)
    seen, plan = explanation.inputs_seen(decision), explanation.plan_of(decision)
    shown = tree(plan, orders, seen.snapshot if seen else None) if plan else None
    asked = asking.of_plan(decision.code) if plan else {}
    is_open = decision.status in what_if.OPEN
    membership = membership_for(request.user, team_code)
    context = {
        "decision": decision,
        "rule": rules.rule(decision.rule),
        "verdict": proposals.verdict(decision),
        "outcome": proposals.describe_outcome(decision),
        "asked_at": proposals.proposed_at(decision),
        "card": proposals.card(decision) if decision.status == Decision.Status.PROPOSED else None,
        "may_answer": membership.may(Role.APPROVER),
        "may_ask": is_open and membership.may(Role.TRADER),
        "beside": what_ifs.beside(plan, asked) if plan and (is_open or asked) else [],
        "ordered": bool(orders),
        "trouble": live.trouble_of(orders),
        "tree": shown,
        # The orders that the tree does not show: all of them when the plan cannot be read any more.
        "orders": [order for order in orders if shown is None or order.pk not in shown.made],
        "seen": seen,
        "has_contract_page": seen is not None and _is_known(decision, seen.snapshot.contract.conid),
        # An open page keeps the answer to these inputs; with other inputs it is another question.
        "seen_key": f"{seen.now:%H%M%S%f}" if seen else "none",
        "again": comparison.decide_again(decision, orders) if request.GET.get("again") else None,
        "watch": " ".join(
            [
                f"signal-{decision.signal.code}",
                f"what-if-{decision.code}",
                *(f"order-{order.code}" for order in orders),
            ]
        ),
    }
    return render(request, "strategies/decision.html", context)


@require_POST
def decision_what_if(request: HttpRequest, team_code: UUID, decision_code: UUID) -> HttpResponse:
    """Puts the plan before IBKR's preview; its page shows the answer when it comes."""
    rows = Decision.objects.select_related("team", "subscription__account__connection", "subscription__account__team")
    decision = row_for(request.user, team_code, rows, decision_code, Role.TRADER)
    try:
        count = what_if.ask(decision, actor=actor_of(request), now=timezone.now())
    except WhatIfRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
    else:
        said = "IBKR is asked for its preview. Nothing is sent." if count else "IBKR is being asked already."
        messages.success(request, said)
    return redirect(f"{reverse('decision', args=[team_code, decision_code])}#what-if")


def _orders(decision: Decision) -> list[Order]:
    if decision.ticket_id is None:
        return []
    return list(order_rows().filter(ticket=decision.ticket_id).order_by("pk"))


def _is_known(decision: Decision, conid: int) -> bool:
    """Whether the contract has a page, with its hours: IBKR may have given it another number since."""
    known = ContractLookup.objects.numbered(decision.subscription.account.connection_id, conid)
    # A combo has none: its legs have theirs.
    return conid > 0 and known.exists()
