"""The end of derivatives: exercised where that brings something, else paid out at their last price."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.rulebook import values as book
from brokers.rulebook.accounting import Fee
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.fills.exercise import exercise
from brokers.rulebook.words import OrderType
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.hours import local_day
from brokers.simulator.exchange.accounting import STORED, World
from brokers.simulator.exchange.records import ZERO, Account, Position
from brokers.simulator.exchange.rules import RULES, as_ruled

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """One of the last deals in a contract; quantities are signed."""

    instrument: Instrument
    quantity: Decimal
    price: Decimal
    fee: Fee
    reason: str


def is_over(instrument: Instrument, now: float) -> bool:
    return instrument.expiry is not None and instrument.has_expired(local_day(instrument, now))


def overdue(account: Account, world: World) -> list[tuple[Position, Instrument]]:
    """What an account still holds of contracts whose last day is over."""
    expired = []
    for position in account.positions.values():
        instrument = world.find(position.conid) if position.quantity else None
        if instrument is None or not is_over(instrument, world.now):
            continue
        # Nothing is a price for an option; a future without one has to wait for it.
        if instrument.is_option or world.mark(instrument.conid):
            expired.append((position, instrument))
    return expired


def last_deals(position: Position, instrument: Instrument, world: World) -> list[Deal]:
    """Options that are worth something and deliver are exercised by the rulebook; all else ends in cash."""
    worth = world.mark(instrument.conid)
    underlying = world.find(instrument.underlying_conid) if instrument.is_option else None
    # Less than a share is paid in cash, as is all that is not worth exercising.
    nothing_whole = instrument.delivers is not None and instrument.delivers < 1
    in_cash = underlying is None or instrument.settlement != "physical" or nothing_whole
    if underlying is None or in_cash or worth < _CENT or not underlying.tradable:
        reason = "Expired worthless." if not worth else "Settled in cash on its last day."
        nothing = Fee(ZERO, instrument.currency)
        return [Deal(instrument=instrument, quantity=-position.quantity, price=worth, fee=nothing, reason=reason)]
    reason = "Exercised." if position.quantity > 0 else "Assigned."
    ends = exercise(_delivering(instrument), position.quantity)
    fee = _fee(instrument, position.quantity)
    return [
        Deal(instrument=instrument, quantity=ends.option.quantity, price=ends.option.price, fee=fee, reason=reason),
        Deal(
            instrument=underlying,
            quantity=_units(ends.underlying.quantity, underlying),
            price=_price(instrument, ends.underlying.price, world.mark(underlying.conid)),
            fee=Fee(ZERO, underlying.currency),
            reason=reason,
        ),
    ]


def _delivering(instrument: Instrument) -> book.Instrument:
    """The contract as it delivers whole shares, where a split has changed how many."""
    ruled = as_ruled(instrument)
    return ruled if instrument.delivers is None else replace(ruled, contract_unit=instrument.delivers // 1)


def _price(instrument: Instrument, strike: Decimal, spot: Decimal) -> Decimal:
    """What a share changes hands at: the strike; of a contract that a split has changed, what all of it costs for each whole
    share, less the fraction that is paid in cash."""
    if instrument.delivers is None:
        return strike
    whole = instrument.delivers // 1
    return ((strike * instrument.multiplier - (instrument.delivers - whole) * spot) / whole).quantize(STORED)


def _units(quantity: Decimal, underlying: Instrument) -> Decimal:
    """A contract on shares delivers its multiplier in shares; one on a future delivers one future."""
    return quantity / underlying.multiplier


def _fee(instrument: Instrument, quantity: Decimal) -> Fee:
    order = book.Order(type=OrderType.OPTION_EXERCISE, quantity=quantity)
    fee = estimate_fee(as_ruled(instrument), order, book.Quote(price=ZERO), rules=RULES)
    return Fee(fee.amount.quantize(_CENT), fee.currency)
