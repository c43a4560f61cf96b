"""The meter of a webhook: the same sums that limit it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from strategies.domain.meter import Gauge, Minute, meter

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def minute(back: int, taken: int, refused: int = 0, over: int = 0) -> Minute:
    return Minute(AT - MINUTE * back, taken, refused, over)


def test_the_minute_before_counts_for_the_part_of_it_that_is_less_than_a_minute_ago() -> None:
    rows = [minute(0, 10), minute(1, 40), minute(2, 100)]
    loads = [meter(rows, AT + timedelta(seconds=s), per_minute=60, per_hour=500).minute.load for s in (0, 15, 45)]
    assert loads == [50, 40, 20]


def test_the_hour_is_the_present_minute_and_sixty_before_it() -> None:
    rows = [minute(0, 1), minute(60, 20), minute(61, 300)]
    assert meter(rows, AT, per_minute=60, per_hour=500).hour == Gauge(21, 500)


@pytest.mark.parametrize(
    ("load", "percent", "tone"), [(0, 0, ""), (47, 78, ""), (48, 80, "warn"), (60, 100, "bad"), (90, 100, "bad")]
)
def test_a_gauge_warns_before_its_limit(load: int, percent: int, tone: str) -> None:
    assert (Gauge(load, 60).percent, Gauge(load, 60).tone) == (percent, tone)


def test_the_parts_of_a_bar_stand_on_each_other_and_fill_the_chart_at_the_highest() -> None:
    gauge = meter([minute(0, 20, refused=5, over=10), minute(3, 10)], AT, per_minute=60, per_hour=500)
    last, other = gauge.bars[-1], gauge.bars[-4]
    assert len(gauge.bars) == 60
    assert (last.accepted, last.refused, last.over) == (5, 5, 10)
    assert (last.accepted_y, last.accepted_height) == (75, 25)
    assert (last.refused_y, last.refused_height) == (50, 25)
    assert (last.over_y, last.over_height) == (0, 50)
    assert (other.accepted_y, other.accepted_height) == (50, 50)
    assert (gauge.highest, gauge.total) == (20, 30)


def test_one_refused_for_what_it_says_and_over_the_limit_is_drawn_once() -> None:
    bar = meter([minute(0, 10, refused=10, over=4)], AT, per_minute=60, per_hour=500).bars[-1]
    assert (bar.accepted, bar.refused, bar.over) == (0, 6, 4)


def test_nothing_at_all_is_no_division_by_zero() -> None:
    assert meter([], AT, per_minute=60, per_hour=500).total == 0
