"""Derivatives: the strikes of a month, and the contracts behind an underlying."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from brokers.simulator.calls import Call, Routes
from brokers.simulator.catalogue import catalogue, futures, listed, options
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.routes.contracts import decimal, price_of
from brokers.simulator.shapes.contracts import secdef_row
from brokers.simulator.wire import Answer, error

ROUTES = Routes()

_OPTIONS = frozenset({"OPT", "FOP"})
_NOTHING = error("No Contracts retrieved ", 500, with_code=False)
_MOST_PRICES = Decimal(10**7)


@ROUTES.add("GET", "/iserver/secdef/strikes")
def strikes(call: Call) -> Answer:
    """Empty, without a word, unless the underlying was searched for before."""
    question = _question(call)
    if question is None:
        return error("Bad Request: conid, sectype and month are required")
    underlying, kind, month = question
    searched = underlying is not None and (
        underlying.conid in call.user.session.searched or not call.gateway.behaviour.search_before_strikes
    )
    if underlying is None or month is None or not searched or not _on_exchange(call, underlying, kind):
        return Answer({"call": [], "put": []})
    price, today = price_of(call, underlying), call.gateway.today()
    prices = [float(strike) for strike in options.strikes(underlying.conid, month, price, today)]
    return Answer({"call": prices, "put": prices})


def _question(call: Call) -> tuple[Instrument | None, str, date | None] | None:
    """The underlying, the class and the month that are asked about; nothing when one of them is missing."""
    query = call.query
    conid, kind, text = (
        catalogue.conid(query.get("conid", "")),
        query.get("sectype", "").upper(),
        query.get("month", ""),
    )
    if conid is None or kind not in _OPTIONS or not text:
        return None
    return catalogue.find(conid), kind, month_of(text)


def _on_exchange(call: Call, underlying: Instrument, kind: str) -> bool:
    """Whether the exchange is right; options on futures are served by their own exchange only."""
    if kind != ("FOP" if underlying.kind == "FUT" else "OPT"):
        return False
    return kind == "OPT" or call.query.get("exchange", "").upper() == underlying.exchange


def month_of(text: str) -> date | None:
    """A month as JAN27 or 202701."""
    for pattern in ("%b%y", "%Y%m"):
        try:
            return datetime.strptime(text.title(), pattern).date()  # noqa: DTZ007 - a month has no zone
        except ValueError:
            continue
    return None


@ROUTES.add("GET", "/iserver/secdef/info")
def info(call: Call) -> Answer:
    conid, kind = catalogue.conid(call.query.get("conid", "")), call.query.get("sectype", "").upper()
    if conid is None:
        return error("Bad Request: conid is required")
    instrument = catalogue.find(conid)
    if instrument is None:
        return _NOTHING
    instruments = list(_behind(call, instrument, kind))
    return Answer([secdef_row(each) for each in instruments]) if instruments else _NOTHING


def _behind(call: Call, instrument: Instrument, kind: str) -> Iterable[Instrument]:
    """The contracts of a class behind a contract; the contract itself when it is of that class."""
    if kind in {"", instrument.sec_type}:
        return [instrument]
    month = month_of(call.query.get("month", ""))
    match kind:
        case "OPT" | "FOP":
            return _options(call, instrument, month) if _on_exchange(call, instrument, kind) else ()
        case "FUT" if instrument.kind == "FUT":
            months = futures.months_behind(instrument, call.gateway.today())
            return [each for each in months if month is None or each.month == month]
        case "CFD" if (cfd := listed.cfd_on(instrument)) is not None:
            return [cfd]
        case _:
            return ()


def _options(call: Call, underlying: Instrument, month: date | None) -> Iterable[Instrument]:
    strike, right = decimal(call.query.get("strike", "")), call.query.get("right", "").upper()
    if month is None or strike is None or not 0 < strike < _MOST_PRICES or right not in {"", "C", "P"}:
        return ()
    return options.options(
        underlying.conid,
        month,
        strike=strike,
        rights=right or "CP",
        price=price_of(call, underlying),
        today=call.gateway.today(),
    )
