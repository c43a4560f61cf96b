"""The template builder, which makes a message to paste, and the checker, which shows what any message would do."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.access import membership_for, row_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role
from accounts.pages.requests import actor_of
from strategies.builder import message, paste, placeholders
from strategies.builder.message import Choice
from strategies.display.readings import pairs
from strategies.models import Strategy, WebhookEndpoint
from strategies.pages.forms.builder import BuilderForm
from strategies.pages.shared import example_ticker
from strategies.rehearsal.dry_run import MOST_LOOKS, Rehearsal, due, looks, rehearse
from strategies.setup import strategies
from strategies.webhook.passwords import signing_keys

EXTRAS = ("price", "time", "signal_id", "test", "sign")
COVERED_URL = "https://\u2026/trading/webhook/\u2026"


def _strategies() -> QuerySet[Strategy]:
    return Strategy.objects.select_related("team")


def _form(request: HttpRequest, strategy: Strategy) -> BuilderForm:
    return BuilderForm(
        request.GET,
        strategy=strategy,
        now=timezone.now(),
        address=reverse("strategy_builder", args=[strategy.team.code, strategy.code]),
    )


def _endpoint(strategy: Strategy) -> WebhookEndpoint | None:
    return strategy.endpoints.filter(enabled=True).order_by("-pk").first()


@require_GET
@never_cache
def strategy_builder(request: HttpRequest, team_code: UUID, strategy_code: UUID) -> HttpResponse:
    """The choices, with their message beside them. The choices are kept in the address."""
    strategy = row_for(request.user, team_code, _strategies(), strategy_code)
    may_trade = membership_for(request.user, team_code).may(Role.TRADER)
    endpoint = _endpoint(strategy) if may_trade else None
    url = placeholders.masked(strategies.webhook_url(endpoint)) if endpoint else COVERED_URL
    form = _form(request, strategy)
    context: dict[str, object] = {
        "strategy": strategy,
        "form": form,
        "extras": [form[name] for name in EXTRAS if name in form.fields],
        "endpoint": endpoint,
        "url": url,
        "state": request.GET.urlencode(),
    }
    if form.is_valid():
        choice = form.choice(form.cleaned_data)
        filled = message.filled(choice, timezone.now())
        context |= {
            "message": paste.text(choice, url, placeholders.MASK),
            "filled": filled,
            "has_secrets": _has_secrets(choice),
            "steps": paste.steps(choice),
            **rehearsed(rehearse(strategy, filled.encode(), timezone.now(), ask=False), 0),
        }
    return render(request, "strategies/builder.html", context)


def _has_secrets(choice: Choice) -> bool:
    """Whether the text to paste holds the webhook's URL or its signing key."""
    return placeholders.MASK in paste.text(choice, placeholders.MASK, placeholders.MASK)


@require_GET
@never_cache
def strategy_builder_copy(request: HttpRequest, team_code: UUID, strategy_code: UUID) -> HttpResponse:
    """The text to paste with its secrets, as plain text for the copy button."""
    strategy = row_for(request.user, team_code, _strategies(), strategy_code, Role.TRADER)
    form, endpoint = _form(request, strategy), _endpoint(strategy)
    if endpoint is None or not form.is_valid():
        return HttpResponse("", status=404, content_type="text/plain; charset=utf-8")
    choice = form.choice(form.cleaned_data)
    if _has_secrets(choice):
        require_step_up(request)
        strategies.secret_shown(endpoint=endpoint, what="url", actor=actor_of(request), now=timezone.now())
    text = paste.text(choice, strategies.webhook_url(endpoint), signing_keys(endpoint.code)[0])
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_http_methods(["GET", "POST"])
@never_cache
def strategy_check(request: HttpRequest, team_code: UUID, strategy_code: UUID) -> HttpResponse:
    """Any pasted message: how we read it or why we refuse it, and the orders it would make."""
    strategy = row_for(request.user, team_code, _strategies(), strategy_code)
    may_trade = membership_for(request.user, team_code).may(Role.TRADER)
    # Browsers send each line end as two characters.
    body = request.POST.get("body", "").replace("\r\n", "\n")
    context: dict[str, object] = {"strategy": strategy, "body": body, "example": _example(strategy)}
    if body.strip():
        # No half-written ticker is put to IBKR while somebody types.
        ask = may_trade and "ask" in request.POST
        rehearsal = rehearse(strategy, body.encode("utf-8", "replace"), timezone.now(), ask=ask)
        context |= rehearsed(rehearsal, looks(request.POST.get("looks", "")))
    return render(request, "strategies/check.html", context)


def rehearsed(rehearsal: Rehearsal, looked: int) -> dict[str, object]:
    """The context of a rehearsal. The page looks again by itself while IBKR's answer is on its way."""
    return {
        "rehearsal": rehearsal,
        "pairs": pairs(rehearsal.reading),
        "due": due(rehearsal.message, rehearsal.at) if rehearsal.message else None,
        "again": rehearsal.waits and looked < MOST_LOOKS,
        "looks": looked + 1,
    }


def _example(strategy: Strategy) -> str:
    ticker = example_ticker(strategy)
    return f'{{"ticker": "{ticker}", "action": "buy", "quantity": 1}}'
