"""Pages that explain what is hard about IBKR; anybody may read them. `brokers.domain.help.pages` says which there are."""

from __future__ import annotations

from collections import defaultdict

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.access import teams_of
from accounts.models import User
from brokers.connections import nights
from brokers.connections.checklists import checklist_of
from brokers.domain.help.checklists import Check
from brokers.domain.help.pages import PAGES
from brokers.domain.protection.choices import EXPLAINED, LABELS, MissingStop
from brokers.domain.sessions import Environment
from brokers.models import Connection
from brokers.pages.forms import REGIONS

# More connections than these say nothing more about one page.
MOST = 6
CHOICES = [(LABELS[each], EXPLAINED[each]) for each in MissingStop]


@login_not_required
@require_GET
def help_index(request: HttpRequest) -> HttpResponse:
    return render(request, "brokers/help/index.html", {"pages": PAGES})


@login_not_required
@require_GET
def help_page(request: HttpRequest, page: str) -> HttpResponse:
    if page not in PAGES:
        raise Http404("There is no help page with this name.")
    resets = nights.resets()
    context = {
        "page": PAGES[page],
        "ticks": _ticks(request, page),
        "nights": [(name, resets.nightly[region]) for region, name in REGIONS],
        "weekend": resets.weekend,
        "choices": CHOICES,
    }
    return render(request, f"brokers/help/{page.replace('-', '_')}.html", context)


def _ticks(request: HttpRequest, page: str) -> list[tuple[Check, list[Connection]]]:
    """Of a reader who is signed in: what this page is about, with those of their teams' connections where it is so."""
    if not isinstance(request.user, User):
        return []
    teams = [membership.team_id for membership in teams_of(request.user)]
    rows = Connection.objects.filter(team__in=teams, enabled=True).exclude(environment=Environment.SIMULATED)
    now = timezone.now()
    ticks: dict[Check, list[Connection]] = defaultdict(list)
    for connection in rows.select_related("team").order_by("pk")[:MOST]:
        for check in checklist_of(connection, now):
            if check.page == page:
                ticks[check].append(connection)
    return list(ticks.items())
