from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.simulator.catalogue import catalogue
from brokers.simulator.exchange import register
from brokers.simulator.exchange.records import Order
from brokers.simulator.tests.exchange.exchange import AAPL, EURUSD, NOW, D, Exchange
from config.tests.samples import samples


@pytest.fixture
def engine() -> Exchange:
    return make_engine()


def make_engine() -> Exchange:
    made = Exchange()
    made.open()
    return made


def place(engine: Exchange, order_type: str = "MKT", **changes: Any) -> Order:
    return engine.order(order_type, **changes)


def prices(engine: Exchange) -> list[tuple[Decimal, Decimal]]:
    return engine.prices()


def test_a_market_order_fills_at_the_touch_and_pays_its_fee(engine: Exchange) -> None:
    order = place(engine)
    engine.match("99.99", "100.01")
    assert (order.status, order.filled, order.average_price) == ("Filled", D(10), D("100.01"))
    account = engine.accounts["SIM1"]
    assert account.cash["USD"] == D(1_000_000) - D("1000.10") - D(1)
    assert account.positions[AAPL].quantity == D(10)
    assert engine.executions["SIM1"][0].commission == D("1.00")


def test_a_limit_order_rests_until_it_is_crossed_and_never_pays_more(engine: Exchange) -> None:
    order = place(engine, "LMT", limit_price=D("99.50"))
    engine.match("99.99", "100.01")
    assert (order.status, prices(engine)) == ("Submitted", [])
    engine.match("99.40", "99.45")
    assert (order.status, prices(engine)) == ("Filled", [(D(10), D("99.45"))])


def test_a_sell_stop_waits_for_the_last_price_then_sells_at_the_bid(engine: Exchange) -> None:
    order = place(engine, "STP", side="SELL", stop_price=D(98))
    engine.match("97.90", "98.10", last="98.10")
    assert (order.status, order.triggered) == ("PreSubmitted", False)
    engine.match("97.80", "98.00", last="97.80")
    assert prices(engine) == [(D(10), D("97.80"))]


def test_a_stop_limit_that_gapped_through_its_limit_rests(engine: Exchange) -> None:
    order = place(engine, "STOP_LIMIT", side="SELL", stop_price=D(98), limit_price=D("97.50"))
    engine.match("96.90", "97.00", last="96.90")
    assert (order.status, order.triggered, prices(engine)) == ("Submitted", True, [])
    engine.match("97.60", "97.70", last="97.70")
    assert prices(engine) == [(D(10), D("97.60"))]


def test_a_trailing_stop_follows_the_market_up_and_not_down(engine: Exchange) -> None:
    order = place(engine, "TRAIL", side="SELL", trailing_type="amt", trailing_amount=D(2))
    for last in ("100", "105", "104"):
        engine.match(last, last)
    assert (order.stop_price, order.status) == (D("103.00000000"), "PreSubmitted")
    engine.match("102.90", "103.00", last="102.90")
    assert prices(engine) == [(D(10), D("102.90"))]


def test_children_wait_for_their_parent_and_then_cancel_each_other(engine: Exchange) -> None:
    parent = place(engine, "LMT", limit_price=D(100))
    target = place(engine, "LMT", side="SELL", limit_price=D(110), parent=parent, oca_group="g")
    stop = place(engine, "STP", side="SELL", stop_price=D(95), parent=parent, oca_group="g")
    engine.match("120", "121")
    assert [o.status for o in (parent, target, stop)] == ["Submitted", "PreSubmitted", "PreSubmitted"]
    engine.match("99", "100")
    assert [o.status for o in (parent, target, stop)] == ["Filled", "Submitted", "PreSubmitted"]
    engine.match("110", "111")
    assert [o.status for o in (parent, target, stop)] == ["Filled", "Filled", "Cancelled"]
    assert engine.accounts["SIM1"].positions[AAPL].quantity == 0


def test_a_cancelled_parent_takes_its_children_along(engine: Exchange) -> None:
    parent = place(engine, "LMT", limit_price=D(100))
    child = place(engine, "STP", side="SELL", stop_price=D(95), parent=parent)
    assert engine.cancel(parent, NOW) is True
    assert [o.status for o in (parent, child)] == ["Cancelled", "Cancelled"]
    assert engine.working == {}


