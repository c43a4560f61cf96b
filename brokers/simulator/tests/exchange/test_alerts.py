"""Alerts: made, listed, shown, changed, switched off, triggered by a price, forgotten, and there after a crash."""

from __future__ import annotations

from typing import Any

import pytest

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, until

ALERT: dict[str, Any] = {
    "alertName": "Apple is dear",
    "alertMessage": "Look at Apple.",
    "alertRepeatable": 0,
    "email": "alice@example.com",
    "outsideRth": 0,
    "sendMessage": 1,
    "showPopup": 1,
    "tif": "GTC",
    "conditions": [
        {
            "type": 1,
            "conidex": "265598@SMART",
            "operator": ">=",
            "value": "9000",
            "triggerMethod": "0",
            "logicBind": "n",
        }
    ],
}


def condition(
    operator: str, value: str, bind: str = "n", conidex: str = "265598@SMART", type_: int = 1
) -> dict[str, Any]:
    return {"type": type_, "conidex": conidex, "operator": operator, "value": value, "logicBind": bind}


def make(client: Client, **changes: Any) -> int:
    answer = client.post(f"/iserver/account/{client.account}/alert", ALERT | changes)
    assert (answer["success"], answer["order_status"]) == (True, "PreSubmitted")
    return int(answer["order_id"])


def listed(client: Client) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get(f"/iserver/account/{client.account}/alerts")
    return rows


def test_an_alert_is_made_listed_and_shown(client: Client) -> None:
    number = make(client)
    [row] = listed(client)
    assert (row["order_id"], row["alert_name"], row["alert_active"], row["alert_triggered"]) == (
        number,
        "Apple is dear",
        1,
        False,
    )
    shown = client.get(f"/iserver/account/alert/{number}?type=Q")
    assert (shown["account"], shown["alert_message"], shown["condition_size"]) == (client.account, "Look at Apple.", 1)
    assert shown["conditions"][0]["contract_description_1"] == "AAPL"


def test_an_alert_is_changed_by_its_number(client: Client) -> None:
    number = make(client)
    changed = client.post(
        f"/iserver/account/{client.account}/alert", ALERT | {"orderId": number, "alertName": "Apple is cheap"}
    )
    assert changed["order_id"] == number
    assert [r["alert_name"] for r in listed(client)] == ["Apple is cheap"]


def test_an_alert_is_switched_off_and_on(client: Client) -> None:
    number = make(client)
    path = f"/iserver/account/{client.account}/alert/activate"
    for active in (0, 1):
        answer = client.post(path, {"alertId": number, "alertActive": active})
        assert (answer["success"], answer["text"]) == (True, "Request was submitted")
        assert listed(client)[0]["alert_active"] == active


def test_alerts_are_forgotten_one_by_one_or_all_at_once(client: Client) -> None:
    first, _, _ = make(client), make(client), make(client)
    assert client.delete(f"/iserver/account/{client.account}/alert/{first}")["success"] is True
    assert len(listed(client)) == 2
    assert client.gateway.call(client.user, "GET", f"/iserver/account/alert/{first}")[0] == 500
    assert client.delete(f"/iserver/account/{client.account}/alert/0")["success"] is True
    assert listed(client) == []


def test_a_reset_forgets_alerts(client: Client) -> None:
    make(client)
    client.gateway.reset(client.user)
    client.gateway.sign_in(client.user)
    assert listed(client) == []


def test_a_price_triggers_an_alert_once(client: Client) -> None:
    client.gateway.quote("KO", bid="50.00", ask="50.02", last="50.01")
    conid = client.get("/trsrv/stocks?symbols=KO")["KO"][0]["contracts"][0]["conid"]
    try:
        number = make(client, conditions=[condition("<=", "49.00", conidex=f"{conid}@SMART")])
        assert listed(client)[0]["alert_triggered"] is False
        client.gateway.quote("KO", bid="48.00", ask="48.02", last="48.01")
        row = until(lambda: next((r for r in listed(client) if r["alert_triggered"]), None))
        assert (row["order_id"], row["alert_active"]) == (number, 0)
    finally:
        client.gateway.clear_quotes()


