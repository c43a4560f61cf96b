"""Pages that explain: paper accounts, dedicated users, precautions, the daily reset, guarding a gateway."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

HELP = {
    "paper-account": "paper_account",
    "dedicated-user": "dedicated_user",
    "precautions": "precautions",
    "daily-reset": "daily_reset",
    "gateway": "gateway",
    "guard-gateway": "guard_gateway",
}


@login_not_required
@require_GET
def help_page(request: HttpRequest, page: str) -> HttpResponse:
    if page not in HELP:
        raise Http404("There is no help page with this name.")
    return render(request, f"brokers/help/{HELP[page]}.html")
