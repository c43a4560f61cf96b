"""Pages that join all floors: the dashboard, signals, strategies and subscriptions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import membership_for, team_for, thing_for
from accounts.models import Membership, Role, Team, User
from accounts.paging import SIZE, page_of
from brokers.domain.orders import IN_FLIGHT, WAITING, WORKING, OrderStatus, Side
from brokers.domain.sessions import Environment
from brokers.live import order_rows
from brokers.models import BrokerageAccount, Order
from brokers.views import accounts_of, connections_of
from strategies import alerts, authoring, live, trying
from strategies import subscriptions as subscribing
from strategies.domain.plan import Terms
from strategies.domain.refusals import Refused
from strategies.domain.slippage import Slippage, slippage
from strategies.domain.symbols import Kind
from strategies.domain.timeline import Phase, timeline, total
from strategies.forms import FollowForm, SignalFilter, SignalForm, StrategyForm, TermsForm
from strategies.models import Decision, Refusal, Signal, Strategy, Subscription, TermsVersion, WebhookEndpoint

LATEST = 8
EXAMPLES = {
    Kind.STOCK: "SPY", Kind.FUTURE: "MNQ", Kind.OPTION: "SPY 261218C600", Kind.FOREX: "EURUSD", Kind.CRYPTO: "BTCUSD",
}  # fmt: skip


def actor_of(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


# The dashboard ----------------------------------------------------------------------------------------------------


@require_GET
def dashboard(request: HttpRequest, team: UUID) -> HttpResponse:
    membership = membership_for(request.user, team)
    found = membership.team
    if request.session.get("team") != str(team):
        request.session["team"] = str(team)
    connections = list(connections_of(found))
    if not connections and settings.SIMULATOR and membership.may(Role.TRADER):
        authoring.welcome(team=found, actor=actor_of(request), now=timezone.now())
        connections = list(connections_of(found))
    doubt = [OrderStatus.UNKNOWN, OrderStatus.NEEDS_ATTENTION]
    own = order_rows().filter(team=found)
    working = list(own.filter(status__in=WAITING | IN_FLIGHT | WORKING).order_by("-pk")[:15])
    latest = list(own.order_by("-pk")[:LATEST])
    shown = {order.pk: order for order in [*working, *latest]}
    context = {
        "connections": connections,
        "accounts": accounts_of(found),
        "doubtful": own.filter(status__in=doubt).order_by("-pk")[:10],
        "orders": [shown[pk] for pk in sorted(shown, reverse=True)],
        "rows": _latest_rows(found),
        "steps": _steps(found, membership),
        "only_simulated": all(connection.environment == Environment.SIMULATED for connection in connections),
    }
    return render(request, "strategies/dashboard.html", context)


def _latest_rows(team: Team) -> list[live.Row]:
    signals = live.signal_rows().filter(team=team).order_by("-pk")[:LATEST]
    refusals = Refusal.objects.filter(team=team).select_related("endpoint__strategy").order_by("-pk")[:LATEST]
    return live.rows(signals, refusals)[:LATEST]


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first steps: what, why, and where to do it."""

    title: str
    text: str
    done: bool
    href: str
    action: str


def _steps(team: Team, membership: Membership) -> list[Step]:
    """The first steps, until the first three are done; a broker of one's own is offered, never nagged for."""
    if not membership.may(Role.TRADER):
        return []
    steps = [
        Step(
            "Try a signal", "Write one by hand and watch it become a simulated order.",
            team.signals.exists(), reverse("signal_try", args=[team.code]), "Try a signal",
        ),
        Step(
            "Make a strategy", "It gives you a secret webhook URL for TradingView or any program.",
            team.strategies.exclude(name=trying.FIRST).exists(), reverse("strategy_new", args=[team.code]),
            "Make a strategy",
        ),
        Step(
            "Subscribe an account", "Say which account follows it, how much and on which sides.",
            team.subscriptions.filter(enabled=True).exclude(strategy__name=trying.FIRST).exists(),
            reverse("subscription_new", args=[team.code]), "Subscribe",
        ),
        Step(
            "Connect IBKR", "Paper first. Until then the simulated account does all of it.",
            team.connections.exclude(environment=Environment.SIMULATED).exists(),
            reverse("connection_new", args=[team.code]), "Connect IBKR",
        ),
    ]  # fmt: skip
    return [] if all(step.done for step in steps[:3]) else steps


# Signals ------------------------------------------------------------------------------------------------------------


