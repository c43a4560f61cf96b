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
    alert = call.gateway.alerts.get(_number(number))
    return alert if alert is not None and alert.account_id in call.user.account_ids and not alert.deleted else None


def _next_number(call: Call) -> int:
    """Alerts are numbered with the orders, by the clock, so that no number is used twice."""
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
    alert = _mine(call, call.params["alert"])
    return error("Alert not found", 500) if alert is None else Answer(alerts.details(alert, _name))


@ROUTES.add("POST", "/iserver/account/{account}/alert")
def create(call: Call) -> Answer:
    """Make an alert, or change the one whose number the body names."""
    account_id, terms = call.params["account"], _body(call)
    if account_id not in call.user.account_ids:
        return error(f"Bad Request: accountId is not valid: {account_id}")
    if text := alerts.problem(terms):
        return error(text)
    more: dict[str, Any] = {"order_status": "PreSubmitted", "warning_message": None}
    if terms.get("orderId"):
        alert = _mine(call, terms["orderId"])
        if alert is None:
            return error("Alert not found", 500)
        alert.asked, alert.triggered = terms, False
        call.gateway.store.save([alert])
        return _done("Alert has been modified.", alert.alert_id, **more)
    if sum(a.account_id == account_id and not a.deleted for a in call.gateway.alerts.values()) >= 1000:
        return error("Bad Request: too many alerts")
    number = _next_number(call)
    alert = Alert(alert_id=number, account_id=account_id, asked=terms, created_at=call.now)
    call.gateway.alerts[number] = alert
    call.gateway.store.save([alert])
    return _done("Alert has been created.", number, **more)


@ROUTES.add("POST", "/iserver/account/{account}/alert/activate")
def activate(call: Call) -> Answer:
    body = _body(call)
    if not isinstance(body, dict) or body.get("alertActive") not in (0, 1):
        return error("Bad Request: alertActive must be 0 or 1")
    alert = _mine(call, body.get("alertId"))
    if alert is None:
        return _done(
            "Alert not found", _number(body.get("alertId")), success=False, failure_list=str(body.get("alertId"))[:20]
        )
    alert.active = bool(body["alertActive"])
    call.gateway.store.save([alert])
    return _done("Request was submitted", alert.alert_id, failure_list=None)


@ROUTES.add("DELETE", "/iserver/account/{account}/alert/{alert}")
def delete(call: Call) -> Answer:
    """Forget an alert; number 0 forgets all of the account."""
    number = call.params["alert"]
    of_account = [a for a in call.gateway.alerts.values() if a.account_id == call.params["account"]]
    chosen = of_account if number == "0" else [a for a in of_account if a is _mine(call, number)]
    if call.params["account"] not in call.user.account_ids or not (chosen or number == "0"):
        return _done("Alert not found", _number(number), success=False, failure_list=number[:20])
    for alert in chosen:
        alert.deleted = True
        del call.gateway.alerts[alert.alert_id]
    call.gateway.store.save(chosen)
    return _done("Request was submitted", _number(number), failure_list=None)


@ROUTES.add("GET", "/iserver/account/mta")
def mobile_assistant(call: Call) -> Answer:
    account = call.gateway.engine.accounts[call.user.session.selected_account]
    return Answer(alerts.mobile_assistant(account.account_id, int(call.user.session.token[:7], 16), account.base))


def _body(call: Call) -> Any:
    try:
        return json.loads(call.raw)
    except (ValueError, RecursionError):
        return None
