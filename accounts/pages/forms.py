"""Forms about a person, a team, its invitations and its API tokens. They only read; `teams` writes."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms

from accounts.models import ApprovalPolicy, Role, Scope

ROLES = [
    (Role.VIEWER, "Viewer: sees everything, changes nothing"),
    (Role.APPROVER, "Approver: also answers proposed decisions"),
    (Role.TRADER, "Trader: also changes strategies, subscriptions and connections"),
    (Role.OWNER, "Owner: also manages the team"),
]


class TeamForm(forms.Form):
    name = forms.CharField(label="Name of the team", max_length=80)


class InviteForm(forms.Form):
    role = forms.ChoiceField(label="Role", choices=ROLES, initial=Role.VIEWER)
    note = forms.CharField(
        label="For whom", max_length=120, required=False, help_text="A note to yourselves, shown in the list."
    )


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class TokenForm(forms.Form):
    name = forms.CharField(label="What it is for", max_length=80, help_text="The program or machine that will use it.")
    scopes = forms.MultipleChoiceField(
        label="What it may do beyond reading",
        choices=[choice for choice in Scope.choices if choice[0] != Scope.READ],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


class SafetyForm(forms.Form):
    """Whom the team asks for two-step sign-in, who may stop trading, and whose approval a plan needs."""

    second_factor_from = forms.ChoiceField(
        label="Two-step sign-in is needed by",
        choices=[
            ("", "nobody"),
            (Role.OWNER, "owners"),
            (Role.TRADER, "traders and owners"),
            (Role.APPROVER, "approvers, traders and owners"),
            (Role.VIEWER, "everybody"),
        ],
        required=False,
        help_text="Members without it see a page that leads them to the set-up. Their API tokens are refused, too.",
    )
    stops_from = forms.ChoiceField(
        label="Trading may be stopped by",
        choices=[
            (Role.TRADER, "traders and owners"),
            (Role.APPROVER, "approvers, too"),
            (Role.VIEWER, "everybody in the team"),
        ],
        help_text="Stopping never asks for a password or a code. Trading again takes a trader, for the whole team an owner.",
    )
    approval_policy = forms.ChoiceField(
        label="A plan that waits is approved by",
        choices=[
            (ApprovalPolicy.ANYBODY, "anybody who may approve"),
            (ApprovalPolicy.ANOTHER, "somebody who did not set the subscription up"),
            (ApprovalPolicy.TWO, "two different people"),
        ],
        required=False,
        help_text="Who made, copied, linked or switched on a subscription, or wrote its terms, set it up. "
        "One person is enough to decline, to stop and to close.",
    )


class MailForm(forms.Form):
    mail_approvals = forms.BooleanField(
        label="When a plan waits for approval",
        required=False,
        help_text="One e-mail a minute at most, however many wait.",
    )


class DeleteAccountForm(forms.Form):
    """The person's own address, typed."""

    address = forms.CharField(
        label="Type your e-mail address to confirm",
        error_messages={"required": "Type your e-mail address, so that nobody deletes it by a wrong click."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_address(self) -> str:
        typed = str(self.cleaned_data["address"]).strip()
        if typed.casefold() != self.email.casefold():
            raise forms.ValidationError(f"This is not the address of your account. Type {self.email}.")
        return typed


def zones() -> list[tuple[str, str]]:
    """Time zones by the names people know, UTC first."""
    named = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
    return [("UTC", "As my browser has it"), *((name, name.replace("_", " ")) for name in named)]


class ProfileForm(forms.Form):
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=zones,
        help_text="Every time on every page is shown in it, with UTC when you point at it.",
    )
