"""Prices from elsewhere, chosen while the gateway runs, or before it starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.simulator.testing.gateway import running_gateway
from brokers.simulator.tests.conftest import Client, ticket, until

CSV = "time,bid,ask,last\n0,100.00,100.02,100.01\n3600,50.00,50.02,50.01\n7200,100.00,100.02,100.01\n"
KO = 900_000_017


@pytest.fixture
def trader(client: Client) -> Iterator[Client]:
    yield client
    client.gateway.control("DELETE", "/feed", {"conid": KO})
    client.gateway.clear_quotes()


def shown(client: Client, conid: int = KO) -> str:
    path = f"/iserver/marketdata/snapshot?conids={conid}&fields=31"
    client.get(path)
    return str(client.get(path)[0]["31"])


def fill(client: Client, reference: str) -> Decimal:
    until(lambda: client.order(reference)["status"] == "Filled")
    return Decimal(client.order(reference)["avgPrice"])


def test_a_recording_is_replayed_as_fast_as_asked(trader: Client) -> None:
    answer = trader.gateway.control("POST", "/feed", {"conid": KO, "source": "replay", "csv": CSV, "speed": 0.001})
    assert answer == {"conid": KO, "source": "replay", "file": "", "rows": 3, "speed": 0.001, "loop": False}
    assert shown(trader) == "100.01"
    assert trader.gateway.control("GET", "/feed")["contracts"] == [answer]
    trader.gateway.control("DELETE", "/feed", {"symbol": "KO"})
    assert shown(trader) != "100.01"


def test_an_order_meets_a_price_that_passed_between_two_ticks(trader: Client) -> None:
    trader.gateway.control("POST", "/feed", {"conid": KO, "source": "replay", "csv": CSV, "speed": 0.001})
    trader.place(ticket("dip", conid=KO, orderType="LMT", price=60.0, quantity=1))
    assert trader.order("dip")["status"] in {"Submitted", "PreSubmitted"}
    # Two hours in a few milliseconds: the low lasts less than a tick of the gateway, and the order was there before it.
    trader.gateway.control("POST", "/feed", {"conid": KO, "source": "replay", "csv": CSV, "speed": 100_000})
    assert fill(trader, "dip") in {Decimal(60), Decimal("50.02")}


def test_a_signals_price_is_used_only_where_no_other_is(trader: Client) -> None:
    ignored = trader.gateway.control("POST", "/signal", {"symbol": "KO", "price": "61.25"})
    assert ignored == {"conid": KO, "used": False, "source": "generated"}
    trader.gateway.control("POST", "/feed", {"symbol": "KO", "source": "signal"})
    used = trader.gateway.control("POST", "/signal", {"symbol": "KO", "price": "61.25", "slippage_bps": 10})
    assert (used["used"], used["bid"], used["ask"], used["last"]) == (True, "61.18", "61.32", "61.25")
    trader.place(ticket("at-signal", conid=KO, quantity=1))
    assert fill(trader, "at-signal") == Decimal("61.32")


def test_every_contract_can_trade_at_signals_prices(trader: Client) -> None:
    with trader.gateway.behaving(prices="signal", signal_slippage_bps=0):
        assert trader.gateway.control("POST", "/signal", {"conid": KO, "price": 60})["used"] is True
        trader.place(ticket("plain", conid=KO, quantity=1))
        assert fill(trader, "plain") == Decimal(60)


def test_a_sender_may_ask_for_its_signals_price_and_let_it_go(trader: Client) -> None:
    control = trader.gateway.control
    asked = control("POST", "/somebody/signal", {"conid": KO, "price": "61.25", "source": "signal"})
    assert (asked["used"], asked["last"]) == (True, "61.25")
    trader.place(ticket("asked", conid=KO, quantity=1))
    assert fill(trader, "asked") == Decimal("61.25")
    assert control("DELETE", "/somebody/signal", {"conids": [KO, 1, "x"]}) == {"released": [KO]}
    trader.place(ticket("released", conid=KO, quantity=1))
    assert fill(trader, "released") != Decimal("61.25")
    # What was chosen for the contract goes before what a sender asks for.
    control("POST", "/feed", {"conid": KO, "source": "generated"})
    assert control("POST", "/signal", {"conid": KO, "price": 61, "source": "signal"})["used"] is False
    with trader.gateway.behaving(prices="signal"):
        control("DELETE", "/feed")
        control("POST", "/signal", {"conid": KO, "price": 61})
        assert control("DELETE", "/signal", {"conids": [KO]}) == {"released": []}


@pytest.mark.parametrize("body", [{"source": "dreams"}, {"source": []}, {"source": "replay"}])
def test_a_source_that_makes_no_sense_is_refused(client: Client, body: dict[str, Any]) -> None:
    assert client.gateway.request("POST", "/sim/v1/signal", {"conid": KO, "price": 60} | body)[0] == 400
    assert client.gateway.request("DELETE", "/sim/v1/signal", {"conids": "all"})[0] == 400


@pytest.mark.parametrize("always_open", [True, False])
def test_the_market_tells_its_hours_and_its_prices(client: Client, always_open: bool) -> None:
    with client.gateway.behaving(market_always_open=always_open, prices="signal"):
        answer = client.gateway.control("GET", "/anybody/market")
    assert answer == {"always_open": always_open, "prices": "signal"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"conid": KO},
        {"conid": KO, "source": "dreams"},
        {"conid": KO, "source": "replay"},
        {"conid": KO, "source": "replay", "file": "../../etc/passwd"},
        {"conid": KO, "source": "replay", "csv": "nonsense"},
        {"conid": KO, "source": "replay", "csv": CSV, "speed": -1},
        {"conid": "x", "source": "signal"},
        {"conid": [], "source": "signal"},
        {"symbol": "NOPE", "source": "signal"},
    ],
)
def test_a_feed_that_makes_no_sense_is_refused(client: Client, body: dict[str, Any]) -> None:
    assert client.gateway.request("POST", "/sim/v1/feed", body)[0] in {400, 404}


@pytest.mark.parametrize(
    "body",
    [
        {"last": "NaN"},
        {"bid": "NaN", "ask": 1},
        {"bid": 2, "ask": 1},
        {"last": "1e999"},
        {"last": 1, "ttl_s": float("inf")},
        {"last": 1, "ttl_s": float("nan")},
        {"last": 1, "ttl_s": 1e300},
        {"last": 1, "ttl_s": []},
        {"last": 1, "conid": float("inf")},
        {"last": 1, "conid": {}, "symbol": []},
        {},
    ],
)
def test_a_quote_that_makes_no_sense_is_refused_and_nothing_stops(client: Client, body: dict[str, Any]) -> None:
    assert client.gateway.request("POST", "/sim/v1/quote", {"conid": KO} | body)[0] in {400, 404}
    assert client.gateway.request("GET", "/healthz")[0] == 200


@pytest.mark.parametrize("price", [None, 0, -1, "x", "NaN", [], {}, "1e999", "1e13", "0.000000001"])
def test_a_signal_without_a_price_is_refused(client: Client, price: Any) -> None:
    with client.gateway.behaving(prices="signal"):
        assert client.gateway.request("POST", "/sim/v1/signal", {"conid": KO, "price": price})[0] == 400


@pytest.mark.usefixtures("servers")
def test_recordings_are_named_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "coke.csv").write_text(CSV)
    rows = [
        {"symbol": "KO", "source": "replay", "file": "coke.csv", "speed": 0.001},
        {"symbol": "PEP", "source": "signal"},
    ]
    (tmp_path / "feeds.json").write_text(json.dumps(rows))
    with running_gateway("fast", env={"SIM_FEEDS": str(tmp_path)}) as gateway:
        client = Client(gateway, "early", gateway.sign_in("early"))
        assert shown(client) == "100.01"
        assert {row["source"] for row in gateway.control("GET", "/feed")["contracts"]} == {"replay", "signal"}
        (tmp_path.parent / "outside.csv").write_text(CSV)
        outside = {"symbol": "KO", "source": "replay", "file": "../outside.csv"}
        assert gateway.request("POST", "/sim/v1/feed", outside)[0] == 400


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("text", ["{", '[{"symbol":"NOPE","source":"signal"}]'])
def test_a_list_that_makes_no_sense_stops_the_start_with_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "feeds.json").write_text(text)
    with pytest.raises(RuntimeError, match="cannot be read"), running_gateway("fast", env={"SIM_FEEDS": str(tmp_path)}):
        pass


@pytest.mark.usefixtures("servers")
def test_prices_of_signals_outlive_a_restart(tmp_path: Path) -> None:
    (tmp_path / "feeds.json").write_text('[{"symbol": "KO", "source": "signal"}]')
    with running_gateway("fast", env={"SIM_FEEDS": str(tmp_path)}) as gateway:
        gateway.control("POST", "/signal", {"symbol": "KO", "price": "61.25"})
        gateway.kill()
        gateway.start()
        client = Client(gateway, "late", gateway.sign_in("late"))
        assert shown(client) == "61.25"


@pytest.mark.usefixtures("servers")
def test_without_the_token_nobody_sets_a_price() -> None:
    with running_gateway("fast") as gateway:
        kept, gateway.token = gateway.token, "a guess"
        statuses = {
            gateway.request("POST", f"/sim/v1/{what}", {"conid": KO})[0] for what in ("feed", "signal", "quote")
        }
        gateway.token = kept
    assert statuses <= {401, 403, 404}
    assert 200 not in statuses
