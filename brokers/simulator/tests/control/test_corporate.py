"""What companies do to the books: splits with their fractions, new numbers and orders; dividends; interest."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, ticket


@pytest.fixture(scope="module")
def gateway(servers: None) -> Iterator[RunningGateway]:
    """A gateway of its own: a split is one for all users."""
    with running_gateway("fast") as running:
        yield running


def held(client: Client, symbol: str) -> dict[str, float]:
    rows = client.get(f"/portfolio2/{client.account}/positions")
    return next(
        {"conid": int(r["conid"]), "quantity": r["position"], "average": r["avgPrice"]}
        for r in rows
        if r["description"] == symbol
    )


def cash(client: Client) -> Decimal:
    return Decimal(str(client.get(f"/portfolio/{client.account}/ledger")["USD"]["cashbalance"]))


def test_a_split_changes_size_and_average_by_one_ratio_and_moves_no_money(client: Client) -> None:
    client.gateway.quote("MSFT", last="400")
    client.gateway.hold(client.user, symbol="MSFT", quantity=100, average_price=200)
    before = cash(client)
    client.gateway.split("MSFT", 4)
    now = held(client, "MSFT")
    assert (now["quantity"], now["average"], cash(client)) == (400, 50, before)
    quote = client.gateway.call(client.user, "GET", f"/iserver/marketdata/snapshot?conids={now['conid']}&fields=31")
    again = client.gateway.call(client.user, "GET", f"/iserver/marketdata/snapshot?conids={now['conid']}&fields=31")
    assert quote[0] == 200
    assert float(again[1][0]["31"]) == 100


def test_a_reverse_split_pays_the_fraction_and_gives_another_number(client: Client) -> None:
    client.gateway.quote("NVDA", last="3")
    client.gateway.hold(client.user, symbol="NVDA", quantity=105, average_price=4)
    old, before = held(client, "NVDA")["conid"], cash(client)
    done = client.gateway.split("NVDA", 1, 10, renumbers=True)
    now = held(client, "NVDA")
    assert (now["quantity"], now["average"], cash(client) - before) == (10, 40, Decimal(15))
    assert now["conid"] == done["becomes"] != old
    assert client.place(ticket("stale", conid=old, quantity=1))["error"].startswith("no sec defs")
    (listing,) = [
        each["conid"] for each in client.get("/trsrv/stocks?symbols=NVDA")["NVDA"][0]["contracts"] if each["isUS"]
    ]
    assert listing == done["becomes"]


@pytest.mark.parametrize(
    ("orders", "expected"), [("cancel", ("Cancelled", 5, 150.0)), ("adjust", ("Submitted", 10, 75.0))]
)
def test_orders_are_canceled_as_ibkr_does_or_adjusted_by_the_rulebook(
    client: Client, orders: str, expected: tuple[str, int, float]
) -> None:
    symbol = {"cancel": "AMZN", "adjust": "META"}[orders]
    client.gateway.quote(symbol, last="400")
    client.gateway.by_hand(
        client.user, symbol=symbol, quantity=5, type="LMT", limit_price=150, tif="GTC", reference=f"mine-{orders}"
    )
    client.orders()
    client.gateway.split(symbol, 2, orders=orders)
    row = client.order(f"mine-{orders}")
    assert (row["status"], row["totalSize"], float(row["price"])) == expected


def test_the_cfd_on_a_share_is_split_with_it_and_goes_on_at_its_price(client: Client) -> None:
    client.gateway.quote("AMD", last="120")
    conid = next(
        int(section["conid"])
        for row in client.get("/iserver/secdef/search?symbol=AMD")
        for section in row["sections"]
        if section["secType"] == "CFD"
    )
    client.gateway.hold(client.user, conid=conid, quantity=-25, average_price=100)
    client.gateway.by_hand(
        client.user, conid=conid, side="BUY", quantity=5, type="LMT", limit_price=60, tif="GTC", reference="cfd"
    )
    client.orders()
    before = cash(client)
    client.gateway.split("AMD", 1, 10, renumbers=True)
    now = held(client, "AMD")
    # Of the half that is left over the loss is paid: a short sale at 100 stood at 120.
    assert (now["conid"], now["quantity"], now["average"], cash(client) - before) == (conid, -2, 1000, Decimal(-100))
    assert client.order("cfd")["status"] == "Cancelled"
    asked = f"/iserver/marketdata/snapshot?conids={conid}&fields=31"
    client.get(asked)
    assert float(client.get(asked)[0]["31"]) == 1200
    (again,) = [
        section["conid"]
        for row in client.get("/iserver/secdef/search?symbol=AMD")
        for section in row["sections"]
        if section["secType"] == "CFD"
    ]
    assert int(again) == conid


def option(client: Client, symbol: str, strike: str, right: str = "C") -> dict[str, Any]:
    """The usual option on a share at a strike, in the second month that is listed."""
    [row] = [each for each in client.get(f"/iserver/secdef/search?symbol={symbol}&secType=STK") if each["opt"]][:1]
    months = next(each["months"] for each in row["sections"] if each["secType"] == "OPT").split(";")
    asked = f"/iserver/secdef/info?conid={row['conid']}&sectype=OPT&month={months[1]}&strike={strike}&right={right}"
    listed = [each for each in client.get(asked) if each["tradingClass"] == symbol]
    found: dict[str, Any] = listed[-1]
    return found


def options_held(client: Client, symbol: str) -> dict[str, tuple[int, float, float]]:
    rows = client.get(f"/portfolio2/{client.account}/positions")
    held = [row for row in rows if row["secType"] == "OPT" and row["description"].startswith(symbol)]
    return {row["description"].partition("[")[2]: (int(row["conid"]), row["position"], row["avgPrice"]) for row in held}


def test_a_whole_split_makes_several_options_of_one_at_a_part_of_the_strike(client: Client) -> None:
    client.gateway.quote("ORCL", last="200")
    usual, odd = option(client, "ORCL", "200"), option(client, "ORCL", "205")
    client.gateway.hold(client.user, conid=usual["conid"], quantity=2, average_price=12)
    client.gateway.hold(client.user, conid=odd["conid"], quantity=-1, average_price=10)
    client.gateway.by_hand(
        client.user, conid=usual["conid"], side="SELL", quantity=2, type="LMT", limit_price=90, tif="GTC", reference="t"
    )
    client.orders()
    worth, before = worth_of(client, "ORCL"), cash(client)
    # To "adjust" is for shares alone.
    client.gateway.split("ORCL", 4, orders="adjust")
    day = f"{usual['maturityDate'][2:]}"
    held_now = options_held(client, "ORCL")
    assert {name: each[1:] for name, each in held_now.items()} == {
        f"ORCL  {day}C00050000 100]": (8, 3),
        f"ORCL  {day}C00051250 100]": (-4, 2.5),
    }
    assert cash(client) == before
    # Prices are on their ticks.
    assert abs(worth_of(client, "ORCL") - worth) < 60
    assert client.order("t")["status"] == "Cancelled"
    # A strike of the ladder is the one that is listed; the other one is listed beside it.
    assert held_now[f"ORCL  {day}C00050000 100]"][0] == option(client, "ORCL", "50")["conid"]
    assert held_now[f"ORCL  {day}C00051250 100]"][0] == option(client, "ORCL", "51.25")["conid"]
    stale = client.place(ticket("stale", conid=usual["conid"], quantity=1, side="SELL"))
    assert stale["error"].startswith("no sec defs")


@pytest.mark.parametrize(("new", "old", "again"), [(3, 2, (2, 1)), (1, 10, (3, 2))])
def test_another_split_leaves_options_with_other_shares_in_a_class_of_their_own(
    client: Client, new: int, old: int, again: tuple[int, int]
) -> None:
    symbol = {3: "CRM", 1: "INTC"}[new]
    client.gateway.quote(symbol, last="100")
    usual = option(client, symbol, "100")
    client.gateway.hold(client.user, conid=usual["conid"], quantity=3, average_price=8)
    worth = worth_of(client, symbol)
    client.gateway.split(symbol, new, old, renumbers=new < old)
    day, name = f"{usual['maturityDate'][2:]}", f"{symbol}1".ljust(6)
    [(spelled, (conid, quantity, average))] = options_held(client, symbol).items()
    assert (spelled, quantity, average) == (f"{name}{day}C00100000 100]", 3, 8)
    assert abs(worth_of(client, symbol) - worth) < 60
    # By its strike a usual contract is listed as well, under another number than either.
    if new > old:
        assert option(client, symbol, "100")["conid"] not in {conid, usual["conid"]}
    client.gateway.by_hand(client.user, conid=conid, side="SELL", quantity=1, type="MKT", reference="c")
    client.gateway.split(symbol, *again)
    name = f"{symbol}{2 if again[1] > 1 else 1}".ljust(6)
    strike = 100_000 if again[1] > 1 else 100_000 // again[0]
    assert list(options_held(client, symbol)) == [f"{name}{day}C{strike:08d} 100]"]


def worth_of(client: Client, symbol: str) -> float:
    """What the options on a share are worth, by IBKR's list."""
    rows = client.get(f"/portfolio2/{client.account}/positions")
    return float(sum(row["marketValue"] for row in rows if row["description"].startswith(symbol)))


