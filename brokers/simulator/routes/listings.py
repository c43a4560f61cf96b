"""Whole exchanges: what is listed on one, and the week a class of contracts keeps there."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from brokers.rulebook.calendars import Calendar, Segment
from brokers.simulator.calls import Call, Routes
from brokers.simulator.catalogue import catalogue, hours, listed
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.wire import Answer, error

ROUTES = Routes()

# A week is spelled with the days of the first week of 2000, which began on a Saturday.
_TEMPLATE = date(2000, 1, 1)
_AHEAD = 31
_NEVER = "0000"


@ROUTES.add("GET", "/trsrv/all-conids")
def all_conids(call: Call) -> Answer:
    exchange, kind = call.query.get("exchange", "").upper(), call.query.get("assetClass", "STK").upper()
    if not exchange:
        return error("Bad Request: exchange is required")
    instruments = (
        i for i in catalogue.everything(call.gateway.today()) if (i.exchange, i.sec_type) == (exchange, kind)
    )
    return Answer([{"ticker": i.symbol, "conid": i.conid, "exchange": i.exchange} for i in instruments])


@ROUTES.add("GET", "/trsrv/secdef/schedule")
def schedule(call: Call) -> Answer:
    kind, symbol = call.query.get("assetClass", "").upper(), call.query.get("symbol", "")
    if not kind or not symbol:
        return error("Bad Request: assetClass and symbol are required")
    exchange = call.query.get("exchange", "").upper()
    instrument = _listed(kind, symbol, call.gateway.today())
    if instrument is None or (exchange and exchange not in {"SMART", instrument.exchange}):
        return Answer([])
    calendar = hours.calendar_for(
        "OPT" if kind == "OPT" else instrument.sec_type, on_index=instrument.sec_type == "IND"
    )
    today = hours.local_day(instrument, call.now)
    return Answer([_venue(instrument, calendar, today)])


def _listed(kind: str, symbol: str, today: date) -> Instrument | None:
    """The contract that stands for its class; of options what they are on."""
    match kind:
        case "CFD":
            instrument = listed.cfd_of(symbol) or catalogue.resolve(symbol, today)
        case "FUT":
            instrument = next(iter(catalogue.futures(symbol, today)), None)
        case _:
            instrument = catalogue.resolve(symbol, today)
    classes = {"OPT": {"STK", "IND"}, "SWP": {"CASH"}}.get(kind, {kind})
    return instrument if instrument is not None and instrument.sec_type in classes else None


def _venue(instrument: Instrument, calendar: Calendar, today: date) -> dict[str, Any]:
    week = [_TEMPLATE + timedelta(days=each) for each in range(7)]
    days = [_day(day, calendar.week[day.weekday()]) for day in week]
    ahead = (today + timedelta(days=each) for each in range(_AHEAD))
    days += [_day(d, calendar.segments(d)) for d in ahead if d in calendar.holidays or d in calendar.early_closes]
    return {
        "id": f"p{100_000 + instrument.conid % 100_000}",
        "tradeVenueId": f"v{10_000 + instrument.conid % 10_000}",
        "exchange": instrument.exchange,
        "description": instrument.exchange,
        "timezone": calendar.zone.key,
        "schedules": days,
    }


def _day(day: date, segments: tuple[Segment, ...]) -> dict[str, Any]:
    """One day; one without a session opens and closes at midnight."""
    regular = [_times(s.start, s.end) | {"prop": "LIQUID"} for s in segments if s.regular]
    whole = _times(segments[0].start, segments[-1].end) if segments else _times(0, 0)
    return {
        "clearingCycleEndTime": regular[-1]["closingTime"] if regular else _NEVER,
        "tradingScheduleDate": f"{day:%Y%m%d}",
        "sessions": regular,
        "tradingtimes": [whole | {"cancelDayOrders": "Y"}],
    }


def _times(start: int, end: int) -> dict[str, str]:
    opens, closes = (f"{second // 3600 % 24:02}{second // 60 % 60:02}" for second in (start, end))
    return {"openingTime": opens, "closingTime": closes}
