"""The pages of guards: the state and the limits of each level, and the kill switch with what it will do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import membership_for, membership_that_stops, team_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Membership, Role
from accounts.pages.requests import actor_of
from brokers.book import day_ledger
from brokers.live import order_rows
from strategies.control import flatten, halt, levels, limits
from strategies.control.limits import GuardRefused, Target
from strategies.domain.decide.guards import Halt, Level
from strategies.models import Guard
from strategies.pages.forms.guards import FlattenForm, LimitsForm, LockoutForm, ReasonForm, RestrictedForm, StopForm

GuardForm = LimitsForm | LockoutForm | RestrictedForm | FlattenForm

SHOWN = 12  # orders, and positions, that the page of a stop lists
QUIET = 24  # subscriptions without any limit that the page lists


@require_GET
@never_cache
def guards(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    now = timezone.now()
    stands = levels.all_levels(team, now)
    guarded = [each for each in stands.subscriptions if each.stopped or each.locked or each.limited]
    quiet = [each for each in stands.subscriptions if each not in guarded]
    context = {
        "stands": stands,
        "stopped": [each for each in stands if each.stopped],
        "locked": [each for each in stands if each.locked],
        "subscriptions": guarded,
        "quiet": quiet[:QUIET],
        "more": max(0, len(quiet) - QUIET),
    }
    return render(request, "strategies/guards.html", context)


@require_http_methods(["GET", "POST"])
@never_cache
def guard(request: HttpRequest, team_code: UUID, level: str, code: UUID) -> HttpResponse:
    """One level: its figures, limits, lockout, restricted tickers and history."""
    role = Role.TRADER if request.method == "POST" else Role.VIEWER
    guarded = _guarded(request, team_code, level, code, role)
    membership, kind = guarded.membership, guarded.level
    what = request.POST.get("what", "")
    clock = flatten.standing(guarded.guard, timezone.now())
    forms = _forms(request, what, kind, guarded.guard, clock)
    form = forms.get(what)
    if form is not None and form.is_valid():
        try:
            sentence = _change(request, guarded, form)
        except GuardRefused as error:
            form.add_error(error.field if error.field in form.fields else None, ValidationError(str(error), error.code))
        else:
            messages.success(request, sentence)
            return redirect("guard", team_code, level, code)
    context = {
        **forms,
        "clock": clock,
        "each": levels.one_level(membership.team, guarded.target, timezone.now()),
        "history": levels.history(guarded.guard) if guarded.guard.pk else [],
        "loosens": membership.may(Role.OWNER) or kind is not Level.TEAM,
        "unlocking": ReasonForm(auto_id="id_unlock_%s"),
        "resuming": ReasonForm(auto_id="id_resume_%s"),
    }
    return render(request, "strategies/guard.html", context)


def _forms(
    request: HttpRequest, what: str, level: Level, guard: Guard, clock: flatten.Standing
) -> dict[str, GuardForm]:
    """The forms of a level by their `what`; the one that was sent is bound."""
    sent = {what: request.POST}
    schedule = None if clock.rule is None else clock.rule.schedule()
    return {
        "flatten": FlattenForm(sent.get("flatten"), schedule=schedule, zone=timezone.get_current_timezone_name()),
        "limits": LimitsForm(sent.get("limits"), level=level, guard=guard),
        "lockout": LockoutForm(sent.get("lockout")),
        "restricted": RestrictedForm(sent.get("restricted"), initial={"restricted": " ".join(guard.restricted)}),
    }


@dataclass(frozen=True, slots=True)
class Guarded:
    """A level with its guard, and the membership of the person who acts on it."""

    membership: Membership
    level: Level
    target: Target
    guard: Guard

    def whom(self, request: HttpRequest) -> dict[str, Any]:
        """The arguments that every change of a guard takes."""
        team = self.membership.team
        return {
            "team": team,
            "target": self.target,
            "actor": actor_of(request),
            "now": timezone.now(),
        }

    def let_loosen(self, request: HttpRequest) -> None:
        """Anybody who trades may stop and tighten. Loosening takes a fresh proof, and for the whole team an owner."""
        if self.level is Level.TEAM and not self.membership.may(Role.OWNER):
            raise PermissionDenied(
                "Only an owner of the team may resume the whole team or loosen its limits. "
                "Traders may stop it and tighten them."
            )
        require_step_up(request)


def _guarded(request: HttpRequest, team_code: UUID, level: str, code: UUID, role: Role) -> Guarded:
    return _at_level(membership_for(request.user, team_code, role), level, code)


def _at_level(membership: Membership, level: str, code: UUID) -> Guarded:
    kind, target = levels.level_of(membership.team, level, code)
    return Guarded(membership, kind, target, limits.guard_of(membership.team, target))


@transaction.atomic
def _change(request: HttpRequest, guarded: Guarded, form: GuardForm) -> str:
    """Write what a valid form asks for; returns the sentence that says what holds now."""
    whom = guarded.whom(request)
    # Locked before it is compared: what another request sets meanwhile must not be loosened unseen.
    guard = limits.lock_guard(whom["team"], guarded.target)
    match form:
        case LockoutForm():
            until = form.until(whom["now"])
            if guard.lockout_until is not None and until < guard.lockout_until:
                guarded.let_loosen(request)
            limits.lock_out(**whom, until=until, reason=form.cleaned_data["reason"])
            return f"No entry until {until:%Y-%m-%d %H:%M} UTC. Exits go on."
        case RestrictedForm():
            tickers = limits.read_restricted(guarded.target, form.tickers(), whom["now"])
            if not set(guard.restricted) <= set(tickers):
                guarded.let_loosen(request)
            limits.restrict(**whom, tickers=tickers)
            return "The list holds from the next signal on."
        case FlattenForm():
            wanted = form.schedule()
            if wanted is None:
                guarded.let_loosen(request)
            flatten.set_schedule(**whom, wanted=wanted)
            return "Nothing is closed by the clock here." if wanted is None else f"{flatten.in_words(wanted)}: set."
        case LimitsForm():
            figures = {name: form.cleaned_data[name] for name in form.fields}
            if limits.loosens(guard, figures):
                guarded.let_loosen(request)
            limits.set_limits(**whom, limits=figures)
            return "The limits hold from the next signal on."


@require_http_methods(["GET", "POST"])
@never_cache
def guard_stop(request: HttpRequest, team_code: UUID, level: str, code: UUID) -> HttpResponse:
    """First a page that says what a stop will do here; with a reason, the stop."""
    guarded = _at_level(membership_that_stops(request.user, team_code), level, code)
    form = StopForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            stopped = halt.halt(
                **guarded.whom(request),
                how=Halt(values["how"]),
                reason=values["reason"],
                flatten=values["flatten"],
            )
        except GuardRefused as error:
            form.add_error(error.field if error.field in form.fields else None, ValidationError(str(error), error.code))
        else:
            messages.success(request, _stopped(stopped))
            return redirect("guards", team_code)
    context = {"form": form, "level": level, "code": code, "guard": guarded.guard, **_reach(guarded)}
    return render(request, "strategies/guard_stop.html", context)


def _reach(guarded: Guarded) -> dict[str, Any]:
    """What a stop of this level would cancel, decline and close."""
    team, target = guarded.membership.team, guarded.target
    reach = halt.reach(team, target)
    orders = order_rows().filter(pk__in=reach.orders.values("pk")).order_by("-pk")
    positions = reach.positions.select_related("account__connection").order_by("account__account_id", "ticker")
    shown = list(positions[:SHOWN])
    worths = day_ledger.worths(shown)
    return {
        "name": levels.name_of(team, target),
        "entries": reach.entries.count(),
        "orders": orders.count(),
        "protective": reach.orders.filter(role__in=["stop_loss", "take_profit"]).count(),
        "proposed": reach.proposed.count(),
        "rows": orders[:SHOWN],
        "positions": [(position, worths.get(position.pk)) for position in shown],
        "held": positions.count(),
        "closable": reach.closable.count(),
        "staying": reach.staying.count(),
        "stays": reach.staying.select_related("account").order_by("account__account_id", "ticker")[:SHOWN],
        "elsewhere": halt.working_elsewhere(team, target),
        "shared": guarded.level in {Level.STRATEGY, Level.SUBSCRIPTION},
        "live": positions.filter(account__is_paper=False).exists(),
    }


def _stopped(stopped: halt.Stopped) -> str:
    parts = [f"{stopped.canceled:,} order{'' if stopped.canceled == 1 else 's'} canceled or being canceled"]
    if stopped.declined:
        parts.append(f"{stopped.declined:,} waiting for approval declined")
    if stopped.closing:
        parts.append(f"{stopped.closing:,} position{'' if stopped.closing == 1 else 's'} being closed")
    sentences = [f"Stopped: {', '.join(parts)}.", *stopped.not_closed]
    if stopped.elsewhere:
        one = stopped.elsewhere == 1
        orders = "1 order placed elsewhere goes" if one else f"{stopped.elsewhere:,} orders placed elsewhere go"
        sentences.append(f"{orders} on working; the page of orders can cancel {'it' if one else 'them'}.")
    return " ".join(sentences)


@require_POST
def guard_resume(request: HttpRequest, team_code: UUID, level: str, code: UUID) -> HttpResponse:
    guarded = _loosened(request, team_code, level, code)
    try:
        halt.resume(**guarded.whom(request), reason=request.POST.get("reason", ""))
    except GuardRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Resumed: the next signal trades again.")
    return redirect("guard", team_code, level, code)


@require_POST
def guard_unlock(request: HttpRequest, team_code: UUID, level: str, code: UUID) -> HttpResponse:
    guarded = _loosened(request, team_code, level, code)
    try:
        limits.unlock(**guarded.whom(request), reason=request.POST.get("reason", ""))
    except GuardRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Entries are open again. If a limit of the day is still reached, it locks them anew.")
    return redirect("guard", team_code, level, code)


def _loosened(request: HttpRequest, team_code: UUID, level: str, code: UUID) -> Guarded:
    """The level that this person may let trade again; raises PermissionDenied."""
    guarded = _guarded(request, team_code, level, code, Role.TRADER)
    guarded.let_loosen(request)
    return guarded
