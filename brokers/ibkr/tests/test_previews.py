"""IBKR's preview of an order, read without trusting any of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.whatif.figures import Commission, OrderPreview
from brokers.ibkr.decoding import NOT_JSON
from brokers.ibkr.previews import is_of_another, preview
from brokers.ibkr.tests.conftest import leg


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


def test_margin_equity_and_fee_are_read_before_and_after() -> None:
    read = preview(body(maintenance={"current": "1,000", "change": "50", "after": ""}))
    assert (read.initial.before, read.initial.change, read.initial.after) == (
        Decimal(7654),
        Decimal(2400),
        Decimal(10054),
    )
    assert (read.maintenance.before, read.maintenance.after) == (Decimal(1000), Decimal(1050))
    assert read.equity.after == Decimal(215_415_593)
    assert read.commission == Commission(least=Decimal(1), most=Decimal(1), currency="USD")
    assert read.warning == "You are trying to submit an order without having market data for this instrument."


@pytest.mark.parametrize(
    ("fee", "commission"),
    [
        ("0.35 ... 1.05 USD", ("0.35", "1.05", "USD")),
        ("1.05 - 0.35 EUR", ("0.35", "1.05", "EUR")),
        ("2.5", ("2.5", "2.5", "USD")),
        ("", None),
        ("free", None),
        (None, None),
        ("9" * 40, None),
        (["1 USD"], None),
    ],
)
def test_a_fee_is_one_figure_or_two_or_none(fee: Any, commission: tuple[str, str, str] | None) -> None:
    read = preview(body(amount={"commission": fee})).commission
    if commission is None:
        assert read is None
    else:
        least, most, currency = commission
        assert read == Commission(least=Decimal(least), most=Decimal(most), currency=currency)


@pytest.mark.parametrize(
    ("changes", "another"),
    [
        # IBKR's own example says 10 shares, and a position that changes by 1.
        ({}, False),
        ({"amount": {"amount": "1,977.60 USD (11 Shares)"}}, True),
        ({"amount": {"amount": "1,977,600.00 USD (10,000 Shares)"}}, True),
        ({"amount": {"amount": "1,977.60 USD"}}, False),
        ({"amount": None, "position": None}, False),
        ({"position": {"change": "-10"}}, True),
        ({"position": {"change": "0"}}, False),
        ({"position": {"change": "?"}}, False),
    ],
)
def test_an_answer_about_another_order_is_told_apart(changes: dict[str, Any], another: bool) -> None:
    assert is_of_another(body(**changes), leg("hy-1", quantity=Decimal(10))) is another


@pytest.mark.parametrize("answer", [None, [], "no", 5, {}, NOT_JSON])
def test_what_is_no_preview_is_about_no_other_order(answer: Any) -> None:
    assert not is_of_another(answer, leg("hy-1", quantity=Decimal(10)))


def test_a_preview_keeps_its_figures_as_json() -> None:
    read = preview(body(error="No trading permissions."))
    assert OrderPreview.from_json(read.to_json()) == read
    assert OrderPreview.from_json({"initial": 5, "commission": {"least": "x"}}) == OrderPreview()
