"""What can be traded: shares, indices, pairs and CFDs from tables; futures and options derived from the date."""

from __future__ import annotations

from datetime import date

from brokers.simulator import catalogue_futures, catalogue_listed, catalogue_options
from brokers.simulator.catalogue_futures import futures
from brokers.simulator.catalogue_instrument import Instrument
from brokers.simulator.catalogue_listed import INDEX_CFDS, INDICES, PAIRS, STOCKS
from brokers.simulator.catalogue_listed import listings as stocks

__all__ = [
    "Instrument",
    "everything",
    "find",
    "futures",
    "is_listed",
    "pair",
    "pairs",
    "search",
    "stocks",
]
_SHORTEST_NAME = 3


def find(conid: int) -> Instrument | None:
    """The contract with this number, or nothing."""
    if conid >= catalogue_options.FIRST:
        return catalogue_options.find(conid)
    return catalogue_listed.find(conid) or catalogue_futures.find(conid)


def is_listed(instrument: Instrument, today: date) -> bool:
    """Whether a contract trades on a day of its exchange: it is not over, and an option's month is listed by now."""
    if instrument.is_option:
        return catalogue_options.is_listed(instrument, today)
    return not instrument.has_expired(today)


def pairs(currency: str) -> list[Instrument]:
    """The currency pairs a currency takes part in."""
    return [p for p in PAIRS if currency in (p.symbol, p.currency)]


def pair(base: str, quote: str) -> Instrument | None:
    return next((p for p in PAIRS if (p.symbol, p.currency) == (base, quote)), None)


def search(text: str, today: date) -> list[Instrument]:
    """Contracts whose symbol or company name matches, exact symbols first."""
    wanted = text.upper().strip()
    found: list[Instrument] = list(stocks(wanted))
    found += [index for symbol, index in INDICES.items() if symbol == wanted]
    found += [cfd for cfd in INDEX_CFDS if cfd.symbol == wanted]
    found += [p for p in PAIRS if wanted in (p.name, f"{p.symbol}{p.currency}", p.symbol)]
    found += futures(wanted, today)[:1]
    return found or named(wanted)


def named(text: str) -> list[Instrument]:
    """Shares and indices with these letters in their name, when there are enough of them to tell."""
    wanted = text.upper().strip()
    if len(wanted) < _SHORTEST_NAME:
        return []
    return [each for each in (*STOCKS.values(), *INDICES.values()) if wanted in each.name.upper()]


def everything(today: date) -> list[Instrument]:
    """Every contract of today that is listed by itself; options are too many to be listed."""
    months = (month for root in catalogue_futures.roots() for month in futures(root, today))
    shares = (cfd for symbol in STOCKS if (cfd := catalogue_listed.cfd_of(symbol)) is not None)
    return [*STOCKS.values(), *INDICES.values(), *PAIRS, *INDEX_CFDS, *shares, *months]
