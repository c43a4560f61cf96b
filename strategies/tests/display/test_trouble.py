"""What went wrong with the orders of an accepted signal."""

from __future__ import annotations

import pytest

from strategies.domain.outcome import Outcome
from strategies.domain.trouble import Part, trouble

ENTRY = Part(role="entry", status="filled")
GOAL = Part(role="take_profit", status="accepted")


@pytest.mark.parametrize(
    ("parts", "phrase", "sentence"),
    [
        (
            [ENTRY, Part(role="stop_loss", status="rejected", reason="The price is too far away"), GOAL],
            "stop loss rejected",
            "The stop loss is rejected. The price is too far away. Without it, nothing limits the loss of what its entry fills.",
        ),
        (
            [Part(role="entry", status="denied", reason="No money.")],
            "entry not sent",
            "The entry is not sent. No money.",
        ),
        (
            [Part(role="exit", status="expired", reason="Not sent in time.")],
            "exit not sent in time",
            "The exit is not sent in time. Not sent in time. Without it, the position stays open.",
        ),
        (
            [ENTRY, Part(role="take_profit", status="unknown")],
            "take profit in doubt",
            "The take profit is in doubt.",
        ),
        (
            [Part(role="entry", status="accepted", held="Shares are located")],
            "entry held back by IBKR",
            "The entry is held back by IBKR. Shares are located.",
        ),
        (
            [
                Part(role="entry", status="rejected", reason="No."),
                Part(role="stop_loss", status="rejected", reason="No!"),
            ],
            "stop loss rejected, and 1 more",
            "The stop loss is rejected, and 1 more. No! Without it, nothing limits the loss of what its entry fills.",
        ),
    ],
)
def test_it_names_the_worst_and_what_is_missing(parts: list[Part], phrase: str, sentence: str) -> None:
    wrong = trouble(parts)
    assert wrong is not None
    assert (wrong.phrase, wrong.sentence) == (phrase, sentence)


@pytest.mark.parametrize("status", ["created", "submitted", "accepted", "partially_filled", "filled", "canceled"])
def test_orders_that_go_their_way_are_no_trouble(status: str) -> None:
    assert trouble([ENTRY, Part(role="stop_loss", status=status)]) is None


def test_an_accepted_signal_in_trouble_is_not_green() -> None:
    calm = Outcome("accepted", "1 of 1", "Opened.")
    assert (calm.badge, calm.label) == ("accepted", "")
    wrong = Outcome("accepted", "1 of 1", "Opened.", trouble=trouble([Part(role="stop_loss", status="rejected")]))
    assert (wrong.badge, wrong.label) == ("troubled", "accepted, stop loss rejected")
    assert "outcome:accepted" in wrong.tags
