"""Form fields of single settings, with the label and the choices that all pages use for them."""

from __future__ import annotations

from typing import Any

from django import forms

from strategies.display.labels import CHOICES, LABELS

NO_CHOICE = ("", "None")
OF_THE_SIGNAL = ("", "The signal's")
AS_ENTRIES = ("", "As entries")
BY_THEMSELVES = ("", "Futures always, shares as entries")


def word(name: str, help_text: str = "", *, none: tuple[str, str] | None = None, without: tuple[str, ...] = ()) -> Any:
    """A choice among the words of a setting. `none` is an empty choice, `without` names words to leave out."""
    choices = [(str(value), text) for value, text in CHOICES[name].items() if value not in without]
    return forms.ChoiceField(
        label=LABELS[name],
        choices=[*([none] if none else []), *choices],
        required=none is None,
        help_text=help_text,
    )


def number(name: str, help_text: str = "", label: str = "", *, required: bool = False) -> forms.DecimalField:
    """A decimal without bounds: `contradictions` checks those, with a sentence of its own."""
    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    return forms.DecimalField(
        label=label or LABELS[name],
        max_digits=24,
        decimal_places=8,
        required=required,
        help_text=help_text,
        widget=widget,
    )


def whole(name: str, help_text: str = "", *, required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(label=LABELS[name], required=required, help_text=help_text)


def switch(name: str, help_text: str = "") -> forms.BooleanField:
    return forms.BooleanField(label=LABELS[name], required=False, help_text=help_text)
