"""Pages of subscriptions: which account follows which strategy; making, copying and switching them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import row_for, team_for
from accounts.entrance.step_up import is_fresh, require_step_up
from accounts.models import Role, Team
from accounts.pages.requests import actor_of
from brokers.connections.consents import consent_of
from brokers.domain.live_money import Consent, LiveMoneyRefused
from brokers.pages.live_money import missing_of
from strategies.display.summary import summary
from strategies.domain.message.symbols import Kind
from strategies.domain.terms.terms import Terms
from strategies.models import Strategy, Subscription
from strategies.pages.forms.examples import Trial, beside
from strategies.pages.forms.subscriptions import FollowForm, offer_groups
from strategies.pages.forms.terms import TermsForm
from strategies.pages.shared import offer_rows, offered_rows, subscription_rows, trading_accounts, trading_groups
from strategies.setup import subscriptions as subscribing


@require_GET
def subscriptions(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    rows = list(subscription_rows(team))
    context = {
        "rows": [(row, summary(row.terms.value())[:3] if row.terms else []) for row in rows],
        "has_strategies": team.strategies.exists(),
        "has_accounts": team.accounts.exists(),
    }
    return render(request, "strategies/subscriptions.html", context)


@require_POST
def subscriptions_switch(request: HttpRequest, team_code: UUID) -> HttpResponse:
    """Switches several at once: first a page that names them, then, confirmed, the change."""
    team = team_for(request.user, team_code, Role.TRADER)
    enabled = request.POST.get("enabled") == "yes"
    codes = _codes(request.POST.getlist("subscription"))
    chosen = [subscription for subscription in subscription_rows(team) if subscription.code in codes]
    changing = [subscription for subscription in chosen if subscription.enabled is not enabled]
    live = [row for row in changing if enabled and subscribing.trades_real_money(row)]
    refusal = ""
    if request.POST.get("confirmed") == "yes":
        if live:
            require_step_up(request)
        actor, consent = actor_of(request), _consent(request)
        try:
            switched = subscribing.switch_all(
                team=team, codes=codes, enabled=enabled, actor=actor, consent=consent, now=timezone.now()
            )
        except LiveMoneyRefused as refused:
            refusal = str(refused)
        else:
            messages.success(request, _switched(switched, enabled))
            return redirect("subscriptions", team_code)
    if not changing:
        sentence = f"They are all {'on' if enabled else 'off'} already." if chosen else "Mark the subscriptions first."
        messages.info(request, sentence)
        return redirect("subscriptions", team_code)
    context = {
        "enabled": enabled,
        "changing": changing,
        "already": len(chosen) - len(changing),
        "live": live,
        "numbers": sorted({row.account.account_id for row in live}),
        "missing": missing_of(request),
        "refusal": refusal,
    }
    return render(request, "strategies/subscriptions_switch.html", context, status=422 if refusal else 200)


def _consent(request: HttpRequest) -> Consent:
    """What the person has shown for real money, with the account numbers of the form."""
    typed = request.POST.getlist("account_number")
    return consent_of(actor_of(request), confirmed=is_fresh(request), typed=typed)


def _codes(words: list[str]) -> set[UUID]:
    """The words that are codes; any other word is dropped, since it names no subscription."""
    codes = set()
    for word in words:
        try:
            codes.add(UUID(word))
        except ValueError:
            continue
    return codes


def _switched(count: int, enabled: bool) -> str:
    if not count:
        return "Nothing was changed."
    follow = "1 subscription" if count == 1 else f"{count} subscriptions"
    if enabled:
        return f"{follow} switched on: their signals become orders from now on."
    return f"{follow} switched off. Orders already made go on."


@require_http_methods(["GET", "POST"])
@never_cache
def subscription_new(request: HttpRequest, team_code: UUID) -> HttpResponse:
    """A POST makes the subscription; one with `show` only shows what its terms would do, or restarts from the defaults."""
    team = team_for(request.user, team_code, Role.TRADER)
    show = request.POST.get("show", "")
    follow = _follow_form(request, team, bound=request.method == "POST" and not show)
    strategy = _one_of(follow, "strategy", request)
    start = subscribing.defaults_of(strategy) if strategy else Terms()
    data = request.POST if request.POST and show != "defaults" else None
    kind = Kind(strategy.asset_class) if strategy else None
    form = TermsForm(data, terms=start, kind=kind)
    linked = request.POST.get("linked") == "yes"
    if follow.is_bound and follow.is_valid() and (linked or form.is_valid()):
        subscription = _subscribe(request, team, follow, start if linked else form.terms(), linked=linked)
        if subscription is not None:
            messages.success(request, "The subscription is made, and still off. Review it, then switch it on.")
            return redirect("subscription", team_code, subscription.code)
    terms = start if linked or not form.is_bound else form.terms() if form.is_valid() else None
    context: dict[str, Any] = {
        "follow": follow,
        "form": form,
        "linked": linked,
        "strategy": strategy,
        "start": summary(start),
        "has_strategies": team.strategies.exists(),
        "has_accounts": trading_accounts(team).exists() or trading_groups(team).exists(),
        "editable": True,
    }
    if strategy is not None:
        context |= beside(
            request.POST,
            Trial(strategy=strategy, account=_one_of(follow, "account", request), terms=terms),
            form_id="terms-form",
            now=timezone.now(),
            ask=show == "ask",
        )
    status = 422 if not show and (follow.errors or (form.errors and not linked)) else 200
    return render(request, "strategies/subscription_new.html", context, status=status)


def _follow_form(request: HttpRequest, team: Team, *, bound: bool) -> FollowForm:
    sent = request.POST or request.GET
    initial = {name: sent.get(name, "") for name in ("strategy", "account", "group")} | {
        "linked": sent.get("linked", "no")
    }
    follow = FollowForm(request.POST if bound else None, initial=initial)
    offer_rows(follow, "strategy", team.strategies.order_by("name"))
    offer_rows(follow, "account", trading_accounts(team))
    offer_groups(follow, trading_groups(team))
    return follow


def _one_of(follow: FollowForm, name: str, request: HttpRequest) -> Any:
    """The row chosen in a field, or else the first one it offers."""
    rows = list(offered_rows(follow, name))
    code = (request.POST or request.GET).get(name, "")
    return next((row for row in rows if str(row.code) == code), rows[0] if rows else None)


def _subscribe(
    request: HttpRequest, team: Team, follow: FollowForm, terms: Terms, *, linked: bool
) -> Subscription | None:
    try:
        return subscribing.subscribe(
            team=team,
            strategy=follow.cleaned_data["strategy"],
            account=follow.cleaned_data["account"],
            group=follow.cleaned_data.get("group"),
            terms=terms,
            actor=actor_of(request),
            now=timezone.now(),
            linked=linked,
        )
    except subscribing.SubscriptionRefused as error:
        follow.add_error(None, str(error))
        return None


@require_http_methods(["GET", "POST"])
def subscription_clone(request: HttpRequest, team_code: UUID, subscription_code: UUID) -> HttpResponse:
    """Copies the terms for another account or another strategy."""
    rows = Subscription.objects.select_related("team", "strategy", "account__connection", "terms")
    subscription = row_for(request.user, team_code, rows, subscription_code, Role.TRADER)
    free = trading_accounts(subscription.team).exclude(subscriptions__strategy=subscription.strategy).first()
    initial = {"strategy": subscription.strategy.code, "account": free.code if free else ""}
    form = FollowForm(request.POST or None, initial=initial)
    offer_rows(
        form,
        "strategy",
        subscription.team.strategies.filter(asset_class=subscription.strategy.asset_class).order_by("name"),
    )
    offer_rows(form, "account", trading_accounts(subscription.team))
    offer_groups(form, trading_groups(subscription.team))
    if request.method == "POST" and form.is_valid():
        strategy: Strategy = form.cleaned_data["strategy"]
        try:
            copy = subscribing.clone(
                subscription=subscription,
                strategy=strategy,
                account=form.cleaned_data["account"],
                group=form.cleaned_data.get("group"),
                actor=actor_of(request),
                now=timezone.now(),
            )
        except subscribing.SubscriptionRefused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The copy is made, and still off. Review it, then switch it on.")
            return redirect("subscription", team_code, copy.code)
    context = {
        "subscription": subscription,
        "form": form,
        "possible": free or form.errors or offered_rows(form, "strategy").count() > 1,
        "summary": summary(subscription.terms.value()) if subscription.terms else [],
    }
    return render(request, "strategies/subscription_clone.html", context, status=422 if form.errors else 200)


@require_POST
def subscription_switch(request: HttpRequest, team_code: UUID, subscription_code: UUID) -> HttpResponse:
    rows = Subscription.objects.select_related("team", "account__connection")
    subscription = row_for(request.user, team_code, rows, subscription_code, Role.TRADER)
    if request.POST.get("enabled") == "no":
        subscribing.disable(subscription=subscription, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"{subscription.account} no longer follows. Orders already made go on.")
    else:
        live = subscribing.trades_real_money(subscription)
        if live:
            require_step_up(request)
        if live and not subscription.enabled and "account_number" not in request.POST:
            return _ask(request, subscription)
        actor, consent = actor_of(request), _consent(request)
        try:
            subscribing.enable(subscription=subscription, actor=actor, consent=consent, now=timezone.now())
        except LiveMoneyRefused as refused:
            return _ask(request, subscription, str(refused))
        messages.success(request, f"Signals become orders in {subscription.account} from now on.")
    return redirect("subscription", team_code, subscription_code)


def _ask(request: HttpRequest, subscription: Subscription, refusal: str = "") -> HttpResponse:
    """The page that asks for what real money takes, before a subscription is switched on."""
    context = {
        "subscription": subscription,
        "numbers": [subscription.account.account_id],
        "missing": missing_of(request),
        "refusal": refusal,
    }
    return render(request, "strategies/subscription_live.html", context, status=422 if refusal else 200)
