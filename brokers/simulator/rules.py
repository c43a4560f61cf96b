"""The rulebook, asked in the gateway's terms: what a fill costs, and when a contract trades."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, lru_cache

from brokers.rulebook import rulesets
from brokers.rulebook import values as book
from brokers.rulebook.calendars import Calendar, exchange_calendar
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.words import AssetClass, OrderType
from brokers.simulator.catalogue import Instrument

_CLASSES = {"STK": AssetClass.EQUITY, "FUT": AssetClass.FUTURE, "CASH": AssetClass.FOREX}
_CALENDARS = {
    "STK": ("us_equity", "Equity-usa-[*]"),
    "FUT": ("cme_es", "Future-cme-[*]"),
    "CASH": ("forex", "Forex-oanda-[*]"),
}
_CENT = Decimal("0.01")
_RULES = rulesets.load()


@cache
def as_ruled(instrument: Instrument) -> book.Instrument:
    """A contract of the catalogue as the rulebook knows it."""
    forex = instrument.sec_type == "CASH"
    return book.Instrument(
        asset_class=_CLASSES[instrument.sec_type],
        symbol=f"{instrument.symbol}{instrument.currency}" if forex else instrument.symbol,
        market=None if forex else "usa" if instrument.sec_type == "STK" else instrument.exchange.lower(),
        currency=instrument.currency,
        base_currency=instrument.symbol if forex else None,
        product=instrument.symbol,
        multiplier=instrument.multiplier,
        expiry=instrument.expiry,
    )


def commission(instrument: Instrument, quantity: Decimal, price: Decimal, rate: Decimal = Decimal(1)) -> Decimal:
    """The commission of an order filled so far, in dollars; `rate` turns the contract's currency into dollars."""
    order = book.Order(type=OrderType.MARKET, quantity=quantity)
    fee = estimate_fee(as_ruled(instrument), order, book.Quote(price=price), rules=_RULES, fx_rate=rate, usd_rate=rate)
    return fee.amount.quantize(_CENT)


def calendar_of(instrument: Instrument) -> Calendar:
    return exchange_calendar(*_CALENDARS[instrument.sec_type])


def is_open(instrument: Instrument, at: float, *, extended: bool) -> bool:
    """Whether the contract's exchange is open; futures and currencies have one long session."""
    return calendar_of(instrument).is_open(
        datetime.fromtimestamp(at, UTC), extended=extended or instrument.sec_type != "STK"
    )


@lru_cache(maxsize=4096)
def session_end(instrument: Instrument, at: float) -> float:
    """When the session in progress, or else the next one, is over, its extended hours included."""
    calendar = calendar_of(instrument)
    moment = datetime.fromtimestamp(at, UTC)
    day = calendar.local(moment).date()
    for ahead in range(14):
        hours = sessions(instrument, day + timedelta(days=ahead))
        # A session that goes on past midnight ends where the next day's first pause begins.
        ends = [closes for _, closes, _ in hours if closes > at]
        if ends:
            return float(ends[-1])
    return at + 86_400.0


def sessions(instrument: Instrument, day: date) -> list[tuple[int, int, bool]]:
    """The sessions of a local day: when they open and close (epoch seconds), and whether they are regular hours."""
    calendar = calendar_of(instrument)
    midnight = datetime.combine(day, time(), calendar.zone)

    def at(second: int) -> int:
        return int((midnight + timedelta(seconds=second)).timestamp())

    return [(at(s.start), at(s.end), s.regular) for s in calendar.segments(day)]
