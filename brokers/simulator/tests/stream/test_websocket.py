from __future__ import annotations

import json
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.tests.conftest import Client, messages, ticket


def test_a_socket_without_a_session_waits_and_is_greeted_when_there_is_one(gateway: RunningGateway, user: str) -> None:
    with connect(gateway.ws_url(user)) as socket:
        assert json.loads(socket.recv(timeout=2)) == {"message": "waiting for session"}
        gateway.sign_in(user)
        assert messages(socket, "system")[0]["success"] == user


def test_the_first_messages_are_system_act_and_sts(client: Client) -> None:
    with client.socket() as socket:
        first = [json.loads(socket.recv(timeout=2)) for _ in range(3)]
    assert [m["topic"] for m in first] == ["system", "act", "sts"]
    assert (first[1]["args"]["selectedAccount"], first[1]["args"]["isPaper"]) == (client.account, True)
    assert (first[2]["args"]["authenticated"], first[2]["args"]["competing"]) == (True, False)


def test_orders_come_as_an_image_and_then_as_changes_only(client: Client) -> None:
    [row] = client.place(ticket("w-0", orderType="LMT", price=50.0))
    with client.socket() as socket:
        socket.send("sor+{}")
        [image] = messages(socket, "sor")
        assert [(o["order_ref"], o["status"]) for o in image["args"]] == [("w-0", "Submitted")]
        client.delete(f"/iserver/account/{client.account}/order/{row['order_id']}")
        [change] = messages(socket, "sor")
    [args] = change["args"]
    assert (args["acct"], args["orderId"]) == (client.account, int(row["order_id"]))
    assert (args["status"], args["remainingQuantity"]) == ("Cancelled", 0.0)
    assert not {"order_ref", "conid", "side"} & set(args)


def test_a_new_order_is_told_in_full_then_filled(client: Client) -> None:
    with client.socket() as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        client.place(ticket("w-1"))
        placed, filled = messages(socket, "sor", 2)
    assert (placed["args"][0]["order_ref"], placed["args"][0]["status"]) == ("w-1", "Submitted")
    assert filled["args"][0]["status"] == "Filled"
    assert filled["args"][0]["filledQuantity"] == 5.0
    assert "order_ref" not in filled["args"][0]


def test_fills_are_replayed_and_then_live(client: Client) -> None:
    client.place(ticket("w-2"))
    with client.socket() as socket:
        socket.send('str+{"realtimeUpdatesOnly":false,"days":1}')
        [image] = messages(socket, "str")
        client.place(ticket("w-3"))
        [live] = messages(socket, "str")
        socket.send('str+{"realtimeUpdatesOnly":true}')
        [nothing] = messages(socket, "str")
    assert [t["order_ref"] for t in image["args"]] == ["w-2"]
    assert [t["order_ref"] for t in live["args"]] == ["w-3"]
    assert nothing["args"] == []
    assert live["args"] == [t for t in client.trades() if t["order_ref"] == "w-3"]


def test_an_unsubscribed_topic_is_silent(client: Client) -> None:
    with client.socket() as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        socket.send("uor+{}")
        socket.send("tic")
        messages(socket, "tic")
        client.place(ticket("w-4"))
        with pytest.raises(TimeoutError):
            messages(socket, "sor", timeout=0.3)


def test_quotes_flow_for_the_asked_fields(client: Client) -> None:
    with client.socket() as socket:
        socket.send('smd+320227571+{"fields":["31","84","86"]}')
        first, second = messages(socket, "smd+320227571", 2)
    assert {"31", "84", "86", "6509", "conid", "conidEx", "_updated", "server_id"} <= set(first)
    assert isinstance(first["31"], str)
    assert set(second) & {"31", "84", "86"}


def test_a_posted_quote_is_what_the_socket_shows(client: Client) -> None:
    client.gateway.quote("NKE", bid="70.00", ask="70.02", last="70.01")
    conid = client.get("/trsrv/stocks?symbols=NKE")["NKE"][0]["contracts"][0]["conid"]
    with client.socket() as socket:
        socket.send(f'smd+{conid}+{{"fields":["31","84","86"]}}')
        [quote] = messages(socket, f"smd+{conid}")
    assert (quote["31"], quote["84"], quote["86"]) == ("70.01", "70.00", "70.02")


