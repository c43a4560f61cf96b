"""Which contract of IBKR an instrument is. Choosing is pure; asking is done through the brokerage's reads."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from brokers.domain.brokerage import OrderRefused
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.ibkr.translate import MONTH_CODES, Row, rows
from brokers.ibkr.words import number, quantity, whole

Get = Callable[[str, Mapping[str, str]], Awaitable[Any]]

_FUTURE = re.compile(r"^(?P<root>[A-Z0-9]{1,5}?)(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{4}|\d{1,2})$")
# IBKR names these roots after the underlying.
_ROOTS = {"6E": "EUR", "6B": "GBP", "6J": "JPY", "6A": "AUD", "6C": "CAD", "6S": "CHF", "6N": "NZD", "VX": "VIX"}
# IBKR tells only the last trading day. Energy and sugar end before the month they are named after, three-month SOFR
# is named after the month in which its period begins.
_MONTHS_BEFORE = {
    "CL": 1,
    "MCL": 1,
    "QM": 1,
    "NG": 1,
    "QG": 1,
    "MNG": 1,
    "HH": 1,
    "HO": 1,
    "RB": 1,
    "BZ": 2,
    "SB": 1,
    "SR3": -3,
}
# Where a ticker names no month, the next one is traded from two days before the expiration date on.
ROLL_BEFORE_EXPIRY = timedelta(days=2)
_MAIN_EXCHANGES = {"NASDAQ", "NYSE", "ARCA", "AMEX", "BATS", "CBOE", "IEX"}


async def find(instrument: Instrument, get: Get, today: date) -> Contract:
    """IBKR's contract of an instrument; OrderRefused with a sentence when there is none, or more than one."""
    match instrument.asset_class:
        case AssetClass.STOCK:
            chosen = await _stock(instrument, get)
        case AssetClass.FUTURE:
            chosen = await _future(instrument, get, today)
        case AssetClass.FOREX:
            chosen = await _pair(instrument, get)
    definition = await get("trsrv/secdef", {"conids": str(chosen.conid)})
    return described(chosen, next(iter(rows(definition, "secdef")), {}))


def described(contract: Contract, row: Row) -> Contract:
    """The contract with what the security definition adds: currency, multiplier, tick."""
    return Contract(
        instrument=contract.instrument,
        conid=contract.conid,
        name=contract.name or str(row.get("name") or ""),
        exchange=str(row.get("listingExchange") or contract.exchange),
        currency=str(row.get("currency") or contract.currency),
        multiplier=quantity(row.get("multiplier")) or Decimal(1),
        tick=_tick(row) or contract.tick,
    )


def _tick(row: Row) -> Decimal | None:
    """The increment of the highest price band: the one real prices are in."""
    bands = [(number(band.get("lowerEdge")), number(band.get("increment"))) for band in rows(row, "incrementRules")]
    known = [(edge or Decimal(0), increment) for edge, increment in bands if increment]
    return max(known)[1] if known else None


async def _stock(instrument: Instrument, get: Get) -> Contract:
    symbol = instrument.ticker.upper().replace(".", " ")
    return choose_stock(instrument, rows(await get("trsrv/stocks", {"symbols": symbol}), symbol))


def choose_stock(instrument: Instrument, companies: Sequence[Row]) -> Contract:
    """The US listing; companies that share a symbol are told apart by their exchange, else not at all."""
    listed = [
        (str(company.get("name") or ""), str(row.get("exchange") or ""), conid)
        for company in companies
        if company.get("assetClass") == "STK"
        for row in rows(company, "contracts")
        if row.get("isUS") and (conid := whole(row.get("conid"))) is not None
    ]
    main = [found for found in listed if found[1] in _MAIN_EXCHANGES] or listed
    if not main:
        raise _unknown(
            f"IBKR knows no US stock with the symbol {instrument}. Check the spelling; class shares are written BRK.B."
        )
    if len({name for name, _, _ in main}) > 1:
        names = ", ".join(sorted({f"{name} ({exchange})" for name, exchange, _ in main}))
        raise OrderRefused(
            f"The symbol {instrument} belongs to several US stocks: {names}. Use a symbol that names one of them.",
            code="ambiguous-symbol",
        )
    name, exchange, conid = main[0]
    return Contract(instrument=instrument, conid=conid, name=name, exchange=exchange)


