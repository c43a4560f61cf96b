"""Every cell of the matrix of order types and classes, placed by ibind (an independent client, unmodified) and by Halyard."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.contracts.options import OptionName
from brokers.domain.orders import FOR_AUCTIONS, OF_FUTURES, AssetClass, Instrument, OrderType
from brokers.rulebook import rulesets
from brokers.rulebook.products.futures import code_of
from brokers.simulator.catalogue import catalogue, listed, options
from brokers.simulator.catalogue import futures as products
from brokers.simulator.catalogue.instrument import Instrument as Listed
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests.description.test_same_rows_as_ibind import by_ibind, placed
from brokers.tests.orders.test_plans import intent

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


def _listed(name: str) -> Listed:
    found = catalogue.resolve(name, timezone.now().date())
    assert found is not None
    return found


def _call(underlying: Listed | None) -> Listed:
    """The call of the second month listed that is the nearest to the money."""
    assert underlying is not None
    today, price = timezone.now().date(), underlying.base_price
    chain = options.chain(underlying.conid, options.months(underlying.conid, today)[1], price, today)
    calls = [each for each in chain if each.right == "C"]
    return min(calls, key=lambda each: (abs(float(each.strike) - price), each.expiry))


def contract_of(asset_class: str) -> tuple[Listed, AssetClass]:
    """What is traded of a class of the rulebook, and the class as orders name it."""
    match asset_class:
        case "equity":
            return _listed("AAPL"), AssetClass.STOCK
        case "option":
            return _call(listed.STOCKS["AAPL"]), AssetClass.OPTION
        case "index_option":
            return _call(listed.INDICES["SPX"]), AssetClass.OPTION
        case "future":
            return _listed("MNQ"), AssetClass.FUTURE
        case "future_option":
            return _call(products.underlying("ES")), AssetClass.FUTURE_OPTION
        case "forex":
            return _listed("EUR.USD"), AssetClass.FOREX
    found = listed.cfd_of("AAPL")
    assert found is not None
    return found, AssetClass.CFD


def instrument_of(contract: Listed, kind: AssetClass) -> Instrument:
    """As an order names it."""
    if contract.sec_type == "CASH":
        return Instrument(ticker=contract.symbol + contract.currency, asset_class=kind)
    if contract.month is None and not contract.is_option:
        return Instrument(ticker=contract.symbol, asset_class=kind)
    if not contract.is_option:
        assert contract.month is not None
        return Instrument(ticker=code_of(contract.symbol, contract.month), asset_class=kind)
    on = contract.trading_class if contract.underlying_type == "IND" else contract.symbol
    if (future := products.find(contract.underlying_conid)) is not None and future.month is not None:
        on = code_of(contract.symbol, future.month)
    assert contract.expiry is not None
    name = OptionName(underlying=on, expiry=contract.expiry, right=contract.right, strike=contract.strike)
    return Instrument(ticker=str(name), asset_class=kind)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One order type, in ibind's words and in Halyard's; prices as parts of the market's, by either one's name for them."""

    theirs: dict[str, Any]
    ours: dict[str, Any]
    their_prices: dict[str, str] = dataclasses.field(default_factory=dict)
    our_prices: dict[str, str] = dataclasses.field(default_factory=dict)


def auction(name: str, theirs: str, tif: str, *, at: str = "") -> Way:
    kind, time_in_force = FOR_AUCTIONS[name]
    return Way(
        theirs={"order_type": theirs, "tif": tif},
        ours={"type": kind, "time_in_force": time_in_force},
        their_prices={"price": at} if at else {},
        our_prices={"limit_price": at} if at else {},
    )


