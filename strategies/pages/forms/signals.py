"""The form of a signal written by hand, and the filters of the list of signals."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from brokers.domain.orders import TRAILING
from strategies.display.labels import SIGNAL_ORDER_TYPES
from strategies.domain.message.message import Action
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


REQUIRED = ("ticker", "action")
ORDER_FIELDS = ("order_type", "limit", "stop", "touch", "stop_loss", "take_profit")
_NUMBER = {"data-number": "yes", "inputmode": "decimal", "autocomplete": "off"}
_ORDER_TYPES = [(kind, words) for kind, words in SIGNAL_ORDER_TYPES.items() if kind not in TRAILING]


def _part(label: str, path: str, initial: str = "", **attributes: str) -> forms.Field:
    """A part of the message, taken as it is typed; `path` is its name in the message."""
    widget = forms.TextInput(attrs={"data-message": path, **attributes})
    return forms.Field(label=label, required=False, initial=initial, widget=widget)


class SignalForm(forms.Form):
    """A signal written by hand, as the message that a program would send: the contract alone says what is wrong with it."""

    strategy = forms.ModelChoiceField(
        label="Strategy",
        queryset=Strategy.objects.none(),
        to_field_name="code",
        empty_label=None,
        required=False,
        error_messages={
            "invalid_choice": "This strategy is not there any more, or it is switched off. Choose another."
        },
    )
    ticker = _part(
        "Ticker", "ticker", initial="SPY", autocapitalize="characters", spellcheck="false", autocomplete="off"
    )
    action = forms.Field(
        label="Action",
        required=False,
        initial=Action.BUY,
        widget=forms.RadioSelect(
            choices=[(each, each.capitalize()) for each in Action], attrs={"data-message": "action"}
        ),
    )
    quantity = _part("Quantity", "quantity", initial="10", **_NUMBER)
    price = _part("Price you saw", "price", **_NUMBER)
    order_type = forms.Field(
        label="Order type",
        required=False,
        widget=forms.Select(
            choices=[("", "As the subscription says"), *((each, words) for each, words in _ORDER_TYPES)],
            attrs={"data-message": "orderType"},
        ),
    )
    limit = _part("Limit price", "limitPrice", **_NUMBER)
    stop = _part("Stop price", "stopPrice", **_NUMBER)
    touch = _part("Touch price", "touchPrice", **_NUMBER)
    stop_loss = _part("Stop loss at", "stopLoss.stopPrice", **_NUMBER)
    take_profit = _part("Take profit at", "takeProfit.limitPrice", **_NUMBER)

    def message_body(self) -> str:
        """The message of the form as JSON text, whatever was typed: what is left empty is left out."""
        message: dict[str, Any] = {}
        for name, path in self._paths().items():
            typed = str(self[name].value() or "").strip()
            if typed or name in REQUIRED:
                parent, _, leaf = path.rpartition(".")
                (message.setdefault(parent, {}) if parent else message)[leaf] = typed
        return json.dumps(message)

    def field_of(self, name: str) -> str | None:
        """The form's field for a field of the message; None where it has none."""
        return next((own for own, path in self._paths().items() if name in (path, path.partition(".")[0])), None)

    def _paths(self) -> dict[str, str]:
        """The form's fields with their names in the message."""
        paths = {name: str(field.widget.attrs.get("data-message", "")) for name, field in self.fields.items()}
        return {name: path for name, path in paths.items() if path}


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
