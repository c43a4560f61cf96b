"""What the market made of a signal's price: the fill against it, as the trader feels it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.orders import Side

# Basis points. A real market is not that far from a signal that it is traded on a moment later.
FAR = Decimal(100)


@dataclass(frozen=True, slots=True)
class Slippage:
    """Above zero is money lost against the signal's price: paid more, or received less."""

    per_unit: Decimal
    amount: Decimal
    basis_points: Decimal

    @property
    def is_far(self) -> bool:
        """Whether fill and signal are of different markets, where the fill is simulated: then it says nothing."""
        return abs(self.basis_points) >= FAR


def slippage(
    side: Side, signal_price: Decimal | None, fill_price: Decimal | None, quantity: Decimal, multiplier: Decimal
) -> Slippage | None:
    """Slippage of a fill in the contract's currency; None without either price or a quantity."""
    if not signal_price or fill_price is None or not quantity:
        return None
    per_unit = (fill_price - signal_price) * side.sign
    return Slippage(
        per_unit=per_unit,
        amount=per_unit * quantity * multiplier,
        basis_points=per_unit / signal_price * 10_000,
    )
