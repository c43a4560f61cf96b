"""Symbols that several contracts share, and which of them the team means."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.access import membership_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role, Team
from accounts.pages.requests import actor_of
from brokers.book import choices
from brokers.book.choices import ChoiceRefused


@require_http_methods(["GET", "POST"])
def symbols(request: HttpRequest, team_code: UUID) -> HttpResponse:
    role = Role.TRADER if request.method == "POST" else Role.VIEWER
    membership = membership_for(request.user, team_code, role)
    team = membership.team
    if request.method == "POST":
        try:
            _forget(request, team) if "forget" in request.POST else _choose(request, team)
        except ChoiceRefused as refused:
            messages.error(request, f"{refused} ({refused.code})")
        return redirect("symbols", team.code)
    context = {"waiting": choices.waiting(team), "made": choices.made(team), "may_trade": membership.may(Role.TRADER)}
    return render(request, "brokers/symbols.html", context)


def _choose(request: HttpRequest, team: Team) -> None:
    sent = request.POST
    asked = choices.to_choose(
        team,
        simulated=sent.get("simulated") == "yes",
        asset_class=sent.get("asset_class", ""),
        ticker=sent.get("ticker", ""),
    )
    if asked.live:
        # Real money will buy what is chosen.
        require_step_up(request)
    conid = sent.get("conid", "")
    if not (conid.isascii() and conid.isdigit() and len(conid) < 17):
        raise ChoiceRefused(f"Mark the contract that {asked.ticker} means, then save.", "nothing-marked")
    made = choices.choose(team=team, asked=asked, conid=int(conid), actor=actor_of(request), now=timezone.now())
    messages.success(
        request, f"{made.ticker} means {made.name or made.conid} ({made.exchange}) from now on. Send the signal again."
    )


def _forget(request: HttpRequest, team: Team) -> None:
    code = request.POST["forget"]
    choice = next((each for each in choices.made(team) if str(each.code) == code), None)
    if choice is None:
        raise ChoiceRefused("This choice was taken back already.", "no-such-choice")
    choices.take_back(choice, actor=actor_of(request), now=timezone.now())
    messages.success(request, f"The choice for {choice.ticker} is taken back. Halyard asks again when it is needed.")
