"""Pages of strategies: the list, one of them with its webhook, making one, switching it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import membership_for, row_for, team_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role
from accounts.newest import newest
from accounts.pages.requests import actor_of
from brokers.book import day_ledger
from strategies import live
from strategies.builder import placeholders
from strategies.domain.message.symbols import Kind
from strategies.models import Signal, Strategy, WebhookEndpoint
from strategies.pages.forms.strategies import StrategyForm, StrategySettingsForm
from strategies.pages.shared import LATEST, example_ticker, live_followers, subscription_rows
from strategies.reading.warnings import OLD_TEXT, sentence
from strategies.setup.strategies import (
    StrategyRefused,
    create_strategy,
    disable_strategy,
    enable_strategy,
    secret_shown,
    webhook_url,
)
from strategies.setup.strategy_settings import StrategySettings, change_settings
from strategies.webhook.log import latest_refusals
from strategies.webhook.senders import TRADINGVIEW_ADDRESSES
from strategies.webhook.traffic import EndpointTraffic, live_traffic, revoked_endpoints, team_gauge

# Session key: codes of the webhooks whose URL this session was shown.
SHOWN = "webhooks_shown"
# Among so many of a strategy's last signals its last buy or sell is looked for.
MOST_OLD_TEXT = 100


@require_GET
def strategies(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code)
    last = newest(Signal.objects.all(), OuterRef("pk"), "strategy").values("received_at")[:1]
    rows = team.strategies.annotate(
        followers=Count("subscriptions", filter=Q(subscriptions__enabled=True), distinct=True),
        last_signal_at=Subquery(last),
    )
    return render(request, "strategies/strategies.html", {"strategies": rows.order_by("-enabled", "name")})


@require_http_methods(["GET", "POST"])
def strategy_new(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code, Role.TRADER)
    form = StrategyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            strategy = create_strategy(
                team=team,
                actor=actor_of(request),
                name=values["name"],
                asset_class=Kind(values["asset_class"]),
                description=values["description"],
                allowed_tickers=values["allowed_tickers"],
                now=timezone.now(),
            )
        except StrategyRefused as error:
            form.add_error("name", str(error))
        else:
            return redirect("strategy", team_code, strategy.code)
    return render(request, "strategies/strategy_new.html", {"form": form}, status=422 if form.errors else 200)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A live endpoint with its URL, masked unless the viewer asked to see it."""

    traffic: EndpointTraffic
    url: str
    open: bool

    @property
    def endpoint(self) -> WebhookEndpoint:
        return self.traffic.endpoint


@require_GET
@never_cache
def strategy(request: HttpRequest, team_code: UUID, strategy_code: UUID) -> HttpResponse:
    strategy = row_for(request.user, team_code, Strategy.objects.select_related("team"), strategy_code)
    may_trade = membership_for(request.user, team_code).may(Role.TRADER)
    opened = request.GET.get("reveal", "") if may_trade else ""
    if opened:
        require_step_up(request)
    webhooks = []
    traffic = live_traffic(strategy, timezone.now())
    for row in traffic if may_trade else []:
        url, is_open = webhook_url(row.endpoint), str(row.endpoint.code) == opened
        if is_open:
            _note_shown(request, row.endpoint)
        webhooks.append(Webhook(row, url if is_open else placeholders.masked(url), is_open))
    example = example_ticker(strategy)
    subscriptions = list(subscription_rows(strategy.team).filter(strategy=strategy))
    day_ledger.with_results([each.account for each in subscriptions], timezone.now())
    context = {
        "strategy": strategy,
        "webhooks": webhooks,
        "traffic": traffic,
        "team_gauge": team_gauge(strategy.team, timezone.now()),
        "revoked": revoked_endpoints(strategy),
        "alerts": placeholders.alerts(example),
        "old_text": _old_text(strategy),
        "curl": placeholders.curl(webhooks[0].url, example) if webhooks else "",
        "rows": live.rows(
            newest(live.signal_rows(), strategy, "strategy")[:LATEST],
            latest_refusals(strategy, LATEST),
        )[:LATEST],
        "want": f"strategy:{strategy.code}",
        "heard": strategy.signals.exists(),
        "subscriptions": subscriptions,
        "reachable": settings.HTTPS,
    }
    return render(request, "strategies/strategy.html", context)


