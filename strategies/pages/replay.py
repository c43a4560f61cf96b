"""Replays a delivery as a dry run: its body is read again under today's settings."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import row_for, team_for
from accounts.models import Role
from strategies.models import Refusal, Signal
from strategies.rehearsal.dry_run import MOST_LOOKS, due, looks
from strategies.rehearsal.replay import Replay, replay_refusal, replay_signal


@require_http_methods(["GET", "POST"])
@never_cache
def signal_replay(request: HttpRequest, team_code: UUID, signal_code: UUID) -> HttpResponse:
    """A POST also asks IBKR about a contract that is not known yet. Nothing is stored or sent in either case."""
    rows = Signal.objects.select_related("strategy__team")
    signal = row_for(request.user, team_code, rows, signal_code, Role.TRADER)
    replay = replay_signal(signal, timezone.now(), ask=request.method == "POST")
    title = f"{signal.action.capitalize()} {signal.ticker}"
    return _page(request, replay, title, reverse("signal", args=[team_code, signal_code]), signal.body)


@require_http_methods(["GET", "POST"])
@never_cache
def refusal_replay(request: HttpRequest, team_code: UUID, log_code: UUID) -> HttpResponse:
    """The same for a refused delivery, which may be accepted today."""
    team = team_for(request.user, team_code, Role.TRADER)
    refusal = get_object_or_404(
        Refusal.objects.select_related("endpoint__strategy__team"), team=team, log_code=log_code
    )
    replay = replay_refusal(refusal, timezone.now(), ask=request.method == "POST")
    return _page(request, replay, "Refused delivery", reverse("refusal", args=[team_code, log_code]), refusal.body)


def _page(request: HttpRequest, replay: Replay, title: str, back: str, body: str) -> HttpResponse:
    looked = looks(request.GET.get("looks", ""))
    rehearsal = replay.rehearsal
    context = {
        "replay": replay,
        "rehearsal": rehearsal,
        "strategy": replay.strategy,
        "title": title,
        "back": back,
        "body": body,
        "due": due(rehearsal.message, rehearsal.at) if rehearsal and rehearsal.message else None,
        "again": rehearsal is not None and rehearsal.waits and looked < MOST_LOOKS,
        "looks": looked + 1,
    }
    return render(request, "strategies/replay.html", context)
