"""Pages about people: the landing page, the team and its members, invitations, API tokens, the viewer's own settings."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import departures, teams
from accounts.access import membership_for, team_for, teams_of
from accounts.entrance.forms import SignupForm
from accounts.entrance.second_factors import has_second_factor, without_second_factor
from accounts.entrance.step_up import require_step_up, step_up
from accounts.models import ApiToken, ApprovalPolicy, Departure, Invitation, Membership, Role, Team, User
from accounts.pages.forms import InviteForm, MailForm, ProfileForm, RoleForm, SafetyForm, TeamForm, TokenForm

# Session key of a new secret, kept until a page has shown it, once.
ONCE = "shown_once"
# How much of a digest names a token or an invitation in an address.
REFERENCE_DIGITS = 16


def viewer(request: HttpRequest) -> User:
    """The signed-in person; LoginRequiredMiddleware has seen to it that there is one."""
    return cast(User, request.user)


@login_not_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Strangers are told what this is; members go to the team they looked at last."""
    if not isinstance(request.user, User):
        form = SignupForm() if settings.SIGNUP_OPEN else None
        return render(request, "accounts/home.html", {"signup_open": settings.SIGNUP_OPEN, "form": form})
    if token := request.session.get("invitation"):
        return redirect("invitation", token)
    codes = [str(row.team.code) for row in teams_of(request.user) if row.team.closed_at is None]
    if not codes:
        return redirect("team_new")
    last = request.session.get("team")
    return redirect("dashboard", last if last in codes else codes[-1])


@require_http_methods(["GET", "POST"])
def team_new(request: HttpRequest) -> HttpResponse:
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        team = teams.found_team(owner=viewer(request), name=form.cleaned_data["name"], now=timezone.now())
        return redirect("dashboard", team.code)
    return render(request, "accounts/team_new.html", {"form": form})


@require_GET
def team_settings(request: HttpRequest, team_code: UUID) -> HttpResponse:
    membership = membership_for(viewer(request), team_code)
    return _team_page(request, membership, InviteForm(), TokenForm())


@require_POST
def team_invite(request: HttpRequest, team_code: UUID) -> HttpResponse:
    membership = membership_for(viewer(request), team_code, Role.OWNER)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _team_page(request, membership, form, TokenForm(), status=422)
    if form.cleaned_data["role"] == Role.OWNER:
        require_step_up(request)
    token = teams.invite(
        team=membership.team,
        actor=viewer(request),
        role=Role(form.cleaned_data["role"]),
        note=form.cleaned_data["note"],
        now=timezone.now(),
    )
    link = settings.PUBLIC_URL + reverse("invitation", args=[token])
    request.session[ONCE] = {"kind": "invitation", "secret": link, "team": str(team_code)}
    return redirect("team_settings", team_code)


@require_POST
def invitation_withdraw(request: HttpRequest, team_code: UUID, reference: str) -> HttpResponse:
    team = team_for(viewer(request), team_code, Role.OWNER)
    invitation = get_object_or_404(Invitation, team=team, token_hash__startswith=_whole(reference))
    departures.withdraw(invitation=invitation, actor=viewer(request), now=timezone.now())
    messages.success(request, "The invitation is withdrawn; its link opens nothing any more.")
    return redirect("team_settings", team_code)


@require_POST
def member_role(request: HttpRequest, team_code: UUID) -> HttpResponse:
    membership = _member(request, team_for(viewer(request), team_code, Role.OWNER))
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the four roles.")
        return redirect("team_settings", team_code)
    if form.cleaned_data["role"] == Role.OWNER:
        require_step_up(request)
    try:
        departure = teams.change_role(
            membership=membership, role=Role(form.cleaned_data["role"]), actor=viewer(request), now=timezone.now()
        )
    except teams.TeamError as error:
        messages.error(request, str(error))
        return redirect("team_settings", team_code)
    messages.success(request, f"{membership.user.email} is now {membership.get_role_display().lower()}.")
    return _after(departure, team_code, viewer(request))


@require_POST
def member_remove(request: HttpRequest, team_code: UUID) -> HttpResponse:
    """An owner takes somebody out; anybody may leave."""
    me = membership_for(viewer(request), team_code)
    leaves = request.POST.get("email") == viewer(request).email
    membership = me if leaves else _member(request, team_for(viewer(request), team_code, Role.OWNER))
    try:
        departure = teams.remove(membership=membership, actor=viewer(request), now=timezone.now())
    except teams.TeamError as error:
        messages.error(request, str(error))
        return redirect("team_settings", team_code)
    if membership is me:
        messages.success(request, f"You have left {me.team.name}.")
        return redirect("home")
    messages.success(
        request,
        f"{membership.user.email} has left the team. Their API tokens are revoked, and invitations they made are withdrawn.",
    )
    return _after(departure, team_code, viewer(request))


def _after(departure: Departure | None, team_code: UUID, me: User) -> HttpResponse:
    """Where an owner goes on: to what the person who departed knew, if they could see secrets."""
    if departure is None or departure.user_id == me.pk:
        return redirect("team_settings", team_code)
    return redirect("departure", team_code, departure.code)


@require_POST
@step_up
def token_issue(request: HttpRequest, team_code: UUID) -> HttpResponse:
    membership = membership_for(viewer(request), team_code, Role.TRADER)
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _team_page(request, membership, InviteForm(), form, status=422)
    secret = teams.issue_token(
        team=membership.team,
        user=viewer(request),
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        now=timezone.now(),
    )
    request.session[ONCE] = {"kind": "token", "secret": secret, "team": str(team_code)}
    return redirect("team_settings", team_code)


