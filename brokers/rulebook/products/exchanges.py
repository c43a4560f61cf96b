"""When a contract is traded where IBKR has not said it: the calendar of its exchange, and when trading begins next."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from brokers.domain.contracts.options import is_on_index
from brokers.rulebook.calendars import (
    FULL_DAY,
    SEARCHED_DAYS,
    Calendar,
    cme_futures,
    currencies,
    options,
    us_cfds,
    us_shares,
)
from brokers.rulebook.errors import NoTradingDay
from brokers.rulebook.products.cfds import is_spot

_ONE_DAY = timedelta(days=1)
# By then exchanges for shares are open everywhere, by the clock of each.
_BY_THEN_OPEN = time(9, 30)
_SATURDAY = 5


def calendar_of(asset_class: str, ticker: str, currency: str, exchange: str) -> Calendar | None:
    """The calendar of the exchange that a contract trades at; None where it is not known."""
    match asset_class:
        case "stock" if currency == "USD":
            return us_shares()
        case "forex":
            return currencies()
        case "cfd" if is_spot(ticker):
            return currencies()
        case "option" if currency == "USD":
            return options(on_index=is_on_index(ticker))
        case "cfd" if currency == "USD":
            return us_cfds()
        case "future" | "future_option":
            return cme_futures(exchange.upper())
        case _:
            return None


def begins_after(calendar: Calendar, at: datetime, *, extended: bool = False) -> datetime:
    """When trading begins next, strictly after an instant, in UTC: after a pause, or with a new day of trading where there is
    none; NoTradingDay where 400 days have neither.

    A session that goes on over midnight begins once. `extended`: sessions beside the regular one count as well.
    """
    day = calendar.local(at).date()
    goes_on = _ends(calendar, day - _ONE_DAY, extended=extended) >= FULL_DAY
    for _ in range(SEARCHED_DAYS):
        before = 0 if goes_on else -1
        for start, end in _segments(calendar, day, extended=extended):
            begins = [start] if start != before else []
            turn = calendar.evening_from
            begins += [turn] if turn is not None and start < turn < end else []
            for second in begins:
                if (opens := calendar.instant(day, second)) > at:
                    return opens
            before = end
        goes_on = before >= FULL_DAY
        day += _ONE_DAY
    raise NoTradingDay(calendar.name)


def _segments(calendar: Calendar, day: date, *, extended: bool) -> list[tuple[int, int]]:
    """When trading begins and ends on a local day, in seconds from midnight."""
    return [(each.start, each.end) for each in calendar.segments(day) if extended or each.regular]


def _ends(calendar: Calendar, day: date, *, extended: bool) -> int:
    return max((end for _, end in _segments(calendar, day, extended=extended)), default=0)


def likely_open_after(at: datetime, zone: str) -> datetime:
    """Where no calendar is known: half past nine by the exchange's clock on its next weekday, in UTC."""
    local = at.astimezone(ZoneInfo(zone))
    opens = datetime.combine(local.date(), _BY_THEN_OPEN, local.tzinfo)
    while opens <= at or opens.weekday() >= _SATURDAY:
        opens = datetime.combine(opens.date() + _ONE_DAY, _BY_THEN_OPEN, local.tzinfo)
    return opens.astimezone(UTC)
