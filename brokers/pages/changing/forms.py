"""What a person may fill in to change an order, or to protect a position."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django import forms

from brokers.domain.orders import OrderType, Role
from brokers.models import Order
from brokers.orders.modifications.checks import changeable
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
