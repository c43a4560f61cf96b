"""The pages that connect an IBKR user by OAuth with keys that somebody has already, and that replace a connection's keys."""

from __future__ import annotations

import copy
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from accounts.access import row_for, team_for
from accounts.entrance.step_up import is_fresh, require_step_up
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.connections import keysets, signing
from brokers.connections.connections import ConnectionRefused
from brokers.connections.consents import consent_of
from brokers.domain.live_money import NUMBER
from brokers.domain.sessions import AuthMethod, Environment, Region
from brokers.models import Connection
from brokers.pages.forms import ConnectionForm
from brokers.pages.live_money import missing_of


class Unshown(forms.Textarea):
    """Takes a secret and never shows it again, not even beside an error."""

    def format_value(self, value: Any) -> None:
        return None


def _secret(label: str, help_text: str, begins: str = "") -> forms.CharField:
    attributes = {"rows": 3, "spellcheck": "false", "autocomplete": "off", "placeholder": begins}
    return forms.CharField(label=label, max_length=20_000, help_text=help_text, widget=Unshown(attrs=attributes))


def without_gateway(form: forms.Form, *, paper_only: bool = False) -> None:
    """Take out of a connection's form what is asked of a gateway: keys sign in at IBKR itself, and never at the simulator."""
    del form.fields["base_url"]
    field = form.fields["environment"]
    assert isinstance(field, forms.ChoiceField)
    offered = [Environment.PAPER] if paper_only else [Environment.PAPER, Environment.LIVE]
    field.choices = [(each, each.capitalize()) for each in offered]


class TokenForm(forms.Form):
    """What IBKR's page gives for keys that it has."""

    access_token = _secret("Access token", "One short line that IBKR's page shows after Generate token.")
    access_token_secret = _secret("Access token secret", "The long line beneath it. Generating again replaces it.")


class SigningForm(TokenForm, ConnectionForm):
    """One IBKR user, and the keys that sign for it."""

    consumer_key = forms.CharField(
        label="Consumer key",
        max_length=64,
        help_text="The nine letters that you chose on IBKR's OAuth page.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}),
    )
    signature_key = _secret("Signature key", "private_signature.pem, the private one.", "-----BEGIN PRIVATE KEY-----")
    encryption_key = _secret(
        "Encryption key", "private_encryption.pem, the private one.", "-----BEGIN PRIVATE KEY-----"
    )
    dh_parameters = _secret("Diffie-Hellman file", "dhparam.pem, or its prime in hex.", "-----BEGIN DH PARAMETERS-----")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        without_gateway(self)


class ReplaceForm(forms.Form):
    """Other keys, or a new token, of a connection; what is left empty stays as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for part in signing.PARTS:
            self.fields[part] = field = copy.deepcopy(SigningForm.base_fields[part])
            field.required = False

    def clean(self) -> dict[str, Any]:
        """Refuse to replace nothing."""
        values = super().clean() or {}
        if not self.errors and not any(values.values()):
            raise forms.ValidationError("Fill in what is to be replaced; what you leave empty stays as it is.")
        return values


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def connection_signing(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team = team_for(request.user, team_code, Role.OWNER)
    # Before the form, too: what holds a secret is not kept while a person confirms, so it would be pasted twice.
    require_step_up(request)
    form = SigningForm(request.POST or None, initial={"environment": Environment.PAPER, "region": Region.NORTH_AMERICA})
    if request.method == "POST" and form.is_valid():
        values, actor = form.cleaned_data, actor_of(request)
        try:
            made = signing.connect(
                team=team,
                actor=actor,
                name=values["name"],
                username=values["username"],
                environment=Environment(values["environment"]),
                region=Region(values["region"] or Region.NORTH_AMERICA),
                parts={part: values[part] for part in signing.PARTS},
                consent=consent_of(actor, confirmed=is_fresh(request), typed=[values["account_number"]]),
                now=timezone.now(),
            )
        except ConnectionRefused as refusal:
            form.add_error(signing.part_of(refusal.code) or FIELD_OF.get(refusal.code), f"{refusal} ({refusal.code})")
        else:
            return redirect("connection", team_code, made.code)
    context = {"form": form, "parts": [form[part] for part in signing.PARTS], "missing": missing_of(request)}
    return render(request, "brokers/connection_signing.html", context, status=422 if form.errors else 200)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def connection_keys(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    """The keys that a connection signs with: its public files, and the form that replaces parts of them."""
    rows = Connection.objects.filter(auth_method=AuthMethod.OAUTH, removed_at=None)
    connection = row_for(request.user, team_code, rows, connection_code, Role.OWNER)
    require_step_up(request)
    form = ReplaceForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            signing.replace(connection=connection, parts=form.cleaned_data, actor=actor_of(request), now=timezone.now())
        except ConnectionRefused as refusal:
            form.add_error(signing.part_of(refusal.code), f"{refusal} ({refusal.code})")
        else:
            messages.success(request, "They are replaced. Halyard is signing in with them.")
            return redirect("connection", team_code, connection_code)
    context = {
        "connection": connection,
        "form": form,
        "consumer_key": connection.signing_keys.open().get("consumer_key", ""),
        "files": keysets.FILES,
        "waiting": connection.key_sets.order_by("pk"),
    }
    return render(request, "brokers/connection_keys.html", context, status=422 if form.errors else 200)


@never_cache
@require_GET
def connection_key_file(request: HttpRequest, team_code: UUID, connection_code: UUID, name: str) -> HttpResponse:
    """One of the three public files of a connection, to be uploaded again."""
    rows = Connection.objects.filter(auth_method=AuthMethod.OAUTH, removed_at=None)
    connection = row_for(request.user, team_code, rows, connection_code, Role.OWNER)
    return public_file(connection.signing_keys.open(), name)


def public_file(secrets: dict[str, str], name: str) -> HttpResponse:
    """One of the three files that IBKR takes, as a download."""
    if name not in keysets.FILES:
        raise Http404("There is no such file.")
    answer = HttpResponse(keysets.public_file(secrets, name), content_type="application/x-pem-file")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


FIELD_OF = {
    "paper-only": "environment",
    "demo-team": "environment",
    "invalid-username": "username",
    "username-taken": "username",
    NUMBER: "account_number",
}
