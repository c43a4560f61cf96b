"""Cash accounts: sales settle the next business day, and only settled cash buys. Futures are settled every day."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from brokers.simulator.catalogue import catalogue
from brokers.simulator.exchange.margin import NO_SHORTS, TOO_LITTLE
from brokers.simulator.tests.exchange.exchange import AAPL, EURUSD, D, Exchange
from brokers.simulator.tests.exchange.streams import TODAY

FUTURE = catalogue.futures("MES", TODAY)[0].conid


def at(text: str) -> float:
    """A moment in UTC; New York is four hours behind in July."""
    return datetime.fromisoformat(f"2025-07-{text}:00").replace(tzinfo=UTC).timestamp()


THURSDAY, FRIDAY, MONDAY = at("17 15:00"), at("18 15:00"), at("21 15:00")


def make(kind: str = "cash", cash: str = "10000", **changes: str) -> Exchange:
    made = Exchange(rates={"USD": D(1), "EUR": D("1.25")})
    made.open(kind=kind, cash=cash, **changes)
    made.show("100", "100")
    return made


def deal(exchange: Exchange, side: str, units: int, now: float = THURSDAY, conid: int = AAPL) -> str:
    """Place a checked market order and let it meet the market; what became of it."""
    order = exchange.order(side=side, quantity=D(units), now=now, conid=conid, checked=True)
    exchange.scan(now)
    return order.status


def test_the_money_of_a_sale_waits_until_six_the_next_business_day() -> None:
    exchange = make()
    account = exchange.accounts["SIM1"]
    deal(exchange, "BUY", 50)
    assert (account.cash["USD"], account.unsettled("USD")) == (D(4_999), D(0))
    deal(exchange, "SELL", 50)
    value = exchange.value(now=THURSDAY)
    assert (account.cash["USD"], account.unsettled("USD")) == (D(4_998), D(5_000))
    assert (value.total_cash, value.settled_cash, value.available_funds) == (D(9_998), D(4_998), D(4_998))
    assert (value.net_liquidation, value.buying_power) == (D(9_998), D(4_998))
    exchange.pass_time(at("18 09:59"))
    assert account.cash["USD"] == D(4_998)
    exchange.pass_time(at("18 10:00"))
    assert (account.cash["USD"], account.unsettled("USD"), account.proceeds) == (D(9_998), D(0), {})
    exchange.pass_time(at("18 10:01"))
    assert account.cash["USD"] == D(9_998)


def test_a_sale_on_friday_settles_on_monday() -> None:
    exchange = make()
    deal(exchange, "BUY", 50, FRIDAY)
    deal(exchange, "SELL", 50, FRIDAY)
    [waiting] = exchange.accounts["SIM1"].proceeds.values()
    assert waiting.settles_at == at("21 10:00")


def test_nobody_rides_free_on_money_that_is_not_settled() -> None:
    exchange = make()
    assert deal(exchange, "BUY", 90) == "Filled"
    assert deal(exchange, "SELL", 90) == "Filled"
    order = exchange.order(quantity=D(90), now=THURSDAY, checked=True)
    assert order.status == "Inactive"
    assert "settled cash does not cover" in order.reason or order.reason == TOO_LITTLE
    assert deal(exchange, "BUY", 90, FRIDAY) == "Filled"


def test_waiting_purchases_have_set_their_cash_aside() -> None:
    exchange = make()
    first = exchange.order("LMT", limit_price=D(90), quantity=D(99), now=THURSDAY, checked=True)
    second = exchange.order("LMT", limit_price=D(90), quantity=D(20), now=THURSDAY, checked=True)
    assert (first.status, second.status) == ("Submitted", "Inactive")
    assert second.reason.endswith("Settled cash: 10,000.00 USD, needed: 10,711.00 USD.")
    exchange.cancel(first, THURSDAY)
    third = exchange.order("LMT", limit_price=D(90), quantity=D(20), now=THURSDAY, checked=True)
    assert third.status == "Submitted"


def test_a_price_that_ran_away_stops_the_fill_and_not_the_account() -> None:
    exchange = make()
    order = exchange.order("STP", stop_price=D(101), quantity=D(99), now=THURSDAY, checked=True)
    exchange.match("103", "103", now=THURSDAY + 5)
    assert (order.status, order.filled) == ("Inactive", D(0))
    assert exchange.accounts["SIM1"].cash["USD"] == D(10_000)


def test_a_cash_account_does_not_sell_short() -> None:
    exchange = make()
    order = exchange.order(side="SELL", now=THURSDAY, checked=True)
    assert (order.status, order.reason) == ("Inactive", NO_SHORTS)
    deal(exchange, "BUY", 10)
    both = [exchange.order(side="SELL", now=THURSDAY, checked=True) for _ in range(2)]
    exchange.scan(THURSDAY)
    assert [o.status for o in both] == ["Filled", "Inactive"]


def test_a_cash_account_pays_in_the_currency_of_the_contract() -> None:
    exchange = make(cash="10000", base="EUR")
    assert deal(exchange, "BUY", 10) == "Inactive"
    exchange.show("1.2500", "1.2500", conid=EURUSD)
    assert deal(exchange, "SELL", 4_000, conid=EURUSD) == "Filled"
    account = exchange.accounts["SIM1"]
    # The commission of two dollars is charged in euros.
    assert account.cash == {"EUR": D("5998.40"), "USD": D(5_000)}
    assert deal(exchange, "BUY", 10) == "Filled"
    assert account.cash["USD"] == D(3_999)


def test_a_cash_account_cannot_sell_a_currency_it_does_not_have() -> None:
    exchange = make()
    exchange.show("1.2500", "1.2500", conid=EURUSD)
    assert deal(exchange, "SELL", 100, conid=EURUSD) == "Inactive"
    assert deal(exchange, "BUY", 9_000, conid=EURUSD) == "Inactive"
    assert deal(exchange, "BUY", 7_000, conid=EURUSD) == "Filled"
    assert exchange.accounts["SIM1"].cash == {"USD": D(1_248), "EUR": D(7_000)}


def test_margin_accounts_settle_at_once() -> None:
    exchange = make("margin")
    deal(exchange, "BUY", 100)
    deal(exchange, "SELL", 100)
    assert exchange.accounts["SIM1"].cash["USD"] == D(9_998)
    assert deal(exchange, "BUY", 180) == "Filled"


def test_a_lite_account_pays_nothing_for_us_shares() -> None:
    exchange = make("lite")
    deal(exchange, "BUY", 10)
    assert exchange.accounts["SIM1"].cash["USD"] == D(9_000)
    exchange.show("6000", "6000", conid=FUTURE)
    assert deal(exchange, "BUY", 1, conid=FUTURE) == "Filled"
    assert exchange.accounts["SIM1"].cash["USD"] == D(9_000) - D("0.57")


# -- futures ---------------------------------------------------------------------------------------------------------


def test_futures_pay_their_profit_every_day() -> None:
    exchange = make("margin", cash="100000")
    account = exchange.accounts["SIM1"]
    exchange.show("6000", "6000", conid=FUTURE)
    deal(exchange, "BUY", 2, conid=FUTURE)
    paid = D(100_000) - D("1.14")
    exchange.show("6010", "6010", conid=FUTURE)
    exchange.pass_time(THURSDAY + 60)
    value = exchange.value(now=THURSDAY + 60)
    assert (account.cash["USD"], value.futures_pnl, value.net_liquidation) == (paid, D(100), paid + 100)
    exchange.pass_time(FRIDAY)
    value = exchange.value(now=FRIDAY)
    assert (account.cash["USD"], value.futures_pnl, value.net_liquidation) == (paid + 100, D(0), paid + 100)
    assert account.positions[FUTURE].average_price == D(6_000)
    exchange.show("6004", "6004", conid=FUTURE)
    deal(exchange, "SELL", 1, FRIDAY, FUTURE)
    # Twenty in all for the one that is closed: fifty of it came last night, so thirty go back.
    assert account.cash["USD"] == paid + 100 - 30 - D("0.57")
    assert exchange.value(now=FRIDAY).net_liquidation == paid + 40 - D("0.57")
    assert account.day_realized == D(20)


def test_the_profit_of_the_day_begins_anew_each_day() -> None:
    exchange = make("margin")
    account = exchange.accounts["SIM1"]
    account.day, account.day_equity = datetime(2025, 7, 17, tzinfo=UTC).date(), D(10_000)
    deal(exchange, "BUY", 10)
    exchange.show("110", "110")
    assert exchange.value(now=THURSDAY).net_liquidation - account.day_equity == D(99)
    exchange.pass_time(FRIDAY)
    assert (account.day_equity, account.day_realized) == (D(10_099), D(0))
    deal(exchange, "SELL", 10, FRIDAY)
    assert account.day_realized == D(100)
    assert exchange.value(now=FRIDAY).realized == D(100)


@pytest.mark.parametrize("rate", ["1.25"])
def test_an_account_is_valued_in_its_own_currency(rate: str) -> None:
    exchange = make("margin", cash="10000", base="EUR")
    deal(exchange, "BUY", 10)
    value = exchange.value(now=THURSDAY)
    assert exchange.accounts["SIM1"].cash == {"EUR": D(10_000), "USD": D(-1_001)}
    assert value.net_liquidation == D(10_000) - 1 / D(rate)
    assert value.stock_value == D(800)
    assert value.initial_margin == D(400)
