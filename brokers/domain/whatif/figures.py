"""A preview in figures, and as JSON: margin and equity before and after, the fee, the warning, the refusal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any


class WhatIfStatus(StrEnum):
    """asked: the question waits or is on its way. unanswered: the broker gave no preview, and the reason says why."""

    ASKED = "asked"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """An amount in the account's currency before the order, by how much it changes, and after it; None where not said."""

    before: Decimal | None = None
    change: Decimal | None = None
    after: Decimal | None = None

    @property
    def is_known(self) -> bool:
        return self.change is not None or self.after is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """The fee that the broker expects: between `least` and `most`, the same where it names one figure."""

    least: Decimal
    most: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPreview:
    """What an order would change. Margin and equity are in the account's currency.

    `warning`: what the broker has to say about an order that it would take. `refusal`: why it would not take it, in its
    words; `short`: because the account is short of money.
    """

    equity: Figure = Figure()
    initial: Figure = Figure()
    maintenance: Figure = Figure()
    commission: Commission | None = None
    warning: str = ""
    refusal: str = ""
    short: bool = False

    @property
    def initial_margin(self) -> Decimal | None:
        """By how much the initial margin changes."""
        return self.initial.change

    @property
    def says_something(self) -> bool:
        """Whether the broker gave a margin or a refusal; a preview without either is none."""
        return bool(self.refusal) or self.initial.is_known

    @property
    def beyond_worth(self) -> tuple[str, Decimal] | None:
        """The margin after the order that is more than the account would be worth then, or that is none, by its name."""
        worth = self.equity.after
        for name, margin in (("initial", self.initial.after), ("maintenance", self.maintenance.after)):
            if margin is not None and (margin < 0 or (worth is not None and margin > worth)):
                return name, margin
        return None

    @property
    def is_short(self) -> bool:
        """Whether the account would be worth less than nothing, or than its margin, though no word refuses the order."""
        worth = self.equity.after
        return (worth is not None and worth < 0) or self.beyond_worth is not None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, decimals as text."""
        commission = self.commission
        return {
            **{name: _figure_json(getattr(self, name)) for name in _FIGURES},
            "commission": None
            if commission is None
            else {"least": f"{commission.least:f}", "most": f"{commission.most:f}", "currency": commission.currency},
            "warning": self.warning,
            "refusal": self.refusal,
            "short": self.short,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> OrderPreview:
        """The inverse of `to_json`; a figure that cannot be read is none."""
        commission = values.get("commission")
        return cls(
            equity=_figure_from(values.get("equity")),
            initial=_figure_from(values.get("initial")),
            maintenance=_figure_from(values.get("maintenance")),
            commission=_commission_from(commission) if isinstance(commission, Mapping) else None,
            warning=str(values.get("warning") or ""),
            refusal=str(values.get("refusal") or ""),
            short=values.get("short") is True,
        )


_FIGURES = ("equity", "initial", "maintenance")


def _figure_json(figure: Figure) -> dict[str, str | None]:
    parts = {"before": figure.before, "change": figure.change, "after": figure.after}
    return {name: None if value is None else f"{value:f}" for name, value in parts.items()}


def _figure_from(values: Any) -> Figure:
    if not isinstance(values, Mapping):
        return Figure()
    return Figure(**{name: _decimal(values.get(name)) for name in ("before", "change", "after")})


def _commission_from(values: Mapping[str, Any]) -> Commission | None:
    least, most = _decimal(values.get("least")), _decimal(values.get("most"))
    if least is None or most is None:
        return None
    return Commission(least=least, most=most, currency=str(values.get("currency") or "USD"))


def _decimal(value: Any) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
