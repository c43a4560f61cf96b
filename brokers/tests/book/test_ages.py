"""As of when IBKR has confirmed an order or a position, by which way, and since when the stream is silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brokers.domain.orders import OrderStatus
from brokers.domain.session import ages
from brokers.domain.session.ages import NO_WORD, OrderTold, Way, Word
from brokers.domain.session.proofs import Sight

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
PROOF = timedelta(seconds=5)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def told(status: str = "accepted", **values: Any) -> OrderTold:
    """Sent 600 s ago and acknowledged at once."""
    moments: dict[str, Any] = {name: ago(600) for name in ("submitted_at", "acknowledged_at", "changed_at")}
    return OrderTold(**{"status": OrderStatus(status), "checked_at": None, "absences": 0, **moments, **values})


def sight(**values: Any) -> Sight:
    """Read 20 s ago, by a stream that has run for an hour and gave a sign of life 2 s ago."""
    moments = {"read_at": ago(20), "ended_at": ago(19), "stream_since": ago(3600), "heard_at": ago(2)}
    return Sight(**{**moments, **values})


def word(order: OrderTold, seen: Sight) -> Word:
    return ages.of_order(order, seen, NOW, proof=PROOF)


@pytest.mark.parametrize("status", ["accepted", "partially_filled", "pending_cancel"])
def test_a_stream_that_lives_confirms_what_works(status: str) -> None:
    assert word(told(status), sight()) == Word(at=ago(2), way=Way.STREAM)


def test_a_silent_stream_confirms_until_it_fell_silent() -> None:
    silent = word(told(), sight(heard_at=ago(40)))
    assert silent == Word(at=ago(40), way=Way.STREAM, silent_since=ago(40))


def test_without_a_stream_the_last_answer_or_report_counts() -> None:
    gone = sight(stream_since=None, heard_at=ago(40))
    assert word(told(), gone) == Word(at=ago(600), way=Way.ANSWER, silent_since=ago(40))
    changed = told("partially_filled", changed_at=ago(90))
    assert word(changed, gone) == Word(at=ago(90), way=Way.REPORT, silent_since=ago(40))
    never = sight(stream_since=None, heard_at=None)
    assert word(told(), never) == Word(at=ago(600), way=Way.ANSWER, silent_since=ago(600))


def test_an_answer_of_a_moment_ago_needs_no_stream() -> None:
    fresh = told(acknowledged_at=ago(3), changed_at=ago(3))
    assert word(fresh, sight(stream_since=None, heard_at=ago(40))) == Word(at=ago(3), way=Way.ANSWER)


def test_a_stream_that_was_opened_later_confirms_once_everything_was_read_again() -> None:
    opened = sight(stream_since=ago(10), heard_at=ago(1))
    assert word(told(), opened).way is Way.ANSWER
    assert word(told(), sight(stream_since=ago(10), heard_at=ago(1), read_at=ago(8))).way is Way.STREAM


def test_an_order_that_a_list_has_missed_is_confirmed_by_nothing() -> None:
    missed = told(absences=1, checked_at=ago(4))
    assert word(missed, sight()) == Word(at=ago(600), way=Way.ANSWER)


def test_a_list_that_shows_it_again_is_a_read() -> None:
    again = told(checked_at=ago(4))
    assert word(again, sight(stream_since=None, heard_at=None)) == Word(at=ago(4), way=Way.READ)


def test_a_cancel_that_is_asked_for_is_not_ibkrs_word() -> None:
    asked = told("pending_cancel", changed_at=ago(1))
    assert word(asked, sight(stream_since=None, heard_at=ago(40))).at == ago(600)


def test_a_sign_of_life_from_before_the_clock_was_set_back_proves_nothing() -> None:
    assert word(told(), sight(heard_at=NOW + timedelta(hours=1))).silent_since == NOW + timedelta(hours=1)


@pytest.mark.parametrize("status", ["filled", "canceled", "expired", "rejected"])
def test_what_is_over_is_as_of_its_end_and_asks_for_no_proof(status: str) -> None:
    ended = told(status, changed_at=ago(300))
    assert word(ended, sight(stream_since=None, heard_at=ago(900))) == Word(at=ago(300), way=Way.REPORT)


def test_a_refusal_is_an_answer_and_proven_absence_a_read() -> None:
    refused = told("rejected", acknowledged_at=None, changed_at=ago(300))
    assert word(refused, sight()) == Word(at=ago(300), way=Way.ANSWER)
    absent = told("expired", acknowledged_at=None, changed_at=ago(300), checked_at=ago(301))
    assert word(absent, sight()) == Word(at=ago(301), way=Way.READ)


@pytest.mark.parametrize(
    "order",
    [
        told("created", submitted_at=None, acknowledged_at=None),
        told("canceled", submitted_at=None, acknowledged_at=None),
        told("denied"),
        told("expired", acknowledged_at=None),
        told("submitted", acknowledged_at=None),
        told("unknown"),
        told("needs_attention"),
    ],
)
def test_where_ibkr_has_not_confirmed_the_status_there_is_no_word(order: OrderTold) -> None:
    assert word(order, sight()) == NO_WORD


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (sight(), Word(at=ago(20), way=Way.READ)),
        (sight(heard_at=ago(40)), Word(at=ago(20), way=Way.READ, silent_since=ago(40))),
        (sight(stream_since=None, heard_at=None), Word(at=ago(20), way=Way.READ, silent_since=ago(19))),
        (sight(stream_since=None, read_at=ago(12), ended_at=ago(2)), Word(at=ago(12), way=Way.READ)),
        (sight(read_at=None, ended_at=None), NO_WORD),
    ],
)
def test_positions_are_read(seen: Sight, expected: Word) -> None:
    assert ages.of_book(seen, NOW, proof=PROOF) == expected
