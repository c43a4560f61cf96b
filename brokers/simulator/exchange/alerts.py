"""Alerts on an account: what is kept of one, how the wire shows it, and when it triggers. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

PRICE = 1
_REQUIRED = ("alertName", "alertMessage", "alertRepeatable", "outsideRth", "tif", "conditions")
_MOST_CONDITIONS = 50
_MTA_DEFAULTS = (
    "9:STATE=1,MIN=-260000,MAX=260000,STEP=500,DEF_MIN=-26000,DEF_MAX=26000"
    "|8:STATE=0,MIN=-15,MAX=15,STEP=0.5,DEF_MIN=-2,DEF_MAX=2"
    "|7:STATE=1,MIN=-5,MAX=5,STEP=0.5,DEF_MIN=-2,DEF_MAX=2"
    "|4:STATE=1,MIN=1,MAX=50,STEP=1,DEF_VAL=10|5:STATE=0"
)


@dataclass(slots=True, kw_only=True)
class Alert:
    """An alert as its owner asked for it."""

    alert_id: int
    account_id: str
    asked: dict[str, Any]
    created_at: float
    active: bool = True
    deleted: bool = False
    # Computed again after a restart, from the price of that moment.
    triggered: bool = False

    def look(self, price: Callable[[int], Decimal | None]) -> None:
        """Trigger when its conditions are met; one that is not repeatable stays triggered and rests."""
        if not self.active or self.deleted:
            return
        met = _met(self.asked["conditions"], price)
        if self.asked.get("alertRepeatable"):
            self.triggered = met
        elif met:
            self.triggered, self.active = True, False


def problem(asked: Any) -> str:
    """What is wrong with a request for an alert; empty when nothing is."""
    if not isinstance(asked, dict) or not asked:
        return "Bad Request: body can't be empty"
    if missing := [name for name in _REQUIRED if asked.get(name) is None]:
        return f"Bad Request: {missing[0]} is required"
    conditions = asked["conditions"]
    if not isinstance(conditions, list) or not 0 < len(conditions) <= _MOST_CONDITIONS:
        return "Bad Request: conditions must be a list"
    if not all(isinstance(c, dict) and isinstance(c.get("type"), int) and c.get("conidex") for c in conditions):
        return "Bad Request: a condition needs type and conidex"
    if asked["tif"] not in {"GTC", "GTD"}:
        return "Bad Request: tif must be GTC or GTD"
    if asked["tif"] == "GTD" and not asked.get("expireTime"):
        return "Bad Request: expireTime is required"
    texts = [asked["alertName"], asked["alertMessage"], asked.get("email") or "", asked.get("expireTime") or ""]
    return "" if all(isinstance(t, str) and len(t) <= 1000 for t in texts) else "Bad Request: text expected"


def row(alert: Alert) -> dict[str, Any]:
    """One row of the list."""
    return {
        "order_id": alert.alert_id,
        "account": alert.account_id,
        "alert_name": alert.asked["alertName"],
        "alert_active": int(alert.active),
        "order_time": datetime.fromtimestamp(alert.created_at, UTC).strftime("%Y%m%d-%H:%M:%S"),
        "alert_triggered": alert.triggered,
        "alert_repeatable": int(bool(alert.asked["alertRepeatable"])),
    }


def details(alert: Alert, describe: Callable[[int], str]) -> dict[str, Any]:
    """One alert in full; `describe` names a contract."""
    asked = alert.asked
    conditions = [_condition(c, describe) for c in asked["conditions"]]
    return _whole(
        account=alert.account_id,
        order_id=alert.alert_id,
        alert_name=asked["alertName"],
        tif=asked["tif"],
        expire_time=asked.get("expireTime") if asked["tif"] == "GTD" else None,
        alert_active=int(alert.active),
        alert_repeatable=int(bool(asked["alertRepeatable"])),
        alert_email=asked.get("email"),
        alert_send_message=int(bool(asked.get("sendMessage"))),
        alert_message=asked["alertMessage"],
        alert_show_popup=int(bool(asked.get("showPopup"))),
        alert_triggered=alert.triggered,
        itws_orders_only=int(bool(asked.get("iTWSOrdersOnly"))),
        condition_outside_rth=int(bool(asked["outsideRth"])),
        condition_size=len(conditions),
        conditions=conditions,
    )


def mobile_assistant(account_id: str, number: int, currency: str) -> dict[str, Any]:
    """The one alert every login has without asking."""
    return _whole(
        account=account_id,
        order_id=number,
        alert_name="MTA (AutoAlert)",
        alert_repeatable=1,
        alert_mta_currency=currency,
        alert_mta_defaults=_MTA_DEFAULTS,
        tool_id=55_834_574_848 + number % 1000,
        condition_size=1,
        conditions=[_condition({"type": 5, "conidex": "*@*", "value": "*"}, lambda conid: "Unknown")],
    )


def _whole(**known: Any) -> dict[str, Any]:
    return {
        "tif": "GTC",
        "expire_time": None,
        "alert_active": 1,
        "alert_repeatable": 0,
        "alert_email": None,
        "alert_send_message": 1,
        "alert_message": None,
        "alert_show_popup": 0,
        "alert_play_audio": None,
        "order_status": "Submitted",
        "alert_triggered": False,
        "fg_color": "#FFFFFF",
        "bg_color": "#0000CC",
        "order_not_editable": False,
        "itws_orders_only": 0,
        "alert_mta_currency": None,
        "alert_mta_defaults": None,
        "tool_id": None,
        "time_zone": None,
        "alert_default_type": None,
        "condition_outside_rth": 0,
    } | known


def _condition(asked: dict[str, Any], describe: Callable[[int], str]) -> dict[str, Any]:
    method = asked.get("triggerMethod")
    return {
        "condition_type": asked["type"],
        "conidex": str(asked["conidex"]),
        "contract_description_1": describe(_conid(asked)),
        "condition_operator": asked.get("operator"),
        "condition_trigger_method": None if method is None else str(method),
        "condition_value": str(asked.get("value", "*")),
        "condition_logic_bind": str(asked.get("logicBind", "n")),
        "condition_time_zone": asked.get("timeZone"),
    }


def _conid(condition: dict[str, Any]) -> int:
    text = str(condition["conidex"]).partition("@")[0]
    return int(text) if text.isdigit() and len(text) < 12 else 0


def _met(conditions: list[dict[str, Any]], price: Callable[[int], Decimal | None]) -> bool:
    """Whether the conditions hold, bound from left to right; a condition on anything but a price never holds."""
    met, bind = _holds(conditions[0], price), str(conditions[0].get("logicBind", "n"))
    for condition in conditions[1:]:
        here = _holds(condition, price)
        met = (met or here) if bind == "o" else (met and here)
        bind = str(condition.get("logicBind", "n"))
    return met


def _holds(condition: dict[str, Any], price: Callable[[int], Decimal | None]) -> bool:
    last = price(_conid(condition)) if condition["type"] == PRICE else None
    try:
        value = Decimal(str(condition.get("value")))
    except InvalidOperation:
        return False
    if last is None or not value.is_finite():
        return False
    return last >= value if condition.get("operator") == ">=" else last <= value
