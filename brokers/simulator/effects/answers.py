"""Answers that a fault gives instead of the real one, and what it makes of the real one."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

from brokers.simulator.calls import Call, Unreadable
from brokers.simulator.catalogue import catalogue
from brokers.simulator.effects import nonsense
from brokers.simulator.exchange.auctions import EXCHANGE_CLOSED
from brokers.simulator.exchange.records import Order
from brokers.simulator.faults.faults import fails
from brokers.simulator.shapes.orders import failed
from brokers.simulator.wire import Answer, error

NO_PERMISSION = "No trading permissions."
LITE = "API orders are not allowed for lite accounts"
NOT_PAPER = "This username is not associated with a paper trading account"
_MAINTENANCE = "<!DOCTYPE html><html><head><title>Login</title></head><body>Please sign in.</body></html>"
_PRICES = {"31": "last", "84": "bid", "86": "ask"}
_DELAY_S = 900.0
_REQUESTS = itertools.count(22170)
# Faults about market data, and what field 6509 begins with while they hold.
_NOT_SHOWN = {"no_market_data": "N", "no_market_data_agreement": "O"}
_NOT_LIVE = {"delayed": "D", "frozen": "Z", "frozen_delayed": "Y"}


def replacement(call: Call, action: dict[str, Any]) -> Answer | None:
    """The answer that goes out instead of the real one, to any request."""
    if action.get("html_body"):
        text = action["html_body"]
        return Answer(text=_MAINTENANCE if text is True else str(text))
    if action.get("gone_410"):
        return Answer(text="Gone", status=410)
    if action.get("no_session_tickle"):
        return Answer({"error": "no session"})
    if action.get("expire_lst"):
        body = {"type": "/simple", "title": "Unauthorized", "status": 401, "detail": "Access token expired"}
        return Answer(body, 401)
    if (status := action.get("status")) is not None:
        body = _filled(action.get("body", ""), _words(call))
        headers = {str(name): str(value) for name, value in (action.get("headers") or {}).items()}
        if isinstance(body, str):
            return Answer(text=body, status=int(status), headers=headers)
        return Answer(body, int(status), headers=headers)
    if (kind := action.get("nonsense")) is not None:
        return nonsense.answer(str(kind))
    return None


def _words(call: Call) -> dict[str, str]:
    """What a made-up answer may repeat of the request."""
    parts = call.path.strip("/").split("/")
    account = parts[2] if parts[:2] == ["iserver", "account"] and len(parts) > 2 else ""
    return {"{last}": parts[-1], "{account}": account, "{symbols}": call.query.get("symbols", "")}


def _filled(body: Any, words: dict[str, str]) -> Any:
    """The body with the request's words in their places; a number stays one where it stands alone."""
    if isinstance(body, dict):
        return {_filled(name, words): _filled(value, words) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(each, words) for each in body]
    if not isinstance(body, str) or "{" not in body:
        return body
    if body in words and words[body].isdigit():
        return int(words[body])
    for word, value in words.items():
        body = body.replace(word, value)
    return body


def instead(call: Call) -> Answer | None:
    """What lasts at the moment and answers for the gateway."""
    faults, user, now = call.gateway.faults, call.user.name, call.now
    if _places(call) and _is_lite(call):
        return error(LITE, 200, with_code=False)
    if not faults.conditions:
        return None
    if faults.held("daily_reset", user, now) or faults.held("weekend", user, now):
        return Answer(text="", status=503)
    if call.path.startswith(("/oauth/", "/authorize")):
        if faults.held("pending_consumer", user, now):
            return error("id: 39687, error: invalid consumer", 401)
        if faults.held("paper_username_error", user, now):
            return Answer(text=f"<!DOCTYPE html><html><body><p>{NOT_PAPER}</p></body></html>")
    if _places(call) and faults.held("lite_account", user, now):
        return error(LITE, 200, with_code=False)
    if _places(call) and (classes := _classes(call)) is not None and not _kinds(call) <= set(classes):
        return error(NO_PERMISSION, 200, with_code=False)
    return None


def _classes(call: Call) -> list[str] | None:
    """The asset classes that the user may trade while a fault says so; None where none does."""
    held = call.gateway.faults.held("permissions", call.user.name, call.now)
    return None if held is None else str(held.setting("classes", "")).split(",")


