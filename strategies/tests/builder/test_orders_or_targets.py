"""Why the text for TradingView strategies sends orders: what becomes of a target where an account is not the chart's alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.decide.decide import decide
from strategies.domain.message.message import Message
from strategies.domain.message.sender_position import SenderPosition
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, drawn, message, snapshot

D = Decimal
SWAPS = {"allow_swap": True, "allow_add": True}


def by_order(action: str, quantity: int, before: int, after: int) -> Message:
    """As the recommended text says it."""
    sentiment = "bullish" if after > 0 else "bearish" if after < 0 else "flat"
    position = SenderPosition(before=D(before), after=D(after))
    return message(action, quantity, sentiment=sentiment, sender_position=position)


def by_target(action: str, after: int) -> Message:
    """As `"targetQuantity": "{{strategy.position_size}}"` says it."""
    return message(action, target_quantity=D(after))


def orders(signal: Message, held: int, **terms: Any) -> str:
    answer = decide(signal, Terms(**{**SWAPS, **terms}), snapshot(held), NOW)
    return drawn(answer) if isinstance(answer, Plan) else answer.code


@pytest.mark.parametrize(
    ("action", "quantity", "before", "after"),
    [
        ("buy", 10, 0, 10),
        ("buy", 10, 10, 20),
        ("sell", 4, 20, 16),
        ("sell", 16, 16, 0),
        ("sell", 90, 45, -45),
        ("buy", 50, -20, 30),
        ("sell", 10, -10, -20),
        ("buy", 20, -20, 0),
    ],
)
def test_in_an_account_of_its_own_both_order_the_same(action: str, quantity: int, before: int, after: int) -> None:
    by_both = {orders(by_order(action, quantity, before, after), before), orders(by_target(action, after), before)}
    assert len(by_both) == 1, by_both


@pytest.mark.parametrize(
    ("why", "action", "quantity", "before", "after", "held", "terms", "order", "target"),
    [
        # A multiplier of a half follows the chart with half its size; a target goes all the way.
        ("multiplier", "buy", 10, 0, 10, 0, {"quantity_multiplier": D("0.5")}, "entry buy 5", "entry buy 10"),
        # 5 are held by somebody else: ten more are bought, or five.
        ("shared", "buy", 10, 0, 10, 5, {}, "entry buy 10", "entry buy 5"),
        # 30 are held by somebody else: the chart's first entry would sell 20 of them.
        ("shared, more", "buy", 10, 0, 10, 30, {}, "entry buy 10", "exit sell 20"),
        # Terms with a size of their own.
        ("own size", "buy", 10, 0, 10, 0, {"allow_overrides": False, "quantity": D(3)}, "entry buy 3", "entry buy 10"),
    ],
)
def test_elsewhere_a_target_orders_something_else(
    why: str,
    action: str,
    quantity: int,
    before: int,
    after: int,
    held: int,
    terms: dict[str, Any],
    order: str,
    target: str,
) -> None:
    assert orders(by_order(action, quantity, before, after), held, **terms) == order, why
    assert orders(by_target(action, after), held, **terms) == target, why


def test_two_buys_of_one_second_swapped_on_their_way_are_both_made_by_orders_alone() -> None:
    # The chart went 0, 10, 20; the second came first.
    assert orders(by_order("buy", 10, 10, 20), 0) == "entry buy 10"
    assert orders(by_order("buy", 10, 0, 10), 10) == "entry buy 10"
    assert orders(by_target("buy", 20), 0) == "entry buy 20"
    assert orders(by_target("buy", 10), 20) == "exit sell 10"


def test_what_a_target_is_better_at_is_a_signal_that_never_came() -> None:
    # The chart went 0, 10, 20; the account missed the first ten.
    assert orders(by_order("buy", 10, 10, 20), 0) == "entry buy 10"
    assert orders(by_target("buy", 20), 0) == "entry buy 20"
