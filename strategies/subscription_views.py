"""Pages of subscriptions: which account follows which strategy, and on what terms."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import team_for, thing_for
from accounts.models import Role, Team
from brokers.models import BrokerageAccount
from strategies import live
from strategies import subscriptions as subscribing
from strategies.domain.plan import Terms
from strategies.forms import FollowForm, TermsForm
from strategies.models import Subscription, TermsVersion
from strategies.pages import LATEST, actor_of, choices, subscription_rows


@require_GET
def subscriptions(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    context = {
        "subscriptions": subscription_rows(found),
        "has_strategies": found.strategies.exists(),
        "has_accounts": found.accounts.exists(),
    }
    return render(request, "strategies/subscriptions.html", context)


@require_http_methods(["GET", "POST"])
def subscription_new(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team, Role.TRADER)
    follow = FollowForm(request.POST or None, initial={"strategy": request.GET.get("strategy", "")})
    choices(follow, "strategy", found.strategies.order_by("name"))
    choices(follow, "account", _enabled_accounts(found))
    form = TermsForm(request.POST or None, initial=TermsForm.initial_of(Terms()))
    if request.method == "POST" and follow.is_valid() and form.is_valid():
        try:
            made = subscribing.subscribe(
                team=found,
                strategy=follow.cleaned_data["strategy"],
                account=follow.cleaned_data["account"],
                terms=form.terms(),
                actor=actor_of(request),
                now=timezone.now(),
            )
        except subscribing.SubscriptionRefused as error:
            follow.add_error(None, str(error))
        else:
            messages.success(request, "The subscription is made and still off. Look it over, then switch it on.")
            return redirect("subscription", team, made.code)
    context = {
        "follow": follow,
        "form": form,
        "has_strategies": found.strategies.exists(),
        "has_accounts": _enabled_accounts(found).exists(),
    }
    status = 422 if follow.errors or form.errors else 200
    return render(request, "strategies/subscription_new.html", context, status=status)


def _enabled_accounts(team: Team) -> QuerySet[BrokerageAccount]:
    rows = BrokerageAccount.objects.filter(team=team, connection__enabled=True).select_related("connection")
    return rows.order_by("account_id")


@require_http_methods(["GET", "POST"])
def subscription(request: HttpRequest, team: UUID, subscription: UUID) -> HttpResponse:
    role = Role.TRADER if request.method == "POST" else Role.VIEWER
    rows = Subscription.objects.select_related("team", "strategy", "account__connection", "terms")
    found = thing_for(request.user, team, rows, subscription, role)
    form = TermsForm(
        request.POST or None, initial=TermsForm.initial_of(found.terms.value() if found.terms else Terms())
    )
    if request.method == "POST" and form.is_valid():
        version = subscribing.set_terms(
            subscription=found, terms=form.terms(), actor=actor_of(request), now=timezone.now()
        )
        messages.success(request, f"Terms {version.number} hold for every decision from now on.")
        return redirect("subscription", team, subscription)
    recent = live.signal_rows().filter(decisions__subscription=found).order_by("-pk")[:LATEST]
    context = {
        "subscription": found,
        "form": form,
        "versions": _versions(list(found.terms_versions.select_related("set_by").order_by("-number")[:20])),
        "rows": live.rows(recent),
    }
    return render(request, "strategies/subscription.html", context, status=422 if form.errors else 200)


def _versions(newest_first: list[TermsVersion]) -> list[dict[str, Any]]:
    """Each version of the terms with what it changed."""
    older = [*newest_first[1:], None]
    return [
        {
            "version": version,
            "changes": [
                {"name": name, "before": before.values.get(name), "after": value}
                for name, value in version.values.items()
                if before.values.get(name) != value
            ]
            if before
            else [],
        }
        for version, before in zip(newest_first, older, strict=True)
    ]


@require_POST
def subscription_switch(request: HttpRequest, team: UUID, subscription: UUID) -> HttpResponse:
    rows = Subscription.objects.select_related("team", "account__connection")
    found = thing_for(request.user, team, rows, subscription, Role.TRADER)
    if request.POST.get("enabled") == "no":
        subscribing.disable(subscription=found, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"{found.account} no longer follows. Orders already made go on.")
    else:
        subscribing.enable(subscription=found, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"Signals become orders in {found.account} from now on.")
    return redirect("subscription", team, subscription)
