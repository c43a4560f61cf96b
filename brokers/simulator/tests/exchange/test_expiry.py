"""What becomes of derivatives whose last day is over."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.tests.exchange.exchange import AAPL, D, Exchange

LAST = date(2025, 7, 18)
BEFORE = datetime(2025, 7, 18, 15, tzinfo=UTC).timestamp()
AFTER = datetime(2025, 7, 19, 15, tzinfo=UTC).timestamp()
FUTURE = 555


def contract(conid: int, sec_type: str, **changes: Any) -> Instrument:
    base: dict[str, Any] = {
        "symbol": "AAPL" if sec_type == "OPT" else "ES",
        "name": "",
        "exchange": "CME",
        "listing": "CME",
        "currency": "USD",
        "base_price": 5.0,
        "increment": D("0.01"),
        "volatility": 0.3,
        "kind": "",
        "expiry": LAST,
        "month": LAST.replace(day=1),
        "multiplier": D(100 if sec_type == "OPT" else 50),
    }
    return Instrument(conid=conid, sec_type=sec_type, **(base | changes))


def option(conid: int, right: str, strike: int, **changes: Any) -> Instrument:
    base: dict[str, Any] = {"right": right, "strike": D(strike), "underlying_conid": AAPL, "underlying_type": "STK"}
    return contract(conid, "OPT", **(base | changes))


CONTRACTS = {
    i.conid: i
    for i in (
        option(1, "C", 90),
        option(2, "P", 90),
        option(3, "P", 110),
        option(4, "C", 90, settlement="cash"),
        option(6, "C", 90, delivers=D(150)),
        option(7, "P", 110, delivers=D(100) / 3),
        option(8, "C", 1, delivers=D("0.5")),
        contract(FUTURE, "FUT"),
    )
}


@pytest.fixture
def exchange() -> Exchange:
    made = Exchange(find=lambda conid: CONTRACTS.get(conid) or catalogue.find(conid))
    made.open(cash="100000")
    made.show("100", "100")
    for conid, price in ((1, "10"), (2, "0"), (3, "10"), (4, "10"), (FUTURE, "6000")):
        made.show(price, price, conid=conid)
    return made


def held(exchange: Exchange) -> dict[int, Decimal]:
    return {c: p.quantity for c, p in exchange.accounts["SIM1"].positions.items() if p.quantity}


def hold(exchange: Exchange, conid: int, side: str, units: int, price: str) -> Decimal:
    """Deal before the last day is over; what the account is worth in cash afterwards."""
    exchange.order(conid=conid, side=side, quantity=D(units), now=BEFORE)
    exchange.match(price, price, conid=conid, now=BEFORE)
    return exchange.accounts["SIM1"].cash["USD"]


@pytest.mark.parametrize(
    ("conid", "side", "shares", "paid"),
    [(1, "BUY", 200, -18_000), (1, "SELL", -200, 18_000), (3, "BUY", -200, 22_000), (3, "SELL", 200, -22_000)],
)
def test_an_option_in_the_money_changes_into_shares_at_its_strike(
    exchange: Exchange, conid: int, side: str, shares: int, paid: int
) -> None:
    cash = hold(exchange, conid, side, 2, "10")
    exchange.pass_time(BEFORE + 60)
    assert list(held(exchange)) == [conid]
    exchange.pass_time(AFTER)
    assert held(exchange) == {AAPL: D(shares)}
    assert exchange.accounts["SIM1"].cash["USD"] == cash + paid
    exchange.pass_time(AFTER + 60)
    assert held(exchange) == {AAPL: D(shares)}


@pytest.mark.parametrize(
    ("conid", "side", "shares", "paid"),
    [
        # 150 shares for what a hundred cost.
        (6, "BUY", 300, "-18000"),
        (6, "SELL", -300, "18000"),
        # 33 shares and a third, which is paid in cash at 100.
        (7, "BUY", -66, "21933.33"),
        (8, "BUY", 0, "9800"),
    ],
)
def test_an_option_that_a_split_has_changed_delivers_what_it_says_for_what_it_said_before(
    exchange: Exchange, conid: int, side: str, shares: int, paid: str
) -> None:
    for each, price in ((6, "60"), (7, "76.67"), (8, "49")):
        exchange.show(price, price, conid=each)
    cash = hold(exchange, conid, side, 2, str(exchange.board[conid].last))
    exchange.pass_time(AFTER)
    assert held(exchange) == ({AAPL: D(shares)} if shares else {})
    assert (exchange.accounts["SIM1"].cash["USD"] - cash).quantize(D("0.01")) == D(paid)


def test_an_option_out_of_the_money_is_gone(exchange: Exchange) -> None:
    hold(exchange, 2, "BUY", 2, "1")
    exchange.show("0", "0", conid=2)
    cash = exchange.accounts["SIM1"].cash["USD"]
    exchange.pass_time(AFTER)
    assert held(exchange) == {}
    account = exchange.accounts["SIM1"]
    assert (account.cash["USD"], account.positions[2].realized) == (cash, D(-200))


def test_an_option_settled_in_cash_pays_what_it_is_worth(exchange: Exchange) -> None:
    cash = hold(exchange, 4, "BUY", 1, "10")
    exchange.pass_time(AFTER)
    assert (held(exchange), exchange.accounts["SIM1"].cash["USD"]) == ({}, cash + 1_000)


def test_a_future_pays_its_last_profit(exchange: Exchange) -> None:
    cash = hold(exchange, FUTURE, "BUY", 1, "6000")
    exchange.show("6010", "6010", conid=FUTURE)
    exchange.pass_time(AFTER)
    assert (held(exchange), exchange.accounts["SIM1"].cash["USD"]) == ({}, cash + 500)


def test_orders_in_a_contract_that_is_over_are_taken_back(exchange: Exchange) -> None:
    order = exchange.order("LMT", conid=1, limit_price=D(1), tif="GTC", now=BEFORE)
    exchange.pass_time(AFTER)
    assert (order.status, order.reason) == ("Cancelled", "The contract has expired.")
