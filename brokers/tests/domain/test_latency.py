"""What the log of calls comes to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.calls import CallOutcome, outcome_of
from brokers.domain.latency import IBKR_AVERAGE_MS, Sample, by_call, by_error, curve, latency, percentile, scale_of

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def sample(took_ms: float, own_ms: float = 0.0, outcome: str = "answered", **values: Any) -> Sample:
    fields: dict[str, Any] = {"at": NOW, "method": "GET", "endpoint": "tickle", "answered": True, **values}
    return Sample(took_ms=took_ms, own_ms=own_ms, outcome=CallOutcome(outcome), **fields)


def test_the_percentiles_of_a_hundred_calls() -> None:
    figures = latency(sample(float(number), own_ms=number / 10) for number in range(1, 101))
    assert (figures.p50, figures.p95, figures.p99) == (50, 95, 99)
    assert figures.own_p50 == 5
    assert figures.own_share == pytest.approx(0.1)
    assert (figures.calls, figures.errors, figures.error_share) == (100, 0, 0)
    assert (figures.rest_p50, figures.rest_p99) == (45, 89.1)
    assert figures.rest_share == pytest.approx(0.9)
    assert figures.against_ibkr == 45 / IBKR_AVERAGE_MS


def test_a_wait_for_our_turn_is_not_held_against_ibkr() -> None:
    figures = latency([*[sample(100, own_ms=1)] * 98, *[sample(20_000, own_ms=19_900)] * 2])
    assert figures.p99 == 20_000
    assert (figures.rest_p50, figures.rest_p99) == (99, 100)
    assert figures.own_p99 == 19_900
    assert figures.own_share is not None
    assert figures.own_share > 0.7


@pytest.mark.parametrize(
    ("figures", "low", "high"),
    [
        ([(120, 300)], 100, 500),
        ([(3, 20), (400, 20_000)], 2, 20_000),
        ([(0.02, 1)], 0.1, 500),
        ([(100, 8e9)], 100, 5_000_000),
        ([], 200, 500),
    ],
)
def test_the_scale_holds_the_quickest_and_the_slowest_and_ibkr(
    figures: list[tuple[float, float]], low: float, high: float
) -> None:
    kinds = [("GET", "a", latency([*[sample(quick)] * 98, *[sample(slow)] * 2])) for quick, slow in figures]
    scale = scale_of(kinds)
    assert (scale.low, scale.high) == pytest.approx((low, high))
    places = [scale.place(ms) for ms in (low, IBKR_AVERAGE_MS, high)]
    assert places[0] == 0
    assert places[2] == pytest.approx(100)
    assert places == sorted(places)
    assert (scale.place(None), scale.place(0), scale.place(high * 10)) == (0, 0, 100)


def test_one_slow_call_leaves_room_for_all_others() -> None:
    scale = scale_of(
        [("GET", "a", latency([*[sample(60)] * 98, *[sample(200)] * 2])), ("GET", "b", latency([sample(20_000)]))]
    )
    quick, slower, slowest = (scale.place(ms) for ms in (60, 200, 20_000))
    assert min(slower - quick, slowest - slower) > 10


def test_one_call_is_all_its_percentiles_and_none_has_none() -> None:
    one, none = latency([sample(7)]), latency([])
    assert (one.p50, one.p95, one.p99) == (7, 7, 7)
    assert (none.p50, none.own_share, none.against_ibkr, none.error_share) == (None, None, None, 0)


def test_a_call_without_an_answer_says_nothing_about_how_long_answers_take() -> None:
    figures = latency([sample(10), sample(20_000, outcome="no_answer", answered=False)])
    assert (figures.p99, figures.calls, figures.errors, figures.error_share) == (10, 2, 1, 0.5)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_a_percentile_is_one_of_the_values_and_leaves_the_share_below(values: list[float], share: float) -> None:
    value = percentile(sorted(values), share)
    assert value in values
    assert value is not None
    assert sum(each <= value for each in values) >= share * len(values) * (1 - 1e-9)
    assert sum(each < value for each in values) <= share * len(values)


def test_kinds_of_calls_and_of_errors_come_the_most_frequent_first() -> None:
    calls = [
        sample(1, endpoint="a", outcome="refused"),
        sample(1, endpoint="b", outcome="no_answer"),
        sample(1, endpoint="b", outcome="no_answer"),
    ]
    assert [(endpoint, row.calls) for _, endpoint, row in by_call(calls)] == [("b", 2), ("a", 1)]
    assert by_error([*calls, sample(1)]) == [(CallOutcome.NO_ANSWER, 2), (CallOutcome.REFUSED, 1)]


def test_a_curve_has_a_point_for_each_piece_with_an_answer() -> None:
    since = NOW - timedelta(hours=4)
    calls = [
        sample(5, at=since),
        sample(9, at=since + timedelta(minutes=59)),
        sample(7, at=NOW - timedelta(seconds=1)),
        sample(7, at=NOW),
        sample(7, at=since - timedelta(seconds=1)),
        sample(7, at=since + timedelta(hours=1), answered=False),
    ]
    points = curve(calls, since, NOW, pieces=4)
    assert [(point.at, point.p50, point.p99) for point in points] == [
        (since + timedelta(minutes=30), 5, 9),
        (NOW - timedelta(minutes=30), 7, 7),
    ]
    assert curve(calls, NOW, NOW) == []


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"order_id": "1"}, "answered"),
        (200, {"error": ""}, "answered"),
        (200, {"error": "We cannot accept an order"}, "refused"),
        (200, [{"error": "no"}], "answered"),
        (204, None, "answered"),
        (302, None, "refused"),
        (400, {}, "refused"),
        (401, {}, "signed_out"),
        (410, {}, "refused"),
        (429, {}, "too_fast"),
        (500, {}, "broker_failed"),
        (503, None, "broker_failed"),
    ],
)
def test_an_answer_is_an_error_of_a_kind_or_none(status: int, body: object, outcome: str) -> None:
    assert outcome_of(status, body) == outcome
