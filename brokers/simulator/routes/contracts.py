"""Contracts: finding them, and their rules."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from brokers.simulator.calls import Call, Routes
from brokers.simulator.catalogue import catalogue, hours
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.shapes import contracts
from brokers.simulator.shapes.rules import contract_rules
from brokers.simulator.wire import Answer, error

ROUTES = Routes()

_MOST_ASKED = 500
_DAYS_AROUND = 6
_ZONES = {"America/New_York": "US/Eastern", "America/Chicago": "US/Central"}


@ROUTES.add("GET", "/trsrv/stocks")
def stocks(call: Call) -> Answer:
    companies: dict[str, Any] = {}
    for symbol in _listed(call.query.get("symbols", "")):
        listings = catalogue.stocks(symbol)
        by_company = groupby(listings, key=lambda each: each.name)
        companies[symbol] = [contracts.company(list(each)) for _, each in by_company]
    return Answer(companies)


@ROUTES.add("GET", "/trsrv/futures")
def futures(call: Call) -> Answer:
    products: dict[str, Any] = {}
    for root in _listed(call.query.get("symbols", "")):
        if months := catalogue.futures(root, call.gateway.today()):
            products[root] = [contracts.future_month(m) for m in months]
    return Answer(products)


@ROUTES.add("GET", "/trsrv/secdef")
def secdef(call: Call) -> Answer:
    conids = (catalogue.conid(text) for text in _listed(call.query.get("conids", "")))
    instruments = (catalogue.find(conid) for conid in conids if conid is not None)
    return Answer({"secdef": [contracts.definition(each) for each in instruments if each is not None]})


def _listed(text: str) -> list[str]:
    """A comma-separated list, cut where it is longer than anybody needs."""
    return [part for part in (part.strip() for part in text.split(",")) if part][:_MOST_ASKED]


@ROUTES.add("GET POST", "/iserver/secdef/search")
def search(call: Call) -> Answer:
    fields: dict[str, Any] = dict(call.query)
    if call.method == "POST":
        body = call.json()
        fields |= body if isinstance(body, dict) else {}
    text, kind = str(fields.get("symbol") or ""), str(fields.get("secType") or "").upper()
    by_name = str(fields.get("name")).lower() in {"true", "1"}
    today = call.gateway.today()
    instruments = (catalogue.named(text) if by_name else []) or catalogue.search(text)
    instruments = [i for i in instruments if not kind or i.sec_type == kind or (kind == "STK" and i.kind == "FUT")]
    if not instruments:
        return error("No symbol found", 200, with_code=False)
    if not by_name:
        # A search by name does not prepare the questions about strikes that may follow.
        call.user.session.searched.update(i.conid for i in instruments)
    return Answer([contracts.search_row(i, today) for i in instruments[:_MOST_ASKED]])


@ROUTES.add("POST", "/iserver/contract/rules")
def rules(call: Call) -> Answer:
    body = call.json()
    instrument = _by_text(body.get("conid") if isinstance(body, dict) else None)
    return error("no contract rules for this conid") if instrument is None else Answer(_rules(call, instrument))


def _by_text(text: Any) -> Instrument | None:
    conid = catalogue.conid(text)
    return None if conid is None else catalogue.find(conid)


def _rules(call: Call, instrument: Instrument) -> dict[str, Any]:
    return contract_rules(instrument, call.gateway.mark(instrument.conid), call.user.account_ids)


@ROUTES.add("GET", "/iserver/contract/{conid}/info", "/iserver/contract/{conid}/info-and-rules")
def info(call: Call) -> Answer:
    instrument = _by_text(call.params["conid"])
    if instrument is None:
        return error("No contract info for this conid", 500)
    body = contracts.info(instrument)
    if call.path.endswith("/info-and-rules"):
        body["rules"] = _rules(call, instrument)
    return Answer(body)


@ROUTES.add("GET", "/iserver/exchangerate")
def exchange_rate(call: Call) -> Answer:
    source, target = call.query.get("source", "USD"), call.query.get("target", "USD")
    if not (catalogue.pairs(source) and catalogue.pairs(target)):
        return error("unknown currency")
    return Answer({"rate": round(float(call.gateway.rate(source, target)), 8)})


@ROUTES.add("GET", "/iserver/currency/pairs")
def currency_pairs(call: Call) -> Answer:
    currency = call.query.get("currency", "USD")
    rows = [
        {
            "symbol": pair.name,
            "conid": pair.conid,
            "ccyPair": pair.currency if pair.symbol == currency else pair.symbol,
        }
        for pair in catalogue.pairs(currency)
    ]
    return Answer({currency: rows})


@ROUTES.add("GET", "/contract/trading-schedule")
def trading_schedule(call: Call) -> Answer:
    instrument = _by_text(call.query.get("conid"))
    if instrument is None:
        return error("No contract info for this conid", 500)
    today = hours.local_day(instrument, call.now)
    days: dict[str, Any] = {}
    for ahead in range(-1, _DAYS_AROUND + 1):
        if (shown := _day(instrument, today + timedelta(days=ahead))) is not None:
            days[f"{today + timedelta(days=ahead):%Y%m%d}"] = shown
    zone = hours.calendar_of(instrument).zone.key
    return Answer({"exchange_time_zone": _ZONES.get(zone, zone), "schedules": days})


def _day(instrument: Instrument, day: date) -> dict[str, Any] | None:
    """One day of the schedule; days without a session are left out."""
    sessions = hours.sessions(instrument, day)
    if not sessions:
        return None
    regular = [{"opening": opens, "closing": closes} for opens, closes, is_regular in sessions if is_regular]
    whole = {"cancel_daily_orders": True, "opening": sessions[0][0], "closing": sessions[-1][1]}
    return {"liquid_hours": regular, "extended_hours": [whole]}


def price_of(call: Call, instrument: Instrument) -> float:
    """What strikes are listed around: the price of the underlying now."""
    return call.gateway.market.level(instrument.conid, call.gateway.market.alive(instrument, call.now))


def decimal(text: str) -> Decimal | None:
    """A number of a query; nothing where it is none."""
    try:
        value = Decimal(text)
    except ArithmeticError:
        return None
    return value if value.is_finite() else None
