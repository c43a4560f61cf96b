"""Last days of trading, by the exchanges' own rules, which the tables name in a few letters.

A rule is an anchor in a month, then business days before it, months away, and `!` for "never on a Friday or before a
holiday": `day25-3@-1` is three business days before the 25th of the month before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache

from brokers.simulator.catalogue.hours import is_business_day

ONE_DAY = timedelta(days=1)
_RULE = re.compile(r"(?P<anchor>[a-z]+\d*f?)(?P<back>-\d+)?(?:@(?P<months>[+-]\d+))?(?P<quiet>!)?")
_WEEKDAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4}
_FRIDAY = 4


def add_months(month: date, count: int) -> date:
    """The first day of a month some months away."""
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def business_day_before(day: date, count: int) -> date:
    """So many business days before a day."""
    while count:
        day -= ONE_DAY
        count -= is_business_day(day)
    return day


def not_after(day: date) -> date:
    """The day itself, or the business day before it."""
    return day if is_business_day(day) else business_day_before(day, 1)


def first_notice(month: date, count: int) -> date:
    """The day so many business days before the first business day of a month."""
    first = month.replace(day=1)
    while not is_business_day(first):
        first += ONE_DAY
    return business_day_before(first, count)


def nth_weekday(month: date, weekday: int, number: int) -> date:
    return month + timedelta(days=(weekday - month.weekday()) % 7 + 7 * (number - 1))


def third_friday(year: int, month: int) -> date:
    """The third Friday of a month, business day or not."""
    return nth_weekday(date(year, month, 1), _FRIDAY, 3)


def _last_weekday(month: date, weekday: int) -> date:
    last = add_months(month, 1) - ONE_DAY
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def _volatility(month: date) -> date:
    """Thirty days before the third Friday of the month after."""
    return not_after(nth_weekday(add_months(month, 1), _FRIDAY, 3) - timedelta(days=30))


def _two_fridays_before_third_wednesday(month: date) -> date:
    return not_after(nth_weekday(month, 2, 3) - timedelta(days=12))


def _bond_options(month: date) -> date:
    """The last Friday at least two business days before the month's last business day."""
    limit = business_day_before(not_after(add_months(month, 1) - ONE_DAY), 2)
    return not_after(limit - timedelta(days=(limit.weekday() - _FRIDAY) % 7))


def _business_day(month: date, number: int) -> date:
    day = month - ONE_DAY
    while number:
        day += ONE_DAY
        number -= is_business_day(day)
    return day


_NAMED: Mapping[str, Callable[[date], date]] = {
    "end": lambda month: not_after(add_months(month, 1) - ONE_DAY),
    "vix": _volatility,
    "wed3f": _two_fridays_before_third_wednesday,
    "bond": _bond_options,
}


def _anchor(name: str, month: date) -> date:
    if (named := _NAMED.get(name)) is not None:
        return named(month)
    letters, number = name.rstrip("0123456789"), int(name.lstrip("abcdefghijklmnopqrstuvwxyz") or 0)
    if letters == "day":
        # Counting back from the first never lands on it, so it may be a holiday.
        return month if number == 1 else not_after(month.replace(day=number))
    if letters == "bd":
        return _business_day(month, number)
    return not_after(nth_weekday(month, _WEEKDAYS[letters], number))


@lru_cache(maxsize=16_384)
def last_day(rule: str, month: date) -> date:
    """The day a rule names in a month."""
    parts = _RULE.fullmatch(rule)
    if parts is None:
        raise ValueError(f"Not a rule for a last day of trading: {rule}")
    month = add_months(month, int(parts["months"] or 0))
    if parts["anchor"] in _WEEKDAYS:
        # Without a number the weekday is the month's last, and its day is no business day to count from.
        return not_after(_last_weekday(month, _WEEKDAYS[parts["anchor"]]))
    day = business_day_before(_anchor(parts["anchor"], month), -int(parts["back"] or 0))
    while parts["quiet"] and not is_business_day(day + ONE_DAY):
        day = business_day_before(day, 1)
    return day
