"""Combos on the wire: how an order names one, which one a row means, what one is quoted at, and what a fill of one is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import Leg
from brokers.domain.contracts.combos import MOST, number_of
from brokers.domain.contracts.rules import ContractTerms
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderIntent, OrderType, Role, Side, TimeInForce
from brokers.ibkr.contracts import combos
from brokers.ibkr.order_rows import order_facts
from brokers.ibkr.tickets import ticket
from brokers.ibkr.translate import execution_facts

NOW = datetime(2026, 11, 30, 15, tzinfo=UTC)
LOW, HIGH = 700_000_001, 700_000_002
D = Decimal


def test_an_order_names_its_legs_and_no_contract() -> None:
    contract = Contract(
        instrument=Instrument(ticker="SPY 261218C640/650", asset_class=AssetClass.OPTION), conid=number_of(LOW, HIGH)
    )
    intent = OrderIntent(
        role=Role.ENTRY,
        instrument=contract.instrument,
        side=Side.SELL,
        type=OrderType.LIMIT,
        quantity=D(2),
        limit_price=D("3.20"),
        time_in_force=TimeInForce.GTC,
    )
    assert ticket(Leg(intent=intent, reference="h-1", contract=contract), account_id="DU1", operator="") == {
        "acctId": "DU1",
        "conidex": f"28812380;;;{LOW}/1,{HIGH}/-1",
        "cOID": "h-1",
        "orderType": "LMT",
        "side": "SELL",
        "tif": "GTC",
        "quantity": 2,
        "price": 3.2,
    }


@pytest.mark.parametrize(
    ("spelled", "legs"),
    [
        (f"28812380;;;{LOW}/1,{HIGH}/-1", (LOW, HIGH)),
        (f"28812380;;;{HIGH}/-1,{LOW}/1", (LOW, HIGH)),
        (f"28812380@SMART;;;{LOW}/1,{HIGH}/-1", (LOW, HIGH)),
        (f"28812380;;;{LOW}/1,{HIGH}/1", None),
        (f"28812380;;;{LOW}/1,{HIGH}/-2", None),
        (f"28812380;;;{LOW}/1,{HIGH}/-1,3/1", None),
        (f"61227077;;;{LOW}/1,{HIGH}/-1", None),
        (f"28812380;;;{MOST + 1}/1,{HIGH}/-1", None),
        ("28812380;;;0/1,1/-1", None),
        ("28812380", None),
        ("", None),
    ],
)
def test_a_row_means_the_combo_that_its_legs_make(spelled: str, legs: tuple[int, int] | None) -> None:
    number = None if legs is None else number_of(*legs)
    assert combos.number_in(spelled) == number
    facts = order_facts({"orderId": 7, "acct": "DU1", "conid": combos.SPREAD, "conidex": spelled})
    assert facts is not None
    assert facts.conid == (combos.SPREAD if number is None else number)


def test_a_row_of_one_contract_keeps_its_number() -> None:
    facts = order_facts({"orderId": 7, "acct": "DU1", "conid": 265598, "conidex": f"28812380;;;{LOW}/1,{HIGH}/-1"})
    assert facts is not None
    assert facts.conid == 265598


def quote(bid: str | None, ask: str | None, **values: Any) -> Quote:
    return Quote(**{"bid": bid and D(bid), "ask": ask and D(ask), "last": D(1), "as_of": NOW, **values})


def test_a_combo_is_bought_and_sold_leg_by_leg() -> None:
    net = combos.net_quote(quote("8.00", "8.20"), quote("5.00", "5.20", as_of=NOW - timedelta(seconds=9)))
    assert net is not None
    # The last prices of two legs are of two moments; it is as old as the older one.
    assert (net.bid, net.ask, net.last, net.as_of) == (D("2.80"), D("3.20"), None, NOW - timedelta(seconds=9))


@pytest.mark.parametrize(
    ("long", "short", "bid", "ask"),
    [
        (("1.00", "1.10"), ("1.00", "1.10"), None, D("0.10")),
        (("1.00", None), ("0.50", "0.60"), D("0.40"), None),
        ((None, None), ("0.50", "0.60"), None, None),
    ],
)
def test_a_side_without_a_price_is_none(long: Any, short: Any, bid: Decimal | None, ask: Decimal | None) -> None:
    net = combos.net_quote(quote(*long), quote(*short))
    assert net is not None
    assert (net.bid, net.ask) == (bid, ask)


def test_a_quote_is_no_better_than_that_of_the_worse_leg() -> None:
    for flags in ("D", "Z", "N"):
        for legs in ((quote("8", "9", flags=flags), quote("5", "6")), (quote("8", "9"), quote("5", "6", flags=flags))):
            net = combos.net_quote(*legs)
            assert net is not None
            assert net.live(NOW) is None
    assert combos.net_quote(None, quote("5", "6")) is None
    assert combos.net_quote(quote("5", "6"), None) is None


def test_who_may_trade_it_may_trade_both_legs() -> None:
    both = combos.terms(ContractTerms(permitted=("A", "B")), ContractTerms(permitted=("B", "C")))
    assert (both.permitted, both.rules) == (("B",), None)
    assert combos.terms(ContractTerms(permitted=("A",)), ContractTerms()).permitted == ("A",)
    assert combos.terms(ContractTerms(), ContractTerms()).permitted is None


FILL = {"execution_id": "1.1.01", "side": "B", "size": 2, "price": "3.2", "account": "DU1", "order_id": 7}


def test_a_row_of_the_whole_combo_is_no_fill_beside_those_of_its_legs() -> None:
    for word in ("BAG", "bag ", "", None, "OPT"):
        assert execution_facts({**FILL, "conid": combos.SPREAD, "sec_type": word}, now=NOW) is None
    assert execution_facts({**FILL, "conid": LOW, "sec_type": "BAG"}, now=NOW) is None
    assert execution_facts({**FILL, "conid": LOW, "sec_type": "OPT"}, now=NOW) is not None
