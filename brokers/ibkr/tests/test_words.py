"""IBKR's spellings, read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.orders import OrderStatus, OrderType, Side, TimeInForce
from brokers.ibkr import numbers, order_rows, words


@pytest.mark.parametrize(
    ("spelled", "read"),
    [
        ("655.89", "655.89"),
        (655.89, "655.89"),
        (5, "5"),
        ("1,977.60 USD (10 Shares)", "1977.60"),
        ("C189.10", "189.10"),
        ("H12", "12"),
        ("-1", "-1"),
        ("994,831 USD", "994831"),
        ("0.54%", "0.54"),
        (".5", "0.5"),
        ("5E-05", "0.00005"),
    ],
)
def test_it_reads_numbers_in_every_spelling(spelled: Any, read: str) -> None:
    assert numbers.number(spelled) == Decimal(read)


@pytest.mark.parametrize("spelled", ["", None, "n/a", "-", True, float("nan"), float("inf"), "NaN", [], {}])
def test_it_reads_nothing_where_there_is_no_number(spelled: Any) -> None:
    assert numbers.number(spelled) is None


@pytest.mark.parametrize(
    ("spelled", "kind"),
    [
        ("Limit", OrderType.LIMIT),
        ("STOP_LIMIT", OrderType.STOP_LIMIT),
        ("Stop Limit", OrderType.STOP_LIMIT),
        ("MIT", OrderType.MARKET_IF_TOUCHED),
        ("Market If Touched", OrderType.MARKET_IF_TOUCHED),
        ("LIT", OrderType.LIMIT_IF_TOUCHED),
        ("Limit If Touched", OrderType.LIMIT_IF_TOUCHED),
        ("MidPrice", OrderType.MIDPRICE),
        ("TRAILLMT", OrderType.TRAILING_STOP_LIMIT),
        ("Trailing Stop Limit", OrderType.TRAILING_STOP_LIMIT),
        ("Trailing Stop", OrderType.TRAILING_STOP),
        ("Relative", None),
    ],
)
def test_it_reads_the_types_of_orders_in_every_spelling(spelled: str, kind: OrderType | None) -> None:
    facts = order_rows.order_facts({"orderId": 1, "orderType": spelled})
    assert facts is not None
    assert facts.type is kind


def test_it_drops_the_zeros_of_a_quantity() -> None:
    assert str(numbers.quantity("5.0")) == "5"
    assert str(numbers.quantity(1000.0)) == "1000"
    assert str(numbers.quantity("0.50")) == "0.5"


@pytest.mark.parametrize(
    ("word", "filled", "remaining", "ours"),
    [
        ("PendingSubmit", 0, 5, OrderStatus.ACCEPTED),
        ("PreSubmitted", 0, 5, OrderStatus.ACCEPTED),
        ("Submitted", 0, 5, OrderStatus.ACCEPTED),
        ("Submitted", 2, 3, OrderStatus.PARTIALLY_FILLED),
        ("Submitted", 5, 0, OrderStatus.FILLED),
        ("Filled", 5, 0, OrderStatus.FILLED),
        ("PendingCancel", 2, 3, OrderStatus.PENDING_CANCEL),
        ("PreCancelled", 0, 5, OrderStatus.PENDING_CANCEL),
        ("Cancelled", 0, 5, OrderStatus.CANCELED),
        ("Inactive", 0, 5, OrderStatus.REJECTED),
        ("Inactive", 2, 3, OrderStatus.CANCELED),
        ("WarnState", 0, 5, None),
        ("Unheard", 0, 5, None),
        (None, 2, 3, None),
    ],
)
def test_it_reads_a_status_with_what_was_filled(
    word: str | None, filled: int, remaining: int, ours: OrderStatus | None
) -> None:
    assert words.status(word, filled=Decimal(filled), remaining=Decimal(remaining)) is ours


@pytest.mark.parametrize(
    "text",
    [
        "Shares for this order are not immediately available for short sale. It will be held while we attempt to locate them.",
        "Held: locating shares",
        "locate",
        "Your order will not be placed at the exchange until 2026-11-30 09:30:00 US/Eastern.",
        "This order is under review.",
        "Pending compliance review",
        "The order is queued.",
        "Order deactivated by user",
        "Waiting for parent to be transmitted",
        "Order not transmitted",
    ],
)
def test_an_inactive_order_that_is_only_held_works(text: str) -> None:
    assert words.status("Inactive", text=text) is OrderStatus.ACCEPTED
    assert words.status("Inactive", filled=Decimal(2), remaining=Decimal(3), text=text) is OrderStatus.PARTIALLY_FILLED
    assert words.held_because("Inactive", text) == text
    assert words.held_because("Submitted", text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Not enough margin.",
        "No trading permissions.",
        "Order rejected: shares could not be located.",
        "You do not hold enough shares.",
        "The order was denied while pending.",
        "Invalid price. Order held off.",
    ],
)
def test_an_inactive_order_that_was_refused_is_rejected(text: str) -> None:
    assert words.status("Inactive", text=text) is OrderStatus.REJECTED
    assert words.held_because("Inactive", text) == ""


def test_it_reads_a_cancel_by_the_exchange_as_a_rejection() -> None:
    text = "Order rejected - reason:Exchange is closed."
    assert words.status("Cancelled", text=text) is OrderStatus.REJECTED


def test_it_reads_moments_from_milliseconds_and_from_text() -> None:
    moment = datetime(2023, 12, 11, 18, 0, 49, tzinfo=UTC)
    assert numbers.moment(1702317649000) == moment
    assert numbers.moment(None, "20231211-18:00:49") == moment
    assert numbers.moment("", "231211180049") == moment
    assert numbers.moment(None, None) is None


def test_it_has_a_word_for_every_word_of_ours() -> None:
    assert set(words.ORDER_TYPES) == set(OrderType)
    assert set(words.TIMES_IN_FORCE) == set(TimeInForce)
    assert set(words.SIDES) == set(Side)


def test_it_writes_whole_numbers_as_integers() -> None:
    assert repr(numbers.plain(Decimal("5.00"))) == "5"
    assert repr(numbers.plain(Decimal("190.55"))) == "190.55"


def test_what_is_good_till_a_date_is_good_till_canceled_and_read_as_that() -> None:
    """Somebody else's order with a date is not one of ours: its date is not in the list."""
    assert words.TIMES_IN_FORCE[TimeInForce.GTD] == "GTC"
    assert [words.time_in_force(code) for code in ("GTC", "GTD", "DAY")] == ["gtc", "gtd", "day"]
