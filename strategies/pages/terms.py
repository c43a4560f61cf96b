"""Pages of terms: those of a subscription with examples and history, and the defaults of a strategy."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import membership_for, row_for
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.models import BrokerageAccount
from strategies import live
from strategies.display.summary import summary
from strategies.display.values import Change, changes
from strategies.domain.message.symbols import Kind
from strategies.domain.terms.terms import Terms
from strategies.models import Signal, Strategy, Subscription, TermsVersion
from strategies.pages.dividing import division_of
from strategies.pages.forms.examples import Trial, beside
from strategies.pages.forms.terms import TermsForm
from strategies.pages.shared import LATEST, trading_accounts
from strategies.setup import defaults
from strategies.setup import subscriptions as subscribing

HISTORY = 50
# The id of the form that sends the examples: with the terms, or alone for a person who may not change them.
TERMS, SCENE = "terms-form", "scene-form"


def _subscriptions() -> QuerySet[Subscription]:
    return Subscription.objects.select_related("team", "strategy", "account__connection", "group", "terms__set_by")


@require_http_methods(["GET", "POST"])
@never_cache
def subscription(request: HttpRequest, team_code: UUID, subscription_code: UUID) -> HttpResponse:
    """A POST saves the terms; one with `show` saves nothing, and shows what its terms would do."""
    role = Role.TRADER if request.method == "POST" else Role.VIEWER
    subscription = row_for(request.user, team_code, _subscriptions(), subscription_code, role)
    stored = subscription.terms.value() if subscription.terms else subscribing.defaults_of(subscription.strategy)
    editable = membership_for(request.user, team_code).may(Role.TRADER) and not subscription.linked
    form = TermsForm(request.POST or None, terms=stored, kind=Kind(subscription.strategy.asset_class))
    show = request.POST.get("show", "")
    if request.method == "POST" and not show and form.is_valid() and _saved(request, subscription, stored, form):
        return redirect("subscription", team_code, subscription_code)
    terms = stored if not form.is_bound else form.terms() if form.is_valid() else None
    context = {
        "subscription": subscription,
        "form": form,
        "editable": editable,
        "summary": summary(stored),
        "division": division_of(subscription, request.GET, timezone.now()),
        "unsaved": changes(stored, terms) if terms is not None else [],
        "versions": _history(subscription),
        "rows": live.rows(_latest_signals(subscription)),
        **beside(
            request.POST or request.GET,
            Trial(strategy=subscription.strategy, account=subscription.account, terms=terms),
            form_id=TERMS if editable else SCENE,
            now=timezone.now(),
            ask=show == "ask",
        ),
    }
    status = 422 if form.errors and not show else 200
    return render(request, "strategies/subscription.html", context, status=status)


def _latest_signals(subscription: Subscription) -> list[Signal]:
    """The signals that it decided last, newest first: those that wait, then by the moment of their decisions."""
    decided = subscription.decisions.order_by(F("decided_at").desc(nulls_first=True)).values_list("signal", flat=True)
    return list(live.signal_rows().filter(pk__in=list(decided[: 2 * LATEST])).order_by("-pk")[:LATEST])


def _saved(request: HttpRequest, subscription: Subscription, stored: Terms, form: TermsForm) -> bool:
    terms = form.terms()
    if subscription.terms is not None and terms == stored and not subscription.linked:
        messages.info(request, "Nothing was changed.")
        return True
    try:
        version = subscribing.set_terms(
            subscription=subscription, terms=terms, actor=actor_of(request), now=timezone.now()
        )
    except subscribing.SubscriptionRefused as error:
        form.add_error(None, str(error))
        return False
    messages.success(request, f"Terms {version.number} hold for every decision from now on.")
    return True


@dataclass(frozen=True, slots=True)
class Past:
    """A version of the terms, and its changes of the version before it."""

    version: TermsVersion
    changes: list[Change]
    first: bool


def _history(subscription: Subscription) -> list[Past]:
    newest = list(subscription.terms_versions.select_related("set_by").order_by("-number")[: HISTORY + 1])
    values = [version.value() for version in newest]
    history = []
    for number, version in enumerate(newest[:HISTORY]):
        before = values[number + 1] if number + 1 < len(values) else None
        history.append(Past(version, changes(before, values[number]) if before else [], first=before is None))
    return history


@require_POST
def terms_restore(request: HttpRequest, team_code: UUID, subscription_code: UUID, number: int) -> HttpResponse:
    """Restores an earlier version as a new one."""
    subscription = row_for(request.user, team_code, _subscriptions(), subscription_code, Role.TRADER)
    try:
        version = subscribing.roll_back(
            subscription=subscription, number=number, actor=actor_of(request), now=timezone.now()
        )
    except subscribing.SubscriptionRefused as error:
        messages.error(request, str(error))
    else:
        sentence = (
            f"Terms {version.number} hold from now on: a copy of terms {number}. Earlier terms stay listed below."
        )
        messages.success(request, sentence)
    return redirect("subscription", team_code, subscription_code)


@require_POST
def subscription_link(request: HttpRequest, team_code: UUID, subscription_code: UUID) -> HttpResponse:
    """Links a subscription to the defaults of its strategy, or unlinks it."""
    subscription = row_for(request.user, team_code, _subscriptions(), subscription_code, Role.TRADER)
    actor, now = actor_of(request), timezone.now()
    if request.POST.get("linked") == "yes":
        version = subscribing.link(subscription=subscription, actor=actor, now=now)
        news = f" Terms {version.number} hold." if version else ""
        messages.success(request, f"It follows the defaults of {subscription.strategy.name} from now on.{news}")
    else:
        subscribing.unlink(subscription=subscription, actor=actor, now=now)
        messages.success(request, "It has terms of its own now, which start unchanged.")
    return redirect("subscription", team_code, subscription_code)


@require_http_methods(["GET", "POST"])
@never_cache
def strategy_defaults(request: HttpRequest, team_code: UUID, strategy_code: UUID) -> HttpResponse:
    """The terms that new subscriptions start with, and that linked ones follow."""
    role = Role.TRADER if request.method == "POST" else Role.VIEWER
    strategy = row_for(request.user, team_code, Strategy.objects.select_related("team"), strategy_code, role)
    editable = membership_for(request.user, team_code).may(Role.TRADER)
    stored = subscribing.defaults_of(strategy)
    form = TermsForm(request.POST or None, terms=stored, kind=Kind(strategy.asset_class))
    show = request.POST.get("show", "")
    if request.method == "POST" and not show and form.is_valid():
        changed = defaults.set_defaults(
            strategy=strategy, terms=form.terms(), actor=actor_of(request), now=timezone.now()
        )
        followed = f" {_got_new_terms(changed)}" if changed else ""
        messages.success(request, f"New subscriptions start with these terms.{followed}")
        return redirect("strategy_defaults", team_code, strategy_code)
    terms = stored if not form.is_bound else form.terms() if form.is_valid() else None
    accounts = list(trading_accounts(strategy.team))
    account = _chosen_account(request, accounts)
    context = {
        "strategy": strategy,
        "form": form,
        "editable": editable,
        "summary": summary(stored),
        "unsaved": changes(stored, terms) if terms is not None else [],
        "linked": list(defaults.linked_to(strategy)),
        "own": strategy.subscriptions.filter(linked=False).count(),
        "accounts": accounts,
        "account": account,
        **beside(
            request.POST or request.GET,
            Trial(strategy=strategy, account=account, terms=terms),
            form_id=TERMS if editable else SCENE,
            now=timezone.now(),
            ask=show == "ask",
        ),
    }
    status = 422 if form.errors and not show else 200
    return render(request, "strategies/strategy_defaults.html", context, status=status)


def _got_new_terms(count: int) -> str:
    return f"{count} linked subscription{'' if count == 1 else 's'} changed to them."


def _chosen_account(request: HttpRequest, accounts: list[BrokerageAccount]) -> BrokerageAccount | None:
    code = request.POST.get("account") or request.GET.get("account")
    return next((account for account in accounts if str(account.code) == code), accounts[0] if accounts else None)