@pytest.mark.parametrize(
    ("conditions", "triggers"),
    [
        ([condition(">=", "0.01", "a"), condition(">=", "0.01")], True),
        ([condition(">=", "0.01", "a"), condition(">=", "90000")], False),
        ([condition(">=", "90000", "o"), condition(">=", "0.01")], True),
        ([condition(">=", "0.01", "a"), condition(">=", "0.01", type_=5)], False),
        ([condition(">=", "much")], False),
        ([condition(">=", "0.01", conidex="999999999@SMART")], False),
    ],
)
def test_conditions_are_bound_from_left_to_right(
    client: Client, conditions: list[dict[str, Any]], triggers: bool
) -> None:
    make(client, alertName="bound", conditions=conditions)
    # The sentinel is looked at after it: once the sentinel triggered, this one was looked at too.
    make(client, alertName="sentinel", conditions=[condition(">=", "0.01")])
    until(lambda: listed(client)[1]["alert_triggered"])
    bound = listed(client)[0]
    assert (bound["alert_name"], bound["alert_triggered"]) == ("bound", triggers)


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        [],
        "x",
        ALERT | {"alertName": None},
        ALERT | {"alertName": 5},
        ALERT | {"conditions": []},
        ALERT | {"conditions": [1]},
        ALERT | {"conditions": [{"type": "x", "conidex": "1"}]},
        ALERT | {"conditions": ALERT["conditions"] * 51},
        ALERT | {"tif": "DAY"},
        ALERT | {"tif": "GTD"},
        ALERT | {"alertMessage": "x" * 1001},
    ],
)
def test_an_alert_that_makes_no_sense_is_refused(client: Client, body: Any) -> None:
    status, answer = client.gateway.call(client.user, "POST", f"/iserver/account/{client.account}/alert", body)
    assert (status, answer["statusCode"]) == (400, 400)
    assert listed(client) == []


def test_alerts_of_others_do_not_exist(client: Client, gateway: RunningGateway) -> None:
    number = make(client)
    other = Client(gateway, f"{client.user}-o"[:64], gateway.sign_in(f"{client.user}-o"[:64]))
    assert gateway.call(other.user, "GET", f"/iserver/account/alert/{number}")[0] == 500
    assert gateway.call(other.user, "GET", f"/iserver/account/{client.account}/alerts")[0] == 400
    assert other.delete(f"/iserver/account/{client.account}/alert/{number}")["success"] is False
    assert other.delete(f"/iserver/account/{client.account}/alert/0")["success"] is False
    assert other.post(f"/iserver/account/{other.account}/alert/activate", {"alertId": number, "alertActive": 0})[
        "failure_list"
    ] == str(number)
    assert [r["alert_active"] for r in listed(client)] == [1]


def test_every_login_has_its_mobile_assistant(client: Client) -> None:
    shown = client.get("/iserver/account/mta")
    assert (shown["alert_name"], shown["account"], shown["alert_repeatable"]) == ("MTA (AutoAlert)", client.account, 1)


@pytest.mark.usefixtures("servers")
def test_alerts_survive_a_crash() -> None:
    with running_gateway("fast") as gateway:
        client = Client(gateway, "alice", gateway.sign_in("alice"))
        kept, gone = make(client), make(client)
        client.delete(f"/iserver/account/{client.account}/alert/{gone}")
        client.post(f"/iserver/account/{client.account}/alert/activate", {"alertId": kept, "alertActive": 0})
        gateway.kill()
        gateway.start()
        gateway.sign_in("alice")
        assert [(r["order_id"], r["alert_active"]) for r in listed(client)] == [(kept, 0)]
        assert make(client) > gone
