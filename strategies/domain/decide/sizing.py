"""How many: from units, money, risk or a share of something to whole units. Never a hidden 1, never a guessed rate."""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from brokers.domain.contracts.options import named
from brokers.domain.orders import OPTIONS, AssetClass, Side
from brokers.domain.sentences import grouped
from brokers.rulebook.products.abroad import lot_of
from strategies.domain.decide.case import Case
from strategies.domain.message.message import Action
from strategies.domain.numbers import round_to_step, snap
from strategies.domain.plan import combos
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg, Source
from strategies.domain.terms.terms import QuantityType, Rounding

HUNDRED = Decimal(100)
_HALF = Decimal("0.5")
_OF_EQUITY = frozenset({QuantityType.PERCENT_OF_EQUITY, QuantityType.RISK_PERCENT})
_RISK = frozenset({QuantityType.RISK_AMOUNT, QuantityType.RISK_PERCENT})


def entry_quantity(case: Case, price: Decimal | None, distance: Decimal | None) -> Decimal | Rejection:
    """Whole units of an entry: the signal's quantity, else the subscription's.

    `price` is what it is reckoned to fill at, `distance` how far from there its stop is.
    """
    if case.entry.quantity.value is None:
        return Rejection(
            rule="S01",
            code="quantity-required",
            reason="Neither the signal nor the subscription says how many. Send `quantity`, or set one in the terms.",
        )
    units = measure_units(case, Leg.ENTRY, price, distance)
    if isinstance(units, Rejection):
        return units
    rounded = whole_units(units, case.terms.rounding)
    if rounded <= 0:
        return Rejection(
            rule="S02",
            code="quantity-zero",
            reason=f"{_shown(units)} is less than one whole unit, and IBKR takes no fractions here. Send at least 1.",
        )
    return rounded


def in_lots(case: Case, amount: Decimal) -> Decimal | Rejection:
    """As many units of an entry as make whole lots: a size that was worked out is rounded down, one that was sent has to fit."""
    of_each = lot(case)
    if of_each == 1:
        return amount
    over = amount % of_each
    fits = amount - over
    if not over or (fits and case.entry.quantity_type.value is not QuantityType.FIXED):
        return fits
    ways = f"{grouped(fits)} or {grouped(fits + of_each)}" if fits else f"{of_each} or a multiple of it"
    reason = (
        f"{case.ticker} trades in lots of {of_each}, and {_shown(amount)} makes no whole number of them. Send {ways}."
    )
    return Rejection(rule="S10", code="quantity-not-in-lots", reason=reason)


def part_in_lots(case: Case, amount: Decimal) -> Decimal | Rejection:
    """As many units of an exit from a part of the position as make whole lots. All of a position leaves whatever it makes."""
    of_each = lot(case)
    fits = amount if of_each == 1 else amount - amount % of_each
    if fits:
        return fits
    reason = (
        f"{case.ticker} trades in lots of {of_each}, and the part to exit is {_shown(amount)}. "
        f"Send {of_each} or more, or no quantity to exit all."
    )
    return Rejection(rule="S10", code="quantity-not-in-lots", reason=reason)


def lot(case: Case) -> int:
    """How many units make a lot of the contract; one where it has none, or IBKR has not said."""
    return lot_of(case.ticker, None if case.snapshot.rules is None else case.snapshot.rules.size_step)


def measure_units(case: Case, leg: Leg, price: Decimal | None, distance: Decimal | None = None) -> Decimal | Rejection:
    """The quantity in units, not rounded yet."""
    settings = case.settings(leg)
    quantity, kind = settings.quantity.value or Decimal(0), settings.quantity_type.value
    if kind is QuantityType.PERCENT_OF_POSITION:
        if not case.held:
            reason = f"There is no position in {case.ticker} to take {grouped(quantity)} % of."
            return Rejection(rule="S05", code="no-position-to-measure", reason=reason)
        return case.held * quantity / HUNDRED
    if settings.quantity.source is Source.SIGNAL:
        if leg is Leg.ENTRY:
            quantity = opened_units(case) or quantity
        quantity *= case.terms.quantity_multiplier
    if kind is QuantityType.FIXED:
        return quantity
    if kind in _OF_EQUITY:
        basis = _equity(case)
        if isinstance(basis, Rejection):
            return basis
        quantity = basis * quantity / HUNDRED
    per_unit = distance if kind in _RISK else price
    if kind is QuantityType.NOTIONAL:
        per_unit = _notional(case, price)
    elif leg is Leg.ENTRY and case.side is not None and kind not in _RISK and price is not None and price > 0:
        per_unit = exposure(case, case.side, price)
    if per_unit is None or per_unit <= 0:
        return _cannot_measure(kind, case.about_quote)
    value = unit_value(case, per_unit, price)
    return value if isinstance(value, Rejection) else quantity / value


