"""What became of a signal, where its time went, and what the market made of its price."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from brokers.domain.orders import Side
from strategies.domain.outcome import Verdict, outcome
from strategies.domain.slippage import slippage
from strategies.domain.timeline import timeline, total

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
YES, NO, WAIT = Verdict("accepted", "Opened."), Verdict("rejected", "Long already."), Verdict("pending", "A quote.")


@pytest.mark.parametrize(
    ("verdicts", "word", "count", "sentence"),
    [
        ([YES], "accepted", "1 of 1", "Opened."),
        ([YES, YES], "accepted", "2 of 2", "Opened."),
        ([NO, YES], "accepted", "1 accepted, 1 rejected", "Opened. And 1 more."),
        ([NO, WAIT], "pending", "1 pending, 1 rejected", "A quote. And 1 more."),
        ([NO, NO], "rejected", "2 of 2", "Long already."),
    ],
)
def test_no_news_hides_behind_other_news(verdicts: list[Verdict], word: str, count: str, sentence: str) -> None:
    verdict = outcome(verdicts, dispatched=True)
    assert (verdict.word, verdict.count, verdict.sentence) == (word, count, sentence)


def test_a_signal_without_decisions_is_either_new_or_followed_by_nobody() -> None:
    assert outcome([], dispatched=False).word == "received"
    assert outcome([], dispatched=True).word == "nobody"
    assert outcome([], dispatched=True, note="Set aside.").sentence == "Set aside."


def after(milliseconds: float) -> datetime:
    return AT + timedelta(milliseconds=milliseconds)


def test_phases_follow_each_other_and_add_up() -> None:
    phases = timeline(AT, [("Stored", True, after(20)), ("Sent", True, after(50)), ("Filled", False, after(100))])
    assert [(phase.took, phase.start, phase.width) for phase in phases] == [(20, 0, 20), (30, 20, 30), (50, 50, 50)]
    assert total(phases) == 100


def test_a_phase_that_has_not_ended_is_open() -> None:
    phases = timeline(AT, [("Stored", True, after(20)), ("Sent", True, None)])
    assert phases[1].took is None
    assert total(phases) == 20


def test_a_clock_behind_ours_takes_no_time() -> None:
    phases = timeline(AT, [("Acknowledged", False, after(40)), ("Filled", False, after(38))])
    assert phases[1].took == 0
    assert phases[1].start + phases[1].width <= 100


def test_no_time_at_all_is_no_division_by_zero() -> None:
    assert timeline(AT, [("Stored", True, AT)])[0].took == 0


@pytest.mark.parametrize(
    ("side", "fill", "amount"), [(Side.BUY, "101", "10"), (Side.BUY, "99", "-10"), (Side.SELL, "99", "10")]
)
def test_paying_more_or_receiving_less_is_a_loss(side: Side, fill: str, amount: str) -> None:
    lost = slippage(side, Decimal(100), Decimal(fill), Decimal(10), Decimal(1))
    assert lost is not None
    assert lost.amount == Decimal(amount)
    assert lost.basis_points == Decimal(amount) * 10


def test_futures_lose_by_their_multiplier() -> None:
    lost = slippage(Side.BUY, Decimal(20000), Decimal(20001), Decimal(2), Decimal(20))
    assert lost is not None
    assert lost.amount == 40


def test_there_is_no_slippage_without_both_prices() -> None:
    assert slippage(Side.BUY, None, Decimal(1), Decimal(1), Decimal(1)) is None
    assert slippage(Side.BUY, Decimal(1), None, Decimal(1), Decimal(1)) is None
