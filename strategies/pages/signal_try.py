"""A signal written by hand: the orders it would make are shown while it is written, and then it is sent."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import team_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role, Team
from accounts.pages.requests import actor_of
from brokers.domain.sessions import Environment
from strategies.display.readings import pairs
from strategies.domain.message.refusals import Refused
from strategies.models import Strategy
from strategies.pages.forms.signals import ORDER_FIELDS, SignalForm
from strategies.pages.shared import live_followers, offer_rows
from strategies.rehearsal import first_signal
from strategies.rehearsal.dry_run import MOST_LOOKS, Rehearsal, looks


@require_http_methods(["GET", "POST"])
@never_cache
def signal_try(request: HttpRequest, team_code: UUID) -> HttpResponse:
    """Posted with `check` it is only rehearsed; with `ask` too, and IBKR is asked about its symbol. Else it is sent."""
    team = team_for(request.user, team_code, Role.TRADER)
    checks = "check" in request.POST or "ask" in request.POST
    form = SignalForm(request.POST or None, initial={"strategy": request.GET.get("strategy", "")})
    offer_rows(form, "strategy", _offered(team))
    if form.is_bound and not form.is_valid():
        return _page(request, team, form, None, status=200 if checks else 422)
    strategy = form.cleaned_data["strategy"] if form.is_bound else _first_choice(form, team)
    refused: Refused | None = None
    if form.is_bound and not checks:
        if strategy is not None and live_followers(strategy).exists():
            require_step_up(request)
        try:
            signal = first_signal.send(
                team=team,
                strategy=strategy,
                message_body=form.message_body(),
                actor=actor_of(request),
                now=timezone.now(),
            )
        except Refused as refusal:
            refused = refusal
            form.add_error(form.field_of(refusal.field), refusal.message)
        else:
            return redirect("signal", team_code, signal.code)
    rehearsal = first_signal.rehearse_try(
        team=team,
        strategy=strategy,
        message_body=form.message_body(),
        now=timezone.now(),
        ask="ask" in request.POST and refused is None,
    )
    if refused is not None:
        rehearsal = replace(rehearsal, refused=refused, message=None, answers=())
    return _page(request, team, form, rehearsal, status=422 if refused else 200)


def _offered(team: Team) -> QuerySet[Strategy]:
    """The strategies that take signals now."""
    return team.strategies.filter(enabled=True).order_by("pk")


def _first_choice(form: SignalForm, team: Team) -> Strategy | None:
    """The strategy that a fresh page has chosen: the one of its address, else the first."""
    code = str(form.initial["strategy"])
    offered = _offered(team)
    return next((each for each in offered if str(each.code) == code), offered.first())


def _page(
    request: HttpRequest, team: Team, form: SignalForm, rehearsal: Rehearsal | None, *, status: int
) -> HttpResponse:
    looked = looks(request.POST.get("looks", ""))
    context = {
        "form": form,
        "has_strategies": _offered(team).exists(),
        "account": first_signal.simulated_account(team),
        "live": team.subscriptions.filter(
            enabled=True, account__connection__environment=Environment.LIVE, account__connection__enabled=True
        ).exists(),
        "orders_open": any(form[name].value() for name in ORDER_FIELDS),
        "rehearsal": rehearsal,
        "strategy": rehearsal.strategy if rehearsal else None,
        "pairs": pairs(rehearsal.reading) if rehearsal else (),
        "again": rehearsal is not None and rehearsal.waits and looked < MOST_LOOKS,
        "looks": looked + 1,
    }
    return render(request, "strategies/signal_try.html", context, status=status)
