"""The pages that make a connection and mend one: its form with the test of an address, and its gateway's certificate."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.access import row_for, team_for
from accounts.entrance.gateway_calls import may_call
from accounts.entrance.step_up import is_fresh, require_step_up
from accounts.models import Role, Team
from accounts.pages.requests import actor_of
from brokers.connections import authorizing, changes, trials
from brokers.connections.changes import CertificateUnknown
from brokers.connections.connections import PIN, ConnectionRefused
from brokers.connections.consents import consent_of
from brokers.connections.refusals import FIELD_OF, TOO_MANY_CALLS
from brokers.domain.addresses import AddressRefused, completed, login_page
from brokers.domain.certificates import Certificate
from brokers.domain.sessions import AuthMethod, Environment, Region
from brokers.domain.trials import Report
from brokers.models import Connection
from brokers.pages.forms import ConnectionForm
from brokers.pages.live_money import missing_of


@require_http_methods(["GET", "POST"])
def connection_new(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code, Role.TRADER)
    first = Environment.SIMULATED if settings.SIMULATOR and not team.connections.exists() else Environment.PAPER
    form = ConnectionForm(request.POST or None, initial={"environment": first, "region": Region.NORTH_AMERICA})
    report: Report | None = None
    if request.POST.get("button") == "test":
        report = _tested(request, team, form)
    elif request.method == "POST" and form.is_valid():
        fields = form.values()
        if fields.environment is Environment.LIVE:
            require_step_up(request)
        actor = actor_of(request)
        try:
            _spend_a_call(request, fields.environment)
            made = changes.connect(
                team=team,
                fields=fields,
                accepted=form.cleaned_data["accepted"],
                consent=consent_of(actor, confirmed=is_fresh(request), typed=[form.cleaned_data["account_number"]]),
                actor=actor,
                now=timezone.now(),
            )
        except ConnectionRefused as refusal:
            report = _add(form, refusal)
        else:
            return redirect("connection", team_code, made.code)
    context = {"form": form, "report": report, "missing": missing_of(request), "may_allow": authorizing.is_offered()}
    return render(request, "brokers/connection_new.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def connection_edit(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    connection = _there(row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER))
    initial = {name: getattr(connection, name) for name in ("name", "username", "environment", "base_url", "region")}
    form = ConnectionForm(request.POST or None, initial=initial, of=connection)
    report: Report | None = None
    if request.POST.get("button") == "test":
        report = _tested(request, connection.team, form, of=connection)
    elif request.method == "POST":
        # What is changed may decide where orders go and who is shown our secrets.
        if connection.environment != Environment.SIMULATED:
            require_step_up(request)
        if form.is_valid():
            actor = actor_of(request)
            try:
                _spend_a_call(request, Environment(connection.environment))
                changes.edit(
                    connection=connection,
                    fields=form.values(),
                    accepted=form.cleaned_data["accepted"],
                    actor=actor,
                    now=timezone.now(),
                )
            except ConnectionRefused as refusal:
                report = _add(form, refusal)
            else:
                messages.success(request, "The connection is changed.")
                return redirect("connection", team_code, connection_code)
    context = {"connection": connection, "form": form, "report": report}
    return render(request, "brokers/connection_edit.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def connection_certificate(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    """The certificate that the gateway shows now, beside the accepted one; accepting it takes a fresh proof."""
    connection = _there(row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER))
    if connection.environment == Environment.SIMULATED:
        raise Http404("A simulated connection has no gateway of yours.")
    if AuthMethod(connection.auth_method).signs:
        raise Http404("A connection that signs has no gateway.")
    refusal, code, certificate = "", "", None
    if request.method == "POST":
        require_step_up(request)
    try:
        _spend_a_call(request, Environment(connection.environment))
        if request.method == "POST":
            actor, sha256 = actor_of(request), request.POST.get("accepted", "")
            changes.accept(connection=connection, sha256=sha256, actor=actor, now=timezone.now())
            messages.success(request, "The certificate is accepted, and no other; Halyard is signing in.")
            return redirect("connection", team_code, connection_code)
        certificate = changes.look(connection, timezone.now())
    except ConnectionRefused as refused:
        refusal, code = str(refused), refused.code
    accepted = Certificate.from_json(connection.certificate) if connection.certificate else None
    context = {
        "connection": connection,
        "shown": certificate,
        "accepted": accepted,
        "is_the_accepted": bool(certificate and accepted and certificate.sha256 == accepted.sha256),
        "refusal": refusal,
        "refusal_code": code,
        "login_page": login_page(connection.base_url),
    }
    return render(
        request,
        "brokers/connection_certificate.html",
        context,
        status=422 if refusal and request.method == "POST" else 200,
    )


def _there(connection: Connection) -> Connection:
    if connection.removed_at is not None:
        raise Http404("This connection was removed.")
    return connection


def _spend_a_call(request: HttpRequest, environment: Environment) -> None:
    """A person calls a few gateways a minute; this server is nobody's way to look for open ports."""
    if environment is Environment.SIMULATED:
        return
    if not may_call(request, request.user):
        raise ConnectionRefused(TOO_MANY_CALLS, "too-many-calls")


def _tested(request: HttpRequest, team: Team, form: ConnectionForm, of: Connection | None = None) -> Report | None:
    if "base_url" not in form.fields or not form.only_the_address():
        return None
    address = completed(str(form.data["base_url"]))
    pin = of.secrets.open().get(PIN, "") if of is not None and of.base_url == address else ""
    try:
        _spend_a_call(request, Environment.PAPER)
        return trials.try_address(address, str(team.pk), timezone.now(), pin)
    except AddressRefused as refusal:
        form.add_error("base_url", str(refusal))
    except ConnectionRefused as refusal:
        form.add_error("base_url", str(refusal))
    return None


def _add(form: ConnectionForm, refusal: ConnectionRefused) -> Report | None:
    """The refusal beside its field, and what was found at the address if that is why."""
    form.add_error(FIELD_OF.get(refusal.code), str(refusal))
    return refusal.report if isinstance(refusal, CertificateUnknown) else None
