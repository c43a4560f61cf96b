"""The form of a signal written by hand, and the filters of the list of signals."""

from __future__ import annotations

import json
from decimal import Decimal

from django import forms

from strategies.domain.message.message import Action
from strategies.domain.numbers import plain
from strategies.models import Strategy
from strategies.webhook.log import LogFilter

OUTCOMES = [
    ("", "All"),
    ("accepted", "Accepted"),
    ("rejected", "Rejected"),
    ("proposed", "Waiting for approval"),
    ("pending", "Pending"),
    ("delayed", "Delayed"),
    ("rehearsed", "Tests (dry runs)"),
    ("set_aside", "Set aside"),
    ("stale-signal", "Set aside: too old"),
    ("expired-signal", "Set aside: expired"),
    ("superseded-signal", "Set aside: superseded"),
    ("repeated", "Delivered more than once"),
    ("nobody", "Nobody follows"),
    ("refused", "Refused"),
    ("over", "Over the limit"),
]


class SignalForm(forms.Form):
    """A signal written by hand; it becomes the same message that a program would send."""

    strategy = forms.ModelChoiceField(
        label="Strategy", queryset=Strategy.objects.none(), to_field_name="code", empty_label=None, required=False
    )
    ticker = forms.CharField(
        label="Ticker",
        max_length=40,
        initial="SPY",
        widget=forms.TextInput(attrs={"data-message": "ticker", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    action = forms.ChoiceField(
        label="Action",
        choices=[(each, each.capitalize()) for each in Action],
        initial=Action.BUY,
        widget=forms.RadioSelect(attrs={"data-message": "action"}),
    )
    quantity = forms.DecimalField(
        label="Quantity",
        min_value=Decimal("0.00000001"),
        max_digits=24,
        decimal_places=8,
        required=False,
        initial=10,
        widget=forms.TextInput(attrs={"data-message": "quantity", "data-number": "yes", "inputmode": "decimal"}),
    )
    price = forms.DecimalField(
        label="Price you saw",
        min_value=Decimal("0.00000001"),
        max_digits=24,
        decimal_places=8,
        required=False,
        widget=forms.TextInput(attrs={"data-message": "price", "data-number": "yes", "inputmode": "decimal"}),
    )

    def message_body(self) -> str:
        """The message of a valid form, as JSON text."""
        values = self.cleaned_data
        message: dict[str, str] = {"ticker": values["ticker"], "action": values["action"]}
        for name in ("quantity", "price"):
            if values[name] is not None:
                message[name] = plain(values[name])
        return json.dumps(message)


class MinuteField(forms.DateTimeField):
    """A minute on the viewer's clock, or a moment that names its zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    default_error_messages = {"invalid": "Write a day and a time, such as 2026-11-20T15:30."}


class SignalFilter(forms.Form):
    """The filters of the list of signals. Their state is kept in the URL."""

    strategy = forms.ModelChoiceField(
        label="Strategy",
        queryset=Strategy.objects.none(),
        to_field_name="code",
        required=False,
        empty_label="All strategies",
    )
    ticker = forms.CharField(
        label="Ticker",
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"data-search": "yes", "placeholder": "Any"}),
    )
    action = forms.ChoiceField(
        label="Action", choices=[("", "All"), *((each, each.capitalize()) for each in Action)], required=False
    )
    outcome = forms.ChoiceField(label="Outcome", choices=OUTCOMES, required=False)
    since = MinuteField(label="From", required=False)
    until = MinuteField(label="To", required=False)
    q = forms.CharField(
        label="Text or id",
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "In the body, an id, a log id", "spellcheck": "false"}),
    )

    def log_filter(self) -> LogFilter:
        """The filter of the fields that could be read."""
        self.is_valid()
        return LogFilter(**{name: value for name, value in self.cleaned_data.items() if value})
