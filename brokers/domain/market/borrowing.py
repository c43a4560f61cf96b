"""Whether a share can be borrowed, which a short sale needs: IBKR's word of a moment, and what is said of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

# What can be borrowed changes in the course of a day; what was said before tells nothing.
SAID_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrow:
    """What IBKR said of a share as of a moment: how many can be borrowed, at which rate in percent a year; None where it
    did not say. `none`: it says in words that there are none."""

    as_of: datetime
    shares: Decimal | None = None
    rate: Decimal | None = None
    none: bool = False

    @property
    def most(self) -> Decimal | None:
        """How many can be sold short now; None where IBKR does not say."""
        return Decimal(0) if self.none else self.shares

    def is_of(self, now: datetime) -> bool:
        """Whether it still says something."""
        return abs(now - self.as_of) <= SAID_FOR

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        said = {"shares": self.shares, "rate": self.rate}
        return {
            "as_of": self.as_of.isoformat(),
            "none": self.none,
            **{name: None if value is None else str(value) for name, value in said.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Borrow:
        """The inverse of `to_json`."""
        shares, rate = (None if values[name] is None else Decimal(values[name]) for name in ("shares", "rate"))
        return cls(as_of=datetime.fromisoformat(values["as_of"]), shares=shares, rate=rate, none=values["none"])
