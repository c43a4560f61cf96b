"""Noise of floats, and the grids that prices and quantities lie on."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

import pytest

from strategies.domain.numbers import plain, round_to_step, snap

D = Decimal


@pytest.mark.parametrize(
    ("value", "rounding", "step", "expected"),
    [
        ("1194.6000000000001", ROUND_CEILING, "0.1", "1194.6"),
        ("1194.5999999999999", ROUND_FLOOR, "0.1", "1194.6"),
        ("0.30000000000000004", ROUND_CEILING, "0.01", "0.3"),
        ("2.9999999999999996", ROUND_FLOOR, "1", "3"),
        ("-2.9999999999999996", ROUND_DOWN, "1", "-3"),
        ("1.0843500000000002", ROUND_CEILING, "0.00005", "1.08435"),
        # What is meant is not noise.
        ("1194.601", ROUND_CEILING, "0.1", "1194.7"),
        ("2.999", ROUND_FLOOR, "1", "2"),
        ("123456789012.4", ROUND_FLOOR, "1", "123456789012"),
        ("123456789012.9", ROUND_FLOOR, "1", "123456789012"),
        ("0.0000000000000001", ROUND_CEILING, "0.01", "0"),
    ],
)
def test_noise_does_not_carry_a_value_to_the_next_step(value: str, rounding: str, step: str, expected: str) -> None:
    assert plain(round_to_step(D(value), rounding, D(step))) == expected


def test_a_value_between_two_steps_stays_where_it_is() -> None:
    assert snap(D("100.005"), D("0.01")) == D("100.005")
    assert snap(D("100.00999999999999"), D("0.01")) == D("100.01")
