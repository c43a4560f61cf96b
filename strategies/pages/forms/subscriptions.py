"""The form of a subscription: which strategy, which account."""

from __future__ import annotations

from django import forms

from brokers.models import BrokerageAccount
from strategies.models import Strategy


class FollowForm(forms.Form):
    """Which strategy, which account."""

    strategy = forms.ModelChoiceField(
        label="Strategy", queryset=Strategy.objects.none(), to_field_name="code", empty_label=None
    )
    account = forms.ModelChoiceField(
        label="Account", queryset=BrokerageAccount.objects.none(), to_field_name="code", empty_label=None
    )
    linked = forms.ChoiceField(
        label="Its terms",
        choices=[("no", "Its own"), ("yes", "The strategy's defaults")],
        required=False,
        initial="no",
        widget=forms.RadioSelect,
    )
