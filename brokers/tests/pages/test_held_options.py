"""Options among the positions: as people name them, with the days that are left."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from brokers.models import Position
from brokers.templatetags.trading import held_as


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (datetime(2026, 11, 30, 15, tzinfo=UTC), "SPY 18 Dec 2026 640 C, 18 days left"),
        # In New York it is still the 17th.
        (datetime(2026, 12, 18, 3, tzinfo=UTC), "SPY 18 Dec 2026 640 C, 1 day left"),
        (datetime(2026, 12, 18, 15, tzinfo=UTC), "SPY 18 Dec 2026 640 C, its last day"),
        (datetime(2026, 12, 21, 15, tzinfo=UTC), "SPY 18 Dec 2026 640 C, expired"),
    ],
)
def test_an_option_is_named_with_its_days(at: datetime, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: at)
    assert held_as(Position(ticker="SPY 261218C640", asset_class="option")) == shown


def test_what_is_no_option_goes_by_its_class() -> None:
    assert held_as(Position(ticker="AAPL", asset_class="stock")) == "stock"
    assert held_as(Position(ticker="contract 7", asset_class="option")) == "option"
