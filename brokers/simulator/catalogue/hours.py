"""When a contract trades: the rulebook's calendars, asked in the gateway's terms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache

from brokers.rulebook.calendars import (
    Calendar,
    cme_futures,
    currencies,
    spx_options,
    us_cfds,
    us_options,
    us_shares,
)
from brokers.simulator.catalogue import venues
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.listed import METAL

# Futures and currencies have one long session; shares and index options trade outside regular hours on request.
_ONE_SESSION = frozenset({"FUT", "FOP", "CASH"})
_FUTURES = frozenset({"FUT", "FOP"})
_CALENDARS: Mapping[str, Calendar] = {
    "STK": us_shares(),
    "IND": us_options(),
    "OPT": us_options(),
    "CASH": currencies(),
    "CFD": us_cfds(),
}
_ALL_FUTURES = cme_futures() or us_shares()
_SEARCHED_DAYS = 14
Session = tuple[int, int, bool]


def calendar_of(instrument: Instrument) -> Calendar:
    """The calendar a contract trades by."""
    return calendar_for(kept_by(instrument), on_index=instrument.underlying_type == "IND", exchange=instrument.exchange)


def kept_by(instrument: Instrument) -> str:
    """The class whose hours a contract keeps: CFDs on pairs and metals those of pairs."""
    return "CASH" if instrument.underlying_type in {"CASH", METAL} else instrument.sec_type


@cache
def calendar_for(sec_type: str, *, on_index: bool = False, exchange: str = "CME") -> Calendar:
    """The calendar of a class; options on indices keep their own, and futures those of their exchange."""
    if sec_type in _FUTURES:
        # Of exchanges outside the CME group the simulator has no days of their own.
        return cme_futures(exchange) or _ALL_FUTURES
    if sec_type == "STK" and exchange in venues.ABROAD:
        return venues.ABROAD[exchange]
    return spx_options() if sec_type == "OPT" and on_index else _CALENDARS[sec_type]


def shares_calendar() -> Calendar:
    """The calendar of US shares, whose days are the business days of everything listed here."""
    return us_shares()


@lru_cache(maxsize=65_536)
def is_business_day(day: date) -> bool:
    """Whether US exchanges are open on a day."""
    return shares_calendar().trades_on(day)


def sessions(instrument: Instrument, day: date) -> list[Session]:
    """The sessions of a local day: when they open and close (epoch seconds), and whether they are regular hours."""
    return list(_sessions(kept_by(instrument), instrument.underlying_type == "IND", instrument.exchange, day))


@lru_cache(maxsize=4096)
def _sessions(sec_type: str, on_index: bool, exchange: str, day: date) -> tuple[Session, ...]:
    calendar = calendar_for(sec_type, on_index=on_index, exchange=exchange)
    midnight = datetime.combine(day, time(), calendar.zone)

    def at(second: int) -> int:
        return int((midnight + timedelta(seconds=second)).timestamp())

    return tuple((at(s.start), at(s.end), s.regular) for s in calendar.segments(day))


def local_day(instrument: Instrument, at: float) -> date:
    """The exchange's own day at a moment."""
    return datetime.fromtimestamp(at, calendar_of(instrument).zone).date()


def wants_extended(instrument: Instrument, extended: bool) -> bool:
    """Whether hours beside the regular ones count."""
    return extended or kept_by(instrument) in _ONE_SESSION


def is_open(instrument: Instrument, at: float, *, extended: bool) -> bool:
    """Whether the contract's exchange is open; futures and currencies have one long session."""
    outside = wants_extended(instrument, extended)
    return any(
        opens <= at < closes and (outside or regular)
        for opens, closes, regular in sessions(instrument, local_day(instrument, at))
    )


@lru_cache(maxsize=4096)
def session_end(instrument: Instrument, at: float) -> float:
    """When the session in progress, or else the next one, is over, its extended hours included."""
    day = local_day(instrument, at)
    for ahead in range(_SEARCHED_DAYS):
        hours = sessions(instrument, day + timedelta(days=ahead))
        # A session that goes on past midnight ends where the next day's first pause begins.
        ends = [closes for _, closes, _ in hours if closes > at]
        if ends:
            return float(ends[-1])
    return at + 86_400.0


def last_open(instrument: Instrument, at: float) -> float:
    """The moment itself while the exchange is open in any session, else the moment the last session ended."""
    day = local_day(instrument, at)
    for back in range(_SEARCHED_DAYS):
        for opens, closes, _ in reversed(sessions(instrument, day - timedelta(days=back))):
            if closes <= at:
                return float(closes)
            if opens <= at:
                return at
    return at


def previous_close(instrument: Instrument, day: date) -> float | None:
    """The regular close of the last trading day before a day."""
    for back in range(1, _SEARCHED_DAYS):
        closes = [end for _, end, regular in sessions(instrument, day - timedelta(days=back)) if regular]
        if closes:
            return float(closes[-1])
    return None


def closes_at(instrument: Instrument, day: date) -> float:
    """The regular close of a day, or the start of the next where it has none."""
    closes = [end for _, end, regular in sessions(instrument, day) if regular]
    if closes:
        return float(closes[-1])
    return datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()
