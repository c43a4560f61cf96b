"""What each of several targets takes of a total, and of one that comes by and by."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some

from brokers.domain.contracts import rungs

ONE = Decimal(1)
HALVES, THIRDS = [Fraction(1, 2)] * 2, [Fraction(1, 3)] * 3


def numbers(*values: int) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, values))


@pytest.mark.parametrize(
    ("shares", "portions", "expected"),
    [
        (HALVES, (3,), (1, 2, 0)),
        # The first share alone goes to the last target, and the next one mends that.
        (HALVES, (1, 1), (1, 1, 0)),
        (THIRDS, (2, 1, 3), (2, 2, 2, 0)),
        ([Fraction(1, 4)], (3, 5), (2, 6)),
        ([Fraction(1)], (3, 5), (8, 0)),
        ([], (3, 5), (8,)),
    ],
)
def test_who_fills_by_and_by_ends_with_the_parts_of_who_fills_at_once(
    shares: list[Fraction], portions: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert placed(shares, ONE, portions) == numbers(*expected)


def placed(shares: list[Fraction], step: Decimal, portions: tuple[int, ...]) -> tuple[Decimal, ...]:
    total, there = Decimal(0), numbers(*[0] * (len(shares) + 1))
    for portion in portions:
        total += portion * step
        more = rungs.beyond(total, shares, step, there)
        assert sum(more) == portion * step, "each unit is in one part"
        assert min(more) >= 0, "nothing that works is taken back"
        there = tuple(one + other for one, other in zip(there, more, strict=True))
    return there


@given(
    some.lists(some.integers(1, 30), min_size=1, max_size=5),
    some.lists(some.integers(1, 40), min_size=1, max_size=8),
    some.sampled_from([1, 100]),
)
def test_every_unit_has_one_place_however_it_comes(weights: list[int], portions: list[int], lot: int) -> None:
    of = max(sum(weights), 100)
    shares, step = [Fraction(weight, of) for weight in weights], Decimal(lot)
    by_and_by = placed(shares, step, tuple(portions))
    assert sum(by_and_by) == sum(portions) * step
    assert all(units % step == 0 for units in by_and_by)
    # No target is further from its share than what each portion rounds.
    at_once = placed(shares, step, (sum(portions),))
    assert all(abs(one - other) <= len(shares) * step for one, other in zip(by_and_by, at_once, strict=True))


def test_what_has_left_is_taken_off_what_has_no_target_then_off_the_furthest() -> None:
    parts = numbers(3, 3, 4, 2)
    assert rungs.without(parts, Decimal(1)) == numbers(3, 3, 4, 1)
    assert rungs.without(parts, Decimal(5)) == numbers(3, 3, 1, 0)
    assert rungs.without(parts, Decimal(99)) == numbers(0, 0, 0, 0)


def test_what_a_target_without_units_had_goes_to_the_last_where_nothing_was_left_over() -> None:
    assert rungs.kept(HALVES, numbers(0, 3)) == [Fraction(1)]
    assert rungs.kept([Fraction(1, 4), Fraction(1, 4)], numbers(0, 1)) == [Fraction(1, 4)]
