"""The order algorithms of a contract over HTTP."""

from __future__ import annotations

from brokers.simulator.calls import Call, Routes
from brokers.simulator.catalogue import algos, catalogue
from brokers.simulator.wire import Answer, error

ROUTES = Routes()

_MOST_ASKED = 8


@ROUTES.add("GET", "/iserver/contract/{conid}/algos")
def algorithms(call: Call) -> Answer:
    text = call.params["conid"]
    instrument = catalogue.find(int(text)) if text.isascii() and text.isdigit() and len(text) < 16 else None
    if instrument is None:
        return error("No contract info for this conid", 500, with_code=False)
    ids = tuple(a for a in call.query.get("algos", "").split(";") if a)
    if len(ids) > _MOST_ASKED:
        return error(f"Bad Request: at most {_MOST_ASKED} algos can be asked for")
    rows = algos.rows(
        instrument.sec_type,
        ids=ids,
        describe=call.number("addDescription", 0) == 1,
        parameters=call.number("addParams", 0) == 1,
    )
    return Answer({"algos": rows})
