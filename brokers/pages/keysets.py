"""The wizard that makes keys: ask for them, see them made, give IBKR the public files, and take IBKR's token."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import row_for, team_for
from accounts.entrance.gateway_calls import may_call
from accounts.entrance.step_up import is_fresh, require_step_up
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.connections import keysets, signing
from brokers.connections.connections import ConnectionRefused
from brokers.connections.consents import consent_of
from brokers.domain.sessions import Environment, Region
from brokers.domain.tokens import KeyStep
from brokers.models import Connection, KeySet
from brokers.pages.forms import ConnectionForm
from brokers.pages.live_money import missing_of
from brokers.pages.signing import FIELD_OF, TokenForm, public_file, without_gateway

STEPS = [
    (KeyStep.SIGNATURE, "The signature key"),
    (KeyStep.ENCRYPTION, "The encryption key"),
    (KeyStep.PRIME, "The Diffie-Hellman prime"),
]


class FinishForm(TokenForm, ConnectionForm):
    """The user whose keys these are, and what IBKR's page gave for them."""

    consumer_key = forms.CharField(
        label="Consumer key",
        max_length=9,
        help_text="The nine letters that you gave IBKR's page.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        without_gateway(self)


class AgainForm(TokenForm):
    """What IBKR's page gave for new keys of a connection."""

    consumer_key = FinishForm.base_fields["consumer_key"]


@require_http_methods(["GET", "POST"])
def keyset_new(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code, Role.OWNER)
    refusal = ""
    if request.method == "POST":
        require_step_up(request)
        try:
            connection = _connection_of(request, team_code)
            if not may_call(request, request.user):
                raise ConnectionRefused(
                    "Keys were asked for very often. Wait a minute, then try again.", "too-many-calls"
                )
            made = keysets.start(team=team, actor=actor_of(request), connection=connection, now=timezone.now())
        except ConnectionRefused as refused:
            refusal = f"{refused} ({refused.code})"
        else:
            return redirect("keyset", team_code, made.code)
    context = {"waiting": team.key_sets.order_by("pk"), "refusal": refusal}
    return render(request, "brokers/keyset_new.html", context, status=422 if refusal else 200)


def _connection_of(request: HttpRequest, team_code: UUID) -> Connection | None:
    """The connection that is to sign with the keys; none where they are for a new one."""
    code = request.POST.get("connection", "")
    if not code:
        return None
    try:
        row = row_for(request.user, team_code, Connection.objects.filter(removed_at=None), UUID(code), Role.OWNER)
    except ValueError:
        raise Http404("This team has nothing at this address.") from None
    if row.auth_method != "oauth":
        raise ConnectionRefused("This connection signs with no keys of its own.", "keys-not-needed")
    return row


@require_GET
def keyset(request: HttpRequest, team_code: UUID, keyset_code: UUID) -> HttpResponse:
    """The keys in the making, then the files that IBKR takes."""
    row = row_for(request.user, team_code, KeySet.objects.all(), keyset_code, Role.OWNER)
    at = list(KeyStep).index(KeyStep(row.step))
    context = {
        "key_set": row,
        "made": row.step == KeyStep.MADE,
        "steps": [(label, _state(at, list(KeyStep).index(step))) for step, label in STEPS],
        "before": keysets.before(row) if row.step == KeyStep.WAITING else 0,
        "files": keysets.FILES,
    }
    return render(request, "brokers/keyset.html", context)


def _state(at: int, step: int) -> str:
    return "made" if step < at else "making" if step == at else "waits"


@never_cache
@require_GET
def keyset_file(request: HttpRequest, team_code: UUID, keyset_code: UUID, name: str) -> HttpResponse:
    row = row_for(request.user, team_code, KeySet.objects.filter(step=KeyStep.MADE), keyset_code, Role.OWNER)
    return public_file(row.keys.open(), name)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def keyset_token(request: HttpRequest, team_code: UUID, keyset_code: UUID) -> HttpResponse:
    """IBKR's token for these keys; the connection is made, or signs with them from now on."""
    row = row_for(request.user, team_code, KeySet.objects.filter(step=KeyStep.MADE), keyset_code, Role.OWNER)
    require_step_up(request)
    again = row.connection
    initial = {"environment": Environment.PAPER, "region": Region.NORTH_AMERICA, "consumer_key": row.consumer_key}
    kind = AgainForm if again else FinishForm
    form = kind(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = _finished(request, row, form.cleaned_data)
        except ConnectionRefused as refusal:
            field = signing.part_of(refusal.code) or FIELD_OF.get(refusal.code)
            form.add_error(field if field in form.fields else None, f"{refusal} ({refusal.code})")
        else:
            messages.success(
                request, "The keys are the connection's now. Halyard asks IBKR whether it has activated them."
            )
            return redirect("connection", team_code, made.code)
    context = {"key_set": row, "form": form, "again": again, "missing": missing_of(request)}
    return render(request, "brokers/keyset_token.html", context, status=422 if form.errors else 200)


def _finished(request: HttpRequest, row: KeySet, values: dict[str, Any]) -> Connection:
    actor, now = actor_of(request), timezone.now()
    parts = {
        **row.keys.open(),
        "consumer_key": keysets.consumer_key_of(values["consumer_key"]),
        "access_token": values["access_token"],
        "access_token_secret": values["access_token_secret"],
    }
    if row.connection is not None:
        made = row.connection
        signing.replace(connection=made, parts=parts, actor=actor, now=now)
    else:
        made = signing.connect(
            team=row.team,
            actor=actor,
            name=values["name"],
            username=values["username"],
            environment=Environment(values["environment"]),
            region=Region(values["region"] or Region.NORTH_AMERICA),
            parts=parts,
            consent=consent_of(actor, confirmed=is_fresh(request), typed=[values["account_number"]]),
            now=now,
        )
    row.delete()
    return made


@require_POST
def keyset_discard(request: HttpRequest, team_code: UUID, keyset_code: UUID) -> HttpResponse:
    row = row_for(request.user, team_code, KeySet.objects.all(), keyset_code, Role.OWNER)
    keysets.discard(key_set=row, actor=actor_of(request), now=timezone.now())
    messages.success(request, "These keys are forgotten. If IBKR has their files, delete the key there, too.")
    return redirect("connections", team_code)
