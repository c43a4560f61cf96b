"""Where stops and targets at a distance stand, once it is known at what price their entry filled."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.contracts.from_fill import Fill, Leg, exact, in_words, is_past, prices
from brokers.domain.orders import AssetClass, Contract, Distance, DistanceIn, Instrument, OrderType, Role, Side
from config.tests.samples import samples

D = Decimal
# A contract of each class, with the ticks that it has at IBKR: one, or one for each band of prices.
CONTRACTS: dict[AssetClass, dict[str, Any]] = {
    AssetClass.STOCK: {"increments": ((D(0), D("0.0001")), (D(1), D("0.01")))},
    AssetClass.FUTURE: {"tick": D("0.25"), "multiplier": D(50)},
    AssetClass.FOREX: {"tick": D("0.00005")},
    AssetClass.OPTION: {"increments": ((D(0), D("0.05")), (D(3), D("0.1"))), "multiplier": D(100)},
    AssetClass.CFD: {"tick": D("0.01")},
}


def contract(asset_class: AssetClass) -> Contract:
    return Contract(instrument=Instrument(ticker="X", asset_class=asset_class), conid=1, **CONTRACTS[asset_class])


def leg(role: Role, side: Side, distance: Distance, kind: OrderType | None = None, **prices_of_it: Decimal) -> Leg:
    usual = OrderType.STOP if role is Role.STOP_LOSS else OrderType.LIMIT
    return Leg(role=role, side=side, type=kind or usual, distance=distance, **prices_of_it)


def fill(average: str | Decimal, quantity: int = 10) -> Fill:
    return Fill(average=D(average), quantity=D(quantity))


def percent(value: str) -> Distance:
    return Distance(value=D(value), counts=DistanceIn.PERCENT)


@pytest.mark.parametrize(
    ("role", "side", "distance", "average", "expected"),
    [
        (Role.STOP_LOSS, Side.SELL, percent("2"), "99.5", {"stop_price": D("97.51")}),
        (Role.STOP_LOSS, Side.BUY, percent("2"), "99.5", {"stop_price": D("101.49")}),
        (Role.TAKE_PROFIT, Side.SELL, percent("4"), "99.99", {"limit_price": D("103.99")}),
        (Role.TAKE_PROFIT, Side.BUY, percent("4"), "99.99", {"limit_price": D("95.99")}),
        (Role.STOP_LOSS, Side.SELL, Distance(value=D(3), counts=DistanceIn.AMOUNT), "0.9", None),
        # 300 in money over ten shares are 30 for each.
        (Role.STOP_LOSS, Side.SELL, Distance(value=D(300), counts=DistanceIn.PNL), "99.5", {"stop_price": D("69.5")}),
        # So near that the tick leads to the fill itself, and the stop would fill at once.
        (Role.STOP_LOSS, Side.SELL, percent("0.001"), "99.5", None),
    ],
)
def test_a_leg_stands_at_its_distance_from_the_fill(
    role: Role, side: Side, distance: Distance, average: str, expected: dict[str, Decimal] | None
) -> None:
    assert prices(leg(role, side, distance), fill(average), contract(AssetClass.STOCK)) == expected


def test_the_limit_of_a_stop_limit_goes_along() -> None:
    stop = leg(Role.STOP_LOSS, Side.SELL, percent("2"), OrderType.STOP_LIMIT, stop_price=D(98), limit_price=D("97.5"))
    assert prices(stop, fill("99.5"), contract(AssetClass.STOCK)) == {
        "stop_price": D("97.51"),
        "limit_price": D("97.01"),
    }


def test_what_trails_has_no_price_that_stands() -> None:
    trails = leg(Role.STOP_LOSS, Side.SELL, percent("2"), OrderType.TRAILING_STOP)
    assert prices(trails, fill("99.5"), contract(AssetClass.STOCK)) == {}


positive = st.decimals(D("0.01"), D(100_000), places=4)


@settings(max_examples=samples(200), deadline=None)
@given(
    st.sampled_from(sorted(CONTRACTS)),
    st.sampled_from([Role.STOP_LOSS, Role.TAKE_PROFIT]),
    st.sampled_from(sorted(Side)),
    st.sampled_from(sorted(DistanceIn)),
    st.decimals(D("0.01"), D(99), places=3),
    positive,
    st.integers(1, 10_000),
)
def test_every_price_is_on_a_tick_and_on_its_side_and_as_far_as_it_may_be(
    asset_class: AssetClass,
    role: Role,
    side: Side,
    counts: DistanceIn,
    value: Decimal,
    average: Decimal,
    quantity: int,
) -> None:
    traded, filled = contract(asset_class), fill(average, quantity)
    distance = Distance(value=value, counts=counts)
    found = prices(leg(role, side, distance), filled, traded)
    meant = exact(distance, role, side, filled, traded.multiplier)
    away = side.opposite.sign if role is Role.TAKE_PROFIT else side.sign
    if found is None:
        # Only where a tick is too coarse for the distance, or the distance reaches below zero.
        assert meant <= traded.tick_at(meant) or abs(meant - average) < max(
            traded.tick_at(average), traded.tick_at(meant)
        )
        return
    [price] = found.values()
    tick = traded.tick_at(price)
    assert price > 0
    assert price % tick == 0
    assert (price - average) * away > 0
    # A sell is rounded up and a buy down, by less than a tick.
    assert 0 <= (price - meant) * -side.sign < max(tick, traded.tick_at(meant)) + D("1e-9") * price
    # The market at the fill itself has not passed it, and the same fill gives the same price.
    assert not is_past(leg(role, side, distance), found, average)
    assert prices(leg(role, side, distance), filled, traded) == found


@settings(max_examples=samples(100), deadline=None)
@given(
    st.sampled_from(sorted(CONTRACTS)),
    st.sampled_from(sorted(Side)),
    st.sampled_from(sorted(DistanceIn)),
    st.decimals(D("0.01"), D(50), places=3),
    st.tuples(positive, positive).map(sorted),
)
def test_a_better_fill_never_moves_a_leg_the_other_way(
    asset_class: AssetClass, side: Side, counts: DistanceIn, value: Decimal, averages: list[Decimal]
) -> None:
    traded, distance = contract(asset_class), Distance(value=value, counts=counts)
    for role in (Role.STOP_LOSS, Role.TAKE_PROFIT):
        low, high = (prices(leg(role, side, distance), fill(average), traded) for average in averages)
        if low and high:
            assert next(iter(low.values())) <= next(iter(high.values()))


@pytest.mark.parametrize(
    ("role", "side", "price", "market", "past"),
    [
        (Role.STOP_LOSS, Side.SELL, 98, 99, False),
        (Role.STOP_LOSS, Side.SELL, 98, 98, True),
        (Role.STOP_LOSS, Side.BUY, 98, 99, True),
        (Role.STOP_LOSS, Side.BUY, 98, 97, False),
        (Role.TAKE_PROFIT, Side.SELL, 98, 99, True),
        (Role.TAKE_PROFIT, Side.SELL, 98, 97, False),
        (Role.TAKE_PROFIT, Side.BUY, 98, 97, True),
        (Role.TAKE_PROFIT, Side.BUY, 98, 99, False),
    ],
)
def test_a_price_that_the_market_has_passed_is_known(
    role: Role, side: Side, price: int, market: int, past: bool
) -> None:
    column = "stop_price" if role is Role.STOP_LOSS else "limit_price"
    assert is_past(leg(role, side, percent("2")), {column: D(price)}, D(market)) is past


def test_a_distance_is_said_in_words() -> None:
    said = {
        in_words(Distance(value=D(2), counts=counts), role, side)
        for counts, role, side in product(DistanceIn, (Role.STOP_LOSS, Role.TAKE_PROFIT), Side)
    }
    assert said == {
        "2 % below the fill",
        "2 % above the fill",
        "2 below the fill",
        "2 above the fill",
        "2 in money below the fill",
        "2 in money above the fill",
    }
