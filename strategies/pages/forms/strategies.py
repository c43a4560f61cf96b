"""The forms of a strategy: making one, and all its settings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django import forms
from django.utils import timezone

from strategies.domain.message.symbols import Kind
from strategies.setup.strategy_settings import DAY, StrategySettings, Unusable, read_addresses, read_tickers

ASSET_CLASSES = [
    (Kind.STOCK, "Stocks and ETFs"),
    (Kind.FUTURE, "Futures"),
    (Kind.FOREX, "Currency pairs"),
    (Kind.CFD, "CFDs on shares, indices, currency pairs and metals"),
    (Kind.OPTION, "Options"),
    (Kind.FUTURE_OPTION, "Options on futures"),
    (Kind.CRYPTO, "Crypto pairs (read and shown, not traded)"),
]


class StrategyForm(forms.Form):
    """What a new strategy needs; its other settings have defaults."""

    name = forms.CharField(label="Name", max_length=80)
    asset_class = forms.ChoiceField(
        label="What it trades",
        choices=ASSET_CLASSES,
        help_text="Tells how a ticker is read. It cannot change once signals have come.",
    )
    allowed_tickers = forms.CharField(
        label="Only these tickers",
        required=False,
        max_length=2000,
        help_text="Separated by spaces or commas, at most 100; for futures, the roots. Empty takes any.",
        widget=forms.TextInput(attrs={"placeholder": "SPY QQQ AAPL", "autocapitalize": "characters"}),
    )
    description = forms.CharField(label="Description", max_length=300, required=False)

    def clean_allowed_tickers(self) -> tuple[str, ...]:
        try:
            return read_tickers(
                self.cleaned_data["allowed_tickers"],
                Kind(self.cleaned_data.get("asset_class", Kind.STOCK)),
                timezone.now(),
            )
        except Unusable as error:
            raise forms.ValidationError(str(error), error.code) from error


def seconds(label: str, help_text: str, least: int = 1) -> forms.IntegerField:
    """A time of at most a day."""
    return forms.IntegerField(label=label, min_value=least, max_value=DAY, help_text=help_text)


class StrategySettingsForm(StrategyForm):
    """All settings of a strategy."""

    tradingview_only = forms.BooleanField(
        label="TradingView only",
        required=False,
        help_text="By the addresses it sends from, or its client certificate where a proxy hands that on.",
    )
    allowed_addresses = forms.CharField(
        label="Only from these addresses",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "203.0.113.7\n2001:db8::/48", "spellcheck": "false"}),
        help_text="IPv4, IPv6 or networks, one a line, at most 50. Empty takes messages from anywhere.",
    )
    signature_required = forms.BooleanField(
        label="Signed messages only",
        required=False,
        help_text="For your own programs: the header Halyard-Signature proves who wrote the message, and when.",
    )
    entry_stale_seconds = seconds("Entries at most", "Seconds old by their own time. An older one is set aside.")
    exit_stale_seconds = seconds("Exits at most", "Seconds old. A late exit still protects, so give it longer.")
    repeat_window_seconds = seconds(
        "The same message again", "Seconds in which it counts once, if it has neither time nor signalId.", 0
    )
    per_minute = forms.IntegerField(
        label="A minute", min_value=1, max_value=6_000, help_text="Deliveries each URL takes."
    )
    per_hour = forms.IntegerField(
        label="An hour", min_value=1, max_value=100_000, help_text="Deliveries each URL takes."
    )
    keep_days = forms.IntegerField(label="Keep for days", min_value=1, max_value=3650, required=False)

    def clean_allowed_addresses(self) -> tuple[str, ...]:
        try:
            return read_addresses(self.cleaned_data["allowed_addresses"])
        except Unusable as error:
            raise forms.ValidationError(str(error), error.code) from error

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            for name, sentence in self.settings().contradictions():
                self.add_error(name, sentence)
        return self.cleaned_data

    def settings(self) -> StrategySettings:
        """The settings of a valid form."""
        return StrategySettings(**self.cleaned_data | {"asset_class": Kind(self.cleaned_data["asset_class"])})

    @staticmethod
    def initial_of(values: StrategySettings) -> dict[str, Any]:
        """Settings as the fields' values, with lists as people write them."""
        return asdict(values) | {
            "allowed_tickers": " ".join(values.allowed_tickers),
            "allowed_addresses": "\n".join(values.allowed_addresses),
        }
