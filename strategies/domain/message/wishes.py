"""What a signal says of the option that it wants out of a chain."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from strategies.domain.numbers import plain

RIGHTS = {"call": "C", "put": "P"}


@dataclass(frozen=True, slots=True)
class Wish:
    """The option fields of a message: what to choose from the chain."""

    type: str | None = None  # both, call, put
    intrinsic: str | None = None  # itm, otm
    expiration: str | None = None  # 2026-12-18, or relative: +6 months
    strike_count: int | None = None
    strikes_away: int | None = None
    strike_price: Decimal | None = None

    def canonical(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "type": self.type,
            "intrinsic": self.intrinsic,
            "expiration": self.expiration,
            "strike_count": self.strike_count,
            "strikes_away": self.strikes_away,
            "strike_price": None if self.strike_price is None else plain(self.strike_price),
        }
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_reading(cls, values: dict[str, Any]) -> Wish:
        price = values.get("strike_price")
        return cls(**(values | {"strike_price": None if price is None else Decimal(price)}))


NO_WISH = Wish()