@require_GET
def signals(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    form = SignalFilter(request.GET)
    _choices(form, "strategy", found.strategies.order_by("name"))
    values = form.cleaned_data if form.is_valid() else {}
    after = (request.GET.get("signals_before", ""), request.GET.get("refusals_before", ""))
    rows, older = _deliveries(found, values, *after)
    context = {
        "rows": rows,
        "older": older,
        "first": not any(after),
        "form": form,
        "filtered": any(values.values()),
        "want": _wanted(values) if not any(after) else "page:first",
        "limit": SIZE,
    }
    return render(request, "strategies/signals.html", context)


def _deliveries(
    team: Team, values: dict[str, Any], signals_before: str, refusals_before: str
) -> tuple[list[live.Row], dict[str, str]]:
    """A page of signals and refused deliveries in one list, and where the next one begins."""
    taken = page_of(_filtered(live.signal_rows().filter(team=team), values), signals_before)
    refused = page_of(_refused(team, values), refusals_before, code="log_code")
    everything = live.rows(taken.items, refused.items)
    rows = everything[:SIZE]
    if not (taken.older or refused.older or len(everything) > SIZE):
        return rows, {}
    last_signal = next((str(row.signal.code) for row in reversed(rows) if row.signal), signals_before)
    last_refusal = next((str(row.refusal.log_code) for row in reversed(rows) if row.refusal), refusals_before)
    return rows, {"signals_before": last_signal, "refusals_before": last_refusal}


def _filtered(rows: QuerySet[Signal], values: dict[str, Any]) -> QuerySet[Signal]:
    if values.get("strategy"):
        rows = rows.filter(strategy=values["strategy"])
    if values.get("ticker"):
        rows = rows.filter(ticker__istartswith=values["ticker"].strip())
    if values.get("action"):
        rows = rows.filter(action=values["action"])
    match values.get("outcome"):
        case "accepted" | "rejected" | "pending" as status:
            decided = Decision.objects.filter(signal=OuterRef("pk"), status=status)
            rows = rows.filter(Exists(decided))
        case "nobody":
            anybody = Decision.objects.filter(signal=OuterRef("pk"))
            rows = rows.filter(~Exists(anybody), dispatched_at__isnull=False)
        case "refused":
            rows = rows.none()
    return rows


def _refused(team: Team, values: dict[str, Any]) -> QuerySet[Refusal]:
    """Refused deliveries have no ticker and no action that could be filtered by."""
    rows = Refusal.objects.filter(team=team).select_related("endpoint__strategy")
    if values.get("ticker") or values.get("action") or values.get("outcome") not in {None, "", "refused"}:
        return rows.none()
    return rows.filter(endpoint__strategy=values["strategy"]) if values.get("strategy") else rows


def _wanted(values: dict[str, Any]) -> str:
    words = [
        f"strategy:{values['strategy'].code}" if values.get("strategy") else "",
        f"ticker:{values['ticker'].strip().upper()}" if values.get("ticker") else "",
        f"action:{values['action']}" if values.get("action") else "",
        f"outcome:{values['outcome']}" if values.get("outcome") else "",
    ]
    return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class OrderStory:
    """An order of a decision: its waterfall and its price against the signal's."""

    order: Order
    phases: list[Phase]
    total: float
    slippage: Slippage | None


@require_GET
def signal(request: HttpRequest, team: UUID, signal: UUID) -> HttpResponse:
    found = thing_for(request.user, team, live.signal_rows().select_related("endpoint"), signal)
    decisions = list(
        Decision.objects.filter(signal=found)
        .select_related("ticket", "terms", "subscription__account__connection")
        .order_by("pk")
    )
    orders = order_rows().filter(ticket__in=[each.ticket_id for each in decisions if each.ticket_id]).order_by("pk")
    by_ticket: dict[int, list[Order]] = {}
    for order in orders:
        by_ticket.setdefault(order.ticket_id, []).append(order)
    cards = [
        {
            "decision": decision,
            "orders": by_ticket.get(decision.ticket_id or 0, []),
            "stories": [_story(found, decision, order) for order in by_ticket.get(decision.ticket_id or 0, [])],
        }
        for decision in decisions
    ]
    own = (
        timeline(found.received_at, [("Stored", True, found.stored_at), ("Handed out", True, found.dispatched_at)])
        if not orders
        else []
    )
    context = {
        "signal": found,
        "outcome": live.outcome_of(found),
        "cards": cards,
        "own_phases": own,
        "watch": " ".join([f"signal-{found.code}", *(f"order-{order.code}" for order in orders)]),
        "body": _pretty(found.body),
        "reading": json.dumps(found.reading, indent=2, ensure_ascii=False),
        "warnings": [_warning(code) for code in found.warnings],
    }
    return render(request, "strategies/signal.html", context)


def _story(signal: Signal, decision: Decision, order: Order) -> OrderStory:
    phases = timeline(
        signal.received_at,
        [
            ("Stored", True, signal.stored_at),
            ("Decided", True, decision.decided_at),
            ("Sent to IBKR", True, order.submitted_at),
            ("Acknowledged", False, order.acknowledged_at),
            ("Filled", False, order.filled_at),
        ],
    )
    lost = slippage(Side(order.side), order.signal_price, order.average_price, order.filled_quantity, order.multiplier)
    return OrderStory(order=order, phases=phases, total=total(phases), slippage=lost)


def _pretty(body: str) -> str:
    """The raw body; JSON on one line is given room, anything else stays as it came."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    return body if "\n" in body else json.dumps(value, indent=2, ensure_ascii=False)


def _warning(code: str) -> str:
    kind, _, name = code.partition(":")
    if kind == "unknown-field":
        return f"The field {name} is not one we know; it was kept and not used."
    if kind == "blank-field":
        return f"The field {name} was empty and was not used."
    if kind.startswith("ignored-"):
        return (
            f"The field {kind.removeprefix('ignored-')} could not be read; it only informs, so the order is the same."
        )
    return code


@require_GET
def refusal(request: HttpRequest, team: UUID, log: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    rows = Refusal.objects.select_related("endpoint__strategy")
    refused = get_object_or_404(rows, team=found, log_code=log)
    return render(request, "strategies/refusal.html", {"refusal": refused, "body": _pretty(refused.body)})


@require_http_methods(["GET", "POST"])
def signal_try(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team, Role.TRADER)
    initial = {"strategy": request.GET.get("strategy", "")}
    form = SignalForm(request.POST or None, initial=initial)
    strategies = found.strategies.filter(enabled=True).order_by("pk")
    _choices(form, "strategy", strategies)
    if request.method == "POST" and form.is_valid():
        try:
            sent = trying.send(
                team=found,
                strategy=form.cleaned_data["strategy"],
                message_body=form.message_body(),
                actor=actor_of(request),
                now=timezone.now(),
            )
        except Refused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, refused.message)
        else:
            return redirect("signal", team, sent.code)
    context = {
        "form": form,
        "has_strategies": strategies.exists(),
        "account": trying.simulated_account(found),
        "live": found.subscriptions.filter(
            enabled=True, account__connection__environment=Environment.LIVE, account__connection__enabled=True
        ).exists(),
    }
    return render(request, "strategies/signal_try.html", context, status=422 if form.errors else 200)


# Strategies ---------------------------------------------------------------------------------------------------------


@require_GET
def strategies(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    last = Signal.objects.filter(strategy=OuterRef("pk")).order_by().values("strategy")
    rows = found.strategies.annotate(
        followers=Count("subscriptions", filter=Q(subscriptions__enabled=True), distinct=True),
        last_signal_at=last.annotate(at=Max("received_at")).values("at"),
    )
    return render(request, "strategies/strategies.html", {"strategies": rows.order_by("-enabled", "name")})


@require_http_methods(["GET", "POST"])
def strategy_new(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team, Role.TRADER)
    form = StrategyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            made = authoring.create_strategy(
                team=found,
                actor=actor_of(request),
                name=values["name"],
                asset_class=Kind(values["asset_class"]),
                description=values["description"],
                allowed_tickers=values["allowed_tickers"],
                now=timezone.now(),
            )
        except authoring.StrategyRefused as error:
            form.add_error("name", str(error))
        else:
            return redirect("strategy", team, made.code)
    return render(request, "strategies/strategy_new.html", {"form": form}, status=422 if form.errors else 200)


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint with its URL, covered unless it was asked for."""

    endpoint: WebhookEndpoint
    url: str
    open: bool


@require_GET
@never_cache
def strategy(request: HttpRequest, team: UUID, strategy: UUID) -> HttpResponse:
    found = thing_for(request.user, team, Strategy.objects.select_related("team"), strategy)
    may_trade = membership_for(request.user, team).may(Role.TRADER)
    endpoints = found.endpoints.filter(enabled=True).order_by("-pk") if may_trade else found.endpoints.none()
    opened = request.GET.get("reveal", "")
    webhooks = []
    for endpoint in endpoints:
        url, is_open = authoring.webhook_url(endpoint), str(endpoint.code) == opened
        webhooks.append(Webhook(endpoint, url if is_open else alerts.masked(url), is_open))
    example = found.allowed_tickers[0] if found.allowed_tickers else EXAMPLES[Kind(found.asset_class)]
    context = {
        "strategy": found,
        "webhooks": webhooks,
        "retired": found.endpoints.filter(enabled=False).count(),
        "alerts": alerts.alerts(example),
        "curl": alerts.curl(webhooks[0].url, example) if webhooks else "",
        "rows": live.rows(
            live.signal_rows().filter(strategy=found).order_by("-pk")[:LATEST],
            Refusal.objects.filter(team=found.team, endpoint__strategy=found)
            .select_related("endpoint__strategy")
            .order_by("-pk")[:LATEST],
        )[:LATEST],
        "want": f"strategy:{found.code}",
        "heard": found.signals.exists(),
        "subscriptions": _subscription_rows(found.team).filter(strategy=found),
        "reachable": settings.HTTPS,
    }
    return render(request, "strategies/strategy.html", context)


@require_GET
@never_cache
def webhook_secret(request: HttpRequest, team: UUID, endpoint: UUID) -> HttpResponse:
    """The URL as plain text, for the copy buttons; `?as=curl` gives the whole line."""
    found = thing_for(request.user, team, WebhookEndpoint.objects.select_related("strategy"), endpoint, Role.TRADER)
    url = authoring.webhook_url(found)
    if request.GET.get("as") == "curl":
        tickers = found.strategy.allowed_tickers
        url = alerts.curl(url, tickers[0] if tickers else EXAMPLES[Kind(found.strategy.asset_class)])
    return HttpResponse(url, content_type="text/plain; charset=utf-8")


@require_POST
def webhook_rotate(request: HttpRequest, team: UUID, strategy: UUID) -> HttpResponse:
    found = thing_for(request.user, team, Strategy.objects.select_related("team"), strategy, Role.TRADER)
    try:
        authoring.rotate_webhook(strategy=found, actor=actor_of(request), now=timezone.now())
    except authoring.StrategyRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "A second URL is live beside the first. Move your senders, then disable the old one.")
    return redirect("strategy", team, strategy)


