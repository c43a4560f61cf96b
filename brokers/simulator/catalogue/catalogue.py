"""What can be traded: shares, indices, pairs and CFDs from tables; futures and options derived from the date."""

from __future__ import annotations

from datetime import date

from brokers.simulator.catalogue import futures as future_products
from brokers.simulator.catalogue import listed, options
from brokers.simulator.catalogue.futures import futures
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.listed import ABROAD, INDICES, NAMED_CFDS, NAMESAKES, PAIR_CFDS, PAIRS, STOCKS
from brokers.simulator.catalogue.listed import listings as stocks

__all__ = [
    "Instrument",
    "conid",
    "everything",
    "find",
    "futures",
    "is_listed",
    "named",
    "pair",
    "pairs",
    "resolve",
    "search",
    "stocks",
]
_SHORTEST_NAME = 3


def find(conid: int) -> Instrument | None:
    """The contract with this number, or nothing."""
    if conid >= options.FIRST:
        return options.find(conid)
    return listed.find(conid) or future_products.find(conid)


def conid(text: object) -> int | None:
    """A contract's number, with or without an exchange behind it; nothing where it is none."""
    digits = str(text).partition("@")[0].strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None


def is_listed(instrument: Instrument, today: date) -> bool:
    """Whether a contract trades on a day of its exchange: it is not over, and an option's month is listed by now."""
    if instrument.is_option:
        return options.is_listed(instrument, today)
    return not instrument.has_expired(today)


def pairs(currency: str) -> list[Instrument]:
    """The currency pairs a currency takes part in."""
    return [p for p in PAIRS if currency in (p.symbol, p.currency)]


def pair(base: str, quote: str) -> Instrument | None:
    return next((p for p in PAIRS if (p.symbol, p.currency) == (base, quote)), None)


def search(text: str) -> list[Instrument]:
    """What has this symbol or company name, exact symbols first; of futures the product, not its months."""
    name = text.upper().strip()
    product = future_products.underlying(name)
    matches = [*stocks(name), *_indices_and_pairs(name), *([] if product is None else [product])]
    return matches or named(name)


def _indices_and_pairs(name: str) -> list[Instrument]:
    """Indices, contracts for difference on them and on metals, and currency pairs."""
    indices = [i for i in (*INDICES.values(), *NAMED_CFDS) if i.symbol == name]
    return indices + [p for p in PAIRS if name in (p.name, f"{p.symbol}{p.currency}", p.symbol)]


def resolve(symbol: str, today: date) -> Instrument | None:
    """The one contract people mean by a symbol: a share at home, an index, a pair, or a future's next month."""
    name = symbol.upper().strip()
    matches = [*stocks(name)[:1], *_indices_and_pairs(name), *future_products.in_cycle(name, today)[:1]]
    return matches[0] if matches else None


def named(text: str) -> list[Instrument]:
    """Shares and indices with these letters in their name, when there are enough of them to tell."""
    letters = text.upper().strip()
    if len(letters) < _SHORTEST_NAME:
        return []
    return [each for each in (*STOCKS.values(), *NAMESAKES, *ABROAD, *INDICES.values()) if letters in each.name.upper()]


def everything(today: date) -> list[Instrument]:
    """Every contract of today that is listed by itself; options are too many to be listed."""
    months = (month for root in future_products.roots() for month in futures(root, today))
    shares = (cfd for symbol in STOCKS if (cfd := listed.cfd_of(symbol)) is not None)
    fixed = (*STOCKS.values(), *NAMESAKES, *ABROAD, *INDICES.values(), *PAIRS, *NAMED_CFDS, *PAIR_CFDS.values())
    return [*fixed, *shares, *months]
