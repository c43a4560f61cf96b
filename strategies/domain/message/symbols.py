"""Reads tickers as traders write them: SPY, NASDAQ:AAPL, BRK.B, MNQ, MNQZ2026, MNQZ6, ES1!, EURUSD, ETH-USDT.

Options have a module of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from brokers.domain.orders import AssetClass, Instrument
from strategies.domain.message.refusals import Refused, invalid

MONTHS = "FGHJKMNQUVXZ"


class Kind(StrEnum):
    """What a signal may name. We trade the kinds that are an AssetClass too."""

    STOCK = "stock"
    FUTURE = "future"
    OPTION = "option"
    CRYPTO = "crypto"
    FOREX = "forex"


# One of them, many of them, and how they are written.
WORDS = {
    Kind.STOCK: ("a stock", "stocks", "SPY or BRK.B"),
    Kind.FUTURE: ("a future", "futures", "MNQ or MNQZ2026"),
    Kind.OPTION: ("an option", "options", "SPY 261218C600"),
    Kind.CRYPTO: ("a crypto pair", "crypto pairs", "BTCUSD"),
    Kind.FOREX: ("a currency pair", "currency pairs", "EURUSD"),
}

_STOCK = re.compile(r"([A-Z0-9]{1,14})(?:[./-](PR[A-Z]|[A-Z0-9]{1,2}))?")
_CONTRACT = re.compile(rf"([A-Z0-9]{{1,4}}?)([{MONTHS}])(\d{{4}}|\d{{1,2}})")
_CONTINUOUS = re.compile(r"([A-Z0-9]{1,5})([12])!")
_ROOT = re.compile(r"[A-Z0-9]{1,5}")
_PAIR = re.compile(r"([A-Z]{3})[./-]?([A-Z]{3})")
_COINS = re.compile(r"([A-Z0-9]{2,10}?)[/-]?(USDT|USDC|USD|EUR|GBP)")


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a ticker names. `name` is our ticker for it, `root` its name on lists of tickers, `facts` its canonical parts."""

    kind: Kind
    name: str
    root: str
    facts: dict[str, Any]
    # Warnings of the reader do not tell one symbol from another.
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def canonical(self) -> dict[str, Any]:
        return {"class": str(self.kind), **self.facts}

    @classmethod
    def from_reading(cls, values: dict[str, Any]) -> Symbol:
        """The inverse of `canonical`."""
        facts = dict(values)
        kind = Kind(facts.pop("class"))
        name, root = _NAMES[kind](facts)
        return cls(kind, name, root, facts)

    def instrument(self) -> Instrument | None:
        """What an order names; None for the kinds we do not trade."""
        if self.kind in {Kind.OPTION, Kind.CRYPTO}:
            return None
        return Instrument(ticker=self.name, asset_class=AssetClass(self.kind))


def split_exchange(ticker: str) -> tuple[str, str]:
    """`CME_MINI:ES1!` -> its exchange, a hint, and the ticker itself, both in capitals."""
    exchange, _, symbol = ticker.strip().upper().rpartition(":")
    return exchange.strip(), symbol.strip()


def read(ticker: str, kind: Kind, now: datetime) -> Symbol:
    """What a ticker names in a strategy of this kind (any but options); raises Refused."""
    exchange, symbol = split_exchange(ticker)
    parsed = _READERS[kind](symbol, now)
    if parsed is None:
        raise unreadable(ticker, symbol, kind)
    if exchange:
        parsed.facts["exchange_hint"] = exchange[:40]
    return parsed


