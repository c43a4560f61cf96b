from __future__ import annotations

from typing import Any

import pytest

from brokers.simulator.tests.conftest import Client, ticket, until

REGISTERED = "Order couldn't be submitted: Local order ID={} is already registered."


def test_a_market_order_is_acknowledged_filled_and_booked(client: Client) -> None:
    client.gateway.quote("KO", bid="60.00", ask="60.02", last="60.01")
    conid = client.get("/trsrv/stocks?symbols=KO")["KO"][0]["contracts"][0]["conid"]
    [row] = client.place(ticket("m-1", conid=conid, quantity=10))
    assert (row["order_status"], row["local_order_id"], row["encrypt_message"]) == ("Submitted", "m-1", "1")
    order = client.order("m-1")
    assert (order["status"], order["avgPrice"], order["filledQuantity"]) == ("Filled", "60.02", 10.0)
    [trade] = client.trades()
    assert (trade["order_ref"], trade["size"], trade["price"], trade["commission"]) == ("m-1", 10.0, 60.02, "1")
    assert client.positions() == {"KO": 10.0}
    summary = client.get(f"/iserver/account/{client.account}/summary")
    assert summary["totalCashValue"] == 1_000_000 - 600.20 - 1


def test_a_limit_order_rests_and_can_be_changed_and_cancelled(client: Client) -> None:
    [row] = client.place(ticket("l-1", orderType="LMT", price=50.0))
    number = row["order_id"]
    assert client.order("l-1")["sizeAndFills"] == "0/5"
    path = f"/iserver/account/{client.account}/order/{number}"
    changed = client.post(path, ticket("l-1", orderType="LMT", price=51.0, quantity=7))
    assert changed[0]["order_id"] == number
    order = client.order("l-1")
    assert (order["price"], order["totalSize"]) == ("51.00", 7.0)
    gone = client.delete(path)
    assert gone == {"msg": "Request was submitted", "order_id": int(number), "conid": -1, "account": None}
    assert client.order("l-1")["status"] == "Cancelled"
    assert client.delete(path) == {"error": f"OrderID {number} doesn't exist"}


def test_the_first_read_of_a_session_is_empty(client: Client) -> None:
    client.place(ticket("c-1"))
    assert client.get("/iserver/account/orders") == {"orders": [], "snapshot": False}
    assert len(client.get("/iserver/account/orders")["orders"]) == 1
    assert client.get("/iserver/account/orders?force=True") == {"orders": [], "snapshot": False}
    assert client.get("/iserver/account/orders") == {"orders": [], "snapshot": False}


def test_a_reference_is_registered_once_a_day(client: Client) -> None:
    client.place(ticket("d-1"))
    assert client.place(ticket("d-1")) == {"error": REGISTERED.format("d-1")}
    assert len(client.orders()) == 1


def test_a_reference_of_another_username_is_free(client: Client) -> None:
    other = Client(client.gateway, f"{client.user}-2", client.gateway.sign_in(f"{client.user}-2"))
    client.place(ticket("same"))
    assert other.place(ticket("same"))[0]["local_order_id"] == "same"


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"side": "HOLD"}, 400, "Invalid Side (must be 'BUY' or 'SELL')"),
        ({"orderType": "MAGIC"}, 400, "Unknown order type"),
        ({"conid": None}, 400, "conid or conidex is required"),
        ({"quantity": [1]}, 400, "orders request includes parameter with incorrect type"),
        ({"tif": None}, 200, "null time in force is not supported for this order"),
        ({"orderType": "LMT"}, 200, "Invalid order price fields"),
        ({"orderType": "LMT", "price": -1}, 200, "Invalid order price fields"),
        ({"quantity": -5}, 200, "Invalid order quantity: it must be more than zero."),
        ({"conid": 13297}, 200, "no sec defs returned forSecDef reqId=resolveSecReqByConid13297"),
        ({"conid": 800_000_000}, 200, "No trading permissions."),
        (
            {"orderType": "LMT", "price": 100.001},
            200,
            "The price does not conform to the minimum price variation for this contract.",
        ),
    ],
)
def test_a_wrong_ticket_is_refused_in_the_brokers_words(
    client: Client, change: dict[str, Any], status: int, text: str
) -> None:
    path = f"/iserver/account/{client.account}/orders"
    answer = client.gateway.call(client.user, "POST", path, {"orders": [ticket("w-1", **change)]})
    assert answer == (status, {"error": text})
    assert client.orders() == []


def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    path = f"/u/{client.user}/v1/api/iserver/account/{client.account}/orders"
    text = "Failed to parse body as JSON. Content Type: application/json; charset=utf-8"
    assert client.gateway.request("POST", path) == (400, {"error": text})


def test_an_account_of_somebody_else_is_not_valid(client: Client) -> None:
    answer = client.gateway.call(client.user, "POST", "/iserver/account/SIM0000001/orders", {"orders": [ticket()]})
    assert answer == (400, {"error": "Bad Request: accountId is not valid: SIM0000001", "statusCode": 400})


