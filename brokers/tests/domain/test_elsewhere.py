"""Orders and holdings that are not ours, as values: whose they are, and what they count for."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from brokers.domain.elsewhere.exposure import Added, Claim, Working, added, kept_back, made_elsewhere
from brokers.domain.elsewhere.whose import is_ours, role_of
from brokers.domain.orders import Role, Side


def order(side: Side = Side.BUY, remaining: int = 10, **values: Any) -> Working:
    fields: dict[str, Any] = {"conid": 1, "asset_class": "stock", "price": D(100), "currency": "USD", **values}
    return Working(side=side, remaining=D(remaining), **fields)


@pytest.mark.parametrize(
    ("reference", "ours"),
    [
        ("hy-0123", True),
        ("hy-", False),
        ("hyena-1", False),
        ("HY-0123", False),
        ("my-order", False),
        ("", False),
        (None, False),
    ],
)
def test_an_order_is_ours_by_its_reference_alone(reference: str | None, ours: bool) -> None:
    assert is_ours(reference) is ours


@pytest.mark.parametrize(
    ("side", "kind", "position", "role"),
    [
        (Side.BUY, "limit", 0, Role.ENTRY),
        (Side.BUY, "stop", 5, Role.ENTRY),
        (Side.SELL, "stop", 5, Role.STOP_LOSS),
        (Side.SELL, "limit", 5, Role.EXIT),
        (Side.BUY, "trailing_stop", -5, Role.STOP_LOSS),
    ],
)
def test_an_adopted_order_is_a_way_out_where_it_closes_what_is_held(
    side: Side, kind: str, position: int, role: Role
) -> None:
    assert role_of(side, kind, D(position)) is role


@pytest.mark.parametrize(
    ("position", "adds"),
    [
        (0, Added(D(10), D(4))),
        (5, Added(D(10), D(0))),
        (-5, Added(D(5), D(4))),
        (-50, Added(D(0), D(4))),
        (3, Added(D(10), D(1))),
    ],
)
def test_what_closes_a_position_adds_nothing_to_it(position: int, adds: Added) -> None:
    assert added([order(), order(Side.SELL, 4)], D(position)) == adds


def test_money_is_kept_for_shares_that_may_still_be_bought() -> None:
    rates = {"USD": D(1), "EUR": D("1.1")}
    assert kept_back([order()], {}, rates) == Claim(D(500))
    assert kept_back([order()], {}, rates, cash_account=True) == Claim(D(1000))
    assert kept_back([order(currency="EUR")], {}, rates) == Claim(D("550.00"))
    assert kept_back([order(Side.SELL)], {1: D(10)}, rates) == Claim()
    assert kept_back([order(Side.SELL)], {1: D(4)}, rates) == Claim(D(300))
    assert kept_back([order(), order(conid=2)], {}, rates) == Claim(D(1000))
    # At any price it counts by what a share costs now.
    assert kept_back([order(price=None, mark=D(90))], {}, rates) == Claim(D(450))


@pytest.mark.parametrize(
    "values", [{"price": None}, {"asset_class": "option"}, {"asset_class": "future"}, {"currency": "SEK"}]
)
def test_no_money_is_made_up_for_what_nobody_can_price_and_it_is_named(values: dict[str, Any]) -> None:
    unpriced = order(**values)
    assert kept_back([unpriced], {}, {"USD": D(1)}) == Claim(D(0), (unpriced,))
    # Beside it, what can be counted is.
    assert kept_back([unpriced, order(conid=2)], {}, {"USD": D(1)}) == Claim(D(500), (unpriced,))
    # What only closes claims nothing, whatever it is.
    closes = order(Side.SELL, **values)
    assert kept_back([closes], {1: D(10)}, {"USD": D(1)}) == Claim()


@pytest.mark.parametrize(
    ("held", "ours", "elsewhere"),
    [(10, 10, 0), (10, 0, 10), (10, 4, 6), (10, -4, 10), (-10, -4, 6), (-10, 0, 10), (3, 10, 0)],
)
def test_what_no_order_of_ours_explains_was_made_elsewhere(held: int, ours: int, elsewhere: int) -> None:
    assert made_elsewhere(D(held), D(ours)) == elsewhere
