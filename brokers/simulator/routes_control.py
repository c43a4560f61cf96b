"""The control plane: faults, journal, reset and prices. It exists only when a token is set."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.simulator import catalogue
from brokers.simulator.behaviour import changed
from brokers.simulator.gateway import Gateway
from brokers.simulator.market import Quote
from brokers.simulator.wire import Answer, error


def control(gateway: Gateway, method: str, parts: list[str], body: Any) -> Answer:
    """Answer one control request; `parts` is the path below /sim/v1."""
    match method, parts:
        case "POST", ["faults"]:
            try:
                return Answer(gateway.faults.arm(body, gateway.clock()).describe(), 201)
            except (ValueError, TypeError) as problem:
                return error(str(problem))
        case "GET", ["faults"]:
            return Answer([f.describe() for f in gateway.faults.armed])
        case "DELETE", ["faults"]:
            return Answer({"cleared": gateway.faults.clear()})
        case "POST", ["quote"]:
            return _post_quote(gateway, body)
        case "DELETE", ["quote"]:
            now = gateway.clock()
            gateway.store.save([(quote, now) for quote, _ in gateway.market.posted.values()])
            gateway.market.posted.clear()
            return Answer({"cleared": True})
        case "GET", ["behaviour"]:
            return Answer(asdict(gateway.behaviour))
        case "POST", ["behaviour"]:
            try:
                gateway.behaviour = changed(gateway.behaviour, body)
            except (ValueError, TypeError) as problem:
                return error(str(problem))
            return Answer(asdict(gateway.behaviour))
        case "GET", ["counters"]:
            return Answer({"unknown_paths": dict(gateway.unknown), "commits": gateway.store.batches})
        case _, [username, what]:
            return _of_user(gateway, method, username, what)
        case _:
            return error("Not Found", 404)


def _of_user(gateway: Gateway, method: str, username: str, what: str) -> Answer:
    user = gateway.user(username)
    match method, what:
        case "GET", "journal":
            return Answer(list(user.journal))
        case "DELETE", "journal":
            user.journal.clear()
            return Answer({"cleared": True})
        case "POST", "reset":
            gateway.reset(user)
            return Answer({"reset": user.account_ids})
        case "POST", "steal":
            user.session.lose()
            user.session.competing = True
        case "POST", "lose":
            user.session.lose()
        case "POST", "close_sockets":
            for socket in list(user.sockets):
                socket.drop()
            return Answer({"closed": True})
        case "GET", "orders":
            return Answer({a: len(gateway.engine.by_account[a]) for a in user.account_ids})
        case _:
            return error("Not Found", 404)
    gateway.tell_status(user)
    return Answer(user.session.status(gateway.clock()))


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