def test_a_partial_fill_shrinks_the_rest_of_its_group(engine: Exchange) -> None:
    first = place(engine, "LMT", limit_price=D(100), oca_group="g")
    second = place(engine, "LMT", limit_price=D(90), oca_group="g")
    engine.match("99", "100", slices=4)
    assert (first.filled, second.quantity) == (D(4), D(6))
    engine.match("99", "100")
    assert [o.status for o in (first, second)] == ["Filled", "Cancelled"]


def bracketed(engine: Exchange, early: bool) -> tuple[Order, Order, Order]:
    """A bracket of ten of which four are filled."""
    engine.legs_wake_early = lambda: early
    parent = place(engine, "LMT", limit_price=D(100))
    target = place(engine, "LMT", side="SELL", limit_price=D(110), parent=parent, oca_group="g")
    stop = place(engine, "STP", side="SELL", stop_price=D(95), parent=parent, oca_group="g")
    engine.match("99", "100", slices=4)
    return parent, target, stop


def test_legs_sleep_until_their_parent_has_ended(engine: Exchange) -> None:
    parent, target, stop = bracketed(engine, early=False)
    engine.match("111", "112")
    assert (target.held, stop.held, target.filled) == (True, True, D(0))
    engine.cancel(parent, NOW)
    assert [(o.quantity, o.held, o.status) for o in (target, stop)] == [
        (D(4), False, "Submitted"),
        (D(4), False, "PreSubmitted"),
    ]


def test_legs_that_wake_early_close_no_more_than_their_parent_has_filled(engine: Exchange) -> None:
    parent, target, stop = bracketed(engine, early=True)
    engine.match("111", "112")
    assert (target.filled, target.quantity, stop.quantity, parent.filled) == (D(4), D(10), D(6), D(4))
    engine.cancel(parent, NOW)
    assert [(o.status, o.filled, o.quantity) for o in (target, stop)] == [
        ("Filled", D(4), D(4)),
        ("Cancelled", D(0), D(6)),
    ]


def test_legs_that_woke_early_and_did_not_fill_are_cut_to_what_their_parent_filled(engine: Exchange) -> None:
    parent, target, stop = bracketed(engine, early=True)
    engine.cancel(parent, NOW)
    assert [(o.status, o.quantity) for o in (target, stop)] == [("Submitted", D(4)), ("PreSubmitted", D(4))]


def test_the_minimum_fee_is_charged_once_an_order(engine: Exchange) -> None:
    place(engine, quantity=D(100))
    for _ in range(4):
        engine.match("99", "100", slices=25)
    assert [e.commission for e in engine.executions["SIM1"]] == [D("1.00"), D(0), D(0), D(0)]


def test_an_immediate_order_cancels_what_it_cannot_fill(engine: Exchange) -> None:
    order = place(engine, "LMT", limit_price=D(90), tif="IOC")
    engine.match("99", "100")
    assert (order.status, order.filled) == ("Cancelled", D(0))


def test_a_filled_order_can_no_longer_be_cancelled(engine: Exchange) -> None:
    order = place(engine)
    engine.match("99", "100")
    assert engine.cancel(order, NOW) is False
    assert order.status == "Filled"


def test_crossing_zero_realizes_the_closed_part_and_restarts_the_average(engine: Exchange) -> None:
    place(engine)
    engine.match("99", "100")
    place(engine, side="SELL", quantity=D(15))
    engine.match("110", "111")
    held = engine.accounts["SIM1"].positions[AAPL]
    assert (held.quantity, held.average_price, held.realized) == (D(-5), D(110), D(100))


def test_a_future_moves_cash_only_by_profit_and_fee(engine: Exchange) -> None:
    future = catalogue.futures("MES", date(2026, 11, 20))[0]
    place(engine, conid=future.conid, quantity=D(2))
    engine.match("6000.00", "6000.25", conid=future.conid)
    assert engine.accounts["SIM1"].cash["USD"] == D(1_000_000) - D("1.14")
    place(engine, conid=future.conid, side="SELL", quantity=D(2))
    engine.match("6010.25", "6010.50", conid=future.conid)
    assert engine.accounts["SIM1"].cash["USD"] == D(1_000_000) - D("2.28") + D(100)


def test_a_currency_pair_moves_both_currencies(engine: Exchange) -> None:
    place(engine, conid=EURUSD, quantity=D(10_000))
    engine.match("1.0999", "1.1000", conid=EURUSD)
    assert engine.accounts["SIM1"].cash == {"USD": D(1_000_000) - 11_000 - 2, "EUR": D(10_000)}