async def _future(instrument: Instrument, get: Get, today: date) -> Contract:
    root, month, nth = parse_future(instrument.ticker, today)
    symbol = _ROOTS.get(root, root)
    months = rows(await get("trsrv/futures", {"symbols": symbol}), symbol)
    return choose_future(instrument, months, root=root, month=month, nth=nth, today=today)


def parse_future(ticker: str, today: date) -> tuple[str, date | None, int]:
    """Root and contract month: MNQZ2026, MNQZ26 and MNQZ6 name the month; MNQ and MNQ1! the front contract, MNQ2! the
    one behind it (the third value)."""
    name = ticker.upper()
    if name.endswith(("1!", "2!")):
        return name[:-2], None, int(name[-2])
    found = _FUTURE.match(name)
    if found is None:
        return name, None, 1
    digits, year = found["year"], int(found["year"])
    if len(digits) == 1:
        year += today.year - today.year % 10
        # The digit of a year long gone means the next decade.
        year += 10 if year < today.year - 1 else 0
    elif len(digits) == 2:
        year += 2000
    return found["root"], date(year, MONTH_CODES.index(found["month"]) + 1, 1), 1


def choose_future(
    instrument: Instrument, months: Sequence[Row], *, root: str, month: date | None, today: date, nth: int = 1
) -> Contract:
    """The listed month asked for; else the nth that has not rolled. A contract rolls two days before it expires."""
    trading = sorted(
        (last, conid, _day(row.get("expirationDate")) or last)
        for row in months
        if (last := _day(row.get("ltd") or row.get("expirationDate"))) is not None
        and (conid := whole(row.get("conid"))) is not None
        and last >= today
    )
    if not trading:
        raise _unknown(f"IBKR knows no future with the symbol {root}. Write root, month code and year, like MNQZ2026.")
    if month is not None:
        ends = _months_earlier(month, _MONTHS_BEFORE.get(root, 0))
        trading = [each for each in trading if (each[0].year, each[0].month) == ends]
        if not trading:
            raise _unknown(f"IBKR lists no {root} future for {month:%B %Y}. It may have expired; choose a later month.")
    else:
        trading = [each for each in trading if today < each[2] - ROLL_BEFORE_EXPIRY][nth - 1 :]
        if not trading:
            raise _unknown(f"IBKR lists no further {root} future to roll into. Name the contract, like MNQZ2026.")
    last, conid, _ = trading[0]
    return Contract(instrument=instrument, conid=conid, name=f"{root} {last:%b %Y}", exchange="")


def _months_earlier(month: date, count: int) -> tuple[int, int]:
    index = month.year * 12 + month.month - 1 - count
    return index // 12, index % 12 + 1


def _day(value: Any) -> date | None:
    digits = str(whole(value) or "")
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None


async def _pair(instrument: Instrument, get: Get) -> Contract:
    letters = re.sub(r"[^A-Z]", "", instrument.ticker.upper())
    if len(letters) != 6:
        raise _unknown(f"{instrument} is no currency pair. Write both currencies together, like EURUSD.")
    base, currency = letters[:3], letters[3:]
    listed = rows(await get("iserver/currency/pairs", {"currency": currency}), currency)
    by_symbol = {str(row.get("symbol")): whole(row.get("conid")) for row in listed}
    conid = by_symbol.get(f"{base}.{currency}")
    if conid is None:
        turned = f" IBKR lists it as {currency}{base}." if f"{currency}.{base}" in by_symbol else ""
        raise _unknown(f"IBKR lists no currency pair {base}{currency}.{turned}")
    return Contract(
        instrument=instrument,
        conid=conid,
        name=f"{base}.{currency}",
        exchange="IDEALPRO",
        currency=currency,
        tick=Decimal("0.005") if currency == "JPY" else Decimal("0.00005"),
    )


def _unknown(sentence: str) -> OrderRefused:
    return OrderRefused(sentence, code="unknown-symbol")
