"""The control plane's requests about one user: its journal, its orders, its session, and fresh books."""

from __future__ import annotations

from typing import Any

from brokers.simulator.control import by_hand, corporate
from brokers.simulator.exchange.records import Order
from brokers.simulator.gateway import seeding
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import User
from brokers.simulator.wire import Answer, error


def answer(gateway: Gateway, method: str, username: str, what: str, body: dict[str, Any]) -> Answer:
    """Answer `/sim/v1/<user>/<what>`; ValueError says what is wrong with the body."""
    user = gateway.user(username)
    match method, what:
        case "GET", "journal":
            return Answer(_journal(user))
        case "DELETE", "journal":
            user.journal.clear()
            user.events.clear()
            return Answer({"cleared": True})
        case "GET", "orders":
            return Answer([_order(o) for i in user.account_ids for o in gateway.engine.by_account[i].values()])
        case "POST", ("orders" | "fills" | "moves" | "positions" | "dividend" | "interest"):
            return _by_hand(gateway, user, what, body)
        case "POST", "reset":
            return _reset(gateway, user, body)
        case "POST", "seed":
            return Answer(_seed(gateway, user, body))
        case "POST", "messages":
            return _say(user, body)
        case "POST", "close_sockets":
            for socket in list(user.sockets):
                socket.drop()
            return Answer({"closed": True})
        case _, "faults":
            return _faults(gateway, method, username, body)
        case "GET", "session":
            return Answer(_truth(gateway, user))
        case "POST", ("steal" | "lose" | "daily_reset" | "expire_lst" | "tws" | "leave" | "sign_out" | "sign_in"):
            return _session(gateway, user, what, body)
    return error("Not Found", 404)


def _by_hand(gateway: Gateway, user: User, what: str, body: dict[str, Any]) -> Answer:
    if what in _PAYS:
        return _PAYS[what](gateway, user, body)
    if what == "positions":
        held = by_hand.hold(gateway, user, body)
        return Answer({"account": held.account_id, "conid": held.conid, "quantity": str(held.quantity)}, 201)
    if what == "moves":
        return Answer(_order(by_hand.move(gateway, user, body)))
    return Answer(_order(by_hand.place(gateway, user, body, listed=what == "orders")), 201)


_PAYS = {"dividend": corporate.dividend, "interest": corporate.interest}


def _reset(gateway: Gateway, user: User, body: dict[str, Any]) -> Answer:
    if body:
        return Answer({"reset": _seed(gateway, user, body)["accounts"]})
    gateway.reset(user)
    return Answer({"reset": user.account_ids})


def _say(user: User, body: dict[str, Any]) -> Answer:
    """Say a notice (`ntf`) or a bulletin (`blt`) over the user's websockets, as IBKR does when it wants no answer."""
    topic, args = str(body.get("topic")), body.get("args")
    if topic not in {"ntf", "blt"} or not isinstance(args, dict):
        raise ValueError("topic is ntf or blt, and args an object.")
    for socket in list(user.sockets):
        socket.says(topic, args)
    return Answer({"sockets": len(user.sockets)}, 201)


def _journal(user: User) -> list[dict[str, Any]]:
    """Every request and every websocket message, in the order they came and went."""
    requests = ({"kind": "request", **entry.fields} for entry in user.journal)
    events = (entry.fields for entry in user.events)
    return sorted([*requests, *events], key=lambda entry: float(entry["arrived"]))


def _order(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "account": order.account_id,
        "conid": order.conid,
        "reference": order.reference,
        "parent_id": order.parent_id,
        "side": order.side,
        "type": order.order_type,
        "tif": order.tif,
        "quantity": str(order.quantity),
        "filled": str(order.filled),
        "status": order.status,
        "reason": order.reason,
    }


def _faults(gateway: Gateway, method: str, username: str, body: dict[str, Any]) -> Answer:
    """The faults of this user alone: nothing armed here can hit anybody else."""
    now = gateway.clock()
    match method:
        case "GET":
            return Answer(gateway.faults.listed(now, username))
        case "DELETE":
            return Answer({"cleared": gateway.faults.clear(username)})
        case "POST":
            mine = {**body, "match": {**(body.get("match") or {}), "user": username}}
            return Answer(gateway.faults.arm(mine, now).describe(now), 201)
    return error("Not Found", 404)


def _session(gateway: Gateway, user: User, what: str, body: dict[str, Any]) -> Answer:
    now = gateway.clock()
    match what:
        case "daily_reset":
            window = {"start_s": float(body.get("start_s", 0)), "duration_s": float(body.get("duration_s", 60))}
            request = {"name": "daily_reset", "match": {"user": user.name}, "action": {"daily_reset": window}}
            return Answer(gateway.faults.arm(request, now).describe(now), 201)
        case "expire_lst":
            gateway.expire_lst(user)
        case "steal":
            # Another program, which lets go as soon as it is pushed out.
            user.session.steal()
        case "tws":
            # A person at TWS, who signs in again so many seconds after being pushed out; without, takes it as it comes.
            insists_s = body.get("insists_s")
            user.session.steal(insists_s=None if insists_s is None else float(insists_s))
        case "leave":
            user.session.release()
        case "sign_out":
            user.session.sign_out()
        case "sign_in":
            user.session.sign_in()
        case _:
            user.session.lose()
            user.session.competing = False
    user.tell_status()
    return Answer(user.session.status(now))


def _truth(gateway: Gateway, user: User) -> dict[str, Any]:
    """What is true of a session, whatever its answers say: its stage, who may sign in, and which nights hold."""
    now = gateway.clock()
    user.session.expire(now, gateway.behaviour)
    nights = [name for name in ("daily_reset", "weekend") if any(gateway.faults.holding(name, user.name, now))]
    return {
        "stage": user.session.stage(now),
        "signed_in": user.session.signed_in,
        "person_needed": user.session.person_needed,
        "sockets": len(user.sockets),
        "nights": nights,
        "closed": [name for name in _CLOSED if any(gateway.faults.holding(name, user.name, now))],
    }


_CLOSED = ("session_stays_closed", "session_wants_form")


def _seed(gateway: Gateway, user: User, body: dict[str, Any]) -> dict[str, Any]:
    """Fresh books: accounts of this type and currency, with this cash, these holdings, these sub-accounts."""
    accounts = seeding.seed(gateway, user, seeding.parse(body, gateway.today()))
    first = gateway.engine.accounts[accounts[0]]
    return {
        "account": first.account_id,
        "accounts": accounts,
        "cash": {currency: str(balance) for currency, balance in first.cash.items()},
        "positions": {position.conid: str(position.quantity) for position in first.positions.values()},
    }
