"""In time or not: by a signal's own time, by its expiry, and against newer ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from strategies.domain.message.freshness import Freshness, too_late, undoes
from strategies.domain.message.message import Message
from strategies.domain.message.symbols import Kind
from strategies.reading.parse import parse

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
LIMITS = Freshness(entry_seconds=60, exit_seconds=600)


def message(fields: str) -> Message:
    return parse(f'{{"ticker":"SPY",{fields}}}'.encode(), kind=Kind.STOCK, now=NOW).message


@pytest.mark.parametrize(
    ("fields", "age", "late"),
    [
        ('"action":"add"', 60, False),
        ('"action":"add"', 61, True),
        # A buy may have to close a short: it is given the time of an exit until the position is known.
        ('"action":"buy"', 600, False),
        ('"action":"buy"', 601, True),
        ('"action":"exit"', 600, False),
        ('"action":"exit"', 601, True),
        ('"action":"cancel"', 601, True),
        ('"action":"sell","sentiment":"flat"', 600, False),
        # A clock that runs ahead makes nothing old.
        ('"action":"add"', -3600, False),
    ],
)
def test_a_signal_is_too_old_by_its_own_time(fields: str, age: int, late: bool) -> None:
    asked = message(f'{fields},"time":"{(NOW - timedelta(seconds=age)).isoformat()}"')
    verdict = too_late(asked, LIMITS, NOW)
    assert (verdict is not None) is late
    assert verdict is None or (verdict.code == "stale-signal" and verdict.sentence.endswith("."))


def test_a_signal_without_a_time_is_as_old_as_its_delivery() -> None:
    assert too_late(message('"action":"buy"'), LIMITS, NOW) is None


def test_a_strategy_may_take_longer_entries_than_exits() -> None:
    old = message(f'"action":"buy","time":"{(NOW - timedelta(seconds=900)).isoformat()}"')
    assert too_late(old, Freshness(entry_seconds=1000, exit_seconds=10), NOW) is None


def test_after_its_expiry_nothing_happens() -> None:
    expired = too_late(message('"action":"exit","expiresAt":"2026-11-20T15:00:00Z"'), LIMITS, NOW)
    assert expired is not None
    assert expired.code == "expired-signal"
    assert too_late(message('"action":"exit","expiresAt":"+1 second"'), LIMITS, NOW) is None


@pytest.mark.parametrize(
    ("older", "newer", "expected"),
    [
        (("buy", None), ("sell", None), True),
        (("buy", None), ("exit", None), True),
        (("exit", None), ("buy", None), True),
        (("sell", "flat"), ("buy", "bullish"), True),
        (("reverse", None), ("buy", None), True),
        (("cancel", None), ("buy", None), True),
        (("add", None), ("exit", None), True),
        (("add", None), ("buy", None), False),
        (("buy", None), ("buy", "bullish"), False),
        (("exit", None), ("sell", "flat"), False),
    ],
)
def test_an_older_one_undoes_a_newer_one_unless_they_aim_at_the_same(
    older: tuple[str, str | None], newer: tuple[str, str | None], expected: bool
) -> None:
    assert undoes(older, newer) is expected
