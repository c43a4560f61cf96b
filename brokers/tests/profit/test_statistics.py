"""Figures over many trades."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from brokers.domain.profit.statistics import Totals, curve, exposure, largest_drawdown, totals

D = Decimal
HOUR = timedelta(hours=1)
NINE = datetime(2026, 3, 2, 9)


def test_wins_and_losses_are_counted_after_fees() -> None:
    found = totals([(D(100), HOUR), (D(-40), 3 * HOUR), (D(60), HOUR), (D(0), HOUR)])

    assert (found.count, found.wins, found.losses, found.even) == (4, 2, 1, 1)
    assert (found.net, found.win_rate, found.profit_factor) == (D(120), D("0.5"), D(4))
    assert (found.average_win, found.average_loss, found.average_held) == (D(80), D(-40), timedelta(minutes=90))


def test_of_no_trades_nothing_is_said() -> None:
    none = totals([])

    assert none == Totals()
    assert (none.win_rate, none.profit_factor, none.average_win, none.average_loss, none.average_held) == (None,) * 5


def test_without_a_loss_there_is_no_profit_factor() -> None:
    assert totals([(D(5), HOUR)]).profit_factor is None


def test_a_drawdown_is_the_deepest_fall_from_a_high() -> None:
    days = [(date(2026, 3, 2 + day), D(net)) for day, net in enumerate([100, -30, -50, 90, -20])]

    points = curve(days)

    assert [point.total for point in points] == [D(100), D(70), D(20), D(110), D(90)]
    assert [point.drawdown for point in points] == [D(0), D(-30), D(-80), D(0), D(-20)]
    assert largest_drawdown(points) == D(-80)


def test_a_loss_on_the_first_day_is_a_drawdown() -> None:
    assert largest_drawdown(curve([(date(2026, 3, 2), D(-7))])) == D(-7)
    assert largest_drawdown([]) == D(0)


@pytest.mark.parametrize(
    ("hours", "share"),
    [
        ([], "0"),
        ([(0, 1)], "0.25"),
        ([(0, 2), (1, 3)], "0.75"),
        ([(0, 4), (1, 2)], "1"),
        ([(-5, 1), (3, 9)], "0.5"),
        ([(7, 9)], "0"),
    ],
)
def test_exposure_counts_time_once(hours: list[tuple[int, int]], share: str) -> None:
    held = [(NINE + begin * HOUR, NINE + end * HOUR) for begin, end in hours]

    assert exposure(held, NINE, NINE + 4 * HOUR) == D(share)


def test_exposure_of_no_time_is_not_known() -> None:
    assert exposure([], NINE, NINE) is None
