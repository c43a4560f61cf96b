"""What decisions say: what a cancel leaves, which limit a late signal missed, thousands, and parts sent as units."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strategies.domain.decide.decide import decide
from strategies.domain.message.freshness import Freshness, too_late
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, message, snapshot
from strategies.tests.domain.test_decide_table import ENTRY, PROFIT, STOP


def reason(*values: object, **options: object) -> str:
    return decide(*values, **options).reason  # type: ignore[arg-type]


def test_a_cancel_of_the_legs_says_what_it_leaves() -> None:
    both = reason(message("cancel"), Terms(), snapshot(10, STOP, PROFIT), NOW)
    assert both.endswith("The position stays, 10 shares held long, without a stop loss or a take profit.")
    stop = reason(message("cancel", cancel_order_type="stop"), Terms(), snapshot(-1200, ENTRY, STOP), NOW)
    assert stop.endswith("The position stays, 1,200 shares held short, without a stop loss.")


def test_a_cancel_of_an_entry_leaves_no_position_behind() -> None:
    assert "stays" not in reason(message("cancel"), Terms(), snapshot(0, ENTRY), NOW)


@pytest.mark.parametrize(("quantity", "part"), [("0.5", "50"), ("0.125", "12.5"), ("0.01", "1")])
def test_a_fraction_on_an_exit_is_named_percent_of_position(quantity: str, part: str) -> None:
    said = reason(message("exit", quantity=quantity), Terms(), snapshot(10), NOW)
    assert f'For {part} % of the position send "quantity": {part}, "quantityType": "percent_of_position".' in said


def test_a_part_that_is_less_than_one_unit_says_of_how_many() -> None:
    sent = message("exit", quantity=5, quantity_type="percent_of_position")
    assert "The position is 10: send a larger part of it" in reason(sent, Terms(), snapshot(10), NOW)


def test_thousands_are_grouped_in_sentences() -> None:
    assert "12,000 of 45,000 shares" in reason(message("exit", quantity=12000), Terms(), snapshot(45000), NOW)


@pytest.mark.parametrize(
    ("action", "limits"),
    [
        ("add", "this strategy takes an entry of at most 60 seconds."),
        ("exit", "this strategy takes an exit of at most 600 seconds."),
        ("buy", "this strategy takes an entry of at most 60 seconds and an exit of at most 600 seconds."),
    ],
)
def test_a_stale_signal_names_its_own_limit(action: str, limits: str) -> None:
    sent = message(action, signal_time=NOW - timedelta(hours=1))
    late = too_late(sent, Freshness(entry_seconds=60, exit_seconds=600), NOW)
    assert late is not None
    assert limits in late.sentence


@pytest.mark.parametrize(
    ("action", "held", "words"), [("buy", 0, "gives an entry 60 seconds"), ("exit", 5, "gives an exit 600 seconds")]
)
def test_a_signal_that_waited_too_long_names_its_own_limit(action: str, held: int, words: str) -> None:
    terms = Terms(entry_time_to_live_seconds=60, exit_time_to_live_seconds=600)
    sent = message(action, quantity=1)
    said = reason(sent, terms, snapshot(held), NOW, received_at=NOW - timedelta(minutes=20))
    assert words in said
    assert "waited here for 20 minutes" in said
