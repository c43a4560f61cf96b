"""What IBKR says may be ordered of a contract, read with bounds, and what of an order it rules out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.contracts.rules import ContractRules, denial
from brokers.domain.orders import Instrument, OrderIntent, OrderType, Release, Role, Side, TimeInForce
from brokers.ibkr.contracts.rules import contract_rules, contract_terms

ROW: dict[str, Any] = {
    "orderTypes": ["limit", "midprice", "market", "stop", "trailing_stop", "marketonclose"],
    "orderTypesOutside": ["limit", "relative"],
    "tifTypes": ["IOC/MARKET,LIMIT,a", "GTC/o,a", "OPG/LIMIT,MARKET,a", "DAY/o,a", "GTD/o,a"],
    "sizeIncrement": 100,
}
SHARE = contract_rules(ROW)
ENTRY = OrderIntent(
    role=Role.ENTRY, instrument=Instrument(ticker="AAPL"), side=Side.BUY, type=OrderType.MARKET, quantity=Decimal(1)
)


def test_it_reads_the_types_and_times_that_we_know() -> None:
    assert (
        ContractRules(
            order_types=(
                OrderType.MARKET,
                OrderType.LIMIT,
                OrderType.STOP,
                OrderType.TRAILING_STOP,
                OrderType.MIDPRICE,
            ),
            outside=(OrderType.LIMIT,),
            times=(
                (TimeInForce.IOC, (OrderType.MARKET, OrderType.LIMIT)),
                (TimeInForce.GTC, ()),
                (TimeInForce.OPG, (OrderType.MARKET, OrderType.LIMIT)),
                (TimeInForce.DAY, ()),
                (TimeInForce.CLS, (OrderType.MARKET,)),
            ),
            size_step=100,
        )
        == SHARE
    )


def test_they_come_back_from_a_row() -> None:
    assert SHARE is not None
    assert ContractRules.from_json(SHARE.as_json()) == SHARE
    assert ContractRules.from_json(None) is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"orderTypes": None, "tifTypes": 5, "sizeIncrement": "x"},
        {"orderTypes": ["MKT_V2"], "tifTypes": ["SOON/o"], "orderTypesOutside": [[], {}], "sizeIncrement": -1},
        {"orderTypes": [["limit"]] * 10**4, "sizeIncrement": 10**30},
    ],
)
def test_nonsense_rules_nothing_out(row: dict[str, Any]) -> None:
    assert contract_rules(row) is None


@pytest.mark.parametrize("body", [None, [], "no", {"rules": []}, {"rules": {"error": "none", "orderTypes": ["limit"]}}])
def test_an_answer_without_rules_says_neither(body: Any) -> None:
    terms = contract_terms(body)
    assert (terms.permitted, terms.rules) == (None, None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, ""),
        ({"type": OrderType.STOP_LIMIT}, "order-type-not-taken"),
        ({"time_in_force": TimeInForce.IOC}, ""),
        ({"type": OrderType.STOP, "time_in_force": TimeInForce.IOC}, "time-in-force-not-taken"),
        ({"type": OrderType.LIMIT, "time_in_force": TimeInForce.GTD}, ""),
        ({"type": OrderType.STOP_LIMIT, "time_in_force": TimeInForce.GTD}, "order-type-not-taken"),
        ({"time_in_force": TimeInForce.CLS}, ""),
        ({"type": OrderType.LIMIT, "time_in_force": TimeInForce.CLS}, "time-in-force-not-taken"),
        ({"type": OrderType.LIMIT, "outside_rth": True}, ""),
        ({"type": OrderType.STOP, "outside_rth": True}, "outside-hours-not-taken"),
    ],
)
def test_an_order_that_ibkr_would_not_take_is_denied(changes: dict[str, Any], code: str) -> None:
    denied = denial(replace(ENTRY, **changes), SHARE)
    assert (denied.code if denied else "") == code


def test_one_good_till_a_date_is_good_till_canceled_to_ibkr() -> None:
    """Also where the rules name the date: the Web API does not carry it."""
    dated = replace(ENTRY, type=OrderType.LIMIT, time_in_force=TimeInForce.GTD)
    rules = contract_rules({"orderTypes": ["limit"], "tifTypes": ["DAY/o,a", "GTD/o,a"]})
    denied = denial(dated, rules)
    assert denied is not None
    assert (denied.code, "good till canceled" in denied.sentence) == ("time-in-force-not-taken", True)


def test_a_sentence_says_what_ibkr_takes_instead() -> None:
    only = ContractRules(order_types=(OrderType.LIMIT, OrderType.STOP))
    denied = denial(ENTRY, only)
    assert denied is not None
    assert denied.sentence == (
        "IBKR takes no market order in AAPL, which this order would be. It takes limit and stop orders: choose one of these."
    )


def test_a_stop_that_would_be_refused_denies_its_entry() -> None:
    stop = replace(ENTRY, role=Role.STOP_LOSS, type=OrderType.TRAILING_STOP, release=Release.WITH_PARENT)
    only = ContractRules(order_types=(OrderType.MARKET,))
    denied = denial(replace(ENTRY, then=(stop,)), only)
    assert denied is not None
    assert denied.sentence.startswith("IBKR takes no trailing-stop order in AAPL, which the stop loss would be.")


def test_what_leaves_later_does_not_deny_what_leaves_now() -> None:
    later = replace(ENTRY, type=OrderType.STOP_LIMIT, release=Release.AFTER_PARENT_FILLS)
    assert denial(replace(ENTRY, role=Role.EXIT, then=(later,)), SHARE) is None


def test_the_step_of_the_form_is_no_lot() -> None:
    assert denial(ENTRY, SHARE) is None


def test_without_rules_nothing_is_denied() -> None:
    assert denial(replace(ENTRY, type=OrderType.STOP_LIMIT), None) is None
    assert denial(replace(ENTRY, type=OrderType.STOP_LIMIT), ContractRules()) is None
