"""The pages that close a team, after saying what hangs on it, and open it again."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from allauth.account.adapter import get_adapter
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import membership_of_closed, team_for
from accounts.departures import open_invitations
from accounts.entrance.step_up import require_step_up, step_up
from accounts.models import Role, Team, User
from strategies.control import team_end


class CloseTeamForm(forms.Form):
    """The team's name, typed."""

    name = forms.CharField(
        label="Type the name of the team to confirm",
        error_messages={"required": "Type the name of the team, so that nobody closes it by a wrong click."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: object, *, team: Team) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.team = team

    def clean_name(self) -> str:
        typed = " ".join(str(self.cleaned_data["name"]).split())
        if typed != " ".join(self.team.name.split()):
            raise forms.ValidationError(f"This is not the name of the team. Type {self.team.name}.")
        return typed


@require_http_methods(["GET", "POST"])
@never_cache
def team_close(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code, Role.OWNER)
    form = CloseTeamForm(request.POST or None, team=team)
    now = timezone.now()
    if request.method == "POST":
        require_step_up(request)
        if form.is_valid():
            try:
                team_end.close_team(team=team, actor=cast(User, request.user), now=now)
            except team_end.TeamEndRefused as refused:
                form.add_error(None, f"{refused} ({refused.code})")
            else:
                _mail_owners(team)
                messages.success(request, f"{team.name} is closed.")
                return redirect("team_settings", team_code)
    context = {
        "form": form,
        "work": team_end.at_work(team),
        "endpoints": team.endpoints.filter(enabled=True).count(),
        "connections": team.connections.filter(enabled=True).count(),
        "tokens": team.api_tokens.filter(revoked_at__isnull=True).count(),
        "invitations": open_invitations(now).filter(team=team).count(),
    }
    return render(request, "strategies/team_close.html", context, status=422 if form.errors else 200)


@require_POST
@step_up
def team_reopen(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = membership_of_closed(request.user, team_code).team
    try:
        team_end.reopen_team(team=team, actor=cast(User, request.user), now=timezone.now())
    except team_end.TeamEndRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(
            request,
            "The team is open again. Trading is still stopped and connections are off: resume and switch them on.",
        )
    return redirect("team_settings", team_code)


def _mail_owners(team: Team) -> None:
    for membership in team.memberships.filter(role=Role.OWNER, user__is_active=True).select_related("user"):
        context = {"team": team, "by": team.closed_by}
        get_adapter().send_mail("account/email/team_closed", membership.user.email, context)
