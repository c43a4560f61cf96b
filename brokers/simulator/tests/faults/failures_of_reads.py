"""Failures of reads, and of the websocket's news."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from brokers.simulator.tests.conftest import messages, ticket
from brokers.simulator.tests.faults.failures import Stage, limit, shows

SNAPSHOT = "/iserver/marketdata/snapshot?conids=265598&fields=31,84,86"


@shows("live_orders_preflight", "live_orders_force_blank", "live_orders_filters_sticky", "live_orders_false_empty")
def orders_that_are_not_shown(stage: Stage) -> None:
    """A working order is missing from one read, and shown by the next."""
    stage.post(limit("rests"))
    assert [row["order_ref"] for row in stage.client.orders()] == ["rests"]
    stage.arm()
    stage.checked_call("GET", "/iserver/account/orders")
    assert [row["order_ref"] for row in stage.client.orders()] == ["rests"]


@shows("tif_close_alias")
def day_is_called_close(stage: Stage) -> None:
    stage.post(limit("rests"))
    stage.client.orders()
    stage.arm()
    answer = stage.call("GET", "/iserver/account/orders")[1]
    assert [row["timeInForce"] for row in answer["orders"]] == ["CLOSE"]


@shows("order_status_503_old")
def status_of_an_old_order(stage: Stage) -> None:
    number = stage.post(limit("rests"))[1][0]["order_id"]
    stage.arm()
    stage.checked_call("GET", f"/iserver/account/order/status/{number}")
    assert stage.call("GET", f"/iserver/account/order/status/{number}")[1]["order_status"] == "Submitted"


@shows("trades_warmup_empty")
def fills_that_are_not_shown(stage: Stage) -> None:
    stage.post(ticket("done"))
    stage.arm()
    stage.checked_call("GET", "/iserver/account/trades")
    assert [row["order_ref"] for row in stage.client.trades()] == ["done"]


@shows("snapshot_first_empty", "snapshot_price_prefix")
def one_odd_snapshot(stage: Stage) -> None:
    stage.call("GET", SNAPSHOT)
    stage.arm()
    stage.checked_call("GET", SNAPSHOT)
    assert stage.call("GET", SNAPSHOT)[1][0]["31"][0].isdigit()


@shows("snapshot_not_subscribed", "snapshot_delayed")
def poor_market_data(stage: Stage) -> None:
    """Quotes are absent or a quarter of an hour old, in reads and on the websocket."""
    stage.call("GET", SNAPSHOT)
    stage.arm()
    [row] = stage.checked_call("GET", SNAPSHOT)
    assert row["6509"][0] == stage.row["body"][0]["6509"]
    with stage.client.socket() as socket:
        socket.send('smd+265598+{"fields":["31","84"]}')
        [quote] = messages(socket, "smd+265598")
    assert quote["6509"][0] == stage.row["body"][0]["6509"]
    assert ("31" in quote) is (stage.row["id"] == "snapshot_delayed")


@shows("history_too_many")
def too_many_charts(stage: Stage) -> None:
    stage.arm()
    stage.checked_call("GET", "/iserver/marketdata/history?conid=265598&period=1d&bar=1h")


@shows("regsnapshot_gone")
def gone_for_good(stage: Stage) -> None:
    stage.arm()
    assert stage.call("GET", "/md/regsnapshot?conid=265598")[0] == 404
    assert stage.call("GET", "/md/regsnapshot?conid=265598")[0] == 404


@shows("unsubscribe_unknown")
def unsubscribed_from_nothing(stage: Stage) -> None:
    stage.arm()
    stage.checked_call("POST", "/iserver/marketdata/unsubscribe", {"conid": 265598})


@shows("pnl_empty", "positions_stale", "portfolio_accounts_first", "strikes_empty", "symbol_not_found")
def other_reads(stage: Stage) -> None:
    stage.post(ticket("done"))
    path = {
        "pnl_empty": "/iserver/account/pnl/partitioned",
        "positions_stale": "/portfolio/ACCT/positions/0",
        "portfolio_accounts_first": "/portfolio/ACCT/summary",
        "strikes_empty": "/iserver/secdef/strikes?conid=265598&sectype=OPT&month=JAN27",
        "symbol_not_found": "/iserver/secdef/search?symbol=AAPL",
    }[stage.row["id"]]
    stage.arm()
    stage.checked_call("GET", path)


@shows("symbol_ambiguous")
def two_of_a_name(stage: Stage) -> None:
    stage.arm()
    answer = stage.call("GET", "/trsrv/stocks?symbols=ABC")[1]
    assert [row["contracts"][0]["isUS"] for row in answer["ABC"]] == [True, True]
    assert len({row["contracts"][0]["conid"] for row in answer["ABC"]}) == 2


# -- the websocket -----------------------------------------------------------------------------------------------------


def _everything(socket: ClientConnection, seconds: float) -> list[dict[str, Any]]:
    messages, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            messages.append(json.loads(socket.recv(timeout=left)))
        except TimeoutError:
            break
    return messages


@shows("ws_waiting_for_session")
def nobody_knows_the_socket(stage: Stage) -> None:
    stage.arm()
    with stage.client.socket() as socket:
        assert json.loads(socket.recv(timeout=3)) == stage.row["body"]
        stage.client.gateway.sign_in(stage.client.user)
        assert messages(socket, "sts")[0]["args"]["authenticated"] is True


@shows("ws_sts_unauthenticated", "ws_sts_competing")
def told_of_the_session(stage: Stage) -> None:
    with stage.client.socket() as socket:
        messages(socket, "sts")
        stage.arm()
        stage.call("POST", "/tickle")
        [status] = messages(socket, "sts")
    assert status["args"].items() >= stage.row["body"]["args"].items()


@shows("ws_heartbeat_missing")
def no_heartbeats(stage: Stage) -> None:
    """Heartbeats stop and everything else goes on."""
    with stage.client.socket() as socket:
        messages(socket, "sts")
        assert any("hb" in message for message in _everything(socket, 0.7))
        stage.arm()
        stage.post(ticket("done"))
        socket.send("tic")
        heard = _everything(socket, 0.7)
    assert not any("hb" in message for message in heard)
    assert any(message["topic"] == "tic" for message in heard)


@shows("ws_md_stream_ended")
def no_more_quotes(stage: Stage) -> None:
    with stage.client.socket() as socket:
        socket.send('smd+265598+{"fields":["31","84"]}')
        messages(socket, "smd+265598")
        stage.arm()
        _everything(socket, 0.1)
        assert not any(message.get("topic") == "smd+265598" for message in _everything(socket, 1.2))


@shows("ws_missing_updates_after_reconnect")
def news_of_the_gap(stage: Stage) -> None:
    """What happens while the line is cut is not sent again; reads have it."""
    with stage.client.socket() as socket:
        socket.send('str+{"realtimeUpdatesOnly":true}')
        messages(socket, "str")
        stage.arm()
        stage.post(ticket("done"))
        with pytest.raises(ConnectionClosed):
            messages(socket, "never")
    with stage.client.socket() as socket:
        socket.send('str+{"realtimeUpdatesOnly":true}')
        assert messages(socket, "str")[0]["args"] == []
    assert [row["order_ref"] for row in stage.client.trades()] == ["done"]


@shows("ws_delta_without_order_ref")
def only_what_changed(stage: Stage) -> None:
    with stage.client.socket() as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        stage.arm()
        stage.post(ticket("done"))
        first, last = messages(socket, "sor", 2)
    assert first["args"][0]["order_ref"] == "done"
    [delta] = last["args"]
    assert set(stage.row["body"]["args"][0]) <= set(delta)
    assert (delta["status"], "order_ref" in delta) == ("Filled", False)


@shows("out_of_order_updates")
def the_wrong_way_round(stage: Stage) -> None:
    with stage.client.socket() as socket:
        socket.send("sor+{}")
        socket.send('str+{"realtimeUpdatesOnly":true}')
        messages(socket, "str")
        stage.arm()
        stage.post(ticket("done"))
        news = [m for m in _everything(socket, 2.0) if m.get("topic") in {"sor", "str"}]
    assert [m["args"][0].get("status", m["topic"]) for m in news[:3]].index("Submitted") == 2


@shows("execution_correction")
def corrected(stage: Stage) -> None:
    """The same fill comes twice, the second time under the next revision of its number."""
    with stage.client.socket() as socket:
        socket.send('str+{"realtimeUpdatesOnly":true}')
        messages(socket, "str")
        stage.arm()
        stage.post(ticket("done"))
        first, second = (m["args"][0]["execution_id"] for m in messages(socket, "str", 2))
    assert (first[-3:], second) == (".01", f"{first[:-3]}.02")
    assert [row["execution_id"] for row in stage.client.trades()] == [second]
