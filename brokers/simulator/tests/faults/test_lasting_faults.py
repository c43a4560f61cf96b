"""What lasts: silence, echoes, other clocks and nights, from the moment it is armed until it is over."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.exceptions import ConnectionClosed

from brokers.simulator.tests.conftest import Client, messages, ticket, until


def mine(client: Client) -> dict[str, str]:
    return {"user": client.user}


def mine_armed(client: Client) -> dict[str, Any]:
    [fault] = [each for each in client.gateway.faults() if each["match"] == mine(client)]
    return fault


def test_a_topic_falls_silent_and_speaks_again(client: Client) -> None:
    with client.socket() as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        client.gateway.fault(match=mine(client), action={"suppress_ws": {"topic": "sor", "s": 0.5}})
        client.place(ticket("unheard"))
        # Other tests of this gateway may have left theirs.
        until(lambda: mine_armed(client)["state"] == "over")
        client.place(ticket("heard"))
        assert messages(socket, "sor")[0]["args"][0]["order_ref"] == "heard"
    assert mine_armed(client)["hits"] == 2


def test_order_news_come_twice(client: Client) -> None:
    with client.socket() as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        client.gateway.fault(match=mine(client), action={"duplicate_event": {"s": 5}})
        client.place(ticket("twice"))
        first, again, second, once_more = messages(socket, "sor", 4)
    assert (first, second) == (again, once_more)


def test_a_window_that_is_never_full_is_let_go(client: Client) -> None:
    with client.socket() as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        client.gateway.fault(match=mine(client), action={"reorder_events": {"window": 50, "s": 30}})
        client.place(ticket("late"))
        statuses = [message["args"][0]["status"] for message in messages(socket, "sor", 2)]
    assert statuses == ["Filled", "Submitted"]


def test_the_gateways_clock_is_wrong(client: Client) -> None:
    client.gateway.fault(match=mine(client), action={"clock_skew": {"by_s": -3600, "s": 30}})
    with client.socket() as socket:
        socket.send("tic")
        [tic] = messages(socket, "tic")
    assert abs(tic["lastAccessed"] / 1000 - (time.time() - 3600)) < 60
    with urlopen(f"{client.gateway.base_url(client.user)}/tickle", timeout=5) as answer:
        shown = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert abs(shown - (time.time() - 3600)) < 60


def test_a_socket_is_closed_with_a_code(client: Client) -> None:
    with client.socket() as socket:
        messages(socket, "sts")
        client.gateway.fault(match={**mine(client), "path": "/tickle"}, action={"ws_close": 1012})
        client.post("/tickle")
        with pytest.raises(ConnectionClosed) as closed:
            messages(socket, "never")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_a_night_begins_by_itself_and_cuts_the_sockets(client: Client) -> None:
    with client.socket() as socket:
        messages(socket, "sts")
        client.gateway.control("POST", f"/{client.user}/daily_reset", {"start_s": 0.4, "duration_s": 1})
        assert client.gateway.call(client.user, "POST", "/tickle")[0] == 200
        with pytest.raises(ConnectionClosed):
            messages(socket, "never")
    assert client.gateway.call(client.user, "POST", "/tickle") == (503, "")
    assert client.gateway.call(f"{client.user}-2", "POST", "/tickle")[0] == 200
    until(lambda: client.gateway.call(client.user, "POST", "/tickle")[0] == 200)
    assert client.post("/iserver/auth/status")["authenticated"] is False


@pytest.mark.parametrize("forgets", [True, False])
def test_a_night_may_forget_references(client: Client, forgets: bool) -> None:
    client.place(ticket("again"))
    window = {"duration_s": 0.1, "forget_references": forgets}
    client.gateway.fault(match=mine(client), action={"daily_reset": window})
    until(lambda: client.gateway.call(client.user, "POST", "/tickle")[0] == 200)
    client.gateway.sign_in(client.user)
    assert ("already registered" in json.dumps(client.place(ticket("again")))) is not forgets


def test_what_lasts_can_begin_with_a_call(client: Client) -> None:
    match = {**mine(client), "method": "POST", "path": "/iserver/account/*/orders"}
    client.gateway.fault(match=match, phase="after", action={"lite_account": {"s": 30}})
    assert client.place(ticket("first"))[0]["local_order_id"] == "first"
    assert client.place(ticket("second")) == {"error": "API orders are not allowed for lite accounts"}


def test_an_answer_is_spoiled(client: Client) -> None:
    client.gateway.fault(match={**mine(client), "path": "/tickle"}, action={"spoil": {"session": "other"}})
    assert [client.post("/tickle")["session"] == "other" for _ in range(2)] == [True, False]


def test_the_lists_are_whole_and_empty_for_half_an_hour(client: Client) -> None:
    client.place(ticket("shown"))
    # The first reads of a session are empty by themselves.
    until(lambda: client.get("/iserver/account/orders")["orders"])
    until(lambda: client.get("/iserver/account/trades"))
    armed = client.gateway.fault(preset="lists_empty_after_hours", match={"user": client.user})
    assert armed["left_s"] == 1800
    for _ in range(3):
        assert client.get("/iserver/account/orders") == {"orders": [], "snapshot": True}
        assert client.get("/iserver/account/trades") == []
    client.gateway.clear_faults()
    assert client.get("/iserver/account/orders")["orders"]
    assert client.get("/iserver/account/trades")