def test_numbers_never_repeat_even_with_empty_books() -> None:
    one = make_engine().order()
    two = make_engine().order(now=NOW + 1)
    assert two.order_id > one.order_id


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["MKT", "LMT", "STP", "bracket", "oca", "cancel", "tick"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 50),
        st.integers(90, 110),
    ),
    max_size=40,
)


@settings(max_examples=samples(200), deadline=None)
@given(_STEPS, st.integers(1, 30))
def test_whatever_happens_the_books_balance(steps: list[tuple[str, str, int, int]], slice_size: int) -> None:
    engine = make_engine()
    for kind, side, quantity, price in steps:
        _do(engine, kind, side, D(quantity), D(price))
        engine.match(str(price), str(price + 1), str(price), slices=slice_size)
        _check(engine)


def _do(engine: Exchange, kind: str, side: str, quantity: Decimal, price: Decimal) -> None:
    other = "SELL" if side == "BUY" else "BUY"
    match kind:
        case "cancel":
            for order in list(engine.orders.values())[:1]:
                engine.cancel(order, NOW)
        case "bracket":
            parent = place(engine, "LMT", side=side, quantity=quantity, limit_price=price)
            group = str(parent.order_id)
            place(engine, "LMT", side=other, quantity=quantity, limit_price=price + 5, parent=parent, oca_group=group)
            place(engine, "STP", side=other, quantity=quantity, stop_price=price - 5, parent=parent, oca_group=group)
        case "oca":
            group = f"oca{len(engine.orders)}"
            place(engine, "LMT", side=side, quantity=quantity, limit_price=price, oca_group=group)
            place(engine, "LMT", side=side, quantity=quantity, limit_price=price + 1, oca_group=group)
        case "MKT" | "LMT" | "STP":
            limit = price if kind == "LMT" else None
            stop = price if kind == "STP" else None
            place(engine, kind, side=side, quantity=quantity, limit_price=limit, stop_price=stop)


def _check(engine: Exchange) -> None:
    account = engine.accounts["SIM1"]
    fills = engine.executions["SIM1"]
    signed = [(e.quantity if e.side == "BUY" else -e.quantity, e) for e in fills]
    held = account.positions.get(AAPL)
    assert (held.quantity if held else 0) == sum(q for q, _ in signed)
    spent = sum((q * e.price + e.commission for q, e in signed), D(0))
    assert account.cash["USD"] == D(1_000_000) - spent
    for order in engine.orders.values():
        filled = sum((e.quantity for e in fills if e.order_id == order.order_id), D(0))
        assert order.filled == filled <= order.quantity
        assert (order.order_id in engine.working.get(AAPL, {})) is order.working
        assert (order.status == "Filled") is (order.remaining == 0)
    for group, members in engine.groups.items():
        if group.startswith("oca"):
            assert sum(o.status == "Filled" for o in members) <= 1


def test_an_account_remembers_as_many_finished_orders_as_the_list_shows(
    engine: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory must not grow with the orders of a lifetime: eight kilobytes each, for ever."""
    monkeypatch.setattr(register, "MOST_FINISHED", 3)
    monkeypatch.setattr(register, "MOST_FILLS", 4)
    rests = place(engine, "LMT", limit_price=D(1))
    done = [place(engine) for _ in range(6)]
    engine.match("99.99", "100.01")
    engine.shorten(NOW)
    assert set(engine.by_account["SIM1"]) == {rests.order_id, *(order.order_id for order in done[3:])}
    assert set(engine.orders) == set(engine.by_account["SIM1"])
    assert [fill.order_id for fill in engine.executions["SIM1"]] == [order.order_id for order in done[2:]]
    assert engine.accounts["SIM1"].positions[AAPL].quantity == D(60)


def test_a_parent_is_remembered_while_its_child_works(engine: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "MOST_FINISHED", 0)
    parent = place(engine)
    child = place(engine, "STP", side="SELL", stop_price=D(1), parent=parent)
    engine.match("99.99", "100.01")
    engine.shorten(NOW)
    assert set(engine.orders) == {parent.order_id, child.order_id}


def test_fills_of_more_than_eight_days_ago_are_forgotten(engine: Exchange) -> None:
    place(engine)
    engine.match("99.99", "100.01")
    engine.shorten(NOW + 7 * 86_400)
    assert len(engine.executions["SIM1"]) == 1
    engine.shorten(NOW + 9 * 86_400)
    assert (list(engine.executions["SIM1"]), engine.orders) == ([], {})
