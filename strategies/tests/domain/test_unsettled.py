"""What the book may look like once the orders on their way have settled."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.domain.orders import OrderStatus
from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.decide.unsettled import FILLS_WITHIN, outcomes
from strategies.tests.domain.cases_of_decide import NOW, snapshot, working


def after(*orders: WorkingOrder, position: int = 0) -> list[tuple[int, list[str]]]:
    """Position and orders at work of every outcome."""
    possible: tuple[Snapshot, ...] = outcomes(snapshot(position, *orders), NOW)
    return [(int(each.position), [order.reference for order in each.working]) for each in possible]


def test_what_has_settled_has_one_outcome() -> None:
    book = snapshot(5, working("entry", "buy", 5), working("stop_loss", "sell", 5, "s1", kind="stop"))
    assert outcomes(book, NOW) == (book,)


@pytest.mark.parametrize("status", ["created", "submitted", "unknown", "needs_attention"])
def test_a_market_order_on_its_way_fills_or_ends(status: str) -> None:
    order = working("entry", "buy", 10, kind="market", status=OrderStatus(status))
    assert after(order) == [(10, []), (0, [])]


def test_a_limit_order_on_its_way_may_rest_too() -> None:
    order = working("entry", "sell", 10, status=OrderStatus.SUBMITTED)
    assert after(order) == [(-10, []), (0, []), (0, ["w1"])]


def test_what_is_being_canceled_may_still_fill_but_does_not_rest() -> None:
    order = working("entry", "buy", 10, status=OrderStatus.PENDING_CANCEL)
    assert after(order) == [(10, []), (0, [])]


def test_a_market_order_at_the_broker_is_on_its_way_until_it_must_be_waiting_for_its_market() -> None:
    for since, count in ((NOW, 2), (NOW - FILLS_WITHIN, 1), (NOW - timedelta(hours=3), 1)):
        order = working("entry", "buy", 10, kind="market", since=since)
        assert len(after(order)) == count


def test_only_what_is_left_of_a_part_filled_order_can_fill() -> None:
    order = working("entry", "buy", 4, kind="market", filled=Decimal(6), status=OrderStatus.PARTIALLY_FILLED)
    assert after(order, position=6) == [(10, []), (6, [])]


def test_the_legs_of_an_entry_stay_where_it_fills_and_go_where_it_ends() -> None:
    entry = working("entry", "buy", 10, kind="market", status=OrderStatus.SUBMITTED)
    leg = working("stop_loss", "sell", 10, "s1", kind="stop", parent="w1", status=OrderStatus.SUBMITTED)
    assert after(entry, leg) == [(10, ["s1"]), (0, [])]


def test_the_legs_of_an_entry_that_filled_in_part_stay() -> None:
    entry = working("entry", "buy", 4, kind="market", filled=Decimal(6), status=OrderStatus.PENDING_CANCEL)
    leg = working("stop_loss", "sell", 10, "s1", kind="stop", parent="w1")
    assert after(entry, leg, position=6) == [(10, ["s1"]), (6, ["s1"])]


def test_a_flip_may_stop_halfway() -> None:
    out = working("exit", "sell", 10, "x1", kind="market", status=OrderStatus.SUBMITTED)
    back = working("entry", "sell", 10, "e1", kind="market", parent="x1", status=OrderStatus.CREATED)
    assert after(out, back, position=10) == [(-10, []), (10, []), (0, [])]


def test_an_exit_that_rests_is_open_while_an_entry_waits_behind_it() -> None:
    out = working("exit", "sell", 10, "x1")
    back = working("entry", "sell", 10, "e1", kind="market", parent="x1", status=OrderStatus.CREATED)
    assert after(out, position=10) == [(10, ["x1"])]
    assert after(out, back, position=10) == [(-10, []), (10, []), (0, []), (10, ["x1", "e1"])]


def test_the_stop_beside_an_exit_ends_with_its_fill_and_stays_without() -> None:
    out = working("exit", "sell", 4, "x1", status=OrderStatus.PENDING_CANCEL)
    stop = working("stop_loss", "sell", 4, "s1", kind="stop", parent="x1")
    assert after(out, stop, position=10) == [(6, []), (10, ["s1"])]


def test_protection_that_is_being_canceled_is_not_counted_on() -> None:
    stop = working("stop_loss", "sell", 10, "s1", kind="stop", status=OrderStatus.PENDING_CANCEL)
    assert after(stop, position=10) == [(0, []), (10, [])]


def test_of_two_legs_that_are_being_canceled_only_one_can_fill() -> None:
    legs = [
        working(role, "sell", 10, role, parent="w1", status=OrderStatus.PENDING_CANCEL)
        for role in ("stop_loss", "take_profit")
    ]
    assert after(*legs, position=10) == [(0, []), (10, [])]
