"""Quotes and bars over HTTP."""

from __future__ import annotations

from typing import Any

from brokers.simulator.calls import Call, Routes
from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.shapes.charts import ChartRequest, chart
from brokers.simulator.shapes.quotes import quote_fields
from brokers.simulator.wire import Answer, error

ROUTES = Routes()

_MOST_CONTRACTS, _MOST_FIELDS = 100, 50


@ROUTES.add("GET", "/iserver/marketdata/snapshot")
def snapshot(call: Call) -> Answer:
    codes = [f for f in call.query.get("fields", "").split(",") if f][:_MOST_FIELDS] or ["31", "84", "86"]
    conids = [catalogue.conid(text) for text in call.query.get("conids", "").split(",")][:_MOST_CONTRACTS]
    instruments = (catalogue.find(conid) for conid in conids if conid is not None)
    return Answer([_row(call, instrument, codes) for instrument in instruments if instrument is not None])


def _row(call: Call, instrument: Instrument, codes: list[str]) -> dict[str, Any]:
    """A contract's fields; the first time it is asked for, and without a subscription, it has none."""
    session = call.user.session
    row: dict[str, Any] = {"conidEx": str(instrument.conid), "conid": instrument.conid}
    cold = instrument.conid not in session.snapshots and call.gateway.behaviour.cold_snapshot
    session.snapshots.add(instrument.conid)
    if not call.gateway.behaviour.live_market_data:
        row["6509"] = "N"
    elif not cold:
        row |= {"_updated": int(call.now * 1000), "server_id": "q0"} | quote_fields(call.gateway, instrument, codes)
    return row


@ROUTES.add("POST", "/iserver/marketdata/unsubscribe")
def unsubscribe(call: Call) -> Answer:
    body = call.json()
    conid = catalogue.conid(body.get("conid")) if isinstance(body, dict) else None
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
    conid = catalogue.conid(call.query.get("conid", ""))
    instrument = None if conid is None else catalogue.find(conid)
    if instrument is None:
        return error("Bad Request: no contract for this conid")
    request = ChartRequest(
        period=call.query.get("period", "1d"),
        bar=call.query.get("bar", "1min"),
        until=call.query.get("startTime", ""),
        outside=call.flag("outsideRth"),
    )
    body = chart(call.gateway, instrument, request)
    return error("Bad Request: period, bar or startTime is not valid") if body is None else Answer(body)
