"""How an option has ended, as fills that no order of ours explains tell it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from brokers.domain.contracts.endings import Deal, how_ended
from brokers.domain.contracts.options import named
from brokers.domain.orders import Side

AT = datetime(2026, 12, 18, 22, tzinfo=UTC)


def option(side: Side, right: str = "C", *, price: int = 0, ticker: str = "SPY", at: datetime = AT) -> Deal:
    name = named(f"{ticker} 261218{right}640")
    return Deal(ticker=ticker, side=side, quantity=Decimal(2), price=Decimal(price), at=at, name=name)


def shares(side: Side, price: int = 640) -> Deal:
    return Deal(ticker="SPY", side=side, quantity=Decimal(200), price=Decimal(price), at=AT + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("right", "option_side", "share_side", "said"),
    [
        ("C", Side.SELL, Side.BUY, "Exercised: 200 SPY bought at 640"),
        ("P", Side.SELL, Side.SELL, "Exercised: 200 SPY sold at 640"),
        ("C", Side.BUY, Side.SELL, "Assigned: 200 SPY sold at 640"),
        ("P", Side.BUY, Side.BUY, "Assigned: 200 SPY bought at 640"),
    ],
)
def test_an_end_with_shares_says_who_chose_it_and_what_changed_hands(
    right: str, option_side: Side, share_side: Side, said: str
) -> None:
    ended, delivered = option(option_side, right), shares(share_side)
    noun = "exercise" if said.startswith("Exercised") else "assignment"
    assert how_ended(ended, [ended, delivered]) == said
    assert how_ended(delivered, [ended, delivered]) == f"By the {noun} of SPY 18 Dec 2026 640 {right}"


def test_shares_of_another_price_side_time_or_of_an_order_of_ours_are_no_delivery() -> None:
    ended = option(Side.SELL)
    delivery = shares(Side.BUY)
    others = [
        shares(Side.BUY, 641),
        shares(Side.SELL),
        replace(delivery, at=AT + timedelta(hours=1)),
        replace(delivery, ours=True),
        replace(delivery, ticker="SPYG"),
    ]
    assert how_ended(ended, [ended, *others]) == "Ended worthless"
    assert [how_ended(each, [ended, each]) for each in others] == [""] * 5


def test_an_option_on_an_index_is_paid_out_and_a_deal_before_the_end_tells_nothing() -> None:
    assert how_ended(option(Side.SELL, price=12, ticker="SPXW"), []) == "Paid out in cash at 12"
    before = AT - timedelta(days=2)
    assert how_ended(option(Side.SELL, price=12, ticker="SPXW", at=before), []) == ""
    assert how_ended(option(Side.SELL, at=before), []) == ""
    # Somebody sold it by hand on its last day.
    assert how_ended(option(Side.SELL, price=3), []) == ""


def test_what_an_order_of_ours_explains_is_no_end() -> None:
    assert how_ended(replace(option(Side.SELL), ours=True), [shares(Side.BUY)]) == ""


def test_an_option_on_a_class_share_delivers_its_shares() -> None:
    ended = replace(option(Side.SELL), ticker="BRK B", name=named("BRK.B 261218C640"))
    delivered = replace(shares(Side.BUY), ticker="BRK.B")
    assert how_ended(ended, [delivered]) == "Exercised: 200 BRK.B bought at 640"


@pytest.mark.parametrize("delivered", ["ESH2027", "ES"])
def test_an_option_on_a_future_delivers_that_future_and_no_other(delivered: str) -> None:
    name = named("ESH2027 261218C640")
    assert name is not None
    ended = replace(option(Side.SELL), ticker="ES", name=name)
    future = replace(shares(Side.BUY), ticker=delivered, quantity=Decimal(2))
    assert how_ended(ended, [future]) == f"Exercised: 2 {delivered} bought at 640"
    assert how_ended(future, [ended]) == "By the exercise of ESH2027 18 Dec 2026 640 C"
    assert how_ended(ended, [replace(future, ticker="ESZ2026")]) == "Ended worthless"
