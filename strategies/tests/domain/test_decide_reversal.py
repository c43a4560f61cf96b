"""A reversal's quantity: what of it closes, and what of it opens."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.decide.decide import decide
from strategies.domain.message.sender_position import SenderPosition
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.doubts import doubts
from strategies.domain.terms.terms import Sides, Terms
from strategies.tests.domain.cases_of_decide import NOW, drawn, message, snapshot


def around(before: int | None = None, size_before: int | None = None) -> SenderPosition:
    return SenderPosition(
        before=None if before is None else Decimal(before),
        size_before=None if size_before is None else Decimal(size_before),
    )


SWAP: dict[str, Any] = {"allow_swap": True}
SUBTRACT: dict[str, Any] = {**SWAP, "subtract_exit_quantity": True}
CASES: list[tuple[str, str, int, SenderPosition, int, dict[str, Any], str]] = [
    # The sender was long 45: of 90, 45 open, whatever is held here and however the terms subtract.
    ("sell", "bearish", 90, around(45), 45, SWAP, "exit sell 45 > entry sell 45"),
    ("sell", "bearish", 90, around(45), 45, SUBTRACT, "exit sell 45 > entry sell 45"),
    ("sell", "bearish", 90, around(45), 20, SUBTRACT, "exit sell 20 > entry sell 45"),
    ("sell", "bearish", 90, around(45), 0, SWAP, "entry sell 45"),
    ("sell", "bearish", 90, around(size_before=45), 45, SWAP, "exit sell 45 > entry sell 45"),
    ("buy", "bullish", 50, around(-20), -20, SWAP, "exit buy 20 > entry buy 30"),
    ("buy", "bullish", 50, around(-20), -20, {**SWAP, "quantity_multiplier": Decimal(2)}, "exit buy 20 > entry buy 60"),
    # It only added, or began flat: all of it opens.
    ("sell", "bearish", 10, around(-45), -45, {"allow_add": True}, "entry sell 10"),
    ("sell", "bearish", 90, around(size_before=45), -45, {"allow_add": True}, "entry sell 90"),
    ("sell", "bearish", 45, around(0), 45, SWAP, "exit sell 45 > entry sell 45"),
    # Nothing is said of it: as the terms subtract.
    ("sell", "bearish", 90, around(), 45, SWAP, "exit sell 45 > entry sell 90"),
    ("sell", "bearish", 90, around(), 45, SUBTRACT, "exit sell 45 > entry sell 45"),
    # The sender's story does not add up: more was closed than was ordered.
    ("sell", "bearish", 45, around(45), 45, SWAP, "exit sell 45 > entry sell 45"),
    ("sell", "flat", 45, around(45), 45, SWAP, "exit sell 45"),
]


@pytest.mark.parametrize(("action", "sentiment", "quantity", "position", "held", "terms", "orders"), CASES)
def test_it_opens_what_the_sender_opens(
    action: str,
    sentiment: str,
    quantity: int,
    position: SenderPosition,
    held: int,
    terms: dict[str, Any],
    orders: str,
) -> None:
    signal = message(action, quantity, sentiment=sentiment, sender_position=position)
    plan = decide(signal, Terms(**terms), snapshot(held), NOW)
    assert isinstance(plan, Plan), plan
    assert drawn(plan) == orders


@pytest.mark.parametrize(("terms", "asks"), [(SWAP, True), (SUBTRACT, False)])
def test_twice_the_position_asks_whether_the_exit_is_in_it(terms: dict[str, Any], asks: bool) -> None:
    plan = decide(message("sell", 90, sentiment="bearish"), Terms(**terms), snapshot(45), NOW)
    assert ("includes the exit" in plan.reason) is asks


@pytest.mark.parametrize(
    ("terms", "doubted"),
    [
        (Terms(), False),
        (Terms(allow_swap=True), True),
        (Terms(allow_swap=True, subtract_exit_quantity=True), False),
        (Terms(allow_swap=True, allow_overrides=False, quantity=Decimal(1)), False),
        (Terms(allow_swap=True, allow_overrides=False, signal_fields=("quantity",)), True),
        (Terms(allow_swap=True, sides=Sides.NONE), False),
    ],
)
def test_terms_that_change_sides_are_doubted_until_they_subtract(terms: Terms, doubted: bool) -> None:
    assert bool(doubts(terms)) is doubted
    assert all("45 long, a sell of 90" in doubt for doubt in doubts(terms))
