"""Group orders split among accounts."""

from decimal import Decimal
from typing import Any

import pytest

from brokers.rulebook import rulesets
from brokers.rulebook.allocation import (
    Allocation,
    Member,
    allocate,
    allocate_equalizing,
    allocate_percent,
    allocation_denied,
    known_methods,
    method,
    split,
)
from brokers.rulebook.errors import BadInput
from brokers.rulebook.values import Position
from brokers.rulebook.vectors.advisors import (
    AdvisorProperties,
    merged_holding,
    shows_fill,
    validate_properties,
    wire_fields,
)

D = Decimal


def group(*rows: dict[str, Any]) -> list[Member]:
    return [
        Member(id=name, **{key: D(value) for key, value in row.items()})
        for name, row in zip("ABCDEFGH", rows, strict=False)
    ]


def shares(allocation: Allocation) -> list[int]:
    return [int(share) for share in allocation.shares.values()]


def test_it_splits_400_over_4_and_over_6() -> None:
    assert shares(allocate("EqualQuantity", D(400), group({}, {}, {}, {}))) == [100, 100, 100, 100]
    assert shares(allocate("EqualQuantity", D(400), group({}, {}, {}, {}, {}, {}))) == [67, 67, 67, 67, 66, 66]


def test_it_splits_700_by_available_equity() -> None:
    rows = [{"available_equity": value, "net_liquidation": 1} for value in (25_000, 50_000, 100_000)]
    assert shares(allocate("AvailableEquity", D(700), group(*rows))) == [100, 200, 400]


def test_it_splits_by_net_liquidation() -> None:
    rows = [{"net_liquidation": value, "available_equity": 1} for value in (25_000, 50_000, 100_000)]
    assert shares(allocate("NetLiq", D(13), group(*rows))) == [2, 4, 7]


def test_it_cancels_what_an_account_cannot_afford_and_hands_it_to_nobody() -> None:
    allocation = allocate("EqualQuantity", D(400), group({"affordable": 90}, {}, {}, {}))
    assert shares(allocation) == [90, 100, 100, 100]
    assert (allocation.filled, allocation.canceled) == (D(390), D(10))


@pytest.mark.parametrize(("affordable", "kept"), [("0", 0), ("-5", 0), ("99.9", 99), ("100", 100), ("500", 100)])
def test_it_keeps_whole_affordable_units(affordable: str, kept: int) -> None:
    allocation = allocate("EqualQuantity", D(200), group({"affordable": affordable}, {}))
    assert shares(allocation) == [kept, 100]
    assert allocation.canceled == 100 - kept


def test_it_keeps_the_sign_of_a_sale() -> None:
    allocation = allocate("EqualQuantity", D(-7), group({}, {"affordable": 1}))
    assert shares(allocation) == [-4, -1]
    assert (allocation.filled, allocation.canceled) == (D(-5), D(-2))


def test_it_gives_nothing_to_an_account_without_weight() -> None:
    rows = [{"available_equity": value} for value in (-5000, 0, 50_000, 100_000)]
    assert shares(allocate("AvailableEquity", D(300), group(*rows))) == [0, 0, 100, 200]
    assert shares(allocate("AvailableEquity", D(300), group({}, {}))) == [0, 0]


def test_it_hands_the_last_unit_to_whoever_is_furthest_behind() -> None:
    rows = [{"net_liquidation": value} for value in (1, 1, 1_000_000)]
    assert shares(allocate("NetLiq", D(999), group(*rows))) == [1, 0, 998]
    assert shares(allocate("NetLiq", D(1), group({"net_liquidation": 2}, {"net_liquidation": 1}))) == [1, 0]
    assert shares(allocate("NetLiq", D(5), group({"net_liquidation": 2}, {"net_liquidation": 1}))) == [3, 2]


def test_it_splits_whole_units_only() -> None:
    with pytest.raises(BadInput, match="whole units"):
        allocate("EqualQuantity", D("1.5"), group({}, {}))
    assert split(D(0), []) == []


@pytest.mark.parametrize(
    ("side", "percentage", "expected"),
    [
        ("buy", 50, [50, 0, 2]),
        ("buy", -50, [0, 200, 0]),
        ("sell", 50, [0, 200, 0]),
        ("sell", -50, [50, 0, 2]),
        ("sell", 0, [0, 0, 0]),
    ],
)
def test_it_changes_positions_by_a_percentage(side: str, percentage: int, expected: list[int]) -> None:
    rows = [{"position": value} for value in (100, -400, 5)]
    allocation = allocate_percent(side, D(percentage), group(*rows, {"position": 0}))
    assert shares(allocation) == [*expected, 0]
    assert allocation.canceled == 0


def test_it_changes_even_a_single_share_and_by_less_than_a_percent() -> None:
    assert shares(allocate_percent("buy", D(100), group({"position": 1}, {"position": -1}))) == [1, 0]
    assert shares(allocate_percent("sell", D(100), group({"position": 1}, {"position": -1}))) == [0, 1]
    assert shares(allocate_percent("buy", D("0.5"), group({"position": 1000}, {"position": -1000}))) == [5, 0]


