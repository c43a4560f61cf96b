"""Reads tickers as traders write them: SPY, NASDAQ:AAPL, BRK.B, MNQ, MNQZ2026, MNQZ6, ES1!, EURUSD, ETH-USDT.

Options have a module of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from brokers.domain.contracts.combos import combo_of
from brokers.domain.contracts.options import CHAIN, named, root_of
from brokers.domain.orders import AssetClass, Instrument
from brokers.domain.sentences import any_of
from brokers.domain.tickers import COINS, CONTINUOUS, CONTRACT, DOTTED, MONTH_CODES, ROOT, STOCK
from brokers.rulebook.products import cfds, futures
from brokers.rulebook.products.untradable import Untradable, untradable
from strategies.domain.message.classes import instead_of, other_class, pair
from strategies.domain.message.kinds import WORDS, Kind, form_of
from strategies.domain.message.refusals import Refused, invalid
from strategies.domain.message.venues import SHARES, abroad_of, admit, placed, venue_of

__all__ = ["MONTHS", "WORDS", "Kind", "Symbol", "expired", "read", "split_exchange", "unreadable"]

MONTHS = MONTH_CODES


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a ticker names. `name` is our ticker for it, `root` its name on lists of tickers, `facts` its canonical parts."""

    kind: Kind
    name: str
    root: str
    facts: dict[str, Any]
    # Warnings of the reader do not tell one symbol from another.
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def names(self) -> frozenset[str]:
        """Every name it may have on a list of tickers: of a future also those with the broker's root."""
        if self.kind is Kind.FUTURE_OPTION:
            # Lists name what the options are on: a future of one month, or all of its root.
            return frozenset({self.root, *futures.names_of(root_of(self.root))})
        if self.kind is not Kind.FUTURE:
            return frozenset({self.name, self.root})
        tail = self.name.removeprefix(self.root)
        roots = futures.names_of(self.root)
        return frozenset({*roots, *(f"{root}{tail}" for root in roots)})

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
        """What an order names, or of an option by its parts the chain; None for the kinds we do not trade."""
        if self.kind is Kind.CRYPTO:
            return None
        return Instrument(ticker=self.name, asset_class=AssetClass(self.kind))


def why_untraded(symbol: Symbol) -> str:
    """Why a symbol names nothing that Halyard trades."""
    one, many, _ = WORDS[symbol.kind]
    return f"{symbol.name} is {one}, and Halyard does not trade {many} at IBKR."


def split_exchange(ticker: str) -> tuple[str, str]:
    """`CME_MINI:ES1!` -> its exchange, a hint, and the ticker itself, both in capitals."""
    exchange, _, symbol = ticker.strip().upper().rpartition(":")
    return exchange.strip(), symbol.strip()


def read(ticker: str, kind: Kind, now: datetime) -> Symbol:
    """What a ticker names in a strategy of this kind (any but options); raises Refused."""
    exchange, symbol = split_exchange(ticker)
    if kind in SHARES:
        exchange, symbol = placed(exchange, symbol)
    check(ticker, exchange, symbol, kind)
    parsed = _READERS[kind](symbol, now) or _dotted(exchange, symbol, kind)
    if parsed is None:
        raise unreadable(ticker, symbol, kind, now)
    return behind(exchange, symbol, parsed)


def behind(exchange: str, symbol: str, parsed: Symbol) -> Symbol:
    """The symbol with its prefix as a hint, or as a part of its name where it is listed abroad.

    Raises Refused where the prefix is that of another instrument.
    """
    # A CFD on a pair or a metal is charted where pairs are.
    charted = Kind.FOREX if parsed.kind is Kind.CFD and cfds.is_spot(parsed.name) else parsed.kind
    warnings = admit(exchange, symbol, charted)
    if not exchange:
        return parsed
    if (abroad := abroad_of(exchange, charted)) is not None:
        name = f"{abroad.prefix}:{parsed.name}"
        facts = {**parsed.facts, "venue": abroad.prefix}
        return replace(parsed, name=name, root=name, facts=facts, warnings=(*parsed.warnings, *warnings))
    facts = {**parsed.facts, "exchange_hint": exchange[:40]}
    return replace(parsed, facts=facts, warnings=(*parsed.warnings, *warnings))


def check(ticker: str, exchange: str, symbol: str, kind: Kind) -> None:
    """Refuse what plainly belongs to another class, or to none that can be bought."""
    if (index := _index(exchange, symbol, kind)) is not None:
        cfd = cfds.of_chart(symbol) if kind is Kind.CFD else None
        instead = f"IBKR's CFD on it is {cfd.name}: send that." if cfd is not None else index.instead()
        if symbol in cfds.METALS:
            instead += f" A strategy for CFDs trades IBKR's CFD {symbol}."
        sentence = f"{shown(ticker)} is {index.what}, which nobody can buy. {instead}"
        raise invalid("invalid-asset-class", sentence, field="ticker")
    if (other := other_class(symbol, kind)) is not None:
        raise invalid("invalid-asset-class", f"{shown(ticker)} {instead_of(symbol, other, kind)}", field="ticker")


def _index(exchange: str, symbol: str, kind: Kind) -> Untradable | None:
    venue = venue_of(exchange) if exchange else None
    if kind is Kind.OPTION:
        return None  # options on indices are options
    if kind is Kind.CFD and _spot(symbol):
        return None  # there are CFDs on metals
    if (
        kind in {Kind.FUTURE, Kind.FUTURE_OPTION}
        and not exchange
        and (futures.chart_root(symbol) in futures.PRODUCTS or futures.is_ambiguous(symbol))
    ):
        return None  # IBKR's own name of the future
    no_stock = kind not in SHARES or (venue is not None and not venue.lists_us_stocks)
    return untradable(symbol, prefixed=no_stock)


