"""Quotes and bars over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from brokers.simulator import catalogue
from brokers.simulator.catalogue import Instrument
from brokers.simulator.market import Bar
from brokers.simulator.market_bars import Length, length, spans
from brokers.simulator.market_fields import quote_fields
from brokers.simulator.routes_contracts import number
from brokers.simulator.wire import ROUTES, Answer, Call, error

_MOST_CONTRACTS, _MOST_FIELDS = 100, 50
_STAMP = "%Y%m%d-%H:%M:%S"


@ROUTES.add("GET", "/iserver/marketdata/snapshot")
def snapshot(call: Call) -> Answer:
    wanted = [f for f in call.query.get("fields", "").split(",") if f][:_MOST_FIELDS] or ["31", "84", "86"]
    asked = [number(text) for text in call.query.get("conids", "").split(",")][:_MOST_CONTRACTS]
    found = (catalogue.find(conid) for conid in asked if conid is not None)
    return Answer([_row(call, instrument, wanted) for instrument in found if instrument is not None])


def _row(call: Call, instrument: Instrument, wanted: list[str]) -> dict[str, Any]:
    """A contract's fields; the first time it is asked for, and without a subscription, it has none."""
    session = call.user.session
    row: dict[str, Any] = {"conidEx": str(instrument.conid), "conid": instrument.conid}
    cold = instrument.conid not in session.snapshots and call.gateway.behaviour.cold_snapshot
    session.snapshots.add(instrument.conid)
    if not call.gateway.behaviour.live_market_data:
        row["6509"] = "N"
    elif not cold:
        row |= {"_updated": int(call.now * 1000), "server_id": "q0"} | quote_fields(call.gateway, instrument, wanted)
    return row


@ROUTES.add("POST", "/iserver/marketdata/unsubscribe")
def unsubscribe(call: Call) -> Answer:
    body = call.json()
    conid = number(body.get("conid")) if isinstance(body, dict) else None
    if conid not in call.user.session.snapshots:
        return error("unknown", 500, with_code=False)
    call.user.session.snapshots.discard(conid)
    return Answer({"success": True})


@ROUTES.add("GET", "/iserver/marketdata/unsubscribeall")
def unsubscribe_all(call: Call) -> Answer:
    call.user.session.snapshots.clear()
    return Answer({"unsubscribed": True})


@ROUTES.add("GET", "/iserver/marketdata/history")
def history(call: Call) -> Answer:
    conid = number(call.query.get("conid", ""))
    instrument = None if conid is None else catalogue.find(conid)
    if instrument is None:
        return error("Bad Request: no contract for this conid")
    period, bar = length(call.query.get("period", "1d")), length(call.query.get("bar", "1min"))
    until = _until(call)
    if period is None or bar is None or until is None:
        return error("Bad Request: period, bar or startTime is not valid")
    always_open = call.gateway.behaviour.market_always_open
    covered = spans(instrument, until, period, bar, extended=call.flag("outsideRth"), always_open=always_open)
    bars = call.gateway.market.bars(instrument.conid, covered)
    return Answer(_head(call, instrument, bar, bars) | _bars(bars))


def _until(call: Call) -> float | None:
    """When the period ends: now, or at the time that is asked for."""
    text = call.query.get("startTime", "")
    if not text:
        return call.now
    try:
        asked = datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return min(asked, call.now)


def _bars(bars: list[Bar]) -> dict[str, Any]:
    data = [
        {
            "o": float(prices[0]),
            "c": float(prices[3]),
            "h": float(prices[1]),
            "l": float(prices[2]),
            "v": float(volume),
            "t": int(at * 1000),
        }
        for at, prices, volume in bars
    ]
    return {"data": data, "points": max(len(data) - 1, 0), "travelTime": 1}


def _head(call: Call, instrument: Instrument, bar: Length, bars: list[Bar]) -> dict[str, Any]:
    factor, begin = 10**instrument.digits, bars[0][0] if bars else call.now
    start = datetime.fromtimestamp(begin, UTC).strftime(_STAMP)

    def extreme(place: int, best: Any) -> str:
        """The highest or lowest price, what was traded then, and after how many minutes, in the chart's own spelling."""
        if not bars:
            return "0/0/0"
        at, prices, volume = best(bars, key=lambda found: found[1][place])
        return f"{int(prices[place] * factor)}/{volume}/{int((at - begin) // 60)}"

    return {
        "serverId": "20477",
        "symbol": instrument.symbol,
        "text": instrument.name,
        "priceFactor": factor,
        "startTime": start,
        "high": extreme(1, max),
        "low": extreme(2, min),
        "timePeriod": call.query.get("period", "1d"),
        "barLength": bar.seconds,
        "mdAvailability": "S",
        "mktDataDelay": 0,
        "outsideRth": call.flag("outsideRth"),
        "volumeFactor": 1,
        "priceDisplayRule": 1,
        "priceDisplayValue": "2",
        "negativeCapable": False,
        "messageVersion": 2,
        "chartPanStartTime": start,
        "direction": -1,
    }
