from __future__ import annotations

import http.client
import time

import pytest

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, ticket

ORDERS = "/iserver/account/*/orders"


def test_before_means_the_order_never_reached_the_books(client: Client) -> None:
    client.gateway.fault(
        match={"user": client.user, "method": "POST", "path": ORDERS},
        action={"status": 500, "body": {"error": "unknown"}},
    )
    path = f"/iserver/account/{client.account}/orders"
    answer = client.gateway.call(client.user, "POST", path, {"orders": [ticket("f-1")]})
    assert answer == (500, {"error": "unknown"})
    assert client.orders() == []


def test_after_means_the_order_stands_and_only_the_answer_is_lost(client: Client) -> None:
    match = {"user": client.user, "method": "POST", "path": ORDERS}
    client.gateway.fault(match=match, phase="after", action={"drop_connection": True})
    with pytest.raises((OSError, http.client.HTTPException)):
        client.place(ticket("f-2"))
    assert client.order("f-2")["status"] == "Filled"


def test_a_fault_hits_the_nth_call_so_many_times_and_only_its_user(client: Client) -> None:
    match = {"user": client.user, "path": "/tickle", "nth": 2}
    client.gateway.fault(match=match, action={"status": 503, "body": ""})
    assert [client.gateway.call(client.user, "POST", "/tickle")[0] for _ in range(3)] == [200, 503, 200]
    assert client.gateway.call("somebody-else", "POST", "/tickle")[0] == 200


def test_a_fault_looks_into_the_body(client: Client) -> None:
    match = {"user": client.user, "body_contains": "poison"}
    client.gateway.fault(match=match, action={"reject": "We cannot accept this order."}, times=None)
    assert client.place(ticket("fine"))[0]["local_order_id"] == "fine"
    assert client.place(ticket("poison")) == {"error": "We cannot accept this order."}


def test_a_delay_delays(client: Client) -> None:
    client.gateway.fault(match={"user": client.user}, action={"delay_ms": 200})
    begun = time.monotonic()
    client.post("/tickle")
    assert time.monotonic() - begun >= 0.2


def test_a_hanging_call_ends_in_an_empty_503(client: Client) -> None:
    client.gateway.fault(match={"user": client.user}, phase="after", action={"hang": True, "hang_s": 0.1})
    assert client.gateway.call(client.user, "POST", "/tickle") == (503, "")


def test_questions_can_be_asked_for(client: Client) -> None:
    client.gateway.fault(match={"user": client.user, "path": ORDERS}, action={"question": ["o163", "o99999"]})
    body = client.place(ticket("f-3"))
    assert body[0]["messageIds"] == ["o163"]
    body = client.post(f"/iserver/reply/{body[0]['id']}", {"confirmed": True})
    assert body[0]["messageIds"] == ["o99999"]
    body = client.post(f"/iserver/reply/{body[0]['id']}", {"confirmed": True})
    assert body[0]["local_order_id"] == "f-3"


def test_a_silent_drop_acknowledges_an_order_that_never_is(client: Client) -> None:
    client.gateway.fault(match={"user": client.user, "path": ORDERS}, action={"silent_drop": True})
    assert client.place(ticket("f-4"))[0]["order_status"] == "PreSubmitted"
    assert client.orders() == []
    assert client.trades() == []


def test_the_session_can_be_lost_or_stolen_by_a_call(client: Client) -> None:
    client.gateway.fault(match={"user": client.user, "path": "/tickle"}, action={"lose_session": True})
    assert client.post("/tickle")["iserver"]["authStatus"]["authenticated"] is False
    client.gateway.sign_in(client.user)
    client.gateway.fault(match={"user": client.user, "path": "/tickle"}, action={"steal_session": True})
    assert client.post("/tickle")["iserver"]["authStatus"]["competing"] is True


def test_orders_can_be_falsely_empty(client: Client) -> None:
    client.place(ticket("f-5"))
    client.orders()
    client.gateway.fault(
        match={"user": client.user, "path": "/iserver/account/orders"}, action={"false_empty_orders": 2}
    )
    assert [len(client.get("/iserver/account/orders")["orders"]) for _ in range(3)] == [0, 0, 1]


