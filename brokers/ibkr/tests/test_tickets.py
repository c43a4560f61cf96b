"""Legs, as IBKR's tickets."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import OrderRefused
from brokers.domain.orders import Allocation, AssetClass, Contract, Instrument, OrderType, Side, TimeInForce
from brokers.ibkr.tests.conftest import leg
from brokers.ibkr.tickets import account_of, ticket


def written(reference: str = "hy-1", **changes: Any) -> dict[str, Any]:
    return ticket(leg(reference, **changes), account_id="DU1", operator="ALICE1")


def test_it_writes_a_market_order() -> None:
    assert written() == {
        "acctId": "DU1",
        "conid": 265598,
        "secType": "265598:STK",
        "cOID": "hy-1",
        "orderType": "MKT",
        "side": "BUY",
        "tif": "DAY",
        "quantity": 5,
    }


@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        (OrderType.LIMIT, {"price": 190.5}),
        (OrderType.STOP, {"price": 180}),
        (OrderType.STOP_LIMIT, {"price": 190.5, "auxPrice": 180}),
        (OrderType.LIMIT_IF_TOUCHED, {"price": 190.5, "auxPrice": 180}),
        (OrderType.MARKET_IF_TOUCHED, {"auxPrice": 180}),
        (OrderType.MIDPRICE, {"price": 190.5}),
    ],
)
def test_it_puts_each_price_where_ibkr_wants_it(kind: OrderType, prices: dict[str, Any]) -> None:
    fields = written(type=kind, limit_price=Decimal("190.50"), stop_price=Decimal(180))
    assert {name: fields[name] for name in ("price", "auxPrice") if name in fields} == prices


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED])
def test_it_refuses_an_order_without_its_price(kind: OrderType) -> None:
    with pytest.raises(OrderRefused) as refused:
        written(type=kind)
    assert refused.value.code == "price-missing"


def test_a_midprice_order_needs_no_price() -> None:
    fields = written(type=OrderType.MIDPRICE)
    assert (fields["orderType"], "price" in fields, "auxPrice" in fields) == ("MIDPRICE", False, False)


def test_it_ties_a_child_to_its_parents_reference() -> None:
    fields = written("hy-1-S", side=Side.SELL, type=OrderType.STOP, stop_price=Decimal(180), parent_reference="hy-1")
    assert (fields["cOID"], fields["parentId"], fields["side"]) == ("hy-1-S", "hy-1", "SELL")


def test_it_says_outside_regular_hours_only_when_wanted() -> None:
    assert written(outside_rth=True, time_in_force=TimeInForce.GTC)["outsideRTH"] is True
    assert "outsideRTH" not in written()


def test_it_says_that_no_hand_sent_a_futures_order() -> None:
    future = Contract(instrument=Instrument(ticker="MNQZ2026", asset_class=AssetClass.FUTURE), conid=7)
    fields = written(contract=future)
    assert (fields["secType"], fields["manualIndicator"], fields["extOperator"]) == ("7:FUT", False, "ALICE1")


def test_it_sends_an_advisors_order_to_the_group() -> None:
    grouped = leg("hy-1", allocation=Allocation(group="Growth 1", method="EqualQuantity"))
    fields = ticket(grouped, account_id="F1", operator="ALICE1")
    assert account_of("F1", [grouped]) == "Growth 1"
    assert (fields["acctId"], fields["allocationMethod"]) == ("Growth 1", "E")


def test_a_trailing_stop_says_how_far_and_in_what() -> None:
    amount = written(type=OrderType.TRAILING_STOP, trail_amount=Decimal("1.50"))
    percent = written(type=OrderType.TRAILING_STOP, trail_percent=Decimal(2))
    assert (amount["orderType"], amount["trailingType"], amount["trailingAmt"]) == ("TRAIL", "amt", 1.5)
    assert (percent["trailingType"], percent["trailingAmt"], "price" in percent) == ("%", 2, False)
    with pytest.raises(OrderRefused):
        written(type=OrderType.TRAILING_STOP)


def test_a_trailing_stop_limit_says_its_prices_and_its_trail() -> None:
    prices: dict[str, Any] = {"limit_price": Decimal(184), "stop_price": Decimal(185), "trail_amount": Decimal(1)}
    fields = written(type=OrderType.TRAILING_STOP_LIMIT, side=Side.SELL, **prices)
    names = ("orderType", "price", "auxPrice", "trailingType", "trailingAmt")
    assert [fields[name] for name in names] == ["TRAILLMT", 184, 185, "amt", 1]
    for missing in prices:
        with pytest.raises(OrderRefused) as refused:
            written(type=OrderType.TRAILING_STOP_LIMIT, **{**prices, missing: None})
        assert refused.value.code == "price-missing"


def test_an_auction_takes_market_and_limit_orders_only() -> None:
    closing = written(time_in_force=TimeInForce.CLS)
    opening = written(time_in_force=TimeInForce.OPG)
    assert (closing["orderType"], closing["tif"]) == ("MOC", "DAY")
    assert (opening["orderType"], opening["tif"]) == ("MKT", "OPG")
    with pytest.raises(OrderRefused):
        written(type=OrderType.STOP, stop_price=Decimal(1), time_in_force=TimeInForce.OPG)


def test_orders_of_a_group_say_so() -> None:
    alone = leg("hy-1")
    assert "isSingleGroup" not in ticket(alone, account_id="DU1", operator="ALICE1")
    grouped = ticket(replace(alone, in_group=True), account_id="DU1", operator="ALICE1")
    assert grouped["isSingleGroup"] is True