TRAIL_OF_THEIRS, TRAIL_OF_OURS = {"trailing_type": "%", "trailing_amt": 25.0}, {"trail_percent": D(25)}
# By the rulebook's name of the type. A buy: what waits rests far below the market or above it.
WAYS = {
    "market": Way(theirs={"order_type": "MKT"}, ours={"type": OrderType.MARKET}),
    "limit": Way(
        theirs={"order_type": "LMT"},
        ours={"type": OrderType.LIMIT},
        their_prices={"price": "0.5"},
        our_prices={"limit_price": "0.5"},
    ),
    "stop_market": Way(
        theirs={"order_type": "STP"},
        ours={"type": OrderType.STOP},
        their_prices={"price": "1.5"},
        our_prices={"stop_price": "1.5"},
    ),
    "stop_limit": Way(
        theirs={"order_type": "STOP_LIMIT"},
        ours={"type": OrderType.STOP_LIMIT},
        their_prices={"price": "1.75", "aux_price": "1.5"},
        our_prices={"limit_price": "1.75", "stop_price": "1.5"},
    ),
    "trailing_stop": Way(
        theirs={"order_type": "TRAIL", **TRAIL_OF_THEIRS}, ours={"type": OrderType.TRAILING_STOP, **TRAIL_OF_OURS}
    ),
    "trailing_stop_limit": Way(
        theirs={"order_type": "TRAILLMT", **TRAIL_OF_THEIRS},
        ours={"type": OrderType.TRAILING_STOP_LIMIT, **TRAIL_OF_OURS},
        their_prices={"price": "1.5", "aux_price": "1.25"},
        our_prices={"limit_price": "1.5", "stop_price": "1.25"},
    ),
    "market_if_touched": Way(
        theirs={"order_type": "MIT"},
        ours={"type": OrderType.MARKET_IF_TOUCHED},
        their_prices={"aux_price": "0.5"},
        our_prices={"stop_price": "0.5"},
    ),
    "limit_if_touched": Way(
        theirs={"order_type": "LIT"},
        ours={"type": OrderType.LIMIT_IF_TOUCHED},
        their_prices={"price": "0.75", "aux_price": "0.5"},
        our_prices={"limit_price": "0.75", "stop_price": "0.5"},
    ),
    "midprice": Way(
        theirs={"order_type": "MIDPRICE"},
        ours={"type": OrderType.MIDPRICE},
        their_prices={"price": "0.5"},
        our_prices={"limit_price": "0.5"},
    ),
    "market_on_open": auction("market_on_open", "MKT", "OPG"),
    "limit_on_open": auction("limit_on_open", "LMT", "OPG", at="0.5"),
    "market_on_close": auction("market_on_close", "MOC", "DAY"),
    "limit_on_close": auction("limit_on_close", "LOC", "DAY", at="0.5"),
}
# A price of each class that its halves and quarters leave on the tick, and how many are bought.
PRICES = {
    "equity": (D(240), 5),
    "option": (D(20), 5),
    "index_option": (D(200), 5),
    "future": (D(20000), 5),
    "future_option": (D(200), 5),
    "forex": (D("1.25"), 30_000),
    "cfd": (D(240), 5),
}
CELLS = rulesets.load("seed").cells


def test_no_class_and_no_type_of_the_table_is_left_out() -> None:
    assert {asset_class for _, asset_class in CELLS} == set(PRICES)
    # Beside them the table has combos, and the exercise of an option.
    assert {kind for kind, _ in CELLS} - set(WAYS) == {
        "combo_market",
        "combo_limit",
        "combo_leg_limit",
        "option_exercise",
    }


@pytest.mark.parametrize("asset_class", list(PRICES))
def test_the_orders_of_a_class_are_the_same_rows(team: Team, gateway: RunningGateway, asset_class: str) -> None:
    contract, kind = contract_of(asset_class)
    price, quantity = PRICES[asset_class]
    # A CFD on a share trades at the share's own quote.
    for conid in {contract.conid, contract.underlying_conid} if asset_class == "cfd" else {contract.conid}:
        gateway.quote(conid, bid=price, ask=price, last=price, ttl_s=600)
    of_futures = {"manual_indicator": False, "ext_operator": "desk"} if kind in OF_FUTURES else {}
    theirs, ours = [], []
    for way in (way for name, way in WAYS.items() if (name, asset_class) in CELLS):
        at = {name: float(price * D(part)) for name, part in way.their_prices.items()}
        theirs.append({"conid": contract.conid, "quantity": quantity, **way.theirs, **at, **of_futures})
        prices = {name: price * D(part) for name, part in way.our_prices.items()}
        made = intent("entry", "buy", quantity, **way.ours, **prices)
        ours.append(dataclasses.replace(made, instrument=instrument_of(contract, kind)))
    rows = placed(team, gateway, contract.conid, *ours)
    expected = by_ibind(gateway, *theirs, together=False)
    gateway.clear_quotes()
    assert len(rows) == len(ours) >= 8
    assert rows == expected
