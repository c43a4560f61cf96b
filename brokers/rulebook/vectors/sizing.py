"""How many can I buy: the quantity that brings a holding to a target of the account's money."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from brokers.rulebook.errors import BadInput, TargetOutOfRange
from brokers.rulebook.margin.options import short_margin_per_unit
from brokers.rulebook.values import ONE, ZERO, Instrument
from brokers.rulebook.words import FUTURE_CLASSES


def amount_to_order(target_margin: Decimal, margin_per_unit: Decimal, holding: Decimal, lot_size: Decimal) -> Decimal:
    """The change that brings the holding's margin as near to the target as whole lots allow, never beyond it."""
    if margin_per_unit <= 0 or lot_size <= 0:
        raise BadInput("margin_per_unit and lot_size", problem="both must be more than zero")
    lots = (target_margin / margin_per_unit - holding) / lot_size
    rounded = lots.to_integral_value(ROUND_CEILING if target_margin < 0 else ROUND_FLOOR)
    final = holding + rounded * lot_size
    step = lot_size if final < 0 else -lot_size
    # Rounding leaves the target at most one lot behind, so one step toward zero is enough.
    if abs(final * margin_per_unit) > abs(target_margin) and final * (final + step) >= 0:
        final += step
    return final - holding


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The account's worth, the holding, and what one more unit needs: money of the account, units signed."""

    total_value: Decimal
    margin_per_unit: Decimal
    holding: Decimal = ZERO
    lot_size: Decimal = ONE
    fee: Decimal = ZERO
    required_free_fraction: Decimal = ZERO


def quantity_for_target(target: Decimal, budget: Budget, *, asset_class: str = "") -> Decimal:
    """The quantity that takes the holding to `target`, a share of the account's worth, with the order's fee paid too.

    TargetOutOfRange for a future whose target is not between -1 and 1; BadInput for a margin or a lot size of zero.
    """
    if asset_class in FUTURE_CLASSES and abs(target) > 1:
        raise TargetOutOfRange(target)
    holding, margin, lot_size = budget.holding, budget.margin_per_unit, budget.lot_size
    if target == 0:
        return -holding
    kept_free = budget.total_value * budget.required_free_fraction
    quantity = amount_to_order(target * (budget.total_value - kept_free), margin, holding, lot_size)
    if quantity == 0:
        return quantity
    after_fee = target * (budget.total_value - budget.fee - kept_free)
    if abs((holding + quantity) * margin) <= abs(after_fee):
        return quantity
    return amount_to_order(after_fee, margin, holding, lot_size)


def buffered_target(weight: Decimal, leverage: Decimal, total_value: Decimal, kept_as_cash: Decimal) -> Decimal:
    """A weight as a share of buying power, with a part of the account left in cash."""
    if total_value == 0:
        return ZERO
    if leverage <= 0:
        raise BadInput("leverage", problem="it must be more than zero")
    return weight / leverage * (total_value - kept_as_cash) / total_value


def quantity_for_delta(delta: Decimal, used_margin: Decimal, budget: Budget) -> Decimal:
    """The quantity that changes the margin in use by `delta`; both are signed like the position."""
    target = (used_margin + delta) / budget.total_value if budget.total_value else ZERO
    return quantity_for_target(target, budget)


def option_margin_per_unit(
    instrument: Instrument, target: Decimal, premium: Decimal, underlying_price: Decimal
) -> Decimal:
    """What one contract needs: its premium when the target is bought, the written margin when it is sold."""
    unit = premium if target > 0 else short_margin_per_unit(instrument, underlying_price, premium)
    return unit * instrument.multiplier
