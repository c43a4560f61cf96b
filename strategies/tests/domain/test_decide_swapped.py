"""A close and an entry of one bar, swapped on their way: the close leaves alone what is no older than itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.orders import OrderStatus
from strategies.domain.decide.decide import decide
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, message, snapshot, working

SECOND = timedelta(seconds=1)
D = Decimal
EXITS: list[tuple[str, dict[str, Any]]] = [
    ("exit", {}),
    ("exit", {"quantity": D(3)}),
    ("exit", {"quantity": D(50), "quantity_type": "percent_of_position"}),
]


def answered(action: str, values: dict[str, Any], held: int, opened: timedelta, *orders: Any) -> Plan | Rejection:
    terms = Terms(allow_swap=True, cancel_orders=True)
    signal = message(action, signal_time=NOW, **values)
    return decide(signal, terms, snapshot(held, *orders, opened_at=NOW + opened), NOW)


@pytest.mark.parametrize(("action", "values"), EXITS)
@pytest.mark.parametrize("held", [10, -10])
@pytest.mark.parametrize("opened", [timedelta(0), SECOND])
def test_an_exit_no_newer_than_the_entry_leaves_it_alone(
    action: str, values: dict[str, Any], held: int, opened: timedelta
) -> None:
    answer = answered(action, values, held, opened)
    assert isinstance(answer, Rejection)
    assert (answer.rule, answer.code) == ("T05", "superseded-signal")
    assert answer.reason.endswith("It stays.")


@pytest.mark.parametrize(("action", "values"), EXITS)
@pytest.mark.parametrize("held", [10, -10])
def test_a_newer_exit_closes_it(action: str, values: dict[str, Any], held: int) -> None:
    assert isinstance(answered(action, values, held, -SECOND), Plan)


# The entry before it turned the position: a close of the side that is gone.
@pytest.mark.parametrize(
    ("action", "values", "held", "rule"),
    [
        ("sell", {"sentiment": "flat"}, -10, "D07s"),
        ("buy", {"sentiment": "flat"}, 10, "D07"),
        ("sell", {"target_quantity": D(0)}, -10, "T05"),
        ("buy", {"target_quantity": D(0)}, 10, "T05"),
        ("sell", {"target_quantity": D(-4)}, -10, "T05"),
    ],
)
def test_a_close_of_the_other_side_leaves_the_new_position_alone(
    action: str, values: dict[str, Any], held: int, rule: str
) -> None:
    answer = answered(action, values, held, timedelta(0))
    assert isinstance(answer, Rejection)
    assert (answer.rule, answer.code) == (rule, "superseded-signal")
    assert isinstance(answered(action, values, held, -SECOND), Plan)


@pytest.mark.parametrize(
    ("action", "values", "held"),
    [
        ("buy", {"sentiment": "flat"}, -10),
        ("sell", {"sentiment": "bullish", "quantity": D(4)}, 10),
        ("buy", {"target_quantity": D(0)}, -10),
    ],
)
def test_a_close_whose_side_says_that_the_entry_came_first_is_in_order(
    action: str, values: dict[str, Any], held: int
) -> None:
    assert isinstance(answered(action, values, held, timedelta(0)), Plan)
    late = answered(action, values, held, SECOND)
    assert isinstance(late, Rejection)
    assert late.rule == "T05"


@pytest.mark.parametrize(
    ("action", "values"), [("exit", {}), ("buy", {"sentiment": "flat"}), ("buy", {"target_quantity": D(0)})]
)
def test_a_swapped_close_cancels_no_entry_that_works(action: str, values: dict[str, Any]) -> None:
    entry = working("entry", "sell", 10, "e1", limit_price=D(100), status=OrderStatus.ACCEPTED)
    answer = answered(action, values, 0, timedelta(0), entry)
    assert isinstance(answer, Rejection)
    assert answer.reason.endswith("It works on.")
    newer = answered(action, values, 0, -SECOND, entry)
    assert isinstance(newer, Plan)
    assert newer.cancels == ("e1",)


def test_without_times_a_close_closes() -> None:
    assert isinstance(decide(message("exit"), Terms(), snapshot(-10, opened_at=NOW), NOW), Plan)
    assert isinstance(decide(message("exit", signal_time=NOW), Terms(), snapshot(-10), NOW), Plan)
