"""Quotes and bars over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from brokers.simulator import catalogue
from brokers.simulator.reads import quote_fields
from brokers.simulator.wire import ROUTES, Answer, Call, error

_BAR_S = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800, "m": 2_592_000, "y": 31_536_000}


@ROUTES.add("GET", "/iserver/marketdata/snapshot")
def snapshot(call: Call) -> Answer:
    session = call.user.session
    wanted = [f for f in call.query.get("fields", "").split(",") if f] or ["31", "84", "86"]
    rows = []
    for text in call.query.get("conids", "").split(","):
        number = text.split("@")[0]
        instrument = catalogue.find(int(number)) if number.isdigit() else None
        if instrument is None:
            continue
        row: dict[str, Any] = {"conidEx": str(instrument.conid), "conid": instrument.conid}
        cold = instrument.conid not in session.snapshots and call.gateway.behaviour.cold_snapshot
        session.snapshots.add(instrument.conid)
        if not call.gateway.behaviour.live_market_data:
            row["6509"] = "N"
        elif not cold:
            row |= {"_updated": int(call.now * 1000), "server_id": "q0"} | quote_fields(
                call.gateway, instrument, wanted
            )
        rows.append(row)
    return Answer(rows)


@ROUTES.add("POST", "/iserver/marketdata/unsubscribe")
def unsubscribe(call: Call) -> Answer:
    conid = int(call.json().get("conid") or 0)
    if conid not in call.user.session.snapshots:
        return error("unknown", 500, with_code=False)
    call.user.session.snapshots.discard(conid)
    return Answer({"success": True})


@ROUTES.add("GET", "/iserver/marketdata/unsubscribeall")
def unsubscribe_all(call: Call) -> Answer:
    call.user.session.snapshots.clear()
    return Answer({"unsubscribed": True})


def _seconds(text: str, default: int) -> int:
    digits = "".join(c for c in text if c.isdigit())
    return int(digits) * _BAR_S.get(text[len(digits) :], 60) if digits else default


@ROUTES.add("GET", "/iserver/marketdata/history")
def history(call: Call) -> Answer:
    number = call.query.get("conid", "")
    instrument = catalogue.find(int(number)) if number.isdigit() else None
    if instrument is None:
        return error("Bad Request: no contract for this conid")
    bar = _seconds(call.query.get("bar", "1min"), 60)
    count = min(max(_seconds(call.query.get("period", "1d"), 86_400) // bar, 1), 1000)
    begin = call.now // bar * bar - bar * (count - 1)
    data = [
        {
            "o": float(prices[0]),
            "c": float(prices[3]),
            "h": float(prices[1]),
            "l": float(prices[2]),
            "v": float(volume),
            "t": int(at * 1000),
        }
        for at, prices, volume in call.gateway.market.bars(instrument.conid, begin, bar, count)
    ]
    return Answer(
        {
            "serverId": "20477",
            "symbol": instrument.symbol,
            "text": instrument.name,
            "priceFactor": 10**instrument.digits,
            "startTime": datetime.fromtimestamp(begin, UTC).strftime("%Y%m%d-%H:%M:%S"),
            "timePeriod": call.query.get("period", "1d"),
            "barLength": bar,
            "mdAvailability": "S",
            "outsideRth": call.flag("outsideRth"),
            "volumeFactor": 1,
            "data": data,
            "points": len(data) - 1,
            "travelTime": 1,
        }
    )
