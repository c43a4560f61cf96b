"""What of a change is left once those of some fills count that leave least."""

from __future__ import annotations

from decimal import Decimal as D
from itertools import chain, combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brokers.domain.elsewhere import unexplained
from brokers.domain.elsewhere.unexplained import least_left

MOST = 10**9
NUMBERS = st.one_of(
    st.integers(-20, 20).map(D),
    st.decimals(-5, 5, places=2),
    st.decimals(-(10**9), 10**9, places=8),
    st.sampled_from([D("1E+2"), D("-0.5"), D("0E-8"), D("1.00000000")]),
)


def every_way(change: D, fills: list[D]) -> D:
    ways = chain.from_iterable(combinations(fills, count) for count in range(len(fills) + 1))
    return min((change - sum(way, D(0)) for way in ways), key=lambda left: (abs(left), left))


@given(NUMBERS, st.lists(NUMBERS, max_size=7))
@example(D(3), [])
@example(D(0), [D(1), D(-1)])
@example(D(-50), [D(1), D(2)])
@example(D(50), [D(-1), D(-2)])
@example(D(10**15), [D("0.00000001")])
@example(D(-(10**15)), [D("0.00000001")])
@example(D("0.5"), [D(1)])
def test_it_is_what_the_best_of_all_ways_leaves(change: D, fills: list[D]) -> None:
    assert least_left(change, fills, MOST) == every_way(change, fills)


@given(st.integers(-30, 30).map(D), st.lists(st.integers(-9, 9).map(D), max_size=8))
def test_it_is_the_same_by_bits_and_by_sums(change: D, fills: list[D]) -> None:
    by_bits = [least_left(change, fills, most) for most in (MOST, 20, 5)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(unexplained, "LONGEST_REACH", -1)
        assert [least_left(change, fills, most) for most in (MOST, 20, 5)] == by_bits


def test_so_many_sums_are_tried_and_no_more() -> None:
    # One sum before the first, two before the second, three before the third of the same size.
    fills = [D(1)] * 3
    assert least_left(D(3), fills, 6) == 0
    assert least_left(D(3), fills, 5) is None


def test_fills_in_many_parts_are_few_sums() -> None:
    assert least_left(D(60), [D("1.00000000")] * 120, 10_000) == 0
