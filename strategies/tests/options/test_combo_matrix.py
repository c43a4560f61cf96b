"""Every cell of the matrix of combos and classes: from the signal to the fill at a gateway, or to its refusal."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from brokers.models import Order, Position
from brokers.rulebook import rulesets
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading.contract import read
from strategies.tests.options.conftest import Trader, listed_options, name_of, worked
from strategies.tests.options.test_combos import D, legs, run

pytestmark = pytest.mark.django_db(transaction=True)

TYPES: dict[str, dict[str, Any]] = {
    "combo_market": {},
    "combo_limit": {"orderType": "limit", "limitPrice": 4},
    "combo_leg_limit": {},
}
CHAINS = {"option": "AAPL", "index_option": "SPX"}
# What a strategy of each class reads; options on futures are in none that combos are read of.
KINDS = {
    "equity": Kind.STOCK,
    "option": Kind.OPTION,
    "index_option": Kind.OPTION,
    "future": Kind.FUTURE,
    "future_option": Kind.OPTION,
    "forex": Kind.FOREX,
    "cfd": Kind.CFD,
}
TICKERS = {"equity": "AAPL", "future": "MNQ", "forex": "EURUSD", "cfd": "AAPL"}
CELLS = [(kind, asset_class) for kind in TYPES for asset_class in KINDS]
RULES = rulesets.load("seed")
# A limit for each leg, and options on futures, are in the matrix and not in the Web API, or not traded as combos here.
TAKEN = [
    (kind, each) for kind, each in CELLS if (kind, each) in RULES.cells and kind != "combo_leg_limit" and each in CHAINS
]
REFUSED = [cell for cell in CELLS if cell not in TAKEN]


def test_the_matrix_has_combos_of_options_alone() -> None:
    taken = {cell for cell in CELLS if cell in RULES.cells}
    assert taken == {(kind, each) for kind in TYPES for each in ("option", "index_option", "future_option")}
    assert set(TAKEN) < taken


@pytest.mark.parametrize(("order_type", "asset_class"), TAKEN)
def test_a_combo_is_traded_from_the_signal_to_the_fill(trader: Trader, order_type: str, asset_class: str) -> None:
    chain = CHAINS[asset_class]
    calls = listed_options(chain)
    first = min(each.expiry for each in calls if each.expiry is not None)
    of_day = sorted((each for each in calls if each.expiry == first), key=lambda each: each.strike)
    long, short = of_day[len(of_day) // 2], of_day[len(of_day) // 2 + 4]
    gateway = trader.bench.gateway
    gateway.quote(long.conid, bid="8.00", ask="8.20", last="8.10", ttl_s=900)
    gateway.quote(short.conid, bid="5.00", ask="5.20", last="5.10", ttl_s=900)
    root = name_of(long).partition(" ")[0]

    async def story() -> None:
        bought = await trader.told(ticker=root, action="buy", quantity=1, legs=legs(long, short), **TYPES[order_type])
        assert bought.status == "accepted", bought.reason
        await worked(lambda: Order.objects.get().status == "filled", "it is filled")
        await worked(lambda: Position.objects.count() == 2, "both legs are home")

    run(story())
    gateway.clear_quotes()
    made = Order.objects.get()
    assert (f"combo_{made.type}", made.average_price) == (order_type, D("3.20"))
    assert len(trader.bench.posts()) == 1


@pytest.mark.parametrize(("order_type", "asset_class"), REFUSED)
def test_a_combo_that_is_not_taken_is_refused_and_nothing_is_sent(order_type: str, asset_class: str) -> None:
    chain, root = CHAINS.get(asset_class, ""), TICKERS.get(asset_class, "ES")
    names = [name_of(each) for each in listed_options(chain)[:2]] if chain else [f"{root}Z6 C6400", f"{root}Z6 C6500"]
    both: list[dict[str, Any]] = [
        {"ticker": name, "side": side} for name, side in zip(names, ("buy", "sell"), strict=True)
    ]
    if order_type == "combo_leg_limit":
        both[0]["limitPrice"] = D(1)
    ticker = names[0].partition(" ")[0] if chain else root
    values = {"ticker": ticker, "action": "buy", "quantity": 1, "legs": both, **TYPES[order_type]}
    with pytest.raises(Refused) as refused:
        read(values, kind=KINDS[asset_class], allowed_tickers=(), now=timezone.now())
    assert refused.value.message.endswith(".")
