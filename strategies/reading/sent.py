"""The fields a message was sent with: blank ones left out, formulas computed, warnings collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Concatenate, ParamSpec, TypeVar

from strategies.domain.message import formulas
from strategies.domain.message.message import MOST_RUNGS
from strategies.domain.message.refusals import Refused, invalid
from strategies.reading import fields
from strategies.reading.strict_json import printable

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

MOST_WARNINGS = 50
FORMULA_PLACES = 12

OPTION_FIELDS = fields.names("optionType intrinsicValue expiration strikeCount strikesAway strikePrice")
KNOWN = frozenset(
    (
        *fields.names("ticker exchange action sentiment signalPrice price quantity quantityType targetQuantity"),
        *fields.names(
            "orderType limitPrice stopPrice touchPrice trailAmount trailPercent limitOffset takeProfit stopLoss"
        ),
        *fields.names(
            "timeInForce goodTillDate extendedHours time interval ignoreTradingWindows cancel cancelOrderType"
        ),
        *fields.names("cancelAfter delay breakevenOffset bidAskSpreadFilter bidAskSpreadFilterPercent"),
        *fields.names("marketPriceType extras expiresAt message tags test signalId orderId entryId legs"),
        *fields.names("marketPosition marketPositionSize prevMarketPosition prevMarketPositionSize"),
        *OPTION_FIELDS,
    )
)
# TradingView's own names of its placeholders, as many texts spell them.
_SPELLINGS = {
    "market_position": "marketPosition",
    "market_position_size": "marketPositionSize",
    "prev_market_position": "prevMarketPosition",
    "prev_market_position_size": "prevMarketPositionSize",
    "order_id": "orderId",
}
_POSITIONS = frozenset({"long", "short", "flat"})
_NO_FORMULA = frozenset({"ticker", "action", "test", "cancel"})


class SentFields:
    """The fields of one message, and the warnings that reading them gave."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.warnings: list[str] = []
        self.blank = sorted(name for name, value in values.items() if name in KNOWN and fields.is_absent(value))
        self.known = {name: value for name, value in values.items() if name in KNOWN and name not in self.blank}
        self.respelled = [name for name in _SPELLINGS if name in values and self._respell(name, values[name])]

    def _respell(self, name: str, value: object) -> bool:
        """Take a field by TradingView's own name, where what it holds is TradingView's too."""
        field = _SPELLINGS[name]
        if field in self.values or not isinstance(value, (str, int, Decimal)) or fields.is_absent(value):
            return False
        if field.endswith("Size"):
            usable = fields.number(value) is not None
        elif field.endswith("Position"):
            usable = str(value).strip().lower() in _POSITIONS
        else:
            usable = True
        if usable or fields.find_placeholder(value):
            self.known[field] = value
        return field in self.known

    def compute(self) -> None:
        """Replace each formula by its value, those inside takeProfit and stopLoss too; refuse any other nested one."""
        for name, value in self.values.items():
            if isinstance(value, (dict, list)):
                self._compute_inside(name, value)
            elif isinstance(value, str) and value.startswith("=") and name in KNOWN:
                if name in _NO_FORMULA:
                    raise blacklisted(name)
                self.known[name] = self._computed(name, value)

    def _compute_inside(self, name: str, value: Any) -> None:
        if name in {"takeProfit", "stopLoss"} and isinstance(value, dict):
            self.known[name] = self._computed_leg(name, value)
        elif name == "takeProfit" and isinstance(value, list) and all(isinstance(rung, dict) for rung in value):
            # What is too long is refused by its reader, and nothing of it is computed before.
            rungs = value[:MOST_RUNGS]
            self.known[name] = [self._computed_leg(f"{name}[{at}]", rung) for at, rung in enumerate(rungs, 1)]
            self.known[name] += value[MOST_RUNGS:]
        elif name != "extras" and _holds_formula(value):
            shown = printable(name)
            raise invalid(
                "invalid-formula-nested",
                f"The formula inside {shown} is not computed there. Move it to the top level of the message.",
                field=shown,
            )

    def _computed_leg(self, name: str, leg: dict[str, Any]) -> dict[str, Any]:
        return {
            key: self._computed(f"{name}.{key}", inner) if isinstance(inner, str) and inner[:1] == "=" else inner
            for key, inner in leg.items()
        }

    def _computed(self, name: str, formula: str) -> Any:
        value = formulas.evaluate(formula[1:], name, self.values, fields.number)
        # A third has more digits than any price.
        if isinstance(value, Decimal) and value.adjusted() < fields.MOST_DIGITS_BEFORE_THE_POINT:
            return round(value, FORMULA_PLACES)
        return value

    def value(self, name: str) -> Any:
        """The field as it was sent; None when it was not."""
        return self.known.get(name)

    def read(
        self,
        name: str,
        reader: Callable[Concatenate[str, Any, Arguments], Value],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Value | None:
        """What `reader(name, value, *arguments)` makes of the field; None when it was not sent."""
        return reader(name, self.known[name], *arguments, **options) if name in self.known else None

    def has_none_of(self, names: Iterable[str]) -> bool:
        """The short way past fields that most messages do not have."""
        return self.known.keys().isdisjoint(names)

    def ignore(self, name: str) -> None:
        """Warn of an unusable field that only informs: the order does not depend on it."""
        self.warnings.append(f"ignored-{name}")

    def warning_codes(self) -> tuple[str, ...]:
        """All warnings: those of reading, then blank fields, then unknown ones."""
        unknown = sorted(self.values.keys() - KNOWN - set(self.respelled))[:MOST_WARNINGS]
        return (
            *self.warnings[:MOST_WARNINGS],
            *(f"blank-field:{name}" for name in self.blank),
            *(f"unknown-field:{printable(name)}" for name in unknown),
        )


def _holds_formula(value: object) -> bool:
    if isinstance(value, str):
        return value.startswith("=")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_holds_formula(part) for part in inner)


def blacklisted(name: str) -> Refused:
    return invalid(
        "invalid-formula-blacklisted-field", f"{name} cannot be a formula. Write the value itself.", field=name
    )
