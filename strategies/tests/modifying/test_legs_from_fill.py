"""Legs that are a distance carry it where the terms count them again from the fill, and say so wherever a plan is read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.domain.orders import Distance, DistanceIn, OrderIntent
from strategies.display.order_sheets import order_sheets
from strategies.display.plans import how
from strategies.display.summary import summary
from strategies.domain.decide.decide import decide
from strategies.domain.message.message import Bracket
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, bracket, message, snapshot

D = Decimal


def legs_of(*, stop: Bracket | None = None, target: Bracket | None = None, on: bool = True) -> tuple[OrderIntent, ...]:
    asked = message("buy", 10, signal_price=D(100), stop_loss=stop, take_profit=target)
    answer = decide(asked, Terms(legs_from_fill=on), snapshot(), NOW)
    assert isinstance(answer, Plan), answer
    return answer.intents[0].then


@pytest.mark.parametrize(
    ("mode", "counts"), [("percent", "percent"), ("amount", "amount"), ("pnlAmount", "pnl_amount")]
)
def test_each_distance_is_kept_beside_the_price_it_was_planned_at(mode: str, counts: str) -> None:
    distance = Distance(value=D(2), counts=DistanceIn(counts))
    stop, target = legs_of(stop=bracket(mode, 2), target=bracket(mode, 2))
    assert (stop.from_fill, target.from_fill) == (distance, distance)
    plain = legs_of(stop=bracket(mode, 2), target=bracket(mode, 2), on=False)
    assert [leg.from_fill for leg in plain] == [None, None]
    # The price until then is the one of the decision, with the terms or without.
    assert [(leg.stop_price, leg.limit_price) for leg in plain] == [
        (stop.stop_price, stop.limit_price),
        (target.stop_price, target.limit_price),
    ]


def test_a_price_and_a_trail_are_their_own() -> None:
    assert [leg.from_fill for leg in legs_of(stop=bracket("stopPrice", 95), target=bracket("limitPrice", 110))] == [
        None,
        None,
    ]
    for mode in ("trailAmount", "trailPercent"):
        [trail] = legs_of(stop=bracket(mode, 2, "trailing_stop"))
        assert trail.from_fill is None


@pytest.mark.parametrize(
    ("sent", "kept"), [("1.234567891", "1.23456789"), ("0.000000001", None), ("1e15", None), ("1e-30", None)]
)
def test_a_distance_is_one_that_a_column_holds(sent: str, kept: str | None) -> None:
    distance = Distance(value=D(sent), counts=DistanceIn.PERCENT).kept()
    assert (None if distance is None else distance.value) == (None if kept is None else D(kept))


def test_it_is_off_from_the_start_and_for_terms_of_before() -> None:
    assert not Terms().legs_from_fill
    values = Terms().to_json()
    del values["legs_from_fill"]
    assert not Terms.from_json(values).legs_from_fill


def test_a_distance_without_a_price_of_the_entry_is_still_refused() -> None:
    """Until the fill the leg stands somewhere: never naked."""
    asked = message("buy", 10, stop_loss=bracket("percent", 2))
    answer = decide(asked, Terms(legs_from_fill=True), snapshot(quote=None), NOW)
    assert isinstance(answer, Rejection)
    assert answer.code == "price-required"


def test_the_plan_says_it() -> None:
    stop, target = legs_of(stop=bracket("percent", 2), target=bracket("amount", 4))
    assert how(stop) == "stop 98, gtc, counted again when its entry fills: 2 % below the fill"
    assert how(target) == "limit 104, gtc, counted again when its entry fills: 4 above the fill"
    asked = message("buy", 10, signal_price=D(100), stop_loss=bracket("percent", 2))
    answer = decide(asked, Terms(legs_from_fill=True), snapshot(), NOW)
    assert isinstance(answer, Plan)
    [sheet] = order_sheets(answer.intents)
    assert dict(sheet.lines)["Stop loss"].endswith("2 % below the fill")


def test_the_terms_say_it() -> None:
    stop = Bracket(mode="percent", value=D(2), type="stop")
    said = " ".join(summary(Terms(stop_loss=stop, legs_from_fill=True)))
    assert "Each entry carries a stop loss 2 % away. What is a distance is counted again from the fill." in said
    assert "counted again" not in " ".join(summary(Terms(stop_loss=stop)))
