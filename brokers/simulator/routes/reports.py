"""Reports over HTTP: market scans, and how an account did."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from brokers.simulator.calls import Call, Routes
from brokers.simulator.catalogue import catalogue, scanner
from brokers.simulator.catalogue.scanner import ScannedShare
from brokers.simulator.exchange.records import Account
from brokers.simulator.wire import Answer, error

ROUTES = Routes()


def _body(call: Call) -> Any:
    try:
        return json.loads(call.raw)
    except (ValueError, RecursionError):
        return None


@ROUTES.add("GET", "/iserver/scanner/params")
def scanner_parameters(call: Call) -> Answer:
    return Answer(scanner.parameters())


@ROUTES.add("POST", "/iserver/scanner/run")
def run_scanner(call: Call) -> Answer:
    scan = _body(call)
    if text := scanner.problem(scan):
        return error(text)
    return Answer(scanner.run(scan, _shares(call)))


def _shares(call: Call) -> list[ScannedShare]:
    """Every US share with its change since yesterday's close."""
    shares = []
    for instrument in catalogue.everything(call.gateway.today()):
        if instrument.sec_type != "STK" or instrument.currency != "USD" or not instrument.tradable:
            continue
        quote, day = call.gateway.quote(instrument.conid), call.gateway.market.day(instrument.conid, call.now)
        if quote is not None and day is not None and day.prior_close:
            change = (quote.last / day.prior_close - 1) * 100
            shares.append(ScannedShare(instrument=instrument, last=quote.last, change=change, volume=day.volume))
    return shares


@ROUTES.add("POST", "/pa/performance")
def performance(call: Call) -> Answer:
    """How accounts did in the day in progress: the books keep no older values."""
    account_ids = (_body(call) or {}).get("acctIds") if isinstance(_body(call), dict) else None
    if not isinstance(account_ids, list) or not account_ids:
        return error("Bad Request: acctIds is required")
    accounts = [a for a in call.gateway.accounts_of(call.user) if a.account_id in account_ids]
    if len(accounts) != len(set(map(str, account_ids))):
        return error("Bad Request: acctIds is not valid")
    day = call.gateway.today()
    dates, months = [f"{day:%Y%m%d}"], [f"{day:%Y%m}"]
    before = f"{day - timedelta(days=1):%Y%m%d}"
    days = [(a, *_day_of(call, a)) for a in accounts]
    returns = [_row(a, dates[0], returns=[round(now / began - 1 if began else 0.0, 8)]) for a, began, now in days]
    values = [_row(a, dates[0], startNAV={"date": before, "val": began}, navs=[now]) for a, began, now in days]
    return Answer(
        {
            "currencyType": "base",
            "rc": 0,
            "pm": "TWR",
            "nd": 1,
            "id": "getPerformanceData",
            "included": [a.account_id for a in accounts],
            "cps": {"freq": "D", "dates": dates, "data": returns},
            "tpps": {"freq": "M", "dates": months, "data": returns},
            "nav": {"freq": "D", "dates": dates, "data": values},
        }
    )


def _day_of(call: Call, account: Account) -> tuple[float, float]:
    """What an account was worth when the day began, and is now."""
    return float(round(account.day_equity, 2)), float(round(call.gateway.worth(account).net_liquidation, 2))


def _row(account: Account, day: str, **figures: Any) -> dict[str, Any]:
    whose = {"id": account.account_id, "idType": "acctid", "start": day, "end": day}
    return whose | figures | {"baseCurrency": account.base}
