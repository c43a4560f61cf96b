"""Legs outside regular hours: those of futures always work there, those of shares where the entry may."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.domain.orders import AssetClass, Contract, Instrument, OrderIntent, Role
from brokers.domain.snapshot import Snapshot
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.message.message import Bracket, Message
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import (
    AAPL,
    NOW,
    bracket,
    every_intent,
    message,
    quote,
    shape,
    snapshot,
    working,
)

D = Decimal
ES = Contract(
    instrument=Instrument(ticker="ESZ2026", asset_class=AssetClass.FUTURE),
    conid=1,
    exchange="CME",
    multiplier=D(50),
    tick=D("0.25"),
)
FUTURE = symbols.read("ESZ2026", symbols.Kind.FUTURE, NOW)
STOPS = [
    bracket("stopPrice", 95, "stop"),
    bracket("stopPrice", 95, "stop_limit", limit="94"),
    bracket("trailAmount", 5, "trailing_stop"),
]


def planned(asked: Message, book: Snapshot, terms: Terms | None = None) -> OrderIntent:
    answer = decide(asked, terms or Terms(), book, NOW)
    assert isinstance(answer, Plan), answer
    return answer.intents[0]


@pytest.mark.parametrize("stop", STOPS)
def test_the_legs_of_a_future_work_at_night(stop: Bracket) -> None:
    asked = message(
        "buy", 1, symbol=FUTURE, signal_price=D(100), stop_loss=stop, take_profit=bracket("limitPrice", 110)
    )
    assert [leg.outside_rth for leg in planned(asked, snapshot(contract=ES)).then] == [True, True]


@pytest.mark.parametrize(("extended", "expected"), [(True, [True, True]), (False, [False, False])])
def test_the_legs_of_a_share_work_outside_where_its_entry_may(extended: bool, expected: list[bool]) -> None:
    asked = message("buy", 1, signal_price=D(100), stop_loss=STOPS[1], take_profit=bracket("limitPrice", 110))
    legs = planned(asked, snapshot(contract=AAPL), Terms(outside_rth=extended)).then
    assert [leg.outside_rth for leg in legs] == expected


@pytest.mark.parametrize("stop", STOPS)
def test_every_kind_of_stop_works_outside_where_its_entry_may(stop: Bracket) -> None:
    asked = message("buy", 1, signal_price=D(100), stop_loss=stop)
    assert planned(asked, snapshot(contract=AAPL), Terms(outside_rth=True)).then[0].outside_rth


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("contract", [AAPL, ES])
@pytest.mark.parametrize("chosen", [True, False])
def test_the_terms_choose_for_every_leg(contract: Contract, chosen: bool, stop: Bracket) -> None:
    what = {"symbol": FUTURE} if contract is ES else {}
    asked = message("buy", 1, signal_price=D(100), stop_loss=stop, take_profit=bracket("limitPrice", 110), **what)
    legs = planned(asked, snapshot(contract=contract), Terms(outside_rth=not chosen, legs_outside_rth=chosen)).then
    assert [leg.outside_rth for leg in legs] == [chosen, chosen]


def stops_of(asked: Message, terms: Terms) -> list[bool]:
    """Whether the stops that a message makes of a held position work outside regular hours."""
    stop = working("stop_loss", "sell", 10, kind="stop", stop_price=D(95), keeps_its_size=True)
    answer = decide(asked, terms, snapshot(10, stop, contract=AAPL), NOW)
    assert isinstance(answer, Plan), answer
    return [each.outside_rth for each in every_intent(answer.intents) if each.role is Role.STOP_LOSS]


@pytest.mark.parametrize("chosen", [True, False])
def test_a_stop_that_is_sent_again_carries_it(chosen: bool) -> None:
    assert stops_of(message("exit", 5), Terms(legs_outside_rth=chosen)) == [chosen]


@pytest.mark.parametrize("chosen", [True, False])
def test_a_stop_beside_an_exit_carries_it(chosen: bool) -> None:
    waits = message("exit", order=shape("limit", limit=120))
    assert stops_of(waits, Terms(legs_outside_rth=chosen)) == [chosen]


@pytest.mark.parametrize("kind", ["stop", "stop_limit", "trailing_stop"])
def test_a_stop_of_a_future_by_itself_works_at_night(kind: str) -> None:
    order = shape(kind, stop=95, limit=94) if kind != "trailing_stop" else shape(kind, trail_amount=5)
    held = snapshot(1, contract=ES, quote=quote("109", "110"))
    assert planned(message("exit", symbol=FUTURE, order=order), held).outside_rth
    assert not planned(message("exit", symbol=FUTURE, order=order), held, Terms(legs_outside_rth=False)).outside_rth


def test_a_break_even_of_a_future_works_at_night() -> None:
    held = snapshot(1, contract=replace(ES), average_cost=D(100), quote=quote("109", "110"))
    assert planned(message("breakeven", symbol=FUTURE, order=shape("stop")), held).outside_rth
