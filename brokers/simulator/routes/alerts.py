"""Alerts over HTTP."""

from __future__ import annotations

import json
from typing import Any

from brokers.simulator.calls import Call, Routes
from brokers.simulator.catalogue import catalogue
from brokers.simulator.exchange import alerts
from brokers.simulator.exchange.alerts import Alert
from brokers.simulator.wire import Answer, error

ROUTES = Routes()


def _done(text: str, number: int, *, success: bool = True, **more: Any) -> Answer:
    return Answer({"request_id": None, "order_id": number, "success": success, "text": text} | more)


def _name(conid: int) -> str:
    instrument = catalogue.find(conid)
    return instrument.symbol if instrument is not None else "Unknown"


def _number(text: object) -> int:
    return int(str(text)) if str(text).isascii() and str(text).isdigit() and len(str(text)) < 16 else 0


def _mine(call: Call, number: object) -> Alert | None:
    """The caller's alert with this number."""
    found = call.gateway.alerts.get(_number(number))
    return found if found is not None and found.account_id in call.user.account_ids and not found.deleted else None


def _next_number(call: Call) -> int:
    """Alerts are numbered with the orders, by the clock, so that a number is never given out again."""
    engine = call.gateway.engine
    highest = max(engine.last_order_id, *call.gateway.alerts, 0)
    engine.last_order_id = max(highest + 1, int((call.now - 1_735_689_600) * 10))
    return engine.last_order_id


@ROUTES.add("GET", "/iserver/account/{account}/alerts")
def listed(call: Call) -> Answer:
    if call.params["account"] not in call.user.account_ids:
        return error(f"Bad Request: accountId is not valid: {call.params['account']}")
    of_account = [a for a in call.gateway.alerts.values() if a.account_id == call.params["account"] and not a.deleted]
    return Answer([alerts.row(a) for a in of_account])


@ROUTES.add("GET", "/iserver/account/alert/{alert}")
def shown(call: Call) -> Answer:
    found = _mine(call, call.params["alert"])
    return error("Alert not found", 500) if found is None else Answer(alerts.details(found, _name))


@ROUTES.add("POST", "/iserver/account/{account}/alert")
def create(call: Call) -> Answer:
    """Make an alert, or change the one whose number the body gives."""
    account_id, asked = call.params["account"], _body(call)
    if account_id not in call.user.account_ids:
        return error(f"Bad Request: accountId is not valid: {account_id}")
    if text := alerts.problem(asked):
        return error(text)
    more: dict[str, Any] = {"order_status": "PreSubmitted", "warning_message": None}
    if asked.get("orderId"):
        found = _mine(call, asked["orderId"])
        if found is None:
            return error("Alert not found", 500)
        found.asked, found.triggered = asked, False
        call.gateway.store.save([found])
        return _done("Alert has been modified.", found.alert_id, **more)
    if sum(a.account_id == account_id and not a.deleted for a in call.gateway.alerts.values()) >= 1000:
        return error("Bad Request: too many alerts")
    number = _next_number(call)
    made = Alert(alert_id=number, account_id=account_id, asked=asked, created_at=call.now)
    call.gateway.alerts[number] = made
    call.gateway.store.save([made])
    return _done("Alert has been created.", number, **more)


@ROUTES.add("POST", "/iserver/account/{account}/alert/activate")
def activate(call: Call) -> Answer:
    body = _body(call)
    if not isinstance(body, dict) or body.get("alertActive") not in (0, 1):
        return error("Bad Request: alertActive must be 0 or 1")
    found = _mine(call, body.get("alertId"))
    if found is None:
        return _done(
            "Alert not found", _number(body.get("alertId")), success=False, failure_list=str(body.get("alertId"))[:20]
        )
    found.active = bool(body["alertActive"])
    call.gateway.store.save([found])
    return _done("Request was submitted", found.alert_id, failure_list=None)


@ROUTES.add("DELETE", "/iserver/account/{account}/alert/{alert}")
def delete(call: Call) -> Answer:
    """Forget an alert; number 0 forgets all of the account."""
    asked = call.params["alert"]
    of_account = [a for a in call.gateway.alerts.values() if a.account_id == call.params["account"]]
    chosen = of_account if asked == "0" else [a for a in of_account if a is _mine(call, asked)]
    if call.params["account"] not in call.user.account_ids or not (chosen or asked == "0"):
        return _done("Alert not found", _number(asked), success=False, failure_list=asked[:20])
    for alert in chosen:
        alert.deleted = True
        del call.gateway.alerts[alert.alert_id]
    call.gateway.store.save(chosen)
    return _done("Request was submitted", _number(asked), failure_list=None)


@ROUTES.add("GET", "/iserver/account/mta")
def mobile_assistant(call: Call) -> Answer:
    account = call.gateway.engine.accounts[call.user.session.selected_account]
    return Answer(alerts.mobile_assistant(account.account_id, int(call.user.session.token[:7], 16), account.base))


def _body(call: Call) -> Any:
    try:
        return json.loads(call.raw)
    except (ValueError, RecursionError):
        return None
