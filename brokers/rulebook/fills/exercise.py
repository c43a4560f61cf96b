"""Exercise: the option position closes for nothing and the underlying changes hands at the strike."""

from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook.errors import BadInput
from brokers.rulebook.fills.market import Fill
from brokers.rulebook.values import ZERO, Instrument
from brokers.rulebook.words import Right


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """The option that closes and the underlying that changes hands."""

    option: Fill
    underlying: Fill


def exercise(instrument: Instrument, contracts: Decimal) -> Exercise:
    """Fills of an exercise: `contracts` above zero are exercised, below zero assigned; the underlying at the strike per share.

    BadInput for an option without a right or a strike.
    """
    if instrument.strike is None or instrument.right not in (Right.CALL, Right.PUT):
        raise BadInput("right", problem="an option needs a right (call or put) and a strike")
    unit = instrument.multiplier if instrument.contract_unit is None else instrument.contract_unit
    shares = contracts * unit * (1 if instrument.right == Right.CALL else -1)
    return Exercise(
        option=Fill(price=ZERO, quantity=-contracts),
        underlying=Fill(price=instrument.strike, quantity=shares),
    )
