"""Contracts: finding them, and their rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from brokers.simulator import catalogue
from brokers.simulator import hours as hours_of
from brokers.simulator.catalogue import Instrument
from brokers.simulator.wire import ROUTES, Answer, Call, error


@ROUTES.add("GET", "/trsrv/stocks")
def stocks(call: Call) -> Answer:
    found: dict[str, Any] = {}
    for symbol in filter(None, (s.strip() for s in call.query.get("symbols", "").split(","))):
        listings = catalogue.stocks(symbol)
        found[symbol] = [_company(listings)] if listings else []
    return Answer(found)


def _company(listings: tuple[Instrument, ...]) -> dict[str, Any]:
    home = listings[0]
    return {
        "name": home.name,
        "chineseName": home.name.title(),
        "assetClass": "STK",
        "contracts": [{"conid": i.conid, "exchange": i.exchange, "isUS": i.currency == "USD"} for i in listings],
    }


@ROUTES.add("GET", "/trsrv/futures")
def futures(call: Call) -> Answer:
    found: dict[str, Any] = {}
    for root in filter(None, (s.strip() for s in call.query.get("symbols", "").split(","))):
        if months := catalogue.futures(root, call.gateway.today()):
            found[root] = [_month(m) for m in months]
    return Answer(found)


def _month(future: Instrument) -> dict[str, Any]:
    day = int(f"{future.expiry:%Y%m%d}")
    return {
        "symbol": future.symbol,
        "conid": future.conid,
        "underlyingConid": future.underlying_conid,
        "expirationDate": day,
        "ltd": day,
        "shortFuturesCutOff": day,
        "longFuturesCutOff": day,
    }


@ROUTES.add("GET", "/trsrv/secdef")
def secdef(call: Call) -> Answer:
    return Answer({"secdef": [_definition(i) for i in _asked(call.query.get("conids", ""))]})


def _asked(text: str) -> list[Instrument]:
    numbers = (int(c.split("@")[0]) for c in text.split(",") if c.split("@")[0].strip().isdigit())
    return [found for n in numbers if (found := catalogue.find(n)) is not None]


def _definition(instrument: Instrument) -> dict[str, Any]:
    expiry = f"{instrument.expiry:%Y%m%d}" if instrument.expiry else None
    return {
        "incrementRules": [{"lowerEdge": 0.0, "increment": float(instrument.increment)}],
        "displayRule": {
            "magnification": 0,
            "displayRuleStep": [{"decimalDigits": instrument.digits, "lowerEdge": 0.0, "wholeDigits": 4}],
        },
        "conid": instrument.conid,
        "currency": instrument.currency,
        "time": 1,
        "chineseName": instrument.name,
        "allExchanges": f"SMART,{instrument.exchange}",
        "listingExchange": instrument.exchange,
        "countryCode": "US",
        "name": instrument.name,
        "assetClass": instrument.sec_type,
        "expiry": expiry,
        "lastTradingDay": expiry,
        "group": None,
        "putOrCall": None,
        "sector": None,
        "sectorGroup": None,
        "strike": "0",
        "ticker": instrument.symbol,
        "undConid": instrument.underlying_conid,
        "multiplier": float(instrument.multiplier) if instrument.sec_type == "FUT" else 0.0,
        "type": instrument.kind,
        "hasOptions": instrument.sec_type == "STK",
        "fullName": instrument.local_symbol,
        "isUS": instrument.currency == "USD",
        "isEventContract": False,
    }


@ROUTES.add("GET POST", "/iserver/secdef/search")
def search(call: Call) -> Answer:
    asked: dict[str, Any] = dict(call.query)
    if call.method == "POST":
        asked |= call.json()
    text, kind = str(asked.get("symbol") or ""), str(asked.get("secType") or "").upper()
    found = [i for i in catalogue.search(text, call.gateway.today()) if not kind or i.sec_type == kind]
    if not found:
        return error("No symbol found", 200, with_code=False)
    return Answer([_search_row(i) for i in found])


def _search_row(instrument: Instrument) -> dict[str, Any]:
    section: dict[str, Any] = {"secType": instrument.sec_type}
    if not instrument.tradable:
        section["exchange"] = f"{instrument.exchange};"
    return {
        "conid": str(instrument.conid),
        "companyHeader": f"{instrument.name} - {instrument.exchange}",
        "companyName": instrument.name,
        "symbol": instrument.symbol,
        "description": instrument.exchange,
        "restricted": None,
        "sections": [section],
    }


@ROUTES.add("POST", "/iserver/contract/rules")
def rules(call: Call) -> Answer:
    body = call.json()
    instrument = _by_text(body.get("conid") if isinstance(body, dict) else None)
    return error("no contract rules for this conid") if instrument is None else Answer(_rules(call, instrument))


def _by_text(conid: Any) -> Instrument | None:
    return catalogue.find(int(conid)) if str(conid).isdigit() else None


def _rules(call: Call, instrument: Instrument) -> dict[str, Any]:
    last = float(call.gateway.mark(instrument.conid))
    return {
        "algoEligible": instrument.sec_type == "STK",
        "allOrNoneEligible": True,
        "costReport": False,
        "canTradeAcctIds": call.user.account_ids if instrument.tradable else [],
        "error": None,
        "orderTypes": [
            "limit",
            "midprice",
            "market",
            "stop",
            "stop_limit",
            "trailing_stop",
            "trailing_stop_limit",
            "marketonclose",
            "limitonclose",
        ],
        "ibAlgoTypes": ["limit", "market"],
        "fraqTypes": [],
        "forceOrderPreview": False,
        "cqtTypes": ["limit", "market"] if instrument.sec_type == "CASH" else [],
        "tifTypes": ["IOC/MARKET,LIMIT,o", "GTC/o,a", "OPG/LIMIT,MARKET,a", "DAY/o,a"],
        "defaultSize": 100 if instrument.sec_type == "STK" else 1,
        "cashSize": 0.0,
        "sizeIncrement": 1,
        "cashCcy": instrument.currency,
        "limitPrice": last,
        "stopprice": last,
        "increment": float(instrument.increment),
        "incrementDigits": instrument.digits,
        "hasSecondary": True,
        "negativeCapable": False,
    }


@ROUTES.add("GET", "/iserver/contract/{conid}/info", "/iserver/contract/{conid}/info-and-rules")
def info(call: Call) -> Answer:
    instrument = _by_text(call.params["conid"])
    if instrument is None:
        return error("No contract info for this conid", 500)
    body = _info(instrument)
    if call.path.endswith("/info-and-rules"):
        body["rules"] = _rules(call, instrument)
    return Answer(body)


def _info(instrument: Instrument) -> dict[str, Any]:
    expiry = instrument.expiry
    future = instrument.sec_type == "FUT"
    return {
        "cfi_code": "",
        "symbol": instrument.symbol,
        "cusip": None,
        "expiry_full": f"{expiry:%Y%m}" if expiry else None,
        "con_id": instrument.conid,
        "maturity_date": f"{expiry:%Y%m%d}" if expiry else None,
        "instrument_type": instrument.sec_type,
        "has_related_contracts": True,
        "trading_class": instrument.symbol,
        "valid_exchanges": f"SMART,{instrument.exchange}" if instrument.sec_type == "STK" else instrument.exchange,
        "allow_sell_long": False,
        "is_zero_commission_security": False,
        "local_symbol": instrument.local_symbol,
        "contract_clarification_type": None,
        "classifier": None,
        "currency": instrument.currency,
        "text": None,
        "underlying_con_id": instrument.underlying_conid,
        "r_t_h": instrument.sec_type == "STK",
        "multiplier": str(instrument.multiplier) if future else None,
        "underlying_issuer": None,
        "contract_month": f"{expiry:%Y%m}" if expiry else None,
        "company_name": instrument.name,
        "smart_available": instrument.sec_type == "STK",
        "exchange": "SMART" if instrument.sec_type == "STK" else instrument.exchange,
    }


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
    today = call.gateway.today()
    days = {}
    for ahead in range(8):
        day = today + timedelta(days=ahead)
        if hours := hours_of.sessions(instrument, day):
            days[f"{day:%Y%m%d}"] = {
                "liquid_hours": [{"opening": o, "closing": c} for o, c, regular in hours if regular],
                "extended_hours": [
                    {"cancel_daily_orders": True, "opening": hours[0][0], "closing": hours[-1][1]},
                ],
            }
    return Answer({"exchange_time_zone": "US/Eastern", "schedules": days})