def test_a_bracket_lives_and_dies_together(client: Client) -> None:
    client.gateway.quote("PEP", bid="150.00", ask="150.02", last="150.01")
    conid = client.get("/trsrv/stocks?symbols=PEP")["PEP"][0]["contracts"][0]["conid"]
    rows = client.place(
        ticket("b-P", conid=conid, orderType="LMT", price=149.0),
        ticket("b-T", conid=conid, side="SELL", orderType="LMT", price=160.0, parentId="b-P"),
        ticket("b-S", conid=conid, side="SELL", orderType="STP", price=140.0, parentId="b-P"),
    )
    assert [r["local_order_id"] for r in rows] == ["b-P", "b-T", "b-S"]
    parent, target, stop = (int(r["order_id"]) for r in rows)
    shown = {o["orderId"]: o for o in client.orders()}
    assert shown[parent]["order_ref"] == "b-P"
    assert "order_ref" not in shown[target]
    assert shown[target]["parentId"] == shown[stop]["parentId"] == parent
    assert shown[target]["ocaGroupId"] == shown[stop]["ocaGroupId"]
    client.gateway.quote("PEP", bid="148.00", ask="148.02", last="148.01")
    client.gateway.quote("PEP", bid="160.50", ask="160.52", last="160.51")
    assert [o["status"] for o in sorted(client.orders(), key=lambda o: o["orderId"])] == [
        "Filled",
        "Filled",
        "Cancelled",
    ]
    assert [t["price"] for t in client.trades()] == [160.5, 148.02]
    assert client.positions() == {}


def test_a_bracket_is_not_atomic(client: Client) -> None:
    rows = client.place(
        ticket("n-P", orderType="LMT", price=50.0),
        ticket("n-S", side="SELL", orderType="STP", price=40.0, parentId="unheard-of"),
    )
    assert rows[0]["order_status"] == "Submitted"
    assert rows[1] == {
        "order_id": "-1",
        "order_status": "Failed",
        "error": None,
        "warning_message": "-1",
        "text": "Order couldn't be submitted: Parent order ID=unheard-of isn't recognized.",
        "local_order_id": "n-S",
    }
    assert len(client.orders()) == 1


def test_an_order_beyond_the_margin_is_inactive(client: Client) -> None:
    [row] = client.place(ticket("big", quantity=1_000_000))
    assert row["order_status"] == "Inactive"
    assert client.order("big")["order_cancellation_by_system_reason"].startswith("YOUR ORDER IS NOT ACCEPTED.")
    assert client.positions() == {}


def test_order_status_knows_the_order_but_not_its_reference(client: Client) -> None:
    [row] = client.place(ticket("s-1"))
    body = client.get(f"/iserver/account/order/status/{row['order_id']}")
    assert (body["order_status"], body["cum_fill"], body["size"], body["side"]) == ("Filled", "5.0", "0.0", "BUY")
    assert "order_ref" not in body
    assert client.gateway.call(client.user, "GET", "/iserver/account/order/status/1") == (503, "")


def test_cancelling_minus_one_cancels_everything(client: Client) -> None:
    client.place(ticket("x-1", orderType="LMT", price=50.0))
    client.place(ticket("x-2", orderType="LMT", price=51.0))
    assert client.delete(f"/iserver/account/{client.account}/order/-1")["msg"] == "Request was submitted"
    assert {o["status"] for o in client.orders()} == {"Cancelled"}


def test_a_preview_places_nothing(client: Client) -> None:
    body = client.post(f"/iserver/account/{client.account}/orders/whatif", {"orders": [ticket("p-1", quantity=10)]})
    assert body["amount"]["commission"] == "1 USD"
    assert body["error"] is None
    assert body["position"] == {"current": "0", "change": "10", "after": "10"}
    assert client.orders() == []


def test_filters_stick_to_the_session(client: Client) -> None:
    client.place(ticket("f-1"))
    client.place(ticket("f-2", orderType="LMT", price=50.0))
    client.orders()
    filtered = client.get("/iserver/account/orders?filters=filled")["orders"]
    assert [o["order_ref"] for o in filtered] == ["f-1"]
    assert [o["order_ref"] for o in client.orders()] == ["f-1"]


def test_fills_come_in_slices_when_told_to(client: Client) -> None:
    with client.gateway.behaving(fill_slice=2):
        client.place(ticket("s-1", quantity=5))
        until(lambda: client.order("s-1")["status"] == "Filled")
        assert [t["size"] for t in reversed(client.trades())] == [2.0, 2.0, 1.0]


def test_a_future_needs_its_manual_indicator_when_strict(client: Client) -> None:
    conid = client.get("/trsrv/futures?symbols=MES")["MES"][0]["conid"]
    path = f"/iserver/account/{client.account}/orders"
    with client.gateway.behaving(manual_indicator_required=True):
        assert client.gateway.call(client.user, "POST", path, {"orders": [ticket(conid=conid)]})[0] == 400
        [row] = client.place(ticket("m-1", conid=conid, manualIndicator=False, extOperator="me"))
    assert row["local_order_id"] == "m-1"


def test_a_slow_exchange_cancels_later_than_it_says(client: Client) -> None:
    client.place(ticket("late", orderType="LMT", price=50.0))
    number = client.order("late")["orderId"]
    with client.gateway.behaving(fill_delay_ms=1000):
        client.delete(f"/iserver/account/{client.account}/order/{number}")
        assert client.order("late")["status"] == "PendingCancel"
        until(lambda: client.order("late")["status"] == "Cancelled")
