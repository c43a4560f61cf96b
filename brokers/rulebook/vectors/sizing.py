"""How many can I buy: the quantity that brings a holding to a target of the account's money."""

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


def quantity_for_target(
    target: Decimal,
    *,
    total_value: Decimal,
    margin_per_unit: Decimal,
    holding: Decimal = ZERO,
    lot_size: Decimal = ONE,
    fee: Decimal = ZERO,
    required_free_fraction: Decimal = ZERO,
    asset_class: str = "",
) -> Decimal:
    """The quantity for a share of the account's value, once the fee of the order is paid as well."""
    if asset_class in FUTURE_CLASSES and abs(target) > 1:
        raise TargetOutOfRange(target)
    if target == 0:
        return -holding
    kept_free = total_value * required_free_fraction
    quantity = amount_to_order(target * (total_value - kept_free), margin_per_unit, holding, lot_size)
    if quantity == 0:
        return quantity
    after_fee = target * (total_value - fee - kept_free)
    if abs((holding + quantity) * margin_per_unit) <= abs(after_fee):
        return quantity
    return amount_to_order(after_fee, margin_per_unit, holding, lot_size)


def buffered_target(weight: Decimal, leverage: Decimal, total_value: Decimal, kept_as_cash: Decimal) -> Decimal:
    """A weight as a share of buying power, with a part of the account left in cash."""
    if total_value == 0:
        return ZERO
    if leverage <= 0:
        raise BadInput("leverage", problem="it must be more than zero")
    return weight / leverage * (total_value - kept_as_cash) / total_value


def quantity_for_delta(
    delta: Decimal,
    *,
    used_margin_signed: Decimal,
    total_value: Decimal,
    margin_per_unit: Decimal,
    holding: Decimal = ZERO,
    lot_size: Decimal = ONE,
    fee: Decimal = ZERO,
) -> Decimal:
    """The quantity that changes the margin in use by a signed amount."""
    target = (used_margin_signed + delta) / total_value if total_value else ZERO
    return quantity_for_target(
        target,
        total_value=total_value,
        margin_per_unit=margin_per_unit,
        holding=holding,
        lot_size=lot_size,
        fee=fee,
    )


def option_quantity_for_target(
    instrument: Instrument,
    target: Decimal,
    *,
    total_value: Decimal,
    premium: Decimal,
    underlying_price: Decimal,
    holding: Decimal = ZERO,
    lot_size: Decimal = ONE,
    fee: Decimal = ZERO,
) -> Decimal:
    """Bought options cost their premium, written ones their margin: the side aimed at decides."""
    unit = premium if target > 0 else short_margin_per_unit(instrument, underlying_price, premium)
    return quantity_for_target(
        target,
        total_value=total_value,
        margin_per_unit=unit * instrument.multiplier,
        holding=holding,
        lot_size=lot_size,
        fee=fee,
    )
