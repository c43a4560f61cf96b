"""The form of a subscription: which strategy, which account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from brokers.models import AccountGroup, BrokerageAccount
from strategies.models import Strategy


class FollowForm(forms.Form):
    """Which strategy, and which account or which of an advisor's groups."""

    strategy = forms.ModelChoiceField(
        label="Strategy", queryset=Strategy.objects.none(), to_field_name="code", empty_label=None
    )
    account = forms.ModelChoiceField(
        label="Account", queryset=BrokerageAccount.objects.none(), to_field_name="code", empty_label=None
    )
    group = forms.ModelChoiceField(
        label="Group of accounts",
        queryset=AccountGroup.objects.none(),
        to_field_name="code",
        required=False,
        empty_label="None: the account above",
        help_text="An order for a group is divided by IBKR. A group and an account exclude each other.",
    )
    linked = forms.ChoiceField(
        label="Its terms",
        choices=[("no", "Its own"), ("yes", "The strategy's defaults")],
        required=False,
        initial="no",
        widget=forms.RadioSelect,
    )

    def clean(self) -> dict[str, Any]:
        """One of account and group; a group brings the account that carries it."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        group, account = values.get("group"), values.get("account")
        if group is not None and account is not None and account.pk != group.account_id:
            raise forms.ValidationError("A subscription is for an account or for a group, not for both. Choose one.")
        if group is not None:
            values["account"] = group.account
        elif account is None and "account" not in self.errors:
            raise forms.ValidationError("Choose an account, or a group.")
        return values


def offer_groups(form: FollowForm, groups: QuerySet[AccountGroup]) -> None:
    """Offer groups beside accounts; where there are none, the field is not asked for."""
    if not groups.exists():
        del form.fields["group"]
        return
    for name, rows in (("group", groups), ("account", None)):
        field = form.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        if rows is not None:
            field.queryset = rows
        else:
            field.required, field.empty_label = False, "None: the group below"
