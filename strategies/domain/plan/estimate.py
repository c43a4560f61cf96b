"""What an order is expected to cost, in figures and in one line."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import Any

from brokers.domain.orders import Role

# Figures of a nonsense order are long; they are shown, not computed with.
_LONG = Context(prec=80, rounding=ROUND_HALF_EVEN)
_CENT = Decimal("0.01")


class MarginSource(StrEnum):
    """Whose figure a margin is. `rule`: what follows from the price; `table`: the exchange's, as
    published; `usual`: at the usual rate of a class, of which IBKR asks another for some."""

    NOBODY = ""
    RULE = "rule"
    PREVIEW = "preview"
    OLD_PREVIEW = "old_preview"
    TABLE = "table"
    OLD_TABLE = "old_table"
    USUAL = "usual"

    @property
    def is_certain(self) -> bool:
        """Whether an order may be refused by it."""
        return self in {MarginSource.RULE, MarginSource.PREVIEW, MarginSource.TABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Fee, margin and the source of the figures; None where a fact is missing, and `notes` say which.

    `price` is per unit in the contract's currency, `fee` in `fee_currency`. In the account's `currency`: `margin` with the
    fee in it, zero for an order that only closes; `available` funds; and `own_fee`, None for a fee in another currency.
    `margin_note` says of an entry whose margin is not certain that IBKR decides. `power`: what of its class the account may
    open, in a sentence; "" where nobody knows.
    """

    role: Role
    price: Decimal | None = None
    price_from: str = ""
    fee: Decimal | None = None
    fee_currency: str = "USD"
    own_fee: Decimal | None = None
    margin: Decimal | None = None
    margin_from: MarginSource = MarginSource.NOBODY
    margin_note: str = ""
    available: Decimal | None = None
    currency: str = "USD"
    tables: str = ""
    power: str = ""
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The line for people: "Estimated fee 1.00 USD; margin needed 1,234.00 USD of 25,000.00 available." """
        parts = [self._fee(), self._margin()]
        return "; ".join(part for part in parts if part) + "." + "".join(f" {note}" for note in self._all_notes)

    @property
    def shortfall(self) -> str:
        """Why it is refused: "Margin needed 1,234.00 USD of 900.00 available." """
        line = self._margin()
        return line[0].upper() + line[1:] + "."

    @property
    def _all_notes(self) -> tuple[str, ...]:
        return (*self.notes, self.margin_note) if self.margin_note else self.notes

    def _fee(self) -> str:
        if self.fee is None:
            return "No fee estimated"
        return f"Estimated fee {money(self.fee)} {self.fee_currency}"

    def _margin(self) -> str:
        if self.role is not Role.ENTRY:
            return "no margin needed, since it only closes"
        if self.margin is None:
            return "margin unknown"
        whose = " by IBKR's preview" if self.margin_from is MarginSource.PREVIEW else ""
        needed = f"margin needed{whose} {money(self.margin)} {self.currency}"
        if self.available is None:
            return f"{needed}; what is available is not known yet"
        return f"{needed} of {money(self.available)} available"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, decimals as text and to the cent; a price as it is."""
        return {
            "role": str(self.role),
            "sentence": self.sentence,
            "fee": _cents(self.fee),
            "fee_currency": self.fee_currency,
            "margin": _cents(self.margin),
            "margin_from": str(self.margin_from),
            "available": _cents(self.available),
            "currency": self.currency,
            "price": None if self.price is None else f"{self.price.normalize(_LONG):f}",
            "price_from": self.price_from,
            "notes": list(self._all_notes),
            "tables": self.tables,
            "power": self.power,
        }


def money(value: Decimal) -> str:
    """To the cent, thousands grouped."""
    return f"{value.quantize(_CENT, context=_LONG):,f}"


def _cents(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.quantize(_CENT, context=_LONG):f}"
