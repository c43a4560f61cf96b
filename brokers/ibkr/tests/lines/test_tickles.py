"""Which tickles the log of calls keeps."""

from __future__ import annotations

from typing import Any

import pytest

from brokers.domain.calls import CallOutcome
from brokers.ibkr.lines.tickles import KEPT_EVERY, Tickles

OPEN = {"session": "a", "ssoExpires": 460311, "iserver": {"authStatus": {"authenticated": True, "competing": False}}}
STOLEN = {**OPEN, "iserver": {"authStatus": {"authenticated": True, "competing": True}}}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def leaves_out(
    tickles: Tickles, body: Any = OPEN, outcome: CallOutcome = CallOutcome.ANSWERED, took: float = 0.1
) -> bool:
    return tickles.leaves_out(outcome, body, took)


def test_a_day_of_tickles_that_say_the_same_is_kept_six_times_an_hour_and_all_are_counted() -> None:
    clock = Clock()
    tickles, kept = Tickles(clock), list[dict[str, str]]()
    for second in range(0, 86_400, 60):
        clock.now = 1000.0 + second
        if not leaves_out(tickles, {**OPEN, "ssoExpires": 460311 - second}):
            kept.append(tickles.taken())
    assert len(kept) == 144
    assert kept[0] == {}
    assert kept[1:] == [{"left_out": "9"}] * 143
    assert tickles.left_out == 9


@pytest.mark.parametrize(
    "other",
    [
        {"body": STOLEN},
        {"body": {"error": "no session"}},
        {"body": None},
        {"body": [1]},
        {"took": 1.5},
        {"outcome": CallOutcome.SIGNED_OUT},
        {"outcome": CallOutcome.NO_ANSWER, "body": None},
        {"outcome": CallOutcome.TOO_FAST, "body": OPEN},
    ],
)
def test_what_says_something_else_is_kept_and_what_follows_it_too(other: dict[str, Any]) -> None:
    tickles = Tickles(Clock())
    assert [leaves_out(tickles), leaves_out(tickles)] == [False, True]
    assert not leaves_out(tickles, **other)
    assert tickles.taken() == {"left_out": "1"}
    assert leaves_out(tickles) is ("took" in other)


def test_failures_are_never_left_out() -> None:
    tickles = Tickles(Clock())
    for _ in range(5):
        assert not leaves_out(tickles, None, CallOutcome.NO_ANSWER)
        assert not leaves_out(tickles, {"error": "x"}, CallOutcome.REFUSED)
    assert KEPT_EVERY == 600
