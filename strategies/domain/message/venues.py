"""The prefixes of charts: which venue each is, what it lists, and whether that is what an order here would buy."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brokers.domain.sentences import all_of
from brokers.domain.tickers import CONTINUOUS, CONTRACT
from brokers.rulebook.products.abroad import ABROAD, IN_HUNDREDTHS, Abroad
from brokers.rulebook.products.futures import chart_root, product_of
from strategies.domain.message.kinds import WORDS, Kind
from strategies.domain.message.refusals import Refused, invalid

# They are named by a share and its exchange.
SHARES = frozenset({Kind.STOCK, Kind.CFD})
# They are named by a future, and listed where that is.
FUTURES = frozenset({Kind.FUTURE, Kind.FUTURE_OPTION})
_DELAYED = re.compile(r"(.+)_(?:DLY|DL|EOD)")
_FOLD = frozenset("/*+-()")
# How others than TradingView write a listing abroad, behind the symbol; none of them is a class of US shares.
_SUFFIXES = {
    "TO": "TSX",
    "DE": "XETR",
    "L": "LSE",
    "PA": "EURONEXTPAR",
    "AS": "EURONEXTAMS",
    "BR": "EURONEXTBRU",
    "LS": "EURONEXTLIS",
    "MI": "MIL",
    "MC": "BME",
    "SW": "SIX",
    "VI": "VIE",
    "ST": "OMXSTO",
    "CO": "OMXCOP",
    "HE": "OMXHEX",
    "OL": "OSL",
    "HK": "HKEX",
    "AX": "ASX",
    "NZ": "NZX",
    "NS": "NSE",
    "BO": "BSE",
    "SS": "SSE",
    "SZ": "SZSE",
    "KS": "KRX",
    "TW": "TWSE",
    "JO": "JSE",
    "SA": "BMFBOVESPA",
    "MX": "BMV",
    "TA": "TASE",
    "IL": "LSIN",
}
_SUFFIXED = re.compile(rf"([A-Z0-9-]{{1,12}})\.({'|'.join(_SUFFIXES)})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """One row of venues.csv. `lists` holds kinds, and "index" for what has a chart and no market."""

    prefix: str
    name: str
    country: str
    currency: str
    lists: frozenset[str]

    @property
    def in_us(self) -> bool:
        return self.country == "the US"

    @property
    def lists_us_stocks(self) -> bool:
        return self.in_us and "stock" in self.lists


def _read() -> dict[str, Venue]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {
            row["prefix"]: Venue(
                prefix=row["prefix"],
                name=row["venue"],
                country=row["country"],
                currency=row["currency"],
                lists=frozenset(row["lists"].split()),
            )
            for row in csv.DictReader(file)
        }


VENUES: Mapping[str, Venue] = _read()


def venue_of(prefix: str) -> Venue | None:
    """The venue of a prefix, of its delayed feed too (NASDAQ_DLY, CME_MINI_DL)."""
    match = _DELAYED.fullmatch(prefix)
    return VENUES.get(prefix) or (VENUES.get(match[1]) if match else None)


def is_delayed(prefix: str) -> bool:
    return _DELAYED.fullmatch(prefix) is not None


def placed(prefix: str, symbol: str) -> tuple[str, str]:
    """A share's prefix and symbol, where it is listed on an exchange abroad that is traded: SAP.DE is XETR:SAP, and
    OMXSTO:VOLV_B is VOLV.B there."""
    if abroad_of(prefix, Kind.STOCK) is not None:
        # Charts write classes of Nordic shares with an underscore, VOLV_B, and IBKR with a dot.
        return prefix, symbol.replace("_", ".")
    match = _SUFFIXED.fullmatch(symbol) if not prefix else None
    if match is None or _SUFFIXES[match[2]] not in ABROAD:
        return prefix, symbol
    # Hong Kong's numbers are filled up with zeros behind a suffix, and stand without them on charts and at IBKR.
    number = match[1].lstrip("0") if match[1].isdigit() and match[2] == "HK" else match[1]
    return _SUFFIXES[match[2]], number


def abroad_of(prefix: str, kind: Kind) -> Abroad | None:
    """The exchange abroad that shares behind this prefix are traded on; None for the US, and where none are."""
    venue = venue_of(prefix) if prefix and kind in SHARES else None
    return None if venue is None else ABROAD.get(venue.prefix)


def admit(prefix: str, symbol: str, kind: Kind) -> tuple[str, ...]:
    """Warnings about a prefix; raises Refused where another instrument than the chart's would be traded."""
    if not prefix:
        if kind in SHARES and (match := _SUFFIXED.fullmatch(symbol)):
            _admit_stock(VENUES[_SUFFIXES[match[2]]], match[1], kind)
        return ()
    venue = venue_of(prefix)
    if venue is None:
        if kind not in {Kind.FOREX, Kind.CRYPTO}:
            raise _unknown(prefix, symbol, kind)
    elif kind in FUTURES:
        _admit_future(venue, symbol)
    elif kind in SHARES | {Kind.OPTION}:
        _admit_stock(venue, symbol, kind)
    return (f"delayed-feed:{prefix[:40]}",) if is_delayed(prefix) else ()