def test_profit_summary_and_ledger_are_told(client: Client) -> None:
    assert client.get("/iserver/account/pnl/partitioned") == {"upnl": {}}
    with client.socket() as socket:
        socket.send("spl+{}")
        [profit] = messages(socket, "spl")
        socket.send(f'ssd+{client.account}+{{"keys":["NetLiquidation"],"fields":["currency","monetaryValue"]}}')
        [summary] = messages(socket, f"ssd+{client.account}")
        socket.send(f"sld+{client.account}+{{}}")
        [ledger] = messages(socket, f"sld+{client.account}")
        socket.send(f"usd+{client.account}+{{}}")
        assert json.loads(socket.recv(timeout=2)) == {"result": "unsubscribed from summary"}
    assert profit["args"][f"{client.account}.Core"]["nl"] == 1_000_000.0
    assert [(r["key"], r["monetaryValue"]) for r in summary["result"]] == [("NetLiquidation", 1_000_000.0)]
    assert [r["key"] for r in ledger["result"]] == ["LedgerListBASE", "LedgerListUSD"]
    assert client.get("/iserver/account/pnl/partitioned")["upnl"][f"{client.account}.Core"]["nl"] == 1_000_000.0


def test_a_stolen_session_is_told(client: Client) -> None:
    with client.socket() as socket:
        messages(socket, "sts")
        client.gateway.steal(client.user)
        [status] = messages(socket, "sts")
    assert (status["args"]["authenticated"], status["args"]["competing"]) == (False, True)


def test_the_cookie_of_the_session_is_asked_for_when_so_switched(client: Client) -> None:
    token = client.post("/tickle")["session"]
    with client.gateway.behaving(ws_cookie_required=True):
        with client.socket() as socket:
            assert json.loads(socket.recv(timeout=2)) == {"message": "waiting for session"}
        cookie = {"Cookie": 'api={"session": "' + token + '"}'}
        with connect(client.gateway.ws_url(client.user), additional_headers=cookie) as socket:
            assert messages(socket, "sts")[0]["args"]["authenticated"] is True


def test_the_heart_beats(client: Client) -> None:
    with client.gateway.behaving(heartbeat_s=0.1), client.socket() as socket:
        beat = messages(socket, "system", 2)[1]
    assert abs(beat["hb"] - time.time() * 1000) < 5000


def test_tics_are_answered_with_a_moment_that_grows(client: Client) -> None:
    with client.socket() as socket:
        socket.send("tic")
        [first] = messages(socket, "tic")
        time.sleep(0.01)
        socket.send("tic")
        [second] = messages(socket, "tic")
    assert (first["alive"], first["id"]) == (True, client.post("/tickle")["session"])
    assert second["lastAccessed"] > first["lastAccessed"]


def test_nonsense_is_answered_and_does_no_harm(client: Client) -> None:
    with client.socket() as socket:
        for text in ("", "nonsense", "smd+x+{}", "smd+265598+[1]", "str+{", "sor", "\x00" * 100):
            socket.send(text)
        for _ in range(2000):
            socket.send("tic")
        assert messages(socket, "tic", 2000)[-1]["alive"] is True


def test_a_socket_can_be_cut(client: Client) -> None:
    with client.socket() as socket:
        messages(socket, "sts")
        client.gateway.close_sockets(client.user)
        with pytest.raises(ConnectionClosed):
            messages(socket, "nothing")


def test_only_its_own_user_hears_of_an_order(client: Client) -> None:
    other = f"{client.user}-2"
    client.gateway.sign_in(other)
    with connect(client.gateway.ws_url(other)) as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        client.place(ticket("w-9"))
        with pytest.raises(TimeoutError):
            messages(socket, "sor", timeout=0.3)


def asks(client: Client, by: str) -> None:
    match = {"user": client.user, "method": "POST", "path": "/iserver/account/*/orders"}
    client.gateway.fault(action={"server_prompt": {"by": by}}, match=match)


def test_a_prompt_by_the_stream_is_about_an_order_that_is_there(client: Client) -> None:
    asks(client, "stream")
    with client.socket() as socket:
        [row] = client.place(ticket("w-9", orderType="LMT", price=50.0))
        [told] = messages(socket, "ntf")
    [prompt] = told["args"]
    assert (str(prompt["orderId"]), prompt["prompt"], prompt["messageId"]) == (row["order_id"], True, "p12")
    body = {"orderId": prompt["orderId"], "reqId": prompt["reqId"], "text": "Do not use"}
    client.post("/iserver/notification", body)
    assert [order["order_ref"] for order in client.orders()] == ["w-9"]


def test_a_prompt_both_ways_is_one_prompt(client: Client) -> None:
    asks(client, "both")
    with client.socket() as socket:
        answer = client.place(ticket("w-10", orderType="LMT", price=50.0))
        [told] = messages(socket, "ntf")
    assert told["args"] == [answer]
    assert client.orders() == []
