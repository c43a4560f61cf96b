"""What a person does in TWS, and fills that no order explains."""

from __future__ import annotations

import json

import pytest

from brokers.simulator.catalogue.listed import cfd_of
from brokers.simulator.tests.conftest import Client, messages, until


def test_an_order_by_hand_works_without_a_reference(client: Client) -> None:
    placed = client.gateway.by_hand(client.user, symbol="AAPL", side="BUY", quantity=3, type="LMT", limit_price=1)
    (row,) = client.orders()
    assert (row["orderId"], row["side"], row["totalSize"]) == (placed["order_id"], "BUY", 3.0)
    assert "order_ref" not in row


def test_an_order_of_another_client_shows_its_reference(client: Client) -> None:
    client.gateway.by_hand(
        client.user, symbol="AAPL", side="SELL", quantity=1, type="STP", stop_price=1, reference="hy-lost"
    )
    assert client.order("hy-lost")["orderType"] == "Stop"


def test_it_may_be_of_a_class_of_its_own(client: Client) -> None:
    cfd = cfd_of("AAPL")
    assert cfd is not None
    client.gateway.by_hand(client.user, conid=cfd.conid, quantity=2)
    until(client.positions)
    client.gateway.by_hand(client.user, conid=cfd.conid, quantity=2, type="LMT", limit_price=1)
    assert {row["secType"] for row in client.orders()} == {"CFD"}


def test_a_fill_comes_although_no_list_shows_its_order(client: Client) -> None:
    client.get("/iserver/account/trades")
    placed = client.gateway.fill_without_order(client.user, symbol="AAPL", quantity=4)
    (trade,) = until(client.trades)
    assert (trade["order_id"], trade["size"]) == (placed["order_id"], 4.0)
    assert client.orders() == []


def test_its_stream_shows_the_fill_alone(client: Client) -> None:
    with client.socket() as socket:
        socket.send("sor+{}")
        socket.send('str+{"days":1}')
        # It replays the day first: nothing.
        assert messages(socket, "str")[0]["args"] == []
        placed = client.gateway.fill_without_order(client.user, symbol="AAPL", quantity=4)
        heard: list[tuple[str, int]] = []
        while not heard or heard[-1][0] != "str":
            message = json.loads(socket.recv(timeout=5))
            if message.get("topic") in {"sor", "str"} and message["args"]:
                heard.append((message["topic"], message["args"][-1].get("order_id")))
    assert heard == [("str", placed["order_id"])]


def test_a_holding_is_booked_in_and_out_without_a_fill(client: Client) -> None:
    client.gateway.hold(client.user, symbol="AAPL", quantity=9)
    assert list(client.positions().values()) == [9.0]
    client.gateway.hold(client.user, symbol="AAPL", quantity=0)
    assert not any(client.positions().values())
    assert client.trades() == []


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"quantity": 1}, "No contract has this conid or symbol."),
        ({"symbol": "AAPL", "quantity": 0}, "quantity is above zero."),
        ({"symbol": "AAPL", "quantity": "many"}, "Quantities and prices are numbers."),
        ({"symbol": "AAPL", "quantity": 1, "type": "LMT"}, "An order of this type has a limit_price."),
        ({"symbol": "AAPL", "quantity": 1, "account": "U1"}, "account is none of the user's."),
    ],
)
def test_what_cannot_be_placed_is_refused_in_a_sentence(
    client: Client, order: dict[str, object], sentence: str
) -> None:
    status, body = client.gateway.request("POST", f"/sim/v1/{client.user}/orders", order)
    assert status >= 400
    assert sentence in str(body)
