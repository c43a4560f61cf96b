"""What a person may fill in to change an order, or to protect a position."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django import forms

from brokers.domain.contracts.lifetimes import has_an_end_to_move, in_words
from brokers.domain.orders import Lifetime, OrderType, Role
from brokers.models import Order
from brokers.orders.modifications.checks import changeable
from brokers.orders.modifications.ends import worked
from brokers.orders.modifications.words import of_a_combo

_LABELS = {
    "stop_price": "Stop",
    "limit_price": "Limit",
    "trail_amount": "Trail by an amount",
    "trail_percent": "Trail by percent",
    "quantity": "Size",
}


def price(label: str, help_text: str = "", *, first: bool = False) -> forms.DecimalField:
    """An amount above zero, which may be left empty."""
    attributes: dict[str, Any] = {"inputmode": "decimal", "step": "any", "autocomplete": "off"}
    return forms.DecimalField(
        label=label,
        max_digits=24,
        decimal_places=8,
        min_value=Decimal("0.00000001"),
        required=False,
        help_text=help_text,
        error_messages={"min_value": "Fill in a number above zero."},
        widget=forms.NumberInput(attrs=attributes | ({"autofocus": True} if first else {})),
    )


class ChangeForm(forms.Form):
    """The new values of an order; what is left empty stays as it is."""

    def __init__(self, *args: Any, order: Order, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = changeable(OrderType(order.type), Role(order.role), divided=bool(order.fa_group))
        for number, name in enumerate(self.names):
            now = getattr(order, name)
            shown = "" if now is None else f"{now.normalize():f}"
            about = of_a_combo(order) if name == "limit_price" else ""
            field = price(self._label(order, name), f"Now {shown}.{about}" if shown else "Not set.", first=not number)
            field.widget.attrs["placeholder"] = shown
            self.fields[name] = field
        self.has_end = has_an_end_to_move(worked(order))
        if self.has_end:
            self._add_end(order)

    def _add_end(self, order: Order) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        now = "Now till it is canceled." if order.good_till is None else f"Now {in_words(Lifetime(order.good_till))}."
        self.fields["good_till"] = forms.DateTimeField(
            label="Good till (UTC)",
            required=False,
            widget=widget,
            help_text=f"{now} Halyard cancels then what has not filled; IBKR is told nothing of it.",
            error_messages={"invalid": "Write a day and a time, such as 2026-12-04T15:30."},
        )
        if order.good_till is not None:
            self.fields["until_canceled"] = forms.BooleanField(
                label="Good till canceled", required=False, help_text="It has no date any more."
            )

    def clean(self) -> dict[str, Any]:
        """A date, or none: not both."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("good_till") and values.get("until_canceled"):
            self.add_error("good_till", "Fill in a date, or let it work till it is canceled: not both.")
        return values

    def lifetime(self) -> Lifetime | None:
        """Its new end; None where that stays."""
        if self.cleaned_data.get("until_canceled"):
            return Lifetime(None)
        at = self.cleaned_data.get("good_till")
        return None if at is None else Lifetime(at)

    @staticmethod
    def _label(order: Order, name: str) -> str:
        return "Target" if order.role == "take_profit" and name == "limit_price" else _LABELS[name]

    def values(self) -> dict[str, Decimal]:
        """What is to be changed, by the columns of the order."""
        filled = {name: self.cleaned_data[name] for name in self.names}
        return {name: value for name, value in filled.items() if value is not None}


class ProtectForm(forms.Form):
    """The stop and the target that a position is to have; those that it lacks are asked for."""

    def __init__(self, *args: Any, lacks: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number, (name, label, help_text) in enumerate(
            (
                ("stop_price", "Stop", "Once the market trades there, a market order closes the position."),
                ("limit_price", "Target", "At this price or a better one the position is closed with its profit."),
            )
        ):
            if name in lacks:
                self.fields[name] = price(label, help_text, first=not number)

    def values(self) -> dict[str, Decimal]:
        """What is to be placed, by name."""
        return {name: value for name, value in self.cleaned_data.items() if value is not None}
