"""The position that the sender's own strategy held before its order and holds after it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from strategies.domain.numbers import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPosition:
    """Signed units of the sender's strategy around one order. `size_before` is unsigned: its side was not sent."""

    before: Decimal | None = None
    after: Decimal | None = None
    size_before: Decimal | None = None

    def canonical(self) -> dict[str, str]:
        values = {"before": self.before, "after": self.after, "size_before": self.size_before}
        return {name: plain(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_reading(cls, values: dict[str, Any]) -> SenderPosition:
        return cls(**{name: Decimal(value) for name, value in values.items()})

    def opened(self, quantity: Decimal, sign: int, held: Decimal) -> Decimal | None:
        """Units of a reversal's `quantity` that open the new side; None where the order closes nothing, or that is unknown.

        `sign`: of the order. `held`: our own signed position. A size without its side is taken for the other side, unless
        we hold the order's own side, so that the order adds.
        """
        if self.before is not None:
            closed = abs(self.before) if self.before * sign < 0 else None
        else:
            closed = self.size_before if held * sign <= 0 else None
        return quantity - closed if closed and closed < quantity else None


UNKNOWN = SenderPosition()