@require_POST
def webhook_disable(request: HttpRequest, team: UUID, endpoint: UUID) -> HttpResponse:
    rows = WebhookEndpoint.objects.select_related("strategy", "team")
    found = thing_for(request.user, team, rows, endpoint, Role.TRADER)
    authoring.disable_webhook(endpoint=found, actor=actor_of(request), now=timezone.now())
    messages.success(request, "The URL is disabled; whatever is still sent to it is refused.")
    return redirect("strategy", team, found.strategy.code)


@require_POST
def strategy_switch(request: HttpRequest, team: UUID, strategy: UUID) -> HttpResponse:
    found = thing_for(request.user, team, Strategy.objects.select_related("team"), strategy, Role.TRADER)
    if request.POST.get("enabled") == "no":
        authoring.disable_strategy(strategy=found, actor=actor_of(request), now=timezone.now())
        messages.success(request, "The strategy is off: its signals are refused, and orders already made go on.")
    else:
        authoring.enable_strategy(strategy=found, actor=actor_of(request), now=timezone.now())
        messages.success(request, "The strategy takes signals again.")
    return redirect("strategy", team, strategy)


# Subscriptions ------------------------------------------------------------------------------------------------------


def _subscription_rows(team: Team) -> QuerySet[Subscription]:
    rows = Subscription.objects.filter(team=team).select_related("strategy", "account__connection", "terms")
    return rows.order_by("strategy__name", "account__account_id")


@require_GET
def subscriptions(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team)
    context = {
        "subscriptions": _subscription_rows(found),
        "has_strategies": found.strategies.exists(),
        "has_accounts": found.accounts.exists(),
    }
    return render(request, "strategies/subscriptions.html", context)


@require_http_methods(["GET", "POST"])
def subscription_new(request: HttpRequest, team: UUID) -> HttpResponse:
    found = team_for(request.user, team, Role.TRADER)
    follow = FollowForm(request.POST or None, initial={"strategy": request.GET.get("strategy", "")})
    _choices(follow, "strategy", found.strategies.order_by("name"))
    _choices(follow, "account", _enabled_accounts(found))
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


def _choices(form: forms.Form, name: str, rows: QuerySet[Any]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)
    field.queryset = rows
