"""Prices on the tick grid of their contract, and steps without the noise of the floats that they were sent as."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from brokers.domain.orders import Contract, Side

# 1194.6 arrives as 1194.6000000000001. A billionth is far above such noise, and far below any tick or unit.
NOISE = Decimal("1e-9")
_WHOLE = Decimal(1)
# In large numbers a billionth could reach the next step; then it is a thousandth of the step.
_MOST_OF_A_STEP = Decimal("0.001")


def snap(value: Decimal, step: Decimal = _WHOLE) -> Decimal:
    """The nearest multiple of `step` where the value is within a billionth of it, else the value as it is."""
    nearest = (value / step).to_integral_value(ROUND_HALF_EVEN) * step
    return nearest if abs(value - nearest) <= min(NOISE * max(abs(nearest), step), _MOST_OF_A_STEP * step) else value


def round_to_step(value: Decimal, rounding: str, step: Decimal = _WHOLE) -> Decimal:
    """The value on the grid of `step`; noise does not carry it to the next step."""
    return (snap(value, step) / step).to_integral_value(rounding) * step


def on_tick(contract: Contract, price: Decimal, side: Side) -> Decimal:
    """The price on the contract's tick grid: of a sell rounded up, of a buy down. It may come to zero."""
    rounding = ROUND_CEILING if side is Side.SELL else ROUND_FLOOR
    tick = contract.tick_at(price)
    if tick <= 0:
        return price
    rounded = round_to_step(price, rounding, tick)
    # Rounding may lead into another band, whose tick counts then.
    return round_to_step(rounded, rounding, contract.tick_at(rounded))
