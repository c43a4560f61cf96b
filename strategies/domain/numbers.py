"""Decimals as people write them, and without the noise of the floats they were sent as."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

# 1194.6 arrives as 1194.6000000000001. A billionth is far above such noise, and far below any tick or unit.
NOISE = Decimal("1e-9")
_WHOLE = Decimal(1)
# In large numbers a billionth could reach the next step; then it is a thousandth of the step.
_MOST_OF_A_STEP = Decimal("0.001")


def plain(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def snap(value: Decimal, step: Decimal = _WHOLE) -> Decimal:
    """The nearest multiple of `step` where the value is within a billionth of it, else the value as it is."""
    nearest = (value / step).to_integral_value(ROUND_HALF_EVEN) * step
    return nearest if abs(value - nearest) <= min(NOISE * max(abs(nearest), step), _MOST_OF_A_STEP * step) else value


def round_to_step(value: Decimal, rounding: str, step: Decimal = _WHOLE) -> Decimal:
    """The value on the grid of `step`; noise does not carry it to the next step."""
    return (snap(value, step) / step).to_integral_value(rounding) * step
