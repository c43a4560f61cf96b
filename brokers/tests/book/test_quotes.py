"""Which prices may be traded by, and how the others are called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.market.quotes import NAMES, Availability, Quote

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
NOT_LIVE = [
    ({"flags": "DpB"}, Availability.DELAYED),
    ({"flags": "Z"}, Availability.FROZEN),
    ({"flags": "YpB"}, Availability.FROZEN_DELAYED),
    ({"flags": "RpB", "last_flag": "H"}, Availability.HALTED),
    ({"flags": "DpB", "last_flag": "H"}, Availability.DELAYED),
    ({"flags": "N"}, Availability.NOT_SUBSCRIBED),
    ({"flags": "O"}, Availability.NO_AGREEMENT),
    ({"flags": ""}, Availability.NOT_SAID),
    ({"flags": "pB"}, Availability.NOT_SAID),
]


def quote(age: float = 0, **values: Any) -> Quote:
    prices = {"bid": Decimal(99), "ask": Decimal(101), "last": Decimal(100), **values}
    return Quote(as_of=NOW - timedelta(seconds=age), **prices)


@pytest.mark.parametrize(("age", "is_live"), [(0, True), (60, True), (61, False), (-60, True), (-61, False)])
def test_a_live_quote_is_traded_by_for_a_minute(age: float, is_live: bool) -> None:
    assert (quote(age, flags="RpB").live(NOW) is not None) is is_live


@pytest.mark.parametrize(("values", "availability"), NOT_LIVE)
def test_a_quote_that_is_not_live_is_named_and_never_traded_by(
    values: dict[str, Any], availability: Availability
) -> None:
    seen = quote(0, **values)
    assert (seen.live(NOW), seen.availability) == (None, availability)
    assert seen.name == NAMES[availability] != ""
    assert "AAPL" in seen.caution("AAPL")
    # What happened, and what to do next.
    assert len(seen.caution("AAPL").split(". ")) == 2


def test_the_close_of_a_day_before_is_no_last_price() -> None:
    live = quote(flags="RpB", last_flag="C").live(NOW)
    assert live is not None
    assert (live.bid, live.last, live.mid) == (Decimal(99), None, Decimal(100))
    alone = quote(bid=None, ask=None, flags="RpB", last_flag="C").live(NOW)
    assert alone is not None
    assert alone.mid is None


def test_a_live_quote_needs_no_word() -> None:
    assert (quote(flags="RpB").name, quote(flags="RpB").caution("AAPL")) == ("", "")