def test_it_refuses_a_percent_change_where_a_quantity_is_split() -> None:
    with pytest.raises(BadInput, match="allocate_percent"):
        allocate("PctChange", D(1), group({}))


def test_it_equalizes_positions_after_the_trade() -> None:
    rows = [{"position": value} for value in (100, 50)]
    assert shares(allocate_equalizing("buy", D(150), group(*rows))) == [50, 100]
    assert shares(allocate_equalizing("buy", D(30), group(*rows))) == [0, 30]
    assert shares(allocate_equalizing("buy", D(51), group(*rows))) == [1, 50]
    assert shares(allocate_equalizing("sell", D(70), group(*rows))) == [60, 10]
    assert shares(allocate_equalizing("sell", D(20), group(*rows))) == [20, 0]
    assert shares(allocate_equalizing("buy", D(0), group(*rows))) == [0, 0]
    assert shares(allocate_equalizing("buy", D(10), group({"position": 5}, {"position": 5}, {"position": 9}))) == [
        5,
        4,
        1,
    ]


@pytest.mark.parametrize("question", [lambda m: allocate("Equal", D(1), m), lambda m: allocate_percent("buy", D(1), m)])
def test_it_refuses_an_empty_group_and_an_account_twice(question: Any) -> None:
    with pytest.raises(BadInput, match="at least one"):
        question([])
    with pytest.raises(BadInput, match="once"):
        question([Member(id="A"), Member(id="A")])
    with pytest.raises(BadInput, match="at least one"):
        allocate_equalizing("buy", D(1), [])


def test_it_says_why_a_group_order_cannot_be_split() -> None:
    def why(*question: Any) -> str | None:
        denied = allocation_denied(*question)
        return denied.reason if denied else None

    assert why("Lottery", "G", ["A"], D(1)) == "fa_method_not_supported"
    assert why("NetLiq", "G", [], D(1)) == "fa_group_empty"
    assert why("NetLiq", "G", ["A"], None) == "fa_quantity_required"
    assert why("NetLiq", "G", ["A"], D(0)) == "fa_quantity_required"
    assert why("PctChange", "G", ["A"], None) is None
    assert why("NetLiq", "G", ["A"], D(1)) is None
    denied = allocation_denied("NetLiq", "Desk", [], D(1), rulesets.load("lean"))
    assert denied is not None
    assert denied.sentence == "The group Desk has no accounts. Add accounts, or choose another group."
    assert denied.provenance.ruleset == "lean"
    method_named = allocation_denied("Lottery", "G", ["A"], D(1))
    assert method_named is not None
    assert "Lottery" in method_named.sentence
    without = allocation_denied("NetLiq", "G", ["A"], None)
    assert without is not None
    assert "NetLiq" in without.sentence
    assert without.provenance.ruleset == "seed"


def test_it_knows_the_methods_by_their_wire_names() -> None:
    assert known_methods() == ("EqualQuantity", "Equal", "NetLiq", "AvailableEquity", "PctChange")
    assert (method("EqualQuantity").name, method("EqualQuantity").wire) == ("EqualQuantity", "Equal")


def test_it_refuses_account_and_group_together_except_where_the_model_only_warns() -> None:
    both = AdvisorProperties(account="DU1", group="G")
    denied = validate_properties(both)
    assert not denied.allowed
    assert denied.reason == "fa_account_and_group"
    warned = validate_properties(both, rulesets.load("lean"))
    assert warned.allowed
    assert [caution.code for caution in warned.cautions] == ["fa_account_and_group_sent"]
    assert validate_properties(AdvisorProperties(profile="P")).allowed


def test_it_sends_the_brokers_name_of_a_method() -> None:
    properties = AdvisorProperties(group="G", method="EqualQuantity")
    assert wire_fields("DF1", D(-400), properties).method == "Equal"
    assert wire_fields("DF1", D(-400), properties, rules=rulesets.load("lean")).method == "EqualQuantity"
    assert wire_fields("DF1", D(-400), properties).total_quantity == D(400)


def test_it_ignores_advisor_properties_in_an_ordinary_session() -> None:
    fields = wire_fields("DU1", D(5), AdvisorProperties(account="DU2", group="G"), group_filter="F")
    assert (fields.account, fields.group, fields.total_quantity) == ("DU1", "", D(5))


def test_it_shows_the_fills_of_the_one_who_trades() -> None:
    group_order, single = AdvisorProperties(group="G"), AdvisorProperties(account="DU1")
    assert shows_fill("DF1", "DF1", group_order)
    assert not shows_fill("DF1", "DU1", group_order)
    assert shows_fill("DF1", "DU1", single)
    assert not shows_fill("DF1", "DU1", single, already_filled=True)
    assert shows_fill("DU9", "DU1", group_order)


def test_it_merges_holdings_and_shows_net_nothing_as_flat() -> None:
    lot = Position(quantity=D(10), average_price=D(5))
    more = Position(quantity=D(30), average_price=D(7))
    assert merged_holding([("A", lot), ("B", more), ("A", more)]) == Position(quantity=D(40), average_price=D("6.5"))
    assert merged_holding([("A", lot), ("B", Position(quantity=D(-10), average_price=D(9)))]) == Position()