def _admit_stock(venue: Venue, symbol: str, kind: Kind) -> None:
    if not venue.lists & {"stock", str(kind)}:
        raise _wrong_class(venue, symbol, kind)
    if not venue.in_us and not (kind in SHARES and venue.prefix in ABROAD):
        alone = (
            f"Sent alone, {symbol} would be the US listing of that symbol, in USD: another one, or another company. "
            f"Send {symbol} without the prefix if you mean that."
        )
        raise _abroad(venue, symbol, kind, alone if symbol[:1].isalpha() else "Send a symbol that is listed in the US.")


def _admit_future(venue: Venue, symbol: str) -> None:
    if "future" not in venue.lists:
        raise _wrong_class(venue, symbol, Kind.FUTURE)
    match = CONTINUOUS.fullmatch(symbol) or CONTRACT.fullmatch(symbol)
    root = chart_root(match[1] if match else symbol)
    product = product_of(root)
    if product is not None and product.venue != venue.prefix and not (product.in_us and venue.in_us):
        listed = VENUES[product.venue].name
        way = f"{root} alone is {product.name} of {listed}, in {product.currency}. Send {symbol} without the prefix if you mean that."
        raise _abroad(venue, symbol, Kind.FUTURE, way)
    if product is None and not venue.in_us:
        raise _abroad(venue, symbol, Kind.FUTURE, f"Sent alone, {root} would be another exchange's future, or none.")


def _abroad(venue: Venue, symbol: str, kind: Kind, way: str) -> Refused:
    many = WORDS[kind][1]
    unit = IN_HUNDREDTHS.get(venue.prefix)
    why = f" Its charts count in {unit}, and orders do not." if unit and kind in SHARES else ""
    sentence = (
        f"{venue.prefix}:{symbol} is listed on {venue.name} ({venue.country}) in {venue.currency}, where Halyard trades no "
        f"{many} yet.{why} {way}"
    )
    return invalid("unsupported-exchange", sentence, field="ticker")


def _wrong_class(venue: Venue, symbol: str, kind: Kind) -> Refused:
    listed = [each for each in Kind if str(each) in venue.lists]
    many = WORDS[kind][1]
    if not listed:
        sentence = f"{venue.prefix}:{symbol} is one of {venue.name}, which nobody can buy. Send one of the {many} that follow it."
        return invalid("invalid-asset-class", sentence, field="ticker")
    what = all_of(WORDS[each][1] for each in listed)
    traded = next((each for each in listed if each.is_traded), None)
    way = f"Send it to a strategy for {WORDS[traded][1]}." if traded else f"Send one of the {many} that follow it."
    sentence = (
        f"{venue.prefix}:{symbol} is no {kind}: {venue.name} lists {what}, and this strategy trades {many}. {way}"
    )
    return invalid("invalid-asset-class", sentence, field="ticker")


def _unknown(prefix: str, symbol: str, kind: Kind) -> Refused:
    if _FOLD & set(prefix) or ":" in prefix:
        sentence = f"{prefix[:40]}:{symbol} combines several symbols, and a combination is not traded. Send one ticker."
        return invalid("unknown-exchange", sentence, field="ticker")
    known = "NASDAQ, NYSE, AMEX or OTC" if kind not in FUTURES else "CME, CBOT, NYMEX, COMEX or ICEUS"
    sentence = (
        f"{prefix[:40]} is no exchange known here, so what {symbol} is there cannot be told. Write one such as {known} in "
        f"front, or {symbol} alone where the US one is meant."
    )
    return invalid("unknown-exchange", sentence, field="ticker")
