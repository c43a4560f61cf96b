"""Actions on a webhook: copy its URL, rotate it, disable it, show its meter."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import row_for
from accounts.entrance.step_up import step_up
from accounts.models import Role
from accounts.pages.requests import actor_of
from strategies.builder import placeholders
from strategies.models import Strategy, WebhookEndpoint
from strategies.pages.shared import example_ticker
from strategies.setup import strategies
from strategies.webhook.passwords import signing_keys
from strategies.webhook.traffic import live_traffic, team_gauge


@require_GET
@never_cache
@step_up
def webhook_secret(request: HttpRequest, team_code: UUID, endpoint_code: UUID) -> HttpResponse:
    """The URL as plain text, for the copy buttons; `?as=curl` gives the whole line, `?as=signing` the signing key."""
    endpoint = row_for(
        request.user, team_code, WebhookEndpoint.objects.select_related("strategy", "team"), endpoint_code, Role.TRADER
    )
    what = "signing_key" if request.GET.get("as") == "signing" else "url"
    strategies.secret_shown(endpoint=endpoint, what=what, actor=actor_of(request), now=timezone.now())
    if what == "signing_key":
        return HttpResponse(signing_keys(endpoint.code)[0], content_type="text/plain; charset=utf-8")
    url = strategies.webhook_url(endpoint)
    if request.GET.get("as") == "curl":
        url = placeholders.curl(url, example_ticker(endpoint.strategy))
    return HttpResponse(url, content_type="text/plain; charset=utf-8")


@require_POST
@step_up
def webhook_rotate(request: HttpRequest, team_code: UUID, strategy_code: UUID) -> HttpResponse:
    strategy = row_for(request.user, team_code, Strategy.objects.select_related("team"), strategy_code, Role.TRADER)
    try:
        strategies.rotate_webhook(strategy=strategy, actor=actor_of(request), now=timezone.now())
    except strategies.StrategyRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "A second URL is live beside the first. Move your senders, then disable the old one.")
    return redirect("strategy", team_code, strategy_code)


@require_POST
def webhook_disable(request: HttpRequest, team_code: UUID, endpoint_code: UUID) -> HttpResponse:
    rows = WebhookEndpoint.objects.select_related("strategy", "team")
    endpoint = row_for(request.user, team_code, rows, endpoint_code, Role.TRADER)
    strategies.disable_webhook(endpoint=endpoint, actor=actor_of(request), now=timezone.now())
    messages.success(request, "The URL is disabled: everything sent to it is refused from now on.")
    return redirect("strategy", team_code, endpoint.strategy.code)


@require_GET
@never_cache
def webhook_meters(request: HttpRequest, team_code: UUID, strategy_code: UUID) -> HttpResponse:
    """The meters alone, which the page fetches again every few seconds."""
    strategy = row_for(request.user, team_code, Strategy.objects.all(), strategy_code)
    now = timezone.now()
    context = {
        "traffic": live_traffic(strategy, now),
        "team_gauge": team_gauge(strategy.team, now),
        "strategy": strategy,
    }
    return render(request, "strategies/_meters.html", context)