def test_books_that_were_split_survive_a_kill(client: Client) -> None:
    client.gateway.hold(client.user, symbol="TSLA", quantity=30, average_price=90)
    client.gateway.hold(client.user, conid=option(client, "TSLA", "300")["conid"], quantity=2, average_price=9)
    done = client.gateway.split("TSLA", 1, 3, renumbers=True)
    options = options_held(client, "TSLA")
    client.gateway.kill()
    client.gateway.start()
    again = Client(client.gateway, client.user, client.gateway.sign_in(client.user))
    now = held(again, "TSLA")
    assert (now["conid"], now["quantity"], now["average"]) == (done["becomes"], 10, 270)
    assert options_held(again, "TSLA") == options
    assert next(iter(options)).startswith("TSLA1 ")


def test_a_dividend_and_interest_are_paid_in_cash(client: Client) -> None:
    client.gateway.hold(client.user, symbol="KO", quantity=100, average_price=60)
    before = cash(client)
    client.gateway.control("POST", f"/{client.user}/dividend", {"symbol": "KO", "per_share": "0.51"})
    assert cash(client) - before == Decimal(51)
    [cfd] = client.get("/iserver/secdef/search?symbol=PEP")[0]["sections"][-2:-1]
    client.gateway.hold(client.user, conid=int(cfd["conid"]), quantity=-10, average_price=160)
    client.gateway.control("POST", f"/{client.user}/dividend", {"symbol": "PEP", "per_share": "1.5"})
    assert cash(client) - before == Decimal(36)
    client.gateway.control("POST", f"/{client.user}/interest", {"amount": "-1.25"})
    assert cash(client) - before == Decimal("34.75")


@pytest.mark.parametrize(
    "body",
    [
        {"symbol": "NOSUCH", "new": 2},
        {"symbol": "AAPL", "new": 2, "old": 2},
        {"symbol": "AAPL", "new": "2"},
        {"symbol": "AAPL", "new": 0},
        {"symbol": "AAPL", "new": 2, "orders": "lose"},
    ],
)
def test_a_split_that_means_nothing_is_refused(client: Client, body: dict[str, object]) -> None:
    assert client.gateway.request("POST", "/sim/v1/split", body)[0] == 400
