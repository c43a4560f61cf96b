"""Tickers as traders write them -> instruments: SPY, NASDAQ:AAPL, BRK.B, MNQ, MNQZ2026, MNQZ6, ES1!, EURUSD."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from brokers.domain.orders import AssetClass, Instrument
from strategies.domain.refusals import Refused, invalid

MONTHS = "FGHJKMNQUVXZ"

_STOCK = re.compile(r"([A-Z0-9]{1,14})(?:[./-]([A-Z0-9]{1,3}))?")
_CONTRACT = re.compile(rf"([A-Z0-9]{{1,4}}?)([{MONTHS}])(\d{{4}}|\d{{1,2}})")
_CONTINUOUS = re.compile(r"([A-Z0-9]{1,5})([12])!")
_ROOT = re.compile(r"[A-Z0-9]{1,5}")
_PAIR = re.compile(r"([A-Z]{3})[./-]?([A-Z]{3})")

# One of them, many of them, and how they are written.
_WORDS = {
    AssetClass.STOCK: ("a stock", "stocks", "SPY or BRK.B"),
    AssetClass.FUTURE: ("a future", "futures", "MNQ or MNQZ2026"),
    AssetClass.FOREX: ("a currency pair", "currency pairs", "EURUSD"),
}


def read(ticker: str, asset_class: AssetClass, now: datetime) -> Instrument:
    """The instrument a ticker names in a strategy of this class; raises Refused. An exchange prefix is dropped."""
    symbol = ticker.strip().upper().rpartition(":")[2].strip()
    found = _READERS[asset_class](symbol, now)
    if found is None:
        raise _unreadable(ticker, symbol, asset_class)
    return Instrument(ticker=found, asset_class=asset_class)


def root(instrument: Instrument) -> str:
    """What lists of allowed tickers speak of: the root of a future, the symbol of anything else."""
    if instrument.asset_class is not AssetClass.FUTURE:
        return instrument.ticker
    match = _CONTRACT.fullmatch(instrument.ticker) or _CONTINUOUS.fullmatch(instrument.ticker)
    return match[1] if match else instrument.ticker


def _stock(symbol: str, now: datetime) -> str | None:
    match = _STOCK.fullmatch(symbol)
    # MNQZ2026 would pass for a stock; bought as one, it would be somebody else's company.
    if match is None or _is_dated_future(symbol):
        return None
    return f"{match[1]}.{match[2]}" if match[2] else match[1]


def _future(symbol: str, now: datetime) -> str | None:
    if match := _CONTINUOUS.fullmatch(symbol):
        return match[1] if match[2] == "1" else symbol
    if match := _CONTRACT.fullmatch(symbol):
        return _contract(match[1], match[2], match[3], now)
    return symbol if _ROOT.fullmatch(symbol) else None


def _forex(symbol: str, now: datetime) -> str | None:
    match = _PAIR.fullmatch(symbol)
    return match[1] + match[2] if match and match[1] != match[2] else None


_READERS: dict[AssetClass, Callable[[str, datetime], str | None]] = {
    AssetClass.STOCK: _stock,
    AssetClass.FUTURE: _future,
    AssetClass.FOREX: _forex,
}


def _contract(root: str, letter: str, digits: str, now: datetime) -> str:
    """The code with its year in full. One digit means the nearest year whose contract has not expired."""
    month = MONTHS.index(letter) + 1
    if len(digits) == 4:
        year = int(digits)
    elif len(digits) == 2:
        year = now.year // 100 * 100 + int(digits)
    else:
        year = now.year // 10 * 10 + int(digits)
        if (year, month) < (now.year, now.month):
            year += 10
    code = f"{root}{letter}{year}"
    if (year, month) < (now.year, now.month):
        raise invalid(
            "contract-expired",
            f"{code} expired in {year}-{month:02d} and today is {now:%Y-%m-%d}. Name the contract that trades now.",
            field="ticker",
        )
    return code


def _is_dated_future(symbol: str) -> bool:
    match = _CONTRACT.fullmatch(symbol)
    return match is not None and len(match[3]) == 4


def _unreadable(ticker: str, symbol: str, asset_class: AssetClass) -> Refused:
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in ticker[:40])
    one, many, form = _WORDS[asset_class]
    other = next((kind for kind in _WORDS if kind is not asset_class and _belongs(symbol, kind)), None)
    if other is not None:
        sentence = f"{shown} is {_WORDS[other][0]} and this strategy trades {many}. "
        advice = f"Send it to a strategy for {_WORDS[other][1]}."
        return invalid("invalid-asset-class", sentence + advice, field="ticker")
    return invalid("ticker-does-not-exist", f"{shown} is not {one}. Write it like {form}.", field="ticker")


def _belongs(symbol: str, kind: AssetClass) -> bool:
    if kind is AssetClass.FUTURE:
        return bool(_is_dated_future(symbol) or _CONTINUOUS.fullmatch(symbol))
    return bool((_PAIR if kind is AssetClass.FOREX else _STOCK).fullmatch(symbol))
