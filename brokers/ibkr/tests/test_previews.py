"""IBKR's preview of an order, read without trusting any of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.ibkr.decoding import NOT_JSON
from brokers.ibkr.previews import preview


def body(**changes: Any) -> dict[str, Any]:
    """The example of IBKR's pages."""
    margin = {"current": "7,654", "change": "2,400", "after": "10,054"}
    return {
        "amount": {"amount": "1,977.60 USD (10 Shares)", "commission": "1 USD", "total": "1,978.60 USD"},
        "equity": {"current": "215,415,594", "change": "-1", "after": "215,415,593"},
        "initial": margin,
        "maintenance": margin,
        "position": {"current": "0", "change": "1", "after": "1"},
        "warn": "21/You are trying to submit an order without having market data for this instrument.",
        "error": None,
        **changes,
    }


def test_it_reads_by_how_much_the_initial_margin_changes_and_no_warning_as_a_refusal() -> None:
    read = preview(body())
    assert (read.initial_margin, read.refusal, read.short) == (Decimal(2400), "", False)


@pytest.mark.parametrize(
    ("initial", "change"),
    [
        ({"current": "1,000.50 USD", "after": "3,000.75 USD"}, "2000.25"),
        ({"change": "-1,200"}, "-1200"),
        ({"change": 2400.5}, "2400.5"),
        ({"change": "", "current": "", "after": ""}, None),
        ({"change": None, "current": "5", "after": None}, None),
        ({"change": "N/A"}, None),
        ({"change": "1" * 40}, None),
        ({}, None),
        ("2,400", None),
        ([], None),
        (None, None),
    ],
)
def test_a_figure_that_is_none_is_not_guessed(initial: Any, change: str | None) -> None:
    assert preview(body(initial=initial)).initial_margin == (None if change is None else Decimal(change))


@pytest.mark.parametrize("answer", [None, [], [1], "", "no", 5, True, NOT_JSON, {}, {"initial": {"change": {}}}])
def test_any_other_answer_says_nothing(answer: Any) -> None:
    read = preview(answer)
    assert (read.initial_margin, read.refusal) == (None, "")


@pytest.mark.parametrize(
    ("error", "short"),
    [
        ("YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY MUST EXCEED 5,000", True),
        ("Your account does not have enough Available Funds for this order.", True),
        ("Minimum of 2000 USD (or equivalent in other currencies) required: insufficient funds", True),
        ("Order rejected - reason: The settled cash does not cover this order.", True),
        ("This order would exceed your buying power.", True),
        ("No trading permissions.", False),
        ("Invalid order price fields", False),
        ("The contract is not available for trading.", False),
    ],
)
def test_a_refusal_for_want_of_money_is_told_from_others(error: str, short: bool) -> None:
    read = preview(body(error=error, initial=None))
    assert (read.refusal, read.short) == (error, short)