def opened_units(case: Case) -> Decimal | None:
    """Units of the signal's quantity that open a position, where the sender says that the rest closes another one."""
    message, side = case.message, case.side
    if side is None or message.quantity is None or message.quantity_type != QuantityType.FIXED:
        return None
    sign = 1 if message.action is Action.BUY else -1
    # An inverted put is held on the other side than the sender's.
    return message.sender_position.opened(message.quantity, sign, case.position * side.sign * sign)


def _cannot_measure(kind: QuantityType, about_quote: str) -> Rejection:
    if kind in _RISK:
        reason = f"A quantity by {kind} needs a stop loss with a price or a distance. Send `stopLoss`."
        return Rejection(rule="S06", code="stop-loss-required", reason=reason)
    return Rejection(
        rule="P01",
        code="price-required",
        reason=f"A quantity by {kind} needs a price here: send `price` in the signal.{about_quote}",
    )


def _equity(case: Case) -> Decimal | Rejection:
    """What percentages are of: the account's worth without the profit that is not taken yet."""
    equity = case.snapshot.equity
    basis = None if equity is None else equity - (case.snapshot.unrealized_pnl or Decimal(0))
    if basis is None or basis <= 0:
        known = "not known yet" if basis is None else "not above zero"
        reason = f"The account's equity is {known}, so no percentage of it can be ordered. Send a fixed quantity."
        return Rejection(rule="S07", code="equity-unknown", reason=reason)
    return basis


def unit_value(case: Case, amount: Decimal, price: Decimal | None) -> Decimal | Rejection:
    """An amount per unit, in money of the account: times the multiplier and the exchange rate."""
    contract, currency = case.snapshot.contract, case.snapshot.currency
    rate: Decimal | None = Decimal(1)
    if contract.currency != currency:
        rate = case.snapshot.rates.get(contract.currency)
        forex = contract.instrument.asset_class is AssetClass.FOREX
        if rate is None and forex and contract.instrument.ticker[:3] == currency and price:
            rate = 1 / price
    if rate is None or rate <= 0:
        reason = (
            f"There is no exchange rate from {contract.currency} to {currency} at hand, so the size cannot be told. "
            "Send a fixed quantity."
        )
        return Rejection(rule="S08", code="no-exchange-rate", reason=reason)
    value = amount * contract.multiplier * rate
    if value <= 0:
        return Rejection(
            rule="S09", code="no-unit-value", reason=f"One unit of {case.ticker} has no value to divide by."
        )
    return value


def exposure(case: Case, side: Side, price: Decimal) -> Decimal:
    """What opening a unit on this side counts as, a point: its price; its strike where an option is written, since that is
    what the shares or the future cost whoever is assigned, and not the premium; of a combo the most that it can lose."""
    if (risk := combos.exposure(case.snapshot, side, price)) is not None:
        return risk
    instrument = case.snapshot.contract.instrument
    name = named(instrument.ticker) if instrument.asset_class in OPTIONS and side is Side.SELL else None
    return price if name is None else max(name.strike, price)


def _notional(case: Case, price: Decimal | None) -> Decimal | None:
    """What a unit is about, a point: its price, and of an option its strike, whichever side opens it. No delta is counted."""
    instrument = case.snapshot.contract.instrument
    name = named(instrument.ticker) if instrument.asset_class in OPTIONS else None
    return price if name is None else name.strike


def whole_units(units: Decimal, rounding: Rounding = Rounding.DOWN) -> Decimal:
    """Whole units; forex is traded in whole units of the base currency as well."""
    if rounding is Rounding.DOWN:
        return round_to_step(units, ROUND_FLOOR)
    return snap(units, _HALF).to_integral_value(ROUND_HALF_EVEN)


def _shown(value: Decimal) -> str:
    return grouped(value if value == value.quantize(Decimal("0.00000001")) else round(value, 4))