def shown(ticker: str) -> str:
    """A ticker for a sentence."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in ticker[:40])


def unreadable(ticker: str, symbol: str, kind: Kind, now: datetime) -> Refused:
    """Why a ticker that belongs to no other class is refused."""
    one = WORDS[kind][0]
    sentence = f"{shown(ticker)} is not {one}. Write it like {form_of(kind, now)}."
    return invalid("ticker-does-not-exist", sentence, field="ticker")


def _stock(symbol: str, now: datetime) -> Symbol | None:
    match = STOCK.fullmatch(symbol)
    if match is None:
        return None
    name = f"{match[1]}.{match[2]}" if match[2] else match[1]
    return Symbol(Kind.STOCK, name, name, {"symbol": name})


def _dotted(exchange: str, symbol: str, kind: Kind) -> Symbol | None:
    """A share of London whose symbol ends in a dot, BP. or RR."""
    if abroad_of(exchange, kind) is None or DOTTED.fullmatch(symbol) is None:
        return None
    return Symbol(kind, symbol, symbol, {"symbol": symbol})


def _spot(symbol: str) -> str:
    """Of a CFD on a pair or a metal its name, EURUSD or XAUUSD, however that is written; "" of any other."""
    name = "".join(letter for letter in symbol if letter not in "./-")
    return name if name in cfds.METALS or pair(symbol) else ""


def _cfd(symbol: str, now: datetime) -> Symbol | None:
    """On a share by the share's symbol, on an index or a metal by IBKR's own name of the CFD, on a pair by the pair."""
    if name := _spot(symbol):
        return Symbol(Kind.CFD, name, name, {"symbol": name})
    on_share = _stock(symbol, now)
    return None if on_share is None else replace(on_share, kind=Kind.CFD)


def future(symbol: str, now: datetime) -> Symbol | None:
    """A future by its chart, its month or its root; None where it is none."""
    if match := CONTINUOUS.fullmatch(symbol):
        root, nth = _root(match[1]), int(match[2])
        name = root if nth == 1 else f"{root}{nth}!"
        facts = {"root": root, "continuous": nth}
        return Symbol(Kind.FUTURE, name, root, facts, (f"continuous-contract:{symbol}",))
    if match := CONTRACT.fullmatch(symbol):
        return _contract(_root(match[1]), match[2], match[3], now)
    if ROOT.fullmatch(symbol) is None and not futures.sharing(symbol):
        return None
    root = _root(symbol)
    return Symbol(Kind.FUTURE, root, root, {"root": root, "continuous": 1})


def _root(name: str) -> str:
    """The chart's root for a root in the chart's words or IBKR's."""
    if futures.is_ambiguous(name):
        each = any_of(
            f"{one.root} ({one.multiplier.normalize():f} {one.currency} a point)" for one in futures.sharing(name)
        )
        raise invalid("ticker-does-not-exist", f"{name} may be several futures. Send {each}.", field="ticker")
    return futures.chart_root(name)


def _forex(symbol: str, now: datetime) -> Symbol | None:
    both = pair(symbol)
    if both is None:
        return None
    name = "".join(both)
    return Symbol(Kind.FOREX, name, name, {"base": both[0], "quote": both[1]})


def _crypto(symbol: str, now: datetime) -> Symbol | None:
    # BTCUSDT.P is a perpetual swap: not the coin, and not for us to shorten.
    match = COINS.fullmatch(symbol)
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
    if "short" in facts:
        return combo_name(facts["long"], facts["short"]), underlying
    if "strike" not in facts:
        return underlying, underlying
    # The digit of a class whose terms a split has changed.
    of_class = f"{underlying}{facts.get('series', '')}"
    return f"{of_class} {facts['expiry'][2:]}{facts['right']}{facts['strike']}", underlying


def _future_option_names(facts: dict[str, Any]) -> tuple[str, str]:
    name, underlying = _option_names(facts)
    return (f"{underlying}{CHAIN}" if "strike" not in facts else name), underlying


def combo_name(long: str, short: str) -> str:
    """The name of the combo of two options by their names."""
    legs = named(long), named(short)
    if legs[0] is None or legs[1] is None:
        raise ValueError(f"{long} and {short} name no combo")
    return str(combo_of(legs[0], legs[1])[0])


def _stock_names(facts: dict[str, Any]) -> tuple[str, str]:
    name = f"{facts['venue']}:{facts['symbol']}" if "venue" in facts else facts["symbol"]
    return name, name


def _pair_names(facts: dict[str, Any]) -> tuple[str, str]:
    name = facts["base"] + facts["quote"]
    return name, name


# Name and root from the canonical parts.
_NAMES: dict[Kind, Callable[[dict[str, Any]], tuple[str, str]]] = {
    Kind.STOCK: _stock_names,
    Kind.FUTURE: _future_names,
    Kind.OPTION: _option_names,
    Kind.FUTURE_OPTION: _future_option_names,
    Kind.FOREX: _pair_names,
    Kind.CRYPTO: _pair_names,
    Kind.CFD: _stock_names,
}

_READERS: dict[Kind, Callable[[str, datetime], Symbol | None]] = {
    Kind.STOCK: _stock,
    Kind.FUTURE: future,
    Kind.FOREX: _forex,
    Kind.CRYPTO: _crypto,
    Kind.CFD: _cfd,
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