def test_a_partial_fill_stalls(client: Client) -> None:
    client.gateway.fault(match={"user": client.user, "path": ORDERS}, action={"partial_fill": 0.4})
    client.place(ticket("f-6"))
    order = client.order("f-6")
    assert (order["status"], order["sizeAndFills"]) == ("Submitted", "2/5")


def test_an_answer_can_break_off_in_the_middle(client: Client) -> None:
    match = {"user": client.user, "method": "POST", "path": ORDERS}
    client.gateway.fault(match=match, phase="after", action={"truncate_body": True})
    with pytest.raises((OSError, http.client.HTTPException)):
        client.place(ticket("f-9"))
    assert client.order("f-9")["status"] == "Filled"


def test_an_address_can_be_put_into_the_penalty_box(client: Client) -> None:
    client.gateway.fault(match={"user": client.user}, action={"penalty_box": 1})
    assert client.gateway.call(client.user, "POST", "/tickle")[0] == 429
    assert client.gateway.call(f"{client.user}-2", "POST", "/tickle")[0] == 429
    time.sleep(1.1)
    assert client.gateway.call(client.user, "POST", "/tickle")[0] == 200


def test_a_leg_can_fail(client: Client) -> None:
    client.gateway.fault(match={"user": client.user, "path": ORDERS}, action={"failed_rows": [1]})
    rows = client.place(
        ticket("f-7", orderType="LMT", price=50.0),
        ticket("f-8", side="SELL", orderType="STP", price=40.0, parentId="f-7"),
    )
    assert [r["order_id"] == "-1" for r in rows] == [False, True]


def test_clearing_disarms(client: Client) -> None:
    client.gateway.fault(match={"user": client.user}, action={"status": 500})
    client.gateway.clear_faults()
    assert client.gateway.call(client.user, "POST", "/tickle")[0] == 200


def test_the_journal_names_every_request_in_order(client: Client) -> None:
    client.place(ticket("j-1"))
    entries = client.gateway.journal(client.user)
    assert [e["path"] for e in entries[-2:]] == ["/portfolio/accounts", f"/iserver/account/{client.account}/orders"]
    assert '"j-1"' in entries[-1]["body"]
    assert entries[-1]["status"] == 200
    assert entries[-2]["arrived"] < entries[-1]["arrived"]


def test_a_reset_gives_a_fresh_start_and_frees_references(client: Client) -> None:
    [before] = client.place(ticket("r-1"))
    client.gateway.reset(client.user)
    assert client.gateway.sign_in(client.user) == client.account
    assert client.orders() == []
    assert client.positions() == {}
    assert client.get(f"/iserver/account/{client.account}/summary")["netLiquidationValue"] == 1_000_000
    [after] = client.place(ticket("r-1"))
    assert int(after["order_id"]) > int(before["order_id"])


def test_unknown_actions_and_matches_are_refused_in_a_sentence(gateway: RunningGateway) -> None:
    status, body = gateway.request("POST", "/sim/v1/faults", {"action": {"explode": True}})
    assert (status, body["error"].startswith("An action is one of")) == (400, True)
    status, body = gateway.request("POST", "/sim/v1/faults", {"match": {"moon": 1}, "action": {"status": 500}})
    assert (status, body["error"].startswith("Unknown match moon.")) == (400, True)


def test_the_control_plane_needs_its_token(gateway: RunningGateway) -> None:
    honest, gateway.token = gateway.token, "guess"
    try:
        assert gateway.request("GET", "/sim/v1/faults")[0] == 401
    finally:
        gateway.token = honest


@pytest.mark.usefixtures("servers")
def test_without_a_token_there_is_no_control_plane() -> None:
    with running_gateway(token="") as bare:
        assert bare.request("GET", "/sim/v1/faults") == (404, {"error": "Not Found", "statusCode": 404})
