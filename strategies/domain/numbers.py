"""Decimals as people write them, and without the noise of the floats they were sent as."""

from __future__ import annotations

from decimal import Decimal

from brokers.domain.contracts.ticks import round_to_step, snap

__all__ = ["plain", "round_to_step", "snap"]


def plain(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
