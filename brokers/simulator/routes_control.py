"""The control plane: faults, journal, clock, prices and fresh starts. It exists only when a token is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.simulator import catalogue, routes_control_users
from brokers.simulator.behaviour import changed
from brokers.simulator.fault_presets import PRESETS
from brokers.simulator.gateway import Gateway
from brokers.simulator.market import Quote
from brokers.simulator.wire import Answer, error


def control(gateway: Gateway, method: str, parts: list[str], body: dict[str, Any]) -> Answer:
    """Answer one control request; `parts` is the path below /sim/v1."""
    try:
        if len(parts) == 2:
            if parts[1] == "clock" and method in {"GET", "POST"}:
                # There is one clock for everybody.
                return _HANDLERS[method, "clock"](gateway, body)
            return routes_control_users.answer(gateway, method, parts[0], parts[1], body)
        handler = _HANDLERS.get((method, "/".join(parts)))
        return error("Not Found", 404) if handler is None else handler(gateway, body)
    except (ValueError, TypeError) as problem:
        return error(str(problem))


def _arm(gateway: Gateway, body: dict[str, Any]) -> Answer:
    now = gateway.clock()
    return Answer(gateway.faults.arm(body, now).describe(now), 201)


def _clear_quotes(gateway: Gateway, body: dict[str, Any]) -> Answer:
    now = gateway.clock()
    gateway.store.save([(quote, now) for quote, _ in gateway.market.posted.values()])
    gateway.market.posted.clear()
    return Answer({"cleared": True})


def _change_behaviour(gateway: Gateway, body: dict[str, Any]) -> Answer:
    gateway.behaviour = changed(gateway.behaviour, body)
    return Answer(asdict(gateway.behaviour))


def _move_clock(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Move the clock ahead, and let happen what would have happened meanwhile."""
    advance = float(body.get("advance_s", 0))
    if not 0 <= advance < 366 * 86_400:
        raise ValueError("advance_s is a number of seconds, from 0 to a year.")
    gateway.ahead_s += advance
    gateway.next_clearing = 0.0
    gateway.housekeep()
    gateway.tick()
    return Answer(_time(gateway))


def _time(gateway: Gateway) -> dict[str, Any]:
    return {"now": gateway.moment(gateway.clock()), "ahead_s": gateway.ahead_s}


def _post_quote(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Pin a contract's price; what is not given follows from what is."""
    instrument = catalogue.find(int(body["conid"])) if body.get("conid") else None
    if instrument is None and body.get("symbol"):
        found = catalogue.search(str(body["symbol"]), gateway.today())
        instrument = found[0] if found else None
    if instrument is None:
        return error("No contract has this conid or symbol.", 404)
    try:
        given = {k: Decimal(str(body[k])) for k in ("bid", "ask", "last") if body.get(k) is not None}
    except InvalidOperation:
        return error("Prices are numbers.")
    if not given or any(v <= 0 or not v.is_finite() for v in given.values()):
        return error("Give at least one of bid, ask, last, each more than zero.")
    last = given.get("last") or given.get("bid") or given["ask"]
    bid, ask = given.get("bid", min(last, given.get("ask", last))), given.get("ask", last)
    now = gateway.clock()
    until = now + float(body.get("ttl_s", gateway.behaviour.posted_quote_ttl_s))
    quote = Quote(instrument.conid, bid, max(ask, bid), last, 100, 100, now)
    gateway.market.post(quote, until)
    gateway.store.save([(quote, until)])
    gateway.tick()
    return Answer({"conid": quote.conid, "bid": str(quote.bid), "ask": str(quote.ask), "last": str(quote.last)})


_HANDLERS: dict[tuple[str, str], Callable[[Gateway, dict[str, Any]], Answer]] = {
    ("POST", "faults"): _arm,
    ("GET", "faults"): lambda gateway, body: Answer(gateway.faults.listed(gateway.clock())),
    ("DELETE", "faults"): lambda gateway, body: Answer({"cleared": gateway.faults.clear()}),
    ("GET", "presets"): lambda gateway, body: Answer(PRESETS),
    ("POST", "quote"): _post_quote,
    ("DELETE", "quote"): _clear_quotes,
    ("GET", "behaviour"): lambda gateway, body: Answer(asdict(gateway.behaviour)),
    ("POST", "behaviour"): _change_behaviour,
    ("GET", "clock"): lambda gateway, body: Answer(_time(gateway)),
    ("POST", "clock"): _move_clock,
    ("GET", "counters"): lambda gateway, body: Answer(
        {"unknown_paths": dict(gateway.unknown), "commits": gateway.store.batches}
    ),
}
