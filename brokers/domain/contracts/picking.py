"""Which option of a chain a rule means: its last day, then its strike. Pure.

A rule names a side of a share's chain, a day or how far ahead one is, and a strike or how many of them away from the money.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from brokers.domain.contracts.options import FUTURE, OptionName, day, shown
from brokers.domain.sentences import all_of, any_of

MOST_AWAY = 20
_SHOWN = 3
_UNITS = "days weeks months years"
_RULE = re.compile(
    rf"([A-Z]{{1,6}}(?:\.[A-Z]{{1,2}})?|{FUTURE}|[A-Z0-9]{{1,5}}) ([CP]) "
    r"(\d{4}-\d\d-\d\d|\+\d{1,4} (?:days|weeks|months|years)) (at the money|(?:in|out) \d{1,2}|\d{1,7}(?:\.\d{1,7})?)"
)
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Side(StrEnum):
    """On which side of the money strikes are counted."""

    IN = "in"
    OUT = "out"

    @property
    def words(self) -> str:
        return "in the money" if self is Side.IN else "out of the money"


class NothingFits(ValueError):
    """No option of the chain is what the rule says; the message is a sentence with what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to choose: `expiration` is a date, or how far ahead ("+1 weeks"). Of `strike` and `away` one is set; strikes
    are counted from the price of the underlying on, and 0 away is the nearest to it."""

    underlying: str
    right: str
    expiration: str
    strike: Decimal | None = None
    away: int = 0
    side: Side = Side.OUT

    def __str__(self) -> str:
        """As an instrument's ticker: "SPY C +1 weeks out 2"."""
        where = (
            shown(self.strike)
            if self.strike is not None
            else f"{self.side} {self.away}"
            if self.away
            else "at the money"
        )
        return f"{self.underlying} {self.right} {self.expiration} {where}"

    @property
    def is_dated(self) -> bool:
        return not self.expiration.startswith("+")

    def first_day(self, today: date) -> date:
        """The day that is asked for, or the earliest one."""
        if self.is_dated:
            return date.fromisoformat(self.expiration)
        count, unit = self.expiration[1:].split(" ")
        return _ahead(today, int(count), unit)


@lru_cache(maxsize=4096)
def rule_of(ticker: str) -> Rule | None:
    """The rule that a ticker spells, as `str` of it does; None where it spells none."""
    match = _RULE.fullmatch(ticker)
    if match is None:
        return None
    underlying, right, expiration, where = match.groups()
    side, _, away = where.partition(" ")
    if where[0].isdigit():
        return Rule(underlying=underlying, right=right, expiration=expiration, strike=Decimal(where))
    if side not in {"in", "out"}:
        return Rule(underlying=underlying, right=right, expiration=expiration)
    return Rule(underlying=underlying, right=right, expiration=expiration, away=int(away), side=Side(side))


def _ahead(today: date, count: int, unit: str) -> date:
    """So many of a unit from a day on; of a month that is shorter its last day."""
    if unit in {"days", "weeks"}:
        return today + timedelta(days=count * (7 if unit == "weeks" else 1))
    months = today.year * 12 + today.month - 1 + count * (12 if unit == "years" else 1)
    year, month = divmod(months, 12)
    year = min(year, date.max.year)
    return date(year, month + 1, min(today.day, monthrange(year, month + 1)[1]))


def day_of(rule: Rule, expiries: Sequence[date], today: date) -> date:
    """The last day of the option that is meant: the date itself, or the first one that is far enough ahead.

    Raises NothingFits for a date on which nothing ends, and where nothing is listed so far ahead.
    """
    first = rule.first_day(today)
    trading = sorted(each for each in set(expiries) if each >= today)
    if rule.is_dated and first not in trading:
        near = sorted(sorted(trading, key=lambda each: abs((each - first).days))[:_SHOWN])
        told = f"The nearest days are {all_of(map(day, near))}. Send one of them." if near else "Send another day."
        raise NothingFits(f"No option on {rule.underlying} ends on {day(first)}, a {first:%A}. {told}")
    later = [each for each in trading if each >= first]
    if not later:
        furthest = f" The last day listed is {day(trading[-1])}." if trading else ""
        raise NothingFits(f"No option on {rule.underlying} ends on {day(first)} or later.{furthest}")
    return later[0]


def strikes_between(rule: Rule, strikes: Sequence[Decimal], price: Decimal) -> list[Decimal]:
    """The strikes that are counted, the nearest to the money first. A strike at the price is on neither side of it."""
    below = [each for each in sorted(set(strikes), reverse=True) if each < price]
    above = [each for each in sorted(set(strikes)) if each > price]
    # A call is in the money below the price, a put above it.
    return below if (rule.right == "C") is (rule.side is Side.IN) else above


def strike_of(rule: Rule, strikes: Sequence[Decimal], price: Decimal) -> Decimal:
    """The strike that is meant, of those of one day. Raises NothingFits where it is not listed."""
    if not strikes:
        raise NothingFits(f"IBKR lists no strikes of {rule.underlying} for that day.")
    if rule.strike is not None:
        if rule.strike in strikes:
            return rule.strike
        below = [each for each in sorted(strikes) if each < rule.strike][-1:]
        above = [each for each in sorted(strikes) if each > rule.strike][:1]
        near = any_of(map(shown, (*below, *above)))
        raise NothingFits(
            f"No option on {rule.underlying} has the strike {shown(rule.strike)} then. The nearest are {near}."
        )
    if not rule.away:
        # Of two strikes as near, the one out of the money costs less.
        outside = 1 if rule.right == "C" else -1
        return min(strikes, key=lambda each: (abs(each - price), -outside * each))
    counted = strikes_between(rule, strikes, price)
    if len(counted) < rule.away:
        raise NothingFits(
            f"IBKR lists {len(counted)} strikes of {rule.underlying} {rule.side.words} at {shown(price)}, "
            f"and the signal asks for the {ordinal(rule.away)}."
        )
    return counted[rule.away - 1]


def how(rule: Rule, price: Decimal) -> str:
    """Why a contract was taken: "second strike out of the money at 628.35"."""
    if rule.strike is not None:
        return "the strike asked for"
    if not rule.away:
        return f"the strike nearest to {shown(price)}"
    return f"{ordinal(rule.away)} strike {rule.side.words} at {shown(price)}"


def explained(name: OptionName, rule: Rule, price: Decimal) -> str:
    """ "SPY 18 Dec 2026 640 C: second strike out of the money at 628.35"."""
    return f"{name.spoken}: {how(rule, price)}"


def ordinal(number: int) -> str:
    if number < len(_ORDINALS):
        return _ORDINALS[number]
    return f"{number}th"