def _kinds(call: Call) -> set[str]:
    """The asset classes of the contracts that an order request names."""
    try:
        orders = call.json().get("orders")
    except Unreadable:
        return set()
    named = [row.get("conid") for row in orders if isinstance(row, dict)] if isinstance(orders, list) else []
    instruments = [catalogue.find(conid) for conid in named if isinstance(conid, int)]
    return {instrument.sec_type for instrument in instruments if instrument is not None}


def _is_lite(call: Call) -> bool:
    """Whether the login is one whose orders IBKR takes from its own programs only."""
    held = call.gateway.accounts_of(call.user)
    return not call.gateway.behaviour.lite_takes_orders and any(each.kind == "lite" for each in held)


def _places(call: Call) -> bool:
    return call.method == "POST" and call.path.startswith("/iserver/account/") and call.path.endswith("/orders")


def denied(call: Call, action: dict[str, Any], answer: Answer) -> Answer:
    """An answer that denies what has happened: the order stands although the answer says it does not."""
    placed: list[Order] = call.effects.get("placed", [])
    if "reject" in action:
        return error(str(action["reject"]), 200, with_code=False)
    if action.get("server_prompt"):
        return Answer(prompt(placed[0].order_id if placed else 0, action["server_prompt"]))
    if "question" in action:
        return Answer(
            [
                {
                    "id": "07a13a5a-4a48-44a5-bb25-5ab37b79186c",
                    "message": ["Some new warning"],
                    "isSuppressed": False,
                    "messageIds": action["question"],
                    "messageOptions": ["Yes", "No"],
                }
            ]
        )
    if "failed_rows" in action and isinstance(answer.body, list):
        text = str(action.get("failed_text") or "Order couldn't be submitted: the leg was refused.")
        return Answer(
            [
                failed(text, row.get("local_order_id", "")) if fails(action["failed_rows"], index, order_type) else row
                for index, (row, order_type) in enumerate(zip(answer.body, _types(call), strict=False))
            ]
        )
    if action.get("exchange_closed"):
        return exchange_closed(call, placed[0] if placed else None)
    if action.get("duplicate_reference"):
        reference = next((order.reference for order in placed if order.reference), "")
        return registered(reference)
    return answer


def registered(reference: str) -> Answer:
    """The order was received before, says the broker."""
    text = f"Order couldn't be submitted: Local order ID={reference} is already registered."
    return error(text, 200, with_code=False)


