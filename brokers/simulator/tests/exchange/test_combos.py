"""Combos: all legs or none, at a net price, as one order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange import combos
from brokers.simulator.exchange.records import Leg, Order
from brokers.simulator.tests.conftest import Client, ticket
from brokers.simulator.tests.exchange.exchange import AAPL, NOW, D, Exchange
from brokers.simulator.tests.exchange.streams import combo_of

LOW, HIGH = 901, 902


def call(conid: int, strike: int) -> Instrument:
    return Instrument(
        conid=conid,
        symbol="AAPL",
        name="APPLE INC",
        sec_type="OPT",
        exchange="SMART",
        listing="SMART",
        currency="USD",
        base_price=5.0,
        increment=D("0.01"),
        volatility=0.3,
        multiplier=D(100),
        kind="",
        underlying_conid=AAPL,
        underlying_type="STK",
        right="C",
        strike=D(strike),
    )


def find(conid: int) -> Instrument | None:
    return {LOW: call(LOW, 100), HIGH: call(HIGH, 110)}.get(conid) or catalogue.find(conid)


@pytest.fixture
def exchange() -> Exchange:
    made = Exchange(find=find)
    made.open(cash="100000")
    made.show("100", "100")
    made.show("4.90", "5.00", "4.95", LOW)
    made.show("2.00", "2.10", "2.05", HIGH)
    return made


def spread(exchange: Exchange, **changes: Any) -> Order:
    return exchange.place("alice", combo_of((Leg(LOW, 1), Leg(HIGH, -1)), **changes), NOW)


def test_a_market_combo_fills_each_leg_at_its_own_side(exchange: Exchange) -> None:
    order = spread(exchange, quantity=D(3))
    exchange.scan(NOW)
    assert (order.status, order.filled, order.average_price) == ("Filled", D(3), D("3.00"))
    fills = [(e.conid, e.side, e.quantity, e.price) for e in exchange.executions["SIM1"]]
    assert fills == [(LOW, "BUY", D(3), D("5.00")), (HIGH, "SELL", D(3), D("2.00"))]
    held = {c: p.quantity for c, p in exchange.accounts["SIM1"].positions.items()}
    assert held == {LOW: D(3), HIGH: D(-3)}


@pytest.mark.parametrize(
    ("side", "limit", "net"),
    [
        ("BUY", "2.99", None),
        ("BUY", "3.00", "3.00"),
        ("BUY", "3.50", "3.00"),
        ("SELL", "2.81", None),
        ("SELL", "2.80", "2.80"),
    ],
)
def test_a_limit_combo_waits_for_its_net_price(exchange: Exchange, side: str, limit: str, net: str | None) -> None:
    order = spread(exchange, side=side, order_type="LMT", limit_price=D(limit))
    exchange.scan(NOW)
    assert order.average_price == (D(net) if net else D(0))
    assert len(exchange.executions["SIM1"]) == (2 if net else 0)


def test_a_leg_without_a_quote_holds_the_whole_combo(exchange: Exchange) -> None:
    order = spread(exchange)
    del exchange.board[HIGH]
    exchange.scan(NOW)
    assert (order.filled, list(exchange.executions["SIM1"])) == (D(0), [])


def test_a_combo_that_cannot_be_carried_fills_no_leg(exchange: Exchange) -> None:
    order = spread(exchange, quantity=D(500))
    exchange.scan(NOW)
    assert (order.status, list(exchange.executions["SIM1"])) == ("Inactive", [])


@pytest.mark.parametrize(
    "conidex",
    [
        "28812380;;;",
        "28812380;;;1/1",
        "28812380;;;1/2,2/4",
        "28812380;;;1/1,1/-1",
        "28812380;;;1/0,2/1",
        "1;;;1/1,2/1",
        "28812380;;;x/1,2/1",
        "28812380;;;1/1,2/1000",
    ],
)
def test_what_names_no_combo_is_refused(client: Client, conidex: str) -> None:
    path = f"/iserver/account/{client.account}/orders"
    order = {k: v for k, v in ticket(conidex=conidex).items() if k != "conid"}
    status, answer = client.gateway.call(client.user, "POST", path, {"orders": [order]})
    assert (status, answer) == (400, {"error": "orders request includes parameter with incorrect type"})


def options(client: Client) -> tuple[int, int]:
    """Two calls of Apple in the nearest month."""
    share = client.get("/iserver/secdef/search?symbol=AAPL")[0]
    months = next(s["months"] for s in share["sections"] if s["secType"] == "OPT").split(";")
    path = f"conid={share['conid']}&sectype=OPT&month={months[0]}"
    strikes = client.get(f"/iserver/secdef/strikes?{path}")["call"]
    middle = len(strikes) // 2
    conids = [
        int(client.get(f"/iserver/secdef/info?{path}&right=C&strike={strike}")[0]["conid"])
        for strike in strikes[middle : middle + 2]
    ]
    return conids[0], conids[1]


def test_a_spread_is_one_order_over_the_wire_and_a_fill_a_leg(client: Client) -> None:
    low, high = options(client)
    client.gateway.quote(low, bid="4.90", ask="5.00", last="4.95")
    client.gateway.quote(high, bid="2.00", ask="2.10", last="2.05")
    conidex = f"{combos.SPREAD};;;{low}/1,{high}/-1"
    order = ticket("spread", conidex=conidex, quantity=2, orderType="LMT", price=3.0)
    del order["conid"]
    preview = client.post(f"/iserver/account/{client.account}/orders/whatif", {"orders": [order]})
    assert preview["error"] is None
    client.place(order)
    order = client.order("spread")
    assert (order["status"], order["avgPrice"], order["conidex"]) == ("Filled", "3", conidex)
    assert order["secType"] == "BAG"
    assert {t["conid"]: (t["side"], t["size"]) for t in client.trades()} == {low: ("B", 2.0), high: ("S", 2.0)}
    status = client.get(f"/iserver/account/order/status/{order['orderId']}")
    assert status["conidex"] == conidex


def test_shares_alone_are_no_combo(client: Client) -> None:
    order = {k: v for k, v in ticket(conidex="28812380;;;265598/1,8314/-1").items() if k != "conid"}
    answer = client.place(order)
    assert answer == {"error": "This combination is not supported: it needs a derivative, and one currency."}


def test_value_is_kept_through_a_combo(exchange: Exchange) -> None:
    before = exchange.value().net_liquidation
    spread(exchange)
    exchange.scan(NOW)
    fees = sum((e.commission for e in exchange.executions["SIM1"]), Decimal(0))
    # Bought at 5.00 and marked at 4.95, sold at 2.00 and marked at 2.05: ten dollars of spread.
    assert exchange.value().net_liquidation == before - 10 - fees
