"""An order's way as a person reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from brokers.domain.orders import OrderStatus as S
from brokers.domain.path import Step, path

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def way(status: S, **moments: datetime | None) -> list[Step]:
    fields = {"submitted_at": None, "acknowledged_at": None, "filled_at": None, **moments}
    return path(status, created_at=AT, changed_at=AT + timedelta(seconds=9), **fields)


@pytest.mark.parametrize(
    ("status", "words", "states"),
    [
        (S.CREATED, "created submitted accepted filled", "now todo todo todo"),
        (S.SUBMITTED, "created submitted accepted filled", "done now todo todo"),
        (S.ACCEPTED, "created submitted accepted filled", "done done now todo"),
        (S.FILLED, "created submitted accepted filled", "done done done good"),
        (S.PARTIALLY_FILLED, "created submitted accepted partially_filled filled", "done done done now todo"),
        (S.PENDING_CANCEL, "created submitted accepted pending_cancel canceled", "done done done now todo"),
        (S.UNKNOWN, "created submitted unknown accepted filled", "done done warn todo todo"),
        (S.NEEDS_ATTENTION, "created submitted needs_attention accepted filled", "done done warn todo todo"),
        (S.DENIED, "created denied", "done bad"),
        (S.EXPIRED, "created expired", "done warn"),
    ],
)
def test_it_has_one_way_for_every_status(status: S, words: str, states: str) -> None:
    steps = way(status)
    assert [str(step.word) for step in steps] == words.split()
    assert [step.state for step in steps] == states.split()


def test_it_shows_how_far_a_rejected_order_had_come() -> None:
    steps = way(S.REJECTED, submitted_at=AT)
    assert [(str(step.word), step.state) for step in steps] == [
        ("created", "done"),
        ("submitted", "done"),
        ("rejected", "bad"),
    ]
    assert steps[-1].at == AT + timedelta(seconds=9)


def test_every_status_there_is_has_a_way() -> None:
    for status in S:
        assert way(status)
