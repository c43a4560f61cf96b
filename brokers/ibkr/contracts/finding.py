"""Which contract of IBKR an instrument is. Choosing is pure; asking is done through the brokerage's reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from brokers.domain.contracts.combos import combo_named
from brokers.domain.contracts.options import NEW_YORK, first_day
from brokers.domain.contracts.picking import rule_of
from brokers.domain.orders import OPTIONS, AssetClass, Contract, Instrument
from brokers.domain.trading_hours import Session, TradingHours
from brokers.ibkr import cleaning, months
from brokers.ibkr.cleaning import mapping, one_line
from brokers.ibkr.contracts import cfds, combos, future_options, pairs, picks, stocks
from brokers.ibkr.contracts.chains import Desk
from brokers.ibkr.months import Get
from brokers.ibkr.numbers import number, quantity, whole
from brokers.ibkr.translate import Row, rows
from brokers.rulebook.calendars import us_options
from brokers.rulebook.products import option_ends

# A schedule is of some days; more sessions than this are none.
_MOST_SESSIONS = 100
# In seconds since 1970: until the year 2100, and no session is longer than a week.
_LATEST, _LONGEST = 4_102_444_800, 7 * 86_400
# IBKR's old names of zones.
_ZONES = {
    "US/Eastern": "America/New_York",
    "US/Central": "America/Chicago",
    "US/Pacific": "America/Los_Angeles",
    "GB-Eire": "Europe/London",
    "Japan": "Asia/Tokyo",
    "Hongkong": "Asia/Hong_Kong",
}


async def find(
    instrument: Instrument, get: Get, now: datetime, chosen: int | None = None, desk: Desk | None = None
) -> Contract:
    """IBKR's contract of an instrument; OrderRefused with a sentence when there is none, AmbiguousSymbol when several are.

    `chosen`: the number that a person chose among several. `desk`: what options are picked with, where a rule names them.
    """
    if instrument.asset_class is AssetClass.OPTION and (combo := combo_named(instrument.ticker)) is not None:
        return await combos.find(instrument, combo, lambda leg: find(leg, get, now, desk=desk))
    today = now.date()
    match instrument.asset_class:
        case AssetClass.STOCK:
            found = await stocks.find(instrument, get, chosen)
        case AssetClass.FUTURE:
            found = await months.find(instrument, get, today)
        case AssetClass.FOREX:
            found = await pairs.find(instrument, get)
        case AssetClass.OPTION:
            day = first_day_of_options(now)
            rule = rule_of(instrument.ticker) if desk is not None else None
            if rule is not None and desk is not None:
                found = await picks.find(instrument, rule, get, day, desk)
            else:
                found = await picks.find_named(instrument, get, day, chosen, None if desk is None else desk.chains)
        case AssetClass.FUTURE_OPTION:
            day = first_day_of_options_on_futures(now)
            rule = rule_of(instrument.ticker) if desk is not None else None
            if rule is not None and desk is not None:
                found = await future_options.find(instrument, rule, get, now, day, desk)
            else:
                chains = None if desk is None else desk.chains
                found = await future_options.find_named(instrument, get, now, day, chosen, chains)
        case AssetClass.CFD:
            found = await cfds.find(instrument, get, chosen)
    definition = await _definition(found, get, desk)
    if instrument.asset_class is AssetClass.CFD:
        cfds.check(found, definition)
    contract = described(found, definition)
    stocks.check_currency(contract)
    return contract


async def _definition(found: Contract, get: Get, desk: Desk | None) -> Row:
    """What IBKR's definition of a contract says; of an option what it has said today."""
    kept = desk.chains.definitions if desk is not None and found.instrument.asset_class in OPTIONS else {}
    if not (said := kept.get(found.conid)):
        said = next(iter(rows(await get("trsrv/secdef", {"conids": str(found.conid)}), "secdef")), {})
        kept[found.conid] = said
    return said


def first_day_of_options(now: datetime) -> date:
    """The first day on whose options there is still trade; on a half day they end at one in New York."""
    return first_day(now, us_options().regular_close(now.astimezone(NEW_YORK).date()))


def first_day_of_options_on_futures(now: datetime) -> date:
    """The same of options on futures, of which those of some products end later than shares on a half day."""
    day = now.astimezone(NEW_YORK).date()
    ends = option_ends.last_on_half_day(day)
    return first_day(now, None if ends is None else datetime.combine(day, ends, NEW_YORK))


def described(contract: Contract, row: Row) -> Contract:
    """The contract with what the security definition adds: currency, multiplier, ticks."""
    bands = _increments(row)
    return Contract(
        instrument=contract.instrument,
        conid=contract.conid,
        name=contract.name or one_line(row.get("name"), 120),
        exchange=cleaning.exchange(row.get("listingExchange"), 40) or contract.exchange,
        currency=cleaning.currency(row.get("currency"), contract.currency),
        # What an option is worth a point is known from its listing; of the rest only the definition says it.
        multiplier=quantity(row.get("multiplier")) or contract.multiplier,
        ticker=contract.ticker,
        # The tick of the highest band stands for all where a single one is shown.
        tick=bands[-1][1] if bands else contract.tick,
        increments=bands,
    )


def _increments(row: Row) -> tuple[tuple[Decimal, Decimal], ...]:
    """The ticks by the price they count from, lowest first."""
    bands = [(number(band.get("lowerEdge")), number(band.get("increment"))) for band in rows(row, "incrementRules")]
    return tuple(sorted((edge or Decimal(0), tick) for edge, tick in bands if tick is not None and tick > 0))


def trading_hours(body: Any, now: datetime) -> TradingHours | None:
    """The sessions of a schedule that was asked for now; None where it lists none."""
    days = [day for day in mapping(body, "schedules").values() if isinstance(day, Mapping)][:_MOST_SESSIONS]
    regular, extended = (_sessions(days, key) for key in ("liquid_hours", "extended_hours"))
    if not regular and not extended:
        return None
    zone = _zone(mapping(body).get("exchange_time_zone"))
    return TradingHours(regular=regular, extended=extended, as_of=int(now.timestamp()), zone=zone)


def _zone(name: Any) -> str:
    """The zone of an exchange by the name that people know it by; empty where it is none."""
    known = _ZONES.get(str(name), str(name))
    try:
        return ZoneInfo(known).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ""


def _sessions(days: Sequence[Row], key: str) -> tuple[Session, ...]:
    spans = [(whole(row.get("opening")), whole(row.get("closing"))) for day in days for row in rows(day, key)]
    known = {
        (opens, closes)
        for opens, closes in spans[:_MOST_SESSIONS]
        if opens is not None and closes is not None and 0 < closes - opens <= _LONGEST and 0 < opens < _LATEST
    }
    return tuple(sorted(known))
