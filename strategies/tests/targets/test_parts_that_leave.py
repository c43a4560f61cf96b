"""A ladder of which a part leaves by a signal: which of its legs go, and what becomes of the rule of its stops."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.orders import MoveTo, OrderIntent, Role, StopMove
from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.decide.decide import decide
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, message, quote, shape, snapshot, working

D = Decimal
RULE = StopMove(after=1, to=MoveTo.BREAK_EVEN, by=D(0))
MARKET = quote("100", "100", "100")


def rung(name: str, size: int, target: int | None, way: str = "sell", **values: Any) -> tuple[WorkingOrder, ...]:
    """A part of an entry that is held: its stop at 95, and its target, if any."""
    shared: dict[str, Any] = {"parent": f"e{name}", "ticket": "t1", "moves": RULE, **values}
    away = D(95) if way == "sell" else D(105)
    stop = working("stop_loss", way, size, f"s{name}", "stop", stop_price=away, **shared)
    if target is None:
        return (stop,)
    return (stop, working("take_profit", way, size, f"t{name}", "limit", limit_price=D(target), **shared))


LADDER = (*rung("1", 3, 105), *rung("2", 3, 110), *rung("3", 4, 115))


def held(*legs: WorkingOrder, quantity: int = 10) -> Snapshot:
    return snapshot(quantity, *legs, average_cost=D(100), quote=MARKET, mark=D(100))


def planned(book: Snapshot, **asked: Any) -> Plan:
    made = decide(message(asked.pop("action", "exit"), asked.pop("quantity", None), **asked), Terms(), book, NOW)
    assert isinstance(made, Plan), made
    return made


def cut(plan: Plan) -> dict[str, int]:
    """What is left of each leg that is canceled (0) or made smaller."""
    return dict.fromkeys(plan.cancels, 0) | {each.reference: int(each.quantity) for each in plan.resizes}


@pytest.mark.parametrize(
    ("sold", "expected"),
    [
        (3, {"s3": 1, "t3": 1}),
        (4, {"s3": 0, "t3": 0}),
        (5, {"s3": 0, "t3": 0, "s2": 2, "t2": 2}),
        (8, {"s3": 0, "t3": 0, "s2": 0, "t2": 0, "s1": 2, "t1": 2}),
    ],
)
def test_a_part_that_leaves_takes_the_furthest_targets_first(sold: int, expected: dict[str, int]) -> None:
    assert cut(planned(held(*LADDER), quantity=sold)) == expected


def test_of_a_short_ladder_the_furthest_is_the_lowest() -> None:
    legs = (*rung("1", 3, 95, "buy"), *rung("2", 3, 90, "buy"), *rung("3", 4, 85, "buy"))
    assert cut(planned(held(*legs, quantity=-10), quantity=4)) == {"s3": 0, "t3": 0}


def test_what_has_no_target_leaves_before_what_has_one() -> None:
    legs = (*rung("1", 3, 105), *rung("2", 3, 110), *rung("3", 4, None))
    assert cut(planned(held(*legs), quantity=5)) == {"s3": 0, "s2": 2, "t2": 2}


def test_of_several_entries_the_oldest_gives_its_part_first() -> None:
    legs = (*rung("1", 5, 105, ticket="a"), *rung("2", 5, 120, ticket="b"))
    assert cut(planned(held(*legs), quantity=5)) == {"s1": 0, "t1": 0}


def legs_of(plan: Plan) -> list[OrderIntent]:
    level = [intent for intent in plan.intents if intent.role is not Role.EXIT]
    return [each for intent in level for each in (intent, *intent.then)]


def test_legs_that_are_sent_again_keep_the_rule_and_say_instead_of_which() -> None:
    legs = (*rung("1", 5, 105), *rung("2", 5, 110, keeps_its_size=True))
    again = legs_of(planned(held(*legs), quantity=2))
    rules = {intent.role: intent.moves for intent in again}
    assert rules == {
        Role.STOP_LOSS: replace(RULE, instead_of="s2"),
        Role.TAKE_PROFIT: replace(RULE, instead_of="t2"),
    }


def test_one_that_is_sent_again_twice_names_the_first() -> None:
    first = replace(RULE, instead_of="s0")
    legs = rung("1", 10, None, keeps_its_size=True, moves=first)
    assert [intent.moves for intent in legs_of(planned(held(*legs), quantity=2))] == [first]


def test_a_stop_at_break_even_by_a_signal_keeps_what_is_to_become_of_it() -> None:
    trails = StopMove(after=1, to=MoveTo.TRAIL_PERCENT, by=D(2))
    legs = (*rung("1", 5, 115, moves=trails), *rung("2", 5, None, moves=trails))
    book = replace(held(*legs), mark=D(103), quote=quote("103", "103", "103"))
    stops = [
        leg for leg in legs_of(planned(book, action="breakeven", order=shape("stop"))) if leg.role is Role.STOP_LOSS
    ]
    assert [stop.moves for stop in stops] == [replace(trails, instead_of="s1"), replace(trails, instead_of="s2")]


# modify ---------------------------------------------------------------------------------------------------------------


def part(number: int, size: int = 5, **values: Any) -> WorkingOrder:
    values = {"limit_price": D(99), "ticket": "t1", **values}
    return working("entry", "buy", size, f"e{number}", "limit", **values)


def test_a_new_limit_is_that_of_every_part_of_an_entry() -> None:
    plan = planned(snapshot(0, part(1), part(2), quote=MARKET), action="modify", order=shape(limit="98"))
    assert [(each.reference, each.limit_price) for each in plan.modifications] == [("e1", D(98)), ("e2", D(98))]


@pytest.mark.parametrize(
    ("other", "asked", "code"),
    [
        (part(2), {"quantity": 4}, "entry-in-parts"),
        (part(2, ticket="t2"), {"order": shape(limit="98")}, "several-orders-match"),
        (part(2, ticket="t2"), {"quantity": 4}, "several-orders-match"),
    ],
)
def test_what_a_signal_cannot_change_of_an_entry_in_parts(other: WorkingOrder, asked: Any, code: str) -> None:
    quantity = asked.get("quantity")
    values = {name: value for name, value in asked.items() if name != "quantity"}
    refused = decide(message("modify", quantity, **values), Terms(), snapshot(0, part(1), other, quote=MARKET), NOW)
    assert isinstance(refused, Rejection)
    assert (refused.rule, refused.code) == ("M04", code)
    assert "AAPL" in refused.reason
