"""When orders trade and when they end: sessions, auctions, days, dates, and orders for this instant only."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.simulator.catalogue import catalogue
from brokers.simulator.exchange.records import Order
from brokers.simulator.tests.exchange.exchange import AAPL, EURUSD, D, Exchange
from brokers.simulator.tests.exchange.streams import TODAY

FUTURE = catalogue.futures("MES", TODAY)[0].conid


def at(text: str) -> float:
    """A moment in UTC; New York is four hours behind in July."""
    return datetime.fromisoformat(f"2025-07-{text}:00").replace(tzinfo=UTC).timestamp()


# Thursday the 17th: shares trade from 13:30 to 20:00, and before and after that outside regular hours.
PRE, OPEN, NOON, LATE, CLOSE, POST, NIGHT = (
    at(f"17 {t}") for t in ("12:00", "13:30", "16:00", "19:59", "20:00", "21:00", "04:00")
)
FRIDAY_OPEN, FRIDAY_CLOSE, SATURDAY, MONDAY_OPEN = at("18 13:30"), at("18 20:00"), at("19 15:00"), at("21 13:30")


@pytest.fixture
def exchange() -> Exchange:
    made = Exchange(always_open=False)
    made.open()
    made.open("SIM2", kind="cash")
    return made


def meet(exchange: Exchange, now: float, price: str = "100", conid: int = AAPL) -> None:
    exchange.match(price, price, conid=conid, now=now)


def test_a_market_order_given_at_night_waits_for_the_open(exchange: Exchange) -> None:
    order = exchange.order(now=NIGHT)
    for moment in (NIGHT + 1, PRE, OPEN - 1):
        meet(exchange, moment)
        assert order.status == "Submitted"
    meet(exchange, OPEN)
    assert order.status == "Filled"


def test_a_limit_order_trades_before_the_open_only_when_it_may(exchange: Exchange) -> None:
    waits = exchange.order("LMT", limit_price=D(101), now=NIGHT)
    early = exchange.order("LMT", limit_price=D(101), now=NIGHT, outside_rth=True)
    meet(exchange, PRE)
    assert (waits.status, early.status) == ("Submitted", "Filled")


def test_futures_and_currencies_have_one_long_session(exchange: Exchange) -> None:
    future, pair = exchange.order(conid=FUTURE, now=POST), exchange.order(conid=EURUSD, now=POST + 1)
    meet(exchange, at("17 21:30"), "6000", FUTURE)
    meet(exchange, at("17 21:30"), "1.1", EURUSD)
    # Futures pause from 17 to 18 in New York.
    assert (future.status, pair.status) == ("Submitted", "Filled")
    meet(exchange, at("17 22:00"), "6000", FUTURE)
    assert future.status == "Filled"


@pytest.mark.parametrize(
    ("placed_at", "ends", "changes"),
    [
        (NOON, CLOSE, {}),
        (CLOSE, FRIDAY_CLOSE, {}),
        (NOON, at("18 00:00"), {"outside_rth": True, "order_type": "LMT", "limit_price": D(1)}),
        (SATURDAY, at("21 20:00"), {}),
        (NOON, at("17 21:00"), {"conid": FUTURE}),
        (NOON, at("17 21:00"), {"conid": EURUSD}),
        (POST + 1, at("18 21:00"), {"conid": EURUSD}),
    ],
)
def test_a_day_order_ends_with_its_day(
    exchange: Exchange, placed_at: float, ends: float, changes: dict[str, Any]
) -> None:
    changes = dict(changes)
    kind = str(changes.pop("order_type", "STP"))
    if kind == "STP":
        changes = changes | {"stop_price": D(100_000)}
    order = exchange.order(kind, now=placed_at, **changes)
    assert order.expires_at == ends
    exchange.expire(ends - 0.001)
    assert order.working
    exchange.expire(ends)
    assert (order.status, order.reason) == ("Cancelled", "Its day is over.")


def test_an_order_is_never_filled_after_its_day_even_when_nobody_expired_it(exchange: Exchange) -> None:
    order = exchange.order("LMT", limit_price=D(90), now=NOON)
    meet(exchange, FRIDAY_OPEN, "80")
    assert (order.status, order.filled) == ("Cancelled", D(0))


def test_an_order_good_till_canceled_lives_until_the_end_of_the_next_quarter(exchange: Exchange) -> None:
    order = exchange.order("LMT", limit_price=D(1), tif="GTC", now=NOON)
    assert order.expires_at == datetime(2026, 1, 1, 5, tzinfo=UTC).timestamp()


def test_an_order_good_till_a_date_ends_there(exchange: Exchange) -> None:
    order = exchange.order("LMT", limit_price=D(1), tif="GTD", good_till=FRIDAY_OPEN + 60, now=NOON)
    meet(exchange, FRIDAY_OPEN + 59)
    assert order.working
    meet(exchange, FRIDAY_OPEN + 60)
    assert order.status == "Cancelled"


# -- auctions --------------------------------------------------------------------------------------------------------


def test_on_close_fills_at_the_close_tick_and_not_before(exchange: Exchange) -> None:
    order = exchange.order("MOC", now=NOON)
    meet(exchange, LATE, "99")
    assert (order.status, order.filled) == ("PreSubmitted", D(0))
    exchange.match("104.98", "105.02", "105.01", now=CLOSE)
    assert exchange.prices() == [(D(10), D("105.01"))]
    assert order.status == "Filled"


def test_on_close_given_after_the_close_belongs_to_the_next_day(exchange: Exchange) -> None:
    order = exchange.order("MOC", now=CLOSE)
    meet(exchange, POST)
    meet(exchange, FRIDAY_CLOSE - 1)
    assert order.working
    meet(exchange, FRIDAY_CLOSE, "97")
    assert exchange.prices() == [(D(10), D(97))]


@pytest.mark.parametrize(("limit", "status"), [("100", "Filled"), ("99.99", "Cancelled")])
def test_a_limit_on_close_takes_part_in_one_auction(exchange: Exchange, limit: str, status: str) -> None:
    order = exchange.order("LOC", limit_price=D(limit), now=NOON)
    meet(exchange, LATE, "50")
    assert order.working
    meet(exchange, CLOSE)
    assert order.status == status


@pytest.mark.parametrize(("placed_at", "opens"), [(NIGHT, OPEN), (NOON, FRIDAY_OPEN), (SATURDAY, MONDAY_OPEN)])
def test_on_open_fills_at_the_next_open_tick(exchange: Exchange, placed_at: float, opens: float) -> None:
    order = exchange.order("MKT", tif="OPG", now=placed_at)
    for moment in (placed_at + 1, placed_at + 3600, opens - 1):
        meet(exchange, moment, "90")
        assert order.working
    meet(exchange, opens, "101")
    assert exchange.prices() == [(D(10), D(101))]


def test_auctions_are_held_even_where_the_market_never_closes() -> None:
    exchange = Exchange(always_open=True)
    exchange.open()
    close, market = exchange.order("MOC", now=SATURDAY), exchange.order(now=SATURDAY)
    meet(exchange, SATURDAY + 1)
    assert (close.status, market.status) == ("PreSubmitted", "Filled")
    meet(exchange, at("21 20:00"))
    assert close.status == "Filled"


# -- this instant only -----------------------------------------------------------------------------------------------


def instant(exchange: Exchange, tif: str, slices: int, now: float = NOON) -> Order:
    order = exchange.order("LMT", limit_price=D(100), tif=tif, now=now)
    exchange.match("99", "100", now=now, slices=slices)
    return order


@pytest.mark.parametrize(
    ("tif", "slices", "status", "filled"),
    [("IOC", 4, "Cancelled", 4), ("IOC", 10, "Filled", 10), ("FOK", 4, "Cancelled", 0), ("FOK", 10, "Filled", 10)],
)
def test_immediate_orders_take_what_is_there_and_fill_or_kill_all_of_it(
    exchange: Exchange, tif: str, slices: int, status: str, filled: int
) -> None:
    order = instant(exchange, tif, slices)
    assert (order.status, order.filled) == (status, D(filled))


def test_an_immediate_order_does_not_wait_for_the_open(exchange: Exchange) -> None:
    assert instant(exchange, "IOC", 10, now=NIGHT).status == "Cancelled"


def test_each_part_of_a_fill_takes_its_time(exchange: Exchange) -> None:
    order = exchange.order(now=NOON)
    exchange.show("100", "100")
    for moment, filled in ((0.0, 4), (1.0, 4), (2.0, 8), (3.0, 8), (4.0, 10)):
        exchange.scan(NOON + moment, slice_size=D(4), pause_s=2.0)
        assert order.filled == Decimal(filled)


# -- brackets --------------------------------------------------------------------------------------------------------


def test_a_parent_that_ends_in_part_leaves_its_children_to_protect_that_part(exchange: Exchange) -> None:
    parent = exchange.order("LMT", limit_price=D(100), tif="IOC", now=NOON)
    stop = exchange.order("STP", side="SELL", stop_price=D(95), tif="GTC", now=NOON, parent=parent)
    exchange.match("99", "100", now=NOON, slices=4)
    assert (parent.status, parent.filled) == ("Cancelled", D(4))
    assert (stop.held, stop.quantity, stop.status) == (False, D(4), "PreSubmitted")


def test_a_child_does_not_trade_before_its_parent(exchange: Exchange) -> None:
    parent = exchange.order("LMT", limit_price=D(90), now=NOON)
    child = exchange.order("LMT", side="SELL", limit_price=D(95), now=NOON, parent=parent)
    meet(exchange, NOON + 1)
    assert (child.filled, child.status) == (D(0), "PreSubmitted")


@pytest.mark.parametrize("outside", [True, False])
def test_a_leg_of_a_future_sleeps_at_night_unless_it_works_outside(exchange: Exchange, outside: bool) -> None:
    meet(exchange, NIGHT, "6560", FUTURE)
    entry = exchange.order(conid=FUTURE, quantity=D(1), now=NIGHT)
    stop = exchange.order(
        "STP",
        conid=FUTURE,
        side="SELL",
        quantity=D(1),
        stop_price=D(6500),
        tif="GTC",
        outside_rth=outside,
        parent=entry,
        now=NIGHT,
    )
    meet(exchange, NIGHT + 1, "6560", FUTURE)
    assert entry.status == "Filled"
    meet(exchange, NIGHT + 2, "6400", FUTURE)
    assert (stop.status == "Filled") is outside
    meet(exchange, OPEN + 1, "6400", FUTURE)
    assert stop.status == "Filled"
