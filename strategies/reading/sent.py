"""The fields a message was sent with: blank ones left out, formulas computed, what we noticed written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from strategies.domain.message import formulas
from strategies.domain.message.refusals import Refused, invalid
from strategies.reading import fields
from strategies.reading.strict_json import printable

MOST_WARNINGS = 50
FORMULA_PLACES = 12

OPTION_FIELDS = ("optionType", "intrinsicValue", "expiration", "strikeCount", "strikesAway", "strikePrice")
KNOWN = frozenset(
    {
        "ticker",
        "action",
        "sentiment",
        "signalPrice",
        "price",
        "orderType",
        "limitPrice",
        "stopPrice",
        "trailAmount",
        "trailPercent",
        "quantity",
        "quantityType",
        "takeProfit",
        "stopLoss",
        "timeInForce",
        "extendedHours",
        "time",
        "interval",
        "ignoreTradingWindows",
        "cancel",
        "cancelOrderType",
        "cancelAfter",
        "delay",
        "breakevenOffset",
        "bidAskSpreadFilter",
        "bidAskSpreadFilterPercent",
        "marketPriceType",
        "extras",
        "expiresAt",
        "message",
        "tags",
        "test",
        "signalId",
        "targetQuantity",
        *OPTION_FIELDS,
    }
)
_NO_FORMULA = frozenset({"ticker", "action", "test", "cancel"})


class Given:
    """One message's fields."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.warnings: list[str] = []
        self.blank = sorted(name for name, value in values.items() if name in KNOWN and fields.is_blank(value))
        self.known = {name: value for name, value in values.items() if name in KNOWN and name not in self.blank}

    def compute(self) -> None:
        """Replace every formula by its value, in takeProfit and stopLoss too; refuse it anywhere else inside."""
        for name, value in self.values.items():
            if isinstance(value, (dict, list)):
                self._compute_inside(name, value)
            elif isinstance(value, str) and value.startswith("=") and name in KNOWN:
                if name in _NO_FORMULA:
                    raise blacklisted(name)
                self.known[name] = self._computed(name, value)

    def _compute_inside(self, name: str, value: Any) -> None:
        if name in {"takeProfit", "stopLoss"} and isinstance(value, dict):
            self.known[name] = {
                key: self._computed(f"{name}.{key}", inner) if isinstance(inner, str) and inner[:1] == "=" else inner
                for key, inner in value.items()
            }
        elif name != "extras" and _holds_formula(value):
            shown = printable(name)
            raise invalid(
                "invalid-formula-nested",
                f"The formula inside {shown} is not computed there. Move it to the top level of the message.",
                field=shown,
            )

    def _computed(self, name: str, value: str) -> Any:
        found = formulas.evaluate(value[1:], name, self.values, fields.number)
        # A third has more digits than any price.
        if isinstance(found, Decimal) and found.adjusted() < fields.MOST_DIGITS_BEFORE_THE_POINT:
            return round(found, FORMULA_PLACES)
        return found

    def take(self, name: str) -> Any:
        return self.known.get(name)

    def each(self, name: str, read: Callable[[Any], Any]) -> Any:
        """The field read, or None when it was not sent."""
        return read(self.known[name]) if name in self.known else None

    def has_none_of(self, names: Iterable[str]) -> bool:
        """The short way past fields that most messages do not have."""
        return self.known.keys().isdisjoint(names)

    def drop(self, name: str) -> None:
        """An informational field that cannot be used: the order does not depend on it."""
        self.warnings.append(f"ignored-{name}")

    def noticed(self) -> tuple[str, ...]:
        """The warnings as codes: ignored, blank, unknown."""
        unknown = sorted(self.values.keys() - KNOWN)[:MOST_WARNINGS]
        return (
            *self.warnings[:MOST_WARNINGS],
            *(f"blank-field:{name}" for name in self.blank),
            *(f"unknown-field:{printable(name)}" for name in unknown),
        )


def _holds_formula(value: object) -> bool:
    if isinstance(value, str):
        return value.startswith("=")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_holds_formula(one) for one in inner)


def blacklisted(name: str) -> Refused:
    return invalid(
        "invalid-formula-blacklisted-field", f"{name} cannot be a formula. Write the value itself.", field=name
    )
