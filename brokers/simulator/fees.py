"""What a fill costs."""

from __future__ import annotations

from decimal import Decimal

from brokers.simulator.catalogue import Instrument

_CENT = Decimal("0.01")


def commission(instrument: Instrument, quantity: Decimal, price: Decimal) -> Decimal:
    """The fixed-pricing commission of one order's fill, in the account's base currency."""
    if instrument.sec_type == "FUT":
        return (quantity * Decimal("2.25")).quantize(_CENT)
    if instrument.sec_type == "CASH":
        return max(quantity * price * Decimal("0.00002"), Decimal(2)).quantize(_CENT)
    full = max(quantity * Decimal("0.005"), Decimal(1))
    return min(full, quantity * price * _CENT).quantize(_CENT)