def _note_shown(request: HttpRequest, endpoint: WebhookEndpoint) -> None:
    """Write down that the URL is shown: once a session, since an open page fetches itself again and again."""
    noted = request.session.get(SHOWN, [])
    if str(endpoint.code) not in noted:
        secret_shown(endpoint=endpoint, what="url", actor=actor_of(request), now=timezone.now())
        request.session[SHOWN] = [*noted, str(endpoint.code)]


def _old_text(strategy: Strategy) -> str:
    """What the text of the last buy or sell lacks, where it is an old one of a TradingView strategy; else empty."""
    latest = newest(Signal.objects.all(), strategy, "strategy").only("action", "is_test", "warnings")[:MOST_OLD_TEXT]
    last = next((each for each in latest if each.action in {"buy", "sell"} and not each.is_test), None)
    codes = last.warnings if last is not None else []
    return next((sentence(code) for code in codes if code.startswith(OLD_TEXT)), "")


@require_POST
def strategy_switch(request: HttpRequest, team_code: UUID, strategy_code: UUID) -> HttpResponse:
    strategy = row_for(request.user, team_code, Strategy.objects.select_related("team"), strategy_code, Role.TRADER)
    if request.POST.get("enabled") == "no":
        disable_strategy(strategy=strategy, actor=actor_of(request), now=timezone.now())
        messages.success(request, "The strategy is off: its signals are refused, and orders already made go on.")
    else:
        if live_followers(strategy).exists():
            require_step_up(request)
        enable_strategy(strategy=strategy, actor=actor_of(request), now=timezone.now())
        messages.success(request, "The strategy takes signals again.")
    return redirect("strategy", team_code, strategy_code)


@require_http_methods(["GET", "POST"])
@never_cache
def strategy_settings(request: HttpRequest, team_code: UUID, strategy_code: UUID) -> HttpResponse:
    role = Role.TRADER if request.method == "POST" else Role.VIEWER
    strategy = row_for(request.user, team_code, Strategy.objects.select_related("team"), strategy_code, role)
    form = StrategySettingsForm(
        request.POST or None, initial=StrategySettingsForm.initial_of(StrategySettings.of(strategy))
    )
    if request.method == "POST" and form.is_valid():
        try:
            changed = change_settings(
                strategy=strategy, values=form.settings(), actor=actor_of(request), now=timezone.now()
            )
        except StrategyRefused as error:
            form.add_error("asset_class" if "asset_class" in form.changed_data else "name", str(error))
        else:
            sentence = "The new settings hold from the next delivery on." if changed else "Nothing was changed."
            messages.success(request, sentence)
            return redirect("strategy_settings", team_code, strategy_code)
    may_trade = membership_for(request.user, team_code).may(Role.TRADER)
    context = {
        "strategy": strategy,
        "form": form,
        "fixed_class": strategy.signals.exists(),
        "endpoint": strategy.endpoints.filter(enabled=True).order_by("-pk").first() if may_trade else None,
        "keep_days": settings.KEEP_DELIVERIES_DAYS,
        "tradingview": TRADINGVIEW_ADDRESSES,
        "history": _history(strategy),
    }
    return render(request, "strategies/strategy_settings.html", context, status=422 if form.errors else 200)


def _history(strategy: Strategy) -> list[dict[str, Any]]:
    """The latest changes of its settings, the newest first, with who made them."""
    entries = strategy.team.audit_entries.filter(action="strategy.changed", subject=str(strategy.code))
    return [
        {
            "at": entry.at,
            "who": entry.actor.email if entry.actor else "",
            "changes": [
                {"name": name, "before": _shown((entry.before or {}).get(name)), "after": _shown(value)}
                for name, value in (entry.after or {}).items()
            ],
        }
        for entry in entries.select_related("actor").order_by("-pk")[:10]
    ]


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case list():
            return ", ".join(str(part) for part in value)
        case _:
            return "" if value is None else str(value)