def _types(call: Call) -> list[str]:
    try:
        return [str(ticket.get("orderType")) for ticket in json.loads(call.raw)["orders"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def exchange_closed(call: Call, order: Order | None) -> Answer:
    number = order.order_id if order is not None else call.gateway.engine.last_order_id + 1
    call.gateway.engine.last_order_id = max(call.gateway.engine.last_order_id, number)
    return Answer([{"order_id": str(number), "order_status": "Cancelled", "text": EXCHANGE_CLOSED}])


def prompt(order_id: int, changes: Any = None) -> dict[str, Any]:
    """The broker asks with a list of options instead of a question. `changes`: other fields than the usual ones, and
    `by`: the way that it comes (`answer`, which is usual, `stream` or `both`), which is no field of it."""
    return {
        "orderId": order_id,
        "reqId": str(next(_REQUESTS)),
        "dismissable": [],
        "text": "Using the Price Management Algo can improve the price of this order.",
        "options": ["Use on this order", "Do not use"],
        "type": "M",
        "messageId": "p12",
        "prompt": True,
        **({key: value for key, value in changes.items() if key != "by"} if isinstance(changes, dict) else {}),
    }


def spoiled(answer: Answer, changes: dict[str, Any]) -> Answer:
    """The answer with some of its fields replaced, where it is an object."""
    if not isinstance(answer.body, dict):
        return answer
    return Answer({**answer.body, **changes}, answer.status)


def amended(call: Call, answer: Answer) -> Answer:
    """The real answer as hidden orders and lasting faults let it look."""
    if call.user.hidden or call.user.unlisted:
        answer = _without_hidden(call, answer)
    if call.user.corrected and call.path == "/iserver/account/trades" and isinstance(answer.body, list):
        answer = Answer([corrected(row) if row["execution_id"] in call.user.corrected else row for row in answer.body])
    faults, user, now = call.gateway.faults, call.user.name, call.now
    if not faults.conditions:
        return answer
    if call.path == "/iserver/accounts" and isinstance(answer.body, dict) and faults.held("lite_account", user, now):
        features = {**answer.body["allowFeatures"], "liteUser": True}
        answer = Answer({**answer.body, "allowFeatures": features})
    if call.path == "/iserver/accounts" and isinstance(answer.body, dict) and (classes := _classes(call)) is not None:
        features = {**answer.body["allowFeatures"], "allowedAssetTypes": ",".join(classes)}
        answer = Answer({**answer.body, "allowFeatures": features})
    if call.path == "/iserver/marketdata/snapshot" and isinstance(answer.body, list):
        answer = Answer([quoted(call.gateway, user, now, row) for row in answer.body], answer.status)
    if (skew := faults.held("clock_skew", user, now)) is not None:
        call.effects["skew_s"] = float(skew.setting("by_s", skew.value if not isinstance(skew.value, dict) else 0))
    return answer


def corrected(row: dict[str, Any]) -> dict[str, Any]:
    """A fill under its corrected number: the revision behind the last dot grows."""
    return {**row, "execution_id": f"{row['execution_id'].rpartition('.')[0]}.02"}


def quoted(gateway: Any, user: str, now: float, row: dict[str, Any]) -> dict[str, Any]:
    """A quote as market data that is not there, not live, or of a halted contract shows it; of all, or of one `conid`."""
    about = int(row.get("conid", 0))
    for name, letter in _NOT_SHOWN.items():
        if _holds(gateway, name, user, now, about):
            return {kept: row[kept] for kept in ("conidEx", "conid", "topic") if kept in row} | {"6509": letter}
    if _holds(gateway, "halted", user, now, about) and "31" in row:
        row = {**row, "31": f"H{row['31'].lstrip('CH')}"}
    for name, letter in _NOT_LIVE.items():
        # A message of the stream may carry only what has changed.
        if ("6509" in row or "topic" in row) and _holds(gateway, name, user, now, about):
            aged = row if letter == "Z" else _a_while_ago(gateway, now, row)
            row = {**aged, "6509": f"{letter}pB"}
    if _holds(gateway, "unsaid_market_data", user, now, about):
        row = {kept: value for kept, value in row.items() if kept != "6509"}
    return row


def _holds(gateway: Any, name: str, user: str, now: float, conid: int) -> bool:
    """Whether a fault about market data holds for this contract: one that names a contract holds for no other."""
    holding = gateway.faults.holding(name, user, now)
    found = next((each for each in holding if int(each.setting("conid", conid)) == conid), None)
    if found is not None and not found.fault.waits:
        found.fault.hits += 1
    return found is not None


def _a_while_ago(gateway: Any, now: float, row: dict[str, Any]) -> dict[str, Any]:
    """The row with the prices of a quarter of an hour ago."""
    instrument, old = catalogue.find(int(row["conid"])), gateway.market.quote(int(row["conid"]), now - _DELAY_S)
    if instrument is None or old is None:
        return row
    then = {
        f: f"{(was := Decimal(getattr(old, what))):.{instrument.digits_at(was)}f}"
        for f, what in _PRICES.items()
        if f in row
    }
    return {**row, **then}


def _without_hidden(call: Call, answer: Answer) -> Answer:
    """Reads without the orders that are acknowledged and cannot be seen."""
    hidden = {order_id for order_id, until in call.user.hidden.items() if call.now < until}
    if call.path == "/iserver/account/orders" and isinstance(answer.body, dict):
        rows = [row for row in answer.body.get("orders", []) if row["orderId"] not in hidden | call.user.unlisted]
        return Answer({**answer.body, "orders": rows}, answer.status)
    if call.path == "/iserver/account/trades" and isinstance(answer.body, list):
        return Answer([row for row in answer.body if row.get("order_id") not in hidden], answer.status)
    if call.path.startswith("/iserver/account/order/status/") and int(call.params.get("order", "0") or 0) in hidden:
        return Answer(text="", status=503)
    return answer
