"""The chats and programs in which a member gets a team's notices: made, tested, chosen for, paused and removed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import membership_for, row_for
from accounts.entrance.gateway_calls import may_call
from accounts.entrance.step_up import require_step_up
from accounts.models import Role
from brokers.domain.chats.destinations import Service
from brokers.domain.notices import NoticeKind
from brokers.models import Destination
from brokers.notices.chats import places
from brokers.notices.chats.places import DestinationRefused
from brokers.pages.notices import KINDS, TITLES

HOW = {
    Service.SLACK: "In Slack, make an app with an incoming webhook for the channel, and paste its address. Mattermost takes the same.",
    Service.DISCORD: "In the channel's settings, under Integrations, make a webhook and paste its address.",
    Service.TELEGRAM: "Make a bot with BotFather, write it a word, and fill in its token and the number of your chat.",
    Service.NTFY: "Subscribe to a topic in the ntfy app. Whoever knows the topic can read it: choose one that nobody guesses, or protect it.",
    Service.WEBHOOK: "Halyard posts JSON to your address, signed as Standard Webhooks says. The secret is shown once.",
}
_QUIET = {"autocomplete": "off", "spellcheck": "false"}


class DestinationForm(forms.Form):
    """Where notices are to go; which places it has is the service's matter."""

    name = forms.CharField(label="Name", max_length=40, help_text="By which you know it again.")
    url = forms.CharField(label="Address", max_length=400, widget=forms.TextInput(attrs=_QUIET))
    token = forms.CharField(label="Token", max_length=200, widget=forms.PasswordInput(attrs=_QUIET))
    chat = forms.CharField(label="Chat", max_length=42, help_text="A number, or @name of a channel.")
    topic = forms.CharField(label="Topic", max_length=64, widget=forms.TextInput(attrs=_QUIET))
    server = forms.CharField(
        label="Server",
        max_length=200,
        required=False,
        help_text="Only where it is one of your own, with https:// before it.",
    )

    def __init__(self, service: Service, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wanted = {
            Service.TELEGRAM: ("name", "token", "chat", "server"),
            Service.NTFY: ("name", "topic", "token", "server"),
        }.get(service, ("name", "url"))
        for field in list(self.fields):
            if field not in wanted:
                del self.fields[field]
        self.order_fields(wanted)
        if service is Service.NTFY:
            self.fields["token"].required = False
            self.fields["token"].help_text = "Where the topic is protected."


@never_cache
@sensitive_post_parameters("url", "token", "topic")
@require_http_methods(["GET", "POST"])
def destination_new(request: HttpRequest, team_code: UUID, service: str) -> HttpResponse:
    membership = membership_for(request.user, team_code, Role.OWNER)
    kind = Service(service)
    form = DestinationForm(kind, request.POST or None)
    status = 200
    if request.method == "POST":
        # What is written there leaves the house.
        require_step_up(request)
        status = 422
        if form.is_valid():
            try:
                if not may_call(request, request.user):
                    raise DestinationRefused(
                        "That was asked for very often. Wait a minute, then try again.", "too-many-calls"
                    )
                made, secret = places.make(
                    membership=membership,
                    service=kind,
                    name=form.cleaned_data["name"],
                    values={name: str(value) for name, value in form.cleaned_data.items()},
                    now=timezone.now(),
                )
            except DestinationRefused as refused:
                field = refused.field if refused.field in form.fields else None
                form.add_error(field, f"{refused} ({refused.code})")
            else:
                context = {"destination": made, "secret": secret, "title": TITLES[kind]}
                return render(request, "brokers/destination_made.html", context)
    context = {"form": form, "service": kind, "title": TITLES[kind], "how": HOW[kind]}
    return render(request, "brokers/destination_new.html", context, status=status)


@require_http_methods(["GET", "POST"])
def destination(request: HttpRequest, team_code: UUID, destination_code: UUID) -> HttpResponse:
    row = _own(request, team_code, destination_code)
    if request.method == "POST":
        places.choose(row, [str(kind) for kind in NoticeKind if request.POST.get(str(kind))])
        messages.success(request, f"What goes to {row.name} is saved.")
        return redirect("destination", team_code, row.code)
    context = {
        "destination": row,
        "title": TITLES[Service(row.service)],
        "choices": [(kind, label, str(kind) not in row.silenced) for kind, label in KINDS.items()],
        "deliveries": row.deliveries.select_related("notice__connection").order_by("-pk")[:30],
    }
    return render(request, "brokers/destination.html", context)


@require_POST
def destination_test(request: HttpRequest, team_code: UUID, destination_code: UUID) -> HttpResponse:
    row = _own(request, team_code, destination_code)
    if not may_call(request, request.user):
        messages.error(request, "That was asked for very often. Wait a minute, then try again.")
        return redirect("destination", team_code, row.code)
    told = places.test(row, timezone.now())
    row.refresh_from_db()
    (messages.error if row.trouble else messages.success)(request, f"Test of {row.name}: {told}")
    return redirect("destination", team_code, row.code)


@require_POST
def destination_pause(request: HttpRequest, team_code: UUID, destination_code: UUID) -> HttpResponse:
    row = _own(request, team_code, destination_code)
    places.pause(row, timezone.now(), paused=not row.paused)
    messages.success(
        request, f"{row.name} gets no notices until you resume it." if row.paused else f"{row.name} gets notices."
    )
    return redirect("destination", team_code, row.code)


@require_http_methods(["GET", "POST"])
def destination_remove(request: HttpRequest, team_code: UUID, destination_code: UUID) -> HttpResponse:
    row = _own(request, team_code, destination_code)
    if request.method == "POST":
        places.remove(row, timezone.now())
        messages.success(request, f"{row.name} is removed, with what Halyard knew of it.")
        return redirect("notices", team_code)
    return render(request, "brokers/destination_remove.html", {"destination": row})


def _own(request: HttpRequest, team_code: UUID, code: UUID) -> Destination:
    """The member's own destination in this team; somebody else's is nowhere."""
    membership = membership_for(request.user, team_code, Role.OWNER)
    rows = Destination.objects.filter(membership=membership).select_related("membership__team", "membership__user")
    return row_for(request.user, team_code, rows, code, Role.OWNER)
