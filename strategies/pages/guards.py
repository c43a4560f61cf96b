"""The pages of guards: how each level stands, its limits, and the kill switch with what it will do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import membership_for, team_for
from accounts.models import Membership, Role
from brokers.book import day_ledger
from brokers.live import order_rows
from strategies.control import halt, levels, limits
from strategies.control.limits import GuardRefused, Target
from strategies.domain.decide.guards import Halt, Level
from strategies.pages.forms.guards import LimitsForm, LockoutForm, ReasonForm, RestrictedForm, StopForm
from strategies.pages.shared import actor_of

SHOWN = 12  # orders and positions that a stop's page names one by one
QUIET = 24  # subscriptions that the page lists although nothing is set for them


@require_GET
@never_cache
def guards(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    now = timezone.now()
    stands = levels.all_levels(team, now)
    said = [each for each in stands.subscriptions if each.stopped or each.locked or each.limited]
    quiet = [each for each in stands.subscriptions if each not in said]
    context = {
        "stands": stands,
        "stopped": [each for each in stands if each.stopped],
        "locked": [each for each in stands if each.locked],
        "subscriptions": said,
        "quiet": quiet[:QUIET],
        "more": max(0, len(quiet) - QUIET),
    }
    return render(request, "strategies/guards.html", context)


@require_http_methods(["GET", "POST"])
@never_cache
def guard(request: HttpRequest, team_code: UUID, level: str, code: UUID) -> HttpResponse:
    """One level: its figures, its limits, its lockout, its list, and what was done to it."""
    membership = membership_for(request.user, team_code, Role.TRADER if request.method == "POST" else Role.VIEWER)
    kind, target = levels.level_of(membership.team, level, code)
    row = limits.guard_of(membership.team, target)
    what = request.POST.get("what", "")
    forms: dict[str, Any] = {
        "limits": LimitsForm(request.POST if what == "limits" else None, level=kind, guard=row),
        "lockout": LockoutForm(request.POST if what == "lockout" else None),
        "restricted": RestrictedForm(
            request.POST if what == "restricted" else None, initial={"restricted": " ".join(row.restricted)}
        ),
    }
    asked = forms.get(what)
    if asked is not None and asked.is_valid():
        try:
            said = _change(request, membership, kind, target, what, asked)
        except GuardRefused as error:
            asked.add_error(error.field if error.field in asked.fields else None, str(error))
        else:
            messages.success(request, said)
            return redirect("guard", team_code, level, code)
    context = {
        **forms,
        "each": levels.one_level(membership.team, target, timezone.now()),
        "history": levels.history(row) if row.pk else [],
        "loosens": membership.may(Role.OWNER) or kind is not Level.TEAM,
        "unlocking": ReasonForm(auto_id="id_unlock_%s"),
        "resuming": ReasonForm(auto_id="id_resume_%s"),
    }
    return render(request, "strategies/guard.html", context)


def _change(request: HttpRequest, membership: Membership, level: Level, target: Target, what: str, form: Any) -> str:
    """Write what a valid form asks for; the sentence that says what holds now."""
    now, team = timezone.now(), membership.team
    whom: dict[str, Any] = {"team": team, "target": target, "actor": actor_of(request), "now": now}
    row = limits.guard_of(team, target)
    if what == "lockout":
        until = form.until(now)
        if row.lockout_until is not None and until < row.lockout_until:
            _may_loosen(membership, level)
        limits.lock_out(**whom, until=until, reason=form.cleaned_data["reason"])
        return f"No entry until {until:%Y-%m-%d %H:%M} UTC. Exits go on."
    if what == "restricted":
        wanted = form.tickers()
        if not set(row.restricted) <= {ticker.upper() for ticker in wanted}:
            _may_loosen(membership, level)
        limits.restrict(**whom, tickers=wanted)
        return "The list holds from the next signal on."
    wanted = {name: form.cleaned_data[name] for name in form.fields}
    if limits.loosens(row, wanted):
        _may_loosen(membership, level)
    limits.set_limits(**whom, limits=wanted)
    return "The limits hold from the next signal on."


@require_http_methods(["GET", "POST"])
@never_cache
def guard_stop(request: HttpRequest, team_code: UUID, level: str, code: UUID) -> HttpResponse:
    """First the page that says what a stop will do here, then, with a reason, the stop."""
    team = team_for(request.user, team_code, Role.TRADER)
    kind, target = levels.level_of(team, level, code)
    form = StopForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            done = halt.halt(
                team=team,
                target=target,
                how=Halt(given["how"]),
                reason=given["reason"],
                flatten=given["flatten"],
                actor=actor_of(request),
                now=timezone.now(),
            )
        except GuardRefused as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        else:
            messages.success(request, _stopped(done))
            return redirect("guards", team_code)
    reach = halt.reach(team, target)
    orders = order_rows().filter(pk__in=reach.orders.values("pk")).order_by("-pk")
    positions = reach.positions.select_related("account__connection").order_by("account__account_id", "ticker")
    shown = list(positions[:SHOWN])
    worths = day_ledger.worths(shown)
    context = {
        "form": form,
        "level": level,
        "code": code,
        "name": levels.name_of(team, target),
        "guard": limits.guard_of(team, target),
        "entries": reach.entries.count(),
        "orders": orders.count(),
        "protective": reach.orders.filter(role__in=["stop_loss", "take_profit"]).count(),
        "proposed": reach.proposed.count(),
        "rows": orders[:SHOWN],
        "positions": [(each, worths.get(each.pk)) for each in shown],
        "held": positions.count(),
        "shared": kind in {Level.STRATEGY, Level.SUBSCRIPTION},
        "live": positions.filter(account__is_paper=False).exists(),
    }
    return render(request, "strategies/guard_stop.html", context)


def _stopped(done: halt.Stopped) -> str:
    parts = [f"{done.canceled:,} order{'' if done.canceled == 1 else 's'} canceled or being canceled"]
    if done.declined:
        parts.append(f"{done.declined:,} waiting for approval declined")
    if done.closing:
        parts.append(f"{done.closing:,} position{'' if done.closing == 1 else 's'} being closed")
    return f"Stopped: {', '.join(parts)}."


@require_POST
def guard_resume(request: HttpRequest, team_code: UUID, level: str, code: UUID) -> HttpResponse:
    return _undo(request, team_code, level, code, halt.resume, "Resumed: the next signal trades again.")


@require_POST
def guard_unlock(request: HttpRequest, team_code: UUID, level: str, code: UUID) -> HttpResponse:
    said = "Entries are let in again. A limit of the day that is still reached locks them anew."
    return _undo(request, team_code, level, code, limits.unlock, said)


def _undo(request: HttpRequest, team_code: UUID, level: str, code: UUID, verb: Any, said: str) -> HttpResponse:
    """What lets trading begin again: with a reason, and for the whole team by its owner."""
    membership = membership_for(request.user, team_code, Role.TRADER)
    kind, target = levels.level_of(membership.team, level, code)
    _may_loosen(membership, kind)
    try:
        verb(
            team=membership.team,
            target=target,
            reason=request.POST.get("reason", ""),
            actor=actor_of(request),
            now=timezone.now(),
        )
    except GuardRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("guard", team_code, level, code)


def _may_loosen(membership: Membership, level: Level) -> None:
    """Anybody who trades may stop and tighten; what holds for the whole team is loosened by an owner."""
    if level is Level.TEAM and not membership.may(Role.OWNER):
        raise PermissionDenied(
            "Only an owner of the team may resume the whole team or loosen its limits. Tightening and stopping is open to traders."
        )
