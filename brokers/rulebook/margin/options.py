"""Margin of equity and index options: the premium when bought, a share of the underlying when written."""

from decimal import Decimal

from brokers.rulebook import tables
from brokers.rulebook.errors import BadInput, UnsupportedAssetClass
from brokers.rulebook.values import ONE, ZERO, Instrument
from brokers.rulebook.words import Right

_RATES = tables.read("models")["option_margin"]
FLOOR = Decimal(_RATES["floor"])
SHARES = {kind: Decimal(rate) for kind, rate in _RATES.items() if kind != "floor"}


def short_margin_per_unit(instrument: Instrument, underlying_price: Decimal, premium: Decimal) -> Decimal:
    """What a written option needs per share of its underlying, in the option's currency; BadInput without right or strike."""
    share = SHARES.get(instrument.asset_class)
    if share is None:
        raise UnsupportedAssetClass(instrument.asset_class)
    strike, call = _contract(instrument)
    if instrument.strike_multiplier <= 0:
        raise BadInput("strike_multiplier", problem="it must be more than zero")
    underlying = underlying_price / instrument.strike_multiplier
    # The out-of-the-money amount is taken before scaling; only the underlying itself is scaled.
    gap = underlying_price - strike * instrument.strike_multiplier
    out_of_the_money = max(ZERO, -gap if call else gap)
    floor = FLOOR * (underlying if call else strike)
    return premium + max(floor, share * underlying - out_of_the_money)


def option_initial_margin(
    instrument: Instrument, quantity: Decimal, underlying_price: Decimal, premium: Decimal, *, fx_rate: Decimal = ONE
) -> Decimal:
    """Signed like the quantity: the premium for buyers, the written margin for sellers."""
    unit = premium if quantity >= 0 else short_margin_per_unit(instrument, underlying_price, premium)
    return quantity * instrument.multiplier * unit * fx_rate


def option_maintenance_margin(
    instrument: Instrument,
    quantity: Decimal,
    underlying_price: Decimal,
    premium_basis: Decimal,
    *,
    fx_rate: Decimal = ONE,
) -> Decimal:
    """Nothing for long options; for written ones the entry premium counts, not the current one."""
    if quantity >= 0:
        return ZERO
    unit = short_margin_per_unit(instrument, underlying_price, premium_basis)
    return abs(quantity) * instrument.multiplier * unit * fx_rate


def _contract(instrument: Instrument) -> tuple[Decimal, bool]:
    if instrument.strike is None or instrument.right not in (Right.CALL, Right.PUT):
        raise BadInput("right", problem="an option needs a right (call or put) and a strike")
    return instrument.strike, instrument.right == Right.CALL