@require_POST
def token_revoke(request: HttpRequest, team_code: UUID, reference: str) -> HttpResponse:
    """One's own tokens, and for an owner everybody's."""
    membership = membership_for(viewer(request), team_code)
    token = get_object_or_404(ApiToken, team=membership.team, token_hash__startswith=_whole(reference))
    if token.user_id != membership.user_id:
        membership_for(viewer(request), team_code, Role.OWNER)
    departures.revoke(token=token, actor=viewer(request), now=timezone.now())
    messages.success(request, f"The token {token.name} is revoked; programs that use it are refused from now on.")
    return redirect("team_settings", team_code)


@require_POST
@step_up
def team_safety(request: HttpRequest, team_code: UUID) -> HttpResponse:
    """An owner says whom the team asks for two-step sign-in, who may stop trading, and whose approval a plan needs."""
    team = team_for(viewer(request), team_code, Role.OWNER)
    form = SafetyForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the roles offered.")
        return redirect("team_settings", team_code)
    asks = form.cleaned_data["second_factor_from"]
    if asks and not has_second_factor(viewer(request)):
        messages.error(request, "Set up two-step sign-in for yourself first, or this would lock you out.")
        return redirect("team_settings", team_code)
    # A form that was open before there was a policy says nothing about it.
    policy = ApprovalPolicy(form.cleaned_data["approval_policy"] or team.approval_policy)
    teams.set_safety(
        team=team,
        second_factor_from=asks,
        stops_from=Role(form.cleaned_data["stops_from"]),
        approval_policy=policy,
        actor=viewer(request),
        now=timezone.now(),
    )
    messages.success(request, "Saved. It holds from the next click of every member on.")
    return redirect("team_settings", team_code)


@require_POST
def team_mail(request: HttpRequest, team_code: UUID) -> HttpResponse:
    """Everybody chooses for themselves which e-mails of a team they get."""
    membership = membership_for(viewer(request), team_code)
    form = MailForm(request.POST)
    form.is_valid()
    mailed = form.cleaned_data["mail_approvals"]
    teams.mail_about_approvals(membership=membership, mailed=mailed)
    sentence = "You get an e-mail when a plan waits." if mailed else "No e-mail is sent to you about plans that wait."
    messages.success(request, sentence)
    return redirect("team_settings", team_code)


@login_not_required
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Lets the holder of the link join, after signing in or up."""
    open_invitation = teams.find_invitation(token, timezone.now())
    if open_invitation is None:
        request.session.pop("invitation", None)
        return render(request, "accounts/invitation_gone.html", status=404)
    if not isinstance(request.user, User):
        request.session["invitation"] = token
        return render(request, "accounts/invitation.html", {"invitation": open_invitation})
    if request.method == "GET":
        return render(request, "accounts/invitation.html", {"invitation": open_invitation})
    request.session.pop("invitation", None)
    try:
        team = teams.join(token=token, user=request.user, now=timezone.now())
    except teams.TeamError as error:
        messages.error(request, str(error))
        return redirect("home")
    messages.success(request, f"Welcome to {team.name}.")
    return redirect("dashboard", team.code)


@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    me = viewer(request)
    form = ProfileForm(request.POST or None, initial={"time_zone": me.time_zone})
    if request.method == "POST" and form.is_valid():
        User.objects.filter(pk=me.pk).update(time_zone=form.cleaned_data["time_zone"])
        messages.success(request, "Times are shown in this zone from now on.")
        return redirect("profile")
    return render(request, "accounts/profile.html", {"form": form})


def _whole(reference: str) -> str:
    """The reference, which is the first sixteen digits of a digest; fewer could be those of several rows."""
    if len(reference) < REFERENCE_DIGITS:
        raise Http404("This team has nothing at this address.")
    return reference


def _member(request: HttpRequest, team: Team) -> Membership:
    email = request.POST.get("email", "")
    membership = Membership.objects.select_related("team", "user").filter(team=team, user__email=email).first()
    if membership is None:
        raise Http404("Nobody of this team has this address.")
    return membership


def _team_page(
    request: HttpRequest, membership: Membership, invite: InviteForm, token: TokenForm, status: int = 200
) -> HttpResponse:
    team = membership.team
    once = request.session.get(ONCE)
    if once and once["team"] == str(team.code):
        del request.session[ONCE]
    else:
        once = None
    invitations = departures.open_invitations(timezone.now()).filter(team=team)
    tokens = team.api_tokens.filter(revoked_at__isnull=True).select_related("user")
    if not membership.may(Role.OWNER):
        tokens = tokens.filter(user=membership.user)
    context = {
        "members": team.memberships.select_related("user").order_by("joined_at", "id"),
        "invitations": invitations.select_related("invited_by").order_by("-id"),
        "tokens": tokens.order_by("-id"),
        "invite_form": invite,
        "token_form": token,
        "mail_form": MailForm(initial={"mail_approvals": membership.mail_approvals}),
        "may_answer": membership.may(Role.APPROVER),
        "roles": Role.choices,
        "safety_form": SafetyForm(
            initial={
                "second_factor_from": team.second_factor_from,
                "stops_from": team.stops_from,
                "approval_policy": team.approval_policy,
            }
        ),
        "shortage": teams.shortage_of_approvers(team, team.approval_policy),
        "without_second_factor": without_second_factor(team) if membership.may(Role.OWNER) else set(),
        "once": once,
    }
    response = render(request, "accounts/team_settings.html", context, status=status)
    if once:
        # It is shown once: neither a cache nor the way back may show it again.
        response.headers["Cache-Control"] = "no-store, private"
    return response
