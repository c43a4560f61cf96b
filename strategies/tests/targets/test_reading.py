"""takeProfit as a list: what is read, and what is refused with one sentence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.orders import MoveTo, StopMove
from strategies.domain.message.message import Bracket, Ladder, Message, Rung
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading import parse

NOW = datetime(2026, 11, 30, 15, tzinfo=UTC)
D = Decimal


def read(profit: Any, action: str = "buy", **values: Any) -> parse.Reading:
    body = json.dumps({"ticker": "SPY", "action": action, "quantity": 10, "takeProfit": profit, **values})
    return parse.parse(body.encode(), kind=Kind.STOCK, now=NOW)


def at(price: str, **part: Decimal) -> Rung:
    return Rung(target=Bracket(mode="limitPrice", value=D(price)), **part)


READ: list[tuple[Any, Any]] = [
    ([{"limitPrice": 105, "quantityPercent": 50}, {"limitPrice": "110", "quantityPercent": "50"}],
     Ladder((at("105", percent=D(50)), at("110", percent=D(50))))),
    ([{"limitPrice": 105, "quantity": 3}, {"limitPrice": 110}], Ladder((at("105", quantity=D(3)), at("110")))),
    ([{"limitPrice": 105}, {"limitPrice": 110}], Ladder((at("105"), at("110")))),
    ([{"limitPrice": 105, "quantityPercent": 50}], Ladder((at("105", percent=D(50)),))),
    ([{"limitPrice": 105}], Bracket(mode="limitPrice", value=D(105))),
    ([{"limitPrice": 105, "quantityPercent": 100}], Bracket(mode="limitPrice", value=D(105))),
    ([{"limitPrice": "=100 + 5", "quantityPercent": "=100 / 2"}, {"limitPrice": 110}],
     Ladder((at("105", percent=D(50)), at("110")))),
    ({"limitPrice": 105}, Bracket(mode="limitPrice", value=D(105))),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "expected"), READ)
def test_it_reads_one_target_or_several(sent: Any, expected: Any) -> None:
    message = read(sent).message
    assert message.take_profit == expected
    assert Message.from_reading(json.loads(json.dumps(message.reading()))) == message


REFUSED: list[tuple[Any, str]] = [
    ([], "invalid-take-profit-rungs"),
    (6 * [{"limitPrice": 105}], "invalid-take-profit-rungs"),
    (1_000 * [{"limitPrice": "=100 + 1"}], "invalid-take-profit-rungs"),
    ([105], "invalid-take-profit"),
    ([[{"limitPrice": 105}]], "invalid-take-profit"),
    ([{"limitPrice": 105}, None], "invalid-take-profit"),
    ([{"limitPrice": 105}, {}], "invalid-take-profit-value-required"),
    ([{"limitPrice": 105}, {"limitPrice": -1}], "invalid-take-profit-limit-price"),
    ([{"limitPrice": 105}, {"limitPrice": "NaN"}], "invalid-take-profit-limit-price"),
    ([{"limitPrice": 105}, {"limitPrice": "1e99"}], "invalid-take-profit-limit-price"),
    ([{"limitPrice": 105, "percent": 3}], "invalid-take-profit-relative-and-absolute"),
    ([{"limitPrice": 105, "quantity": 0}, {"limitPrice": 106}], "invalid-take-profit-quantity"),
    ([{"limitPrice": 105, "quantity": "{{x}}"}, {"limitPrice": 106}], "unexpanded-placeholder"),
    ([{"limitPrice": 105, "quantity": 1, "quantityPercent": 5}], "invalid-take-profit-quantity"),
    ([{"limitPrice": 105, "quantity": 1}, {"limitPrice": 106, "quantityPercent": 5}], "invalid-take-profit-quantity"),
    ([{"limitPrice": 105, "quantityPercent": 60}, {"limitPrice": 106, "quantityPercent": 41}], "invalid-take-profit-sum"),
    ([{"limitPrice": 105, "quantityPercent": 100}, {"limitPrice": 106}], "invalid-take-profit-sum"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "code"), REFUSED)
def test_it_refuses_the_whole_list_in_a_sentence(sent: Any, code: str) -> None:
    with pytest.raises(Refused) as caught:
        read(sent)
    assert caught.value.code == code
    assert caught.value.message.endswith(".")
    assert caught.value.field.startswith("takeProfit")


def test_thirds_with_the_noise_of_floats_are_all_of_it() -> None:
    thirds = [{"limitPrice": price, "quantityPercent": 33.333333333333336} for price in (1, 2, 3)]
    assert isinstance(read(thirds).message.take_profit, Ladder)


def test_modify_moves_one_target() -> None:
    with pytest.raises(Refused) as caught:
        read([{"limitPrice": 105}, {"limitPrice": 110}], action="modify")
    assert caught.value.code == "invalid-take-profit-rungs"


def test_a_key_it_does_not_know_is_warned_of_by_its_place() -> None:
    warnings = read([{"limitPrice": 105}, {"limitPrice": 110, "size": 3}]).warnings
    assert warnings == ("unknown-field:takeProfit[2].size",)


TARGETS = [{"limitPrice": 105}, {"limitPrice": 110}]
MOVES = [
    ({"moveTo": "breakeven"}, StopMove(after=1, to=MoveTo.BREAK_EVEN, by=D(0))),
    ({"moveTo": "breakeven", "moveAfter": "2", "moveOffset": "0.1"}, StopMove(after=2, to=MoveTo.BREAK_EVEN, by=D("0.1"))),
    ({"moveTo": "Trail", "moveTrailAmount": 2}, StopMove(after=1, to=MoveTo.TRAIL_AMOUNT, by=D(2))),
    ({"moveTo": "trail", "moveTrailPercent": "=1 + 1"}, StopMove(after=1, to=MoveTo.TRAIL_PERCENT, by=D(2))),
]  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), MOVES)
def test_a_stop_may_move_once_targets_have_filled(said: dict[str, Any], expected: StopMove) -> None:
    message = read(TARGETS, stopLoss={"stopPrice": 95, **said}).message
    assert message.stop_loss is not None
    assert message.stop_loss.moves == expected
    assert Message.from_reading(json.loads(json.dumps(message.reading()))) == message


@pytest.mark.parametrize(
    "said",
    [
        {"moveTo": "moon"},
        {"moveAfter": 1},
        {"moveOffset": 1},
        {"moveTo": "breakeven", "moveAfter": 0},
        {"moveTo": "breakeven", "moveAfter": 6},
        {"moveTo": "breakeven", "moveAfter": 1.5},
        {"moveTo": "breakeven", "moveOffset": -1},
        {"moveTo": "breakeven", "moveOffset": "NaN"},
        {"moveTo": "breakeven", "moveTrailAmount": 1},
        {"moveTo": "trail"},
        {"moveTo": "trail", "moveOffset": 1},
        {"moveTo": "trail", "moveTrailAmount": 0},
        {"moveTo": "trail", "moveTrailPercent": 100},
        {"moveTo": "trail", "moveTrailAmount": 1, "moveTrailPercent": 1},
    ],
)
def test_a_move_that_makes_no_sense_refuses_the_message(said: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        read(TARGETS, stopLoss={"stopPrice": 95, **said})
    assert caught.value.code == "invalid-stop-loss-move"
    assert caught.value.message.endswith(".")


def test_a_stop_that_trails_does_not_move() -> None:
    with pytest.raises(Refused) as caught:
        read(TARGETS, stopLoss={"type": "trailing_stop", "trailAmount": 2, "moveTo": "breakeven"})
    assert caught.value.code == "invalid-stop-loss-move"


def test_modify_says_no_rule() -> None:
    with pytest.raises(Refused) as caught:
        read({"limitPrice": 105}, action="modify", stopLoss={"stopPrice": 95, "moveTo": "breakeven"})
    assert caught.value.code == "invalid-modify"
