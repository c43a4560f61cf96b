"""The pages that send a person to IBKR, where they let the operator's program in, and that take them back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import row_for, team_for
from accounts.entrance.step_up import is_fresh, require_step_up
from accounts.models import Role, User
from brokers.connections import authorizing
from brokers.connections.authorizing import Wishes
from brokers.connections.connections import ConnectionRefused
from brokers.connections.consents import consent_of
from brokers.domain.live_money import LiveMoneyRefused, require
from brokers.domain.sessions import AuthMethod, Environment, Region
from brokers.models import Authorization, Connection
from brokers.pages.forms import ConnectionForm
from brokers.pages.live_money import missing_of
from brokers.pages.signing import FIELD_OF, without_gateway

# Session key: what this browser holds of each of its ways to IBKR's page.
KEPT = "ways_to_ibkr"
MOST_KEPT = 5


class AuthorizingForm(ConnectionForm):
    """One IBKR user who is to let the operator's program in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        without_gateway(self, paper_only=authorizing.is_for_paper_only())


@require_http_methods(["GET", "POST"])
def authorization_new(request: HttpRequest, team_code: UUID) -> HttpResponse:
    """Ask who is to be connected, then IBKR for a way to its page."""
    team_for(request.user, team_code, Role.OWNER)
    form = AuthorizingForm(
        request.POST or None, initial={"environment": Environment.PAPER, "region": Region.NORTH_AMERICA}
    )
    if request.method == "POST":
        require_step_up(request)
        if form.is_valid():
            values = form.cleaned_data
            wishes = Wishes(**{name: str(values[name]) for name in _WISHED})
            try:
                _require_consent(request, wishes)
                made = _begun(request, team_code, wishes)
            except ConnectionRefused as refusal:
                form.add_error(FIELD_OF.get(refusal.code), f"{refusal} ({refusal.code})")
            else:
                return redirect("authorization", team_code, made.code)
    context = {
        "form": form,
        "missing": missing_of(request),
        "offered": authorizing.is_offered(),
        "paper_only": authorizing.is_for_paper_only(),
    }
    return render(request, "brokers/authorization_new.html", context, status=422 if form.errors else 200)


_WISHED = ("name", "username", "environment", "region", "account_number")


def _require_consent(request: HttpRequest, wishes: Wishes) -> None:
    """Say what real money lacks before the person has been to IBKR, not after."""
    if wishes.environment != Environment.LIVE:
        return
    assert isinstance(request.user, User)
    try:
        require(consent_of(request.user, confirmed=is_fresh(request), typed=[wishes.account_number]), [], every=False)
    except LiveMoneyRefused as refused:
        raise ConnectionRefused(str(refused), refused.code) from refused


@require_POST
def connection_allow(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    """Have a connection let in again."""
    rows = Connection.objects.filter(removed_at=None, auth_method=AuthMethod.OPERATOR)
    connection = row_for(request.user, team_code, rows, connection_code, Role.OWNER)
    require_step_up(request)
    try:
        made = _begun(request, team_code, Wishes(), connection)
    except ConnectionRefused as refusal:
        messages.error(request, f"{refusal} ({refusal.code})")
        return redirect("connection", team_code, connection_code)
    return redirect("authorization", team_code, made.code)


def _begun(
    request: HttpRequest, team_code: UUID, wishes: Wishes, connection: Connection | None = None
) -> Authorization:
    assert isinstance(request.user, User)
    made, secret = authorizing.begin(
        team=team_for(request.user, team_code, Role.OWNER),
        user=request.user,
        callback=settings.PUBLIC_URL + reverse("ibkr_callback"),
        wishes=wishes,
        connection=connection,
        now=timezone.now(),
    )
    kept = dict(list(request.session.get(KEPT, {}).items())[-(MOST_KEPT - 1) :])
    request.session[KEPT] = {**kept, str(made.code): secret}
    return made


@never_cache
@require_GET
def authorization(request: HttpRequest, team_code: UUID, authorization_code: UUID) -> HttpResponse:
    """Before the person leaves for IBKR; and why nothing was connected, where nothing was."""
    row = row_for(request.user, team_code, Authorization.objects.all(), authorization_code, Role.OWNER)
    mine = row.user_id == request.user.pk
    context = {
        "authorization": row,
        "over": timezone.now() >= row.expires_at,
        "page": authorizing.page(row) if mine and row.used_at is None else "",
    }
    return render(request, "brokers/authorization.html", context)


@never_cache
@require_GET
def ibkr_callback(request: HttpRequest) -> HttpResponse:
    """The person comes back from IBKR's page."""
    assert isinstance(request.user, User)
    kept = request.session.get(KEPT, {})
    try:
        row = authorizing.returned(user=request.user, request_token=request.GET.get("oauth_token", "")[:200], kept=kept)
    except ConnectionRefused as refusal:
        return render(request, "brokers/authorization_unknown.html", {"refusal": refusal}, status=422)
    # Whoever left the team, or is its owner no more, connects nothing to it.
    team = team_for(request.user, row.team.code, Role.OWNER)
    consent = consent_of(request.user, confirmed=True, typed=[row.wishes.get("account_number", "")])
    try:
        made = authorizing.finish(
            authorization=row,
            verifier=request.GET.get("oauth_verifier", "")[:200],
            problem=request.GET.get("oauth_problem", "")[:100],
            consent=consent,
            actor=request.user,
            now=timezone.now(),
        )
    except ConnectionRefused as refusal:
        messages.error(request, f"{refusal} ({refusal.code})")
        return redirect("authorization", team.code, row.code)
    request.session[KEPT] = {code: secret for code, secret in kept.items() if code != str(row.code)}
    messages.success(request, "IBKR lets Halyard in for this user. Halyard is signing in.")
    return redirect("connection", team.code, made.code)
