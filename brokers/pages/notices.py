"""The notices that owners got about the team's connections, and which of them they want."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.access import membership_for
from accounts.models import Membership, Role
from brokers.domain.chats.destinations import Service
from brokers.domain.notices import MAY_BE_SILENT, NoticeKind
from brokers.models import Delivery, Notice
from brokers.notices import telling

KINDS = {
    NoticeKind.NOT_READY: "A connection cannot trade half an hour before its market opens, and again until it can",
    NoticeKind.WEEKLY_SIGN_IN: "The weekly sign-in is due before the market opens",
    NoticeKind.CERTIFICATE_CHANGED: "A gateway shows another certificate than the accepted one",
    NoticeKind.MISSING_STOP: "A stop that an entry or a position was to have is missing, and what was done about it",
    NoticeKind.PROMPT_LEFT: "IBKR asks about an order in a way that Halyard does not answer, so that somebody has to",
    NoticeKind.NOT_CANCELED: "IBKR does not cancel an order whose date is over, so that it works on",
    NoticeKind.NOT_MOVED: "A stop or a target that a signal or a fill was to change stays as it was",
    NoticeKind.PART_REFUSED: "A part of an entry with several targets was refused or could not leave, and the others work",
    NoticeKind.READY_AGAIN: "A connection that could not trade can trade again",
}
SHOWN = 50
# What the services are called that notices go to beside e-mail.
TITLES = {
    Service.SLACK: "Slack",
    Service.DISCORD: "Discord",
    Service.TELEGRAM: "Telegram",
    Service.NTFY: "ntfy",
    Service.WEBHOOK: "A program of yours",
}


def _own_deliveries(membership: Membership) -> QuerySet[Delivery]:
    """What went to this member's own chats and programs: nobody else's are named."""
    return Delivery.objects.filter(destination__membership=membership).select_related("destination")


@require_http_methods(["GET", "POST"])
def notices(request: HttpRequest, team_code: UUID) -> HttpResponse:
    role = Role.OWNER if request.method == "POST" else Role.VIEWER
    membership = membership_for(request.user, team_code, role)
    if request.method == "POST":
        telling.choose(membership, [kind for kind in MAY_BE_SILENT if request.POST.get(kind)])
        messages.success(request, "Your choice of notices is saved.")
        return redirect("notices", team_code)
    silenced = telling.silenced(membership)
    rows = Notice.objects.filter(connection__team=membership.team).select_related("connection")
    context = {
        "notices": rows.prefetch_related(
            "dispatches__user", Prefetch("deliveries", _own_deliveries(membership))
        ).order_by("-pk")[:SHOWN],
        "choices": [(kind, label, kind in MAY_BE_SILENT, kind not in silenced) for kind, label in KINDS.items()],
        "is_owner": membership.may(Role.OWNER),
        "destinations": [(each, TITLES[Service(each.service)]) for each in membership.destinations.order_by("name")],
        "services": [(f"destination_{service}", title) for service, title in TITLES.items()],
    }
    return render(request, "brokers/notices.html", context)