def unreadable(ticker: str, symbol: str, kind: Kind) -> Refused:
    """Why a ticker is refused: it belongs to another kind, or to none."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in ticker[:40])
    one, many, form = WORDS[kind]
    other = next((other for other in Kind if other is not kind and _belongs(symbol, other)), None)
    if other is not None:
        sentence = f"{shown} is {WORDS[other][0]} and this strategy trades {many}. "
        return invalid("invalid-asset-class", f"{sentence}Send it to a strategy for {WORDS[other][1]}.", field="ticker")
    return invalid("ticker-does-not-exist", f"{shown} is not {one}. Write it like {form}.", field="ticker")


def _stock(symbol: str, now: datetime) -> Symbol | None:
    match = _STOCK.fullmatch(symbol)
    # MNQZ2026 would pass for a stock; bought as one, it would be somebody else's company.
    if match is None or _is_dated_future(symbol):
        return None
    name = f"{match[1]}.{match[2]}" if match[2] else match[1]
    return Symbol(Kind.STOCK, name, name, {"symbol": name})


def _future(symbol: str, now: datetime) -> Symbol | None:
    if match := _CONTINUOUS.fullmatch(symbol):
        root, nth = match[1], int(match[2])
        name = root if nth == 1 else symbol
        facts = {"root": root, "continuous": nth}
        return Symbol(Kind.FUTURE, name, root, facts, (f"continuous-contract:{symbol}",))
    if match := _CONTRACT.fullmatch(symbol):
        return _contract(match[1], match[2], match[3], now)
    return Symbol(Kind.FUTURE, symbol, symbol, {"root": symbol, "continuous": 1}) if _ROOT.fullmatch(symbol) else None


def _forex(symbol: str, now: datetime) -> Symbol | None:
    match = _PAIR.fullmatch(symbol)
    if match is None or match[1] == match[2]:
        return None
    name = match[1] + match[2]
    return Symbol(Kind.FOREX, name, name, {"base": match[1], "quote": match[2]})


def _crypto(symbol: str, now: datetime) -> Symbol | None:
    # BTCUSDT.P is a perpetual swap: not the coin, and not for us to shorten.
    match = _COINS.fullmatch(symbol)
    if match is None or match[1] == match[2]:
        return None
    name = match[1] + match[2]
    return Symbol(Kind.CRYPTO, name, name, {"base": match[1], "quote": match[2]})


def _future_names(facts: dict[str, Any]) -> tuple[str, str]:
    root = facts["root"]
    if expiry := facts.get("expiry"):
        return f"{root}{MONTHS[int(expiry[4:]) - 1]}{expiry[:4]}", root
    return (root if facts["continuous"] == 1 else f"{root}{facts['continuous']}!"), root


def _option_names(facts: dict[str, Any]) -> tuple[str, str]:
    underlying = facts["underlying"]
    if "strike" not in facts:
        return underlying, underlying
    return f"{underlying} {facts['expiry'][2:]}{facts['right']}{facts['strike']}", underlying


def _pair_names(facts: dict[str, Any]) -> tuple[str, str]:
    name = facts["base"] + facts["quote"]
    return name, name


# Name and root from the canonical parts.
_NAMES: dict[Kind, Callable[[dict[str, Any]], tuple[str, str]]] = {
    Kind.STOCK: lambda facts: (facts["symbol"], facts["symbol"]),
    Kind.FUTURE: _future_names,
    Kind.OPTION: _option_names,
    Kind.FOREX: _pair_names,
    Kind.CRYPTO: _pair_names,
}

_READERS: dict[Kind, Callable[[str, datetime], Symbol | None]] = {
    Kind.STOCK: _stock,
    Kind.FUTURE: _future,
    Kind.FOREX: _forex,
    Kind.CRYPTO: _crypto,
}


def _contract(root: str, letter: str, digits: str, now: datetime) -> Symbol:
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
    name = f"{root}{letter}{year}"
    if (year, month) < (now.year, now.month):
        raise expired(name, f"{year}-{month:02d}", now)
    return Symbol(Kind.FUTURE, name, root, {"root": root, "expiry": f"{year}{month:02d}"})


def expired(name: str, when: str, now: datetime) -> Refused:
    """The refusal of a contract that trades no more."""
    sentence = f"{name} expired in {when} and today is {now:%Y-%m-%d}. Name a contract that trades now."
    return invalid("contract-expired", sentence, field="ticker")


def _is_dated_future(symbol: str) -> bool:
    match = _CONTRACT.fullmatch(symbol)
    return match is not None and len(match[3]) == 4


def _belongs(symbol: str, kind: Kind) -> bool:
    """Whether a ticker is plainly one of this kind."""
    if kind is Kind.FUTURE:
        return bool(_is_dated_future(symbol) or _CONTINUOUS.fullmatch(symbol))
    if kind is Kind.OPTION:
        return re.fullmatch(r"[A-Z]{1,6} *\d{6}[CP][\d.]+", symbol) is not None
    return kind is Kind.FOREX and _PAIR.fullmatch(symbol) is not None and len(symbol) == 7
