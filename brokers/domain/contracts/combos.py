"""Two options that are bought or sold as one: verticals and calendars, by their name and by their number. Pure.

A combo has one name and one number, whichever way round a signal writes its legs: it is turned so that it is worth
something, and buying it costs money. "SPY 261218C640/650" is long the call at 640 and short the one at 650 where it is
bought; "SPY 270115/261218C640" is long the later call and short the sooner one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from brokers.domain.contracts.options import OptionName, day, shown
from brokers.domain.orders import Side

# As PostgreSQL reads it.
NAME = r"^[A-Z]{1,6}(\.[A-Z]{1,2})? ([0-9]{6}[CP][0-9]+(\.[0-9]+)?/[0-9]+(\.[0-9]+)?|[0-9]{6}/[0-9]{6}[CP][0-9]+(\.[0-9]+)?)$"
_STRIKE = r"\d{1,7}(?:\.\d{1,3})?"
_NAME = re.compile(
    rf"([A-Z]{{1,6}}(?:\.[A-Z]{{1,2}})?) (?:(\d{{6}})([CP])({_STRIKE})/({_STRIKE})|(\d{{6}})/(\d{{6}})([CP])({_STRIKE}))"
)
# IBKR's numbers of contracts are whole numbers of 31 bits.
BITS = 31
MOST = 2**BITS - 1
ZERO = Decimal(0)


class NotACombo(ValueError):
    """Two options that are no vertical and no calendar; the message is a sentence, `code` says the same and never changes."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboName:
    """A vertical or a calendar: what its buyer is long and short of, one of each."""

    long: OptionName
    short: OptionName

    def __str__(self) -> str:
        long, short = self.long, self.short
        if self.is_vertical:
            return f"{long}/{shown(short.strike)}"
        return f"{long.underlying} {long.expiry:%y%m%d}/{short.expiry:%y%m%d}{long.right}{shown(long.strike)}"

    @property
    def is_vertical(self) -> bool:
        """Whether both end on one day, at two strikes; else they have one strike and two days."""
        return self.long.expiry == self.short.expiry

    @property
    def legs(self) -> tuple[OptionName, OptionName]:
        """What a buyer is long of, then what a buyer is short of."""
        return self.long, self.short

    @property
    def underlying(self) -> str:
        return self.long.underlying

    @property
    def width(self) -> Decimal | None:
        """The most that a vertical can be worth, in points; None of a calendar."""
        return abs(self.long.strike - self.short.strike) if self.is_vertical else None

    @property
    def spoken(self) -> str:
        """As people name it: "SPY 18 Dec 2026 640/650 call spread"."""
        long, short = self.long, self.short
        kind = "call" if long.right == "C" else "put"
        if self.is_vertical:
            return f"{long.underlying} {day(long.expiry)} {shown(long.strike)}/{shown(short.strike)} {kind} spread"
        return f"{long.underlying} {shown(long.strike)} {kind} calendar {day(long.expiry)}/{day(short.expiry)}"


@lru_cache(maxsize=1024)
def combo_named(ticker: str) -> ComboName | None:
    """The combo of a name; None where it names none, or is not the name that the combo goes by."""
    match = _NAME.fullmatch(ticker)
    if match is None:
        return None
    underlying, expiry, right, long, short, later, sooner, of_both, strike = match.groups()
    try:
        if expiry:
            legs = _option(underlying, expiry, right, long), _option(underlying, expiry, right, short)
        else:
            legs = _option(underlying, later, of_both, strike), _option(underlying, sooner, of_both, strike)
        name, turned = combo_of(*legs)
    except ValueError:
        return None
    return name if not turned and str(name) == ticker else None


def _option(underlying: str, digits: str, right: str, strike: str) -> OptionName:
    expiry = datetime.strptime(digits, "%y%m%d").date()  # noqa: DTZ007 - a day has no zone
    return OptionName(underlying=underlying, expiry=expiry, right=right, strike=Decimal(strike))


def combo_of(bought: OptionName, sold: OptionName) -> tuple[ComboName, bool]:
    """The combo of two options, and whether it is turned: then who buys the first and sells the second sells the combo.

    Raises NotACombo.
    """
    if bought.underlying != sold.underlying:
        raise NotACombo(
            f"The legs are options on two underlyings, {bought.underlying} and {sold.underlying}. A combo has one: send "
            "each leg as an order of its own.",
            "legs-of-two-underlyings",
        )
    if bought == sold:
        raise NotACombo(
            f"Both legs are {bought.spoken}, which would close each other. Name two different options.",
            "legs-are-equal",
        )
    same_day, same_strike = bought.expiry == sold.expiry, bought.strike == sold.strike
    if bought.right != sold.right or not (same_day or same_strike):
        raise NotACombo(
            f"{bought.spoken} and {sold.spoken} make no vertical (one right and day, two strikes) and no calendar (one right "
            "and strike, two days). Halyard trades no other combos: send each leg as an order of its own.",
            "legs-make-no-combo",
        )
    turned = not _is_worth_more(bought, sold)
    return ComboName(long=sold, short=bought) if turned else ComboName(long=bought, short=sold), turned


def _is_worth_more(one: OptionName, other: OptionName) -> bool:
    """Whether nobody would give the first for the second: it has the better strike, or more time."""
    if one.expiry != other.expiry:
        return one.expiry > other.expiry
    return one.strike < other.strike if one.right == "C" else one.strike > other.strike


def at_risk(name: ComboName, side: Side, net: Decimal) -> Decimal | None:
    """The most that one combo can lose, a point, opened on a side at a net price: the debit of what is bought, the width
    less the credit of a vertical that is sold; None where nothing bounds it, as of a calendar that is sold.
    """
    if side is Side.BUY:
        return max(net, ZERO)
    return None if name.width is None else max(name.width - net, ZERO)


def held(long: Decimal, short: Decimal) -> Decimal:
    """How many combos a holding of both legs makes (below zero: sold ones): never more than there is of either leg."""
    if long > 0 > short:
        return min(long, -short)
    return -min(-long, short) if long < 0 < short else ZERO


def number_of(long: int, short: int) -> int:
    """The number that a combo goes by here, made of IBKR's numbers of its legs: below zero, as no contract's is.

    IBKR itself has none; it names a combo by its legs. ValueError where a leg's number is none of IBKR's.
    """
    if not (0 < long <= MOST and 0 < short <= MOST):
        raise ValueError("a number of a leg that is none of IBKR's")
    return -(long << BITS | short)


def legs_of(number: int) -> tuple[int, int] | None:
    """IBKR's numbers of a combo's legs, the long one first; None of a single contract."""
    return None if number >= 0 else (-number >> BITS, -number & MOST)


def sign_in(number: int, leg: int) -> int:
    """What buying one of a combo does to what is held of a contract: 1 of its long leg, -1 of its short one, 0 of others."""
    legs = legs_of(number)
    return 0 if legs is None or leg not in legs else 1 if leg == legs[0] else -1


def leg_named(ticker: str, number: int, conid: int) -> str:
    """The name of the contract that is a leg of a combo by its numbers; "" of others."""
    legs, combo = legs_of(number), combo_named(ticker)
    return "" if legs is None or combo is None or conid not in legs else str(combo.legs[legs.index(conid)])


def beside(position: Decimal, in_combos: Decimal) -> Decimal:
    """How much of a position, signed as it is, is held beside the combos that have so much of it: never more than all of it,
    and nothing where they have more than there is."""
    rest = position - in_combos
    if rest * position <= 0:
        return ZERO
    return min(abs(rest), abs(position)).copy_sign(position)
