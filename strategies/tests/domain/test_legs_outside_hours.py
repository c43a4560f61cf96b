"""Legs outside regular hours: those of futures always work there, those of shares where the entry may."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.domain.orders import AssetClass, Contract, Instrument, OrderIntent
from brokers.domain.snapshot import Snapshot
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.message.message import Bracket, Message
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import AAPL, NOW, bracket, message, quote, shape, snapshot

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


def test_a_stop_that_ibkr_works_in_regular_hours_alone_is_not_sent_for_others() -> None:
    asked = message("buy", 1, signal_price=D(100), stop_loss=STOPS[0])
    assert not planned(asked, snapshot(contract=AAPL), Terms(outside_rth=True)).then[0].outside_rth


def test_a_break_even_of_a_future_works_at_night() -> None:
    held = snapshot(1, contract=replace(ES), average_cost=D(100), quote=quote("109", "110"))
    assert planned(message("breakeven", symbol=FUTURE, order=shape("stop")), held).outside_rth
