"""A short sale is told where IBKR says that too few shares can be borrowed; nothing else is asked about, nothing is guessed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.market.borrowing import Borrow
from brokers.domain.orders import AssetClass, Role, Side
from brokers.ibkr import translate
from strategies.domain.plan.estimate import Estimate
from strategies.tests.domain.test_assessment import AAPL, NOW, ask, contract, snapshot

D = Decimal


def notes(borrow: Borrow | None, of: Any = AAPL, side: Side = Side.SELL, role: Role = Role.ENTRY) -> str:
    held = D(100) if role is Role.EXIT else D(0)
    answer = ask(snapshot(of, borrow=borrow, position=held), "100", "20", side=side, role=role)
    assert isinstance(answer, Estimate), answer
    return " ".join(answer.notes)


def said(shares: int | None, **values: Any) -> Borrow:
    return Borrow(as_of=NOW, shares=None if shares is None else D(shares), **values)


def test_none_and_too_few_are_told() -> None:
    assert "no shares of AAPL can be borrowed now, so it may refuse this short sale" in notes(said(0))
    assert "no shares of AAPL can be borrowed now" in notes(said(None, none=True))
    assert "40 shares of AAPL can be borrowed now, and this sells 100 short" in notes(said(40))


@pytest.mark.parametrize("borrow", [None, said(None), said(100), said(10**7)])
def test_enough_and_what_nobody_said_are_not(borrow: Borrow | None) -> None:
    assert "borrow" not in notes(borrow)


def test_a_word_of_another_hour_says_nothing() -> None:
    assert "borrow" not in notes(Borrow(as_of=NOW - timedelta(minutes=16), shares=D(0)))
    assert "borrow" in notes(Borrow(as_of=NOW - timedelta(minutes=15), shares=D(0)))


def test_purchases_ways_out_and_other_classes_borrow_nothing() -> None:
    assert "borrow" not in notes(said(0), side=Side.BUY)
    assert "borrow" not in notes(said(0), role=Role.EXIT)
    assert "borrow" not in notes(said(0), contract("AAPL", AssetClass.CFD))


@pytest.mark.parametrize(
    ("row", "shares", "none"),
    [
        ({"7636": "12000", "7637": "0.25%"}, 12_000, False),
        ({"7636": "1,234,567"}, 1_234_567, False),
        ({"7636": "12.5M"}, 12_500_000, False),
        ({"7636": 0}, 0, False),
        ({"7644": "Not shortable"}, None, True),
        ({"7636": "NaN", "7644": "not available"}, None, True),
    ],
)
def test_ibkrs_fields_are_read(row: dict[str, Any], shares: int | None, none: bool) -> None:
    read = translate.borrow(row, now=NOW)
    assert read is not None
    assert (read.shares, read.none, read.as_of) == (shares, none, NOW)
    assert Borrow.from_json(read.to_json()) == read


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"7644": "Shortable"},
        {"7644": "Difficult"},
        {"7644": "notable"},
        {"7636": "many"},
        {"7636": "-5"},
        {"7636": "9e99"},
        {"7636": "9e14M"},
        {"7636": {"shares": 5}},
        {"7636": True},
        {"7636": "M"},
        {"7636": "1" * 500},
        {"7644": ["Not shortable"]},
    ],
)
def test_what_is_missing_or_hostile_says_nothing(row: dict[str, Any]) -> None:
    assert translate.borrow(row, now=NOW) is None


@given(st.dictionaries(st.sampled_from(["7636", "7637", "7644", "_updated"]), st.none() | st.integers() | st.text()))
def test_whatever_comes_is_read_within_bounds(row: dict[str, Any]) -> None:
    read = translate.borrow(row, now=NOW)
    if read is not None:
        assert read.as_of <= NOW
        assert read.most is None or 0 <= read.most < 10**12
        assert read.rate is None or 0 <= read.rate < 10_000
