"""Where a trailing stop limit stands at the least, by a price of the market."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.contracts.trails import Trail, tightened
from brokers.domain.orders import Side

D = Decimal


def tick(price: Decimal) -> Decimal:
    return D("0.01")


@pytest.mark.parametrize(
    ("trail", "market", "expected"),
    [
        ({"amount": D(5)}, "110", ("105", "104")),
        # Between ticks it is rounded away from the market; percent are of the market.
        ({"amount": D(5)}, "110.018", ("105.01", "104.01")),
        ({"percent": D(5)}, "110", ("104.5", "103.5")),
        # It is that tight already, or tighter.
        ({"amount": D(5)}, "100", None),
        ({"amount": D(5)}, "97", None),
        ({"side": Side.BUY, "stop": D(105), "limit": D(106), "amount": D(5)}, "90", ("95", "96")),
        ({"side": Side.BUY, "stop": D(105), "limit": D(106), "amount": D(5)}, "89.992", ("95", "96")),
        ({"side": Side.BUY, "stop": D(105), "limit": D(106), "amount": D(5)}, "101", None),
        # What makes no price.
        ({"amount": D(5)}, "0", None),
        ({"amount": D(5)}, "-3", None),
        ({"amount": None}, "110", None),
        ({"amount": D(5), "stop": D("0.5"), "limit": D("0.01")}, "5.4", None),
    ],
)
def test_it_is_tightened(trail: dict[str, Any], market: str, expected: tuple[str, str] | None) -> None:
    values: dict[str, Any] = {"side": Side.SELL, "stop": D(95), "limit": D(94), **trail}
    assert tightened(Trail(**values), D(market), tick) == (None if expected is None else tuple(map(D, expected)))
