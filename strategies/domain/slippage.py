"""What the market made of a signal's price: the fill against it, as the trader feels it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.orders import Side


@dataclass(frozen=True, slots=True)
class Slippage:
    """Above zero is money lost against the signal's price: paid more, or received less."""

    per_unit: Decimal
    amount: Decimal
    basis_points: Decimal


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
