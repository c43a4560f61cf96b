"""What the account itself rules out; a fact the broker did not tell refuses nothing."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.rulebook import rulesets
from brokers.rulebook.assess import assess
from brokers.rulebook.gate.permissions import PEOPLE_SAY, REASONS
from brokers.rulebook.gate.validation import build_question, every_denial, validate
from brokers.rulebook.reasons import SENTENCES
from brokers.rulebook.values import Account, Instrument, Order, Permissions, Quote
from brokers.rulebook.words import SECURITY_TYPES, AssetClass

ONE = Order(type="market", quantity=Decimal(1))
SPY = Instrument(asset_class="equity", symbol="SPY")
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


def reason(of: Instrument = SPY, /, **facts: Any) -> str:
    answer = validate(of, ONE, permissions=Permissions(**facts))
    return "" if answer.allowed else answer.reason


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ""),
        ({"lite": False, "clearing": "open", "client_trades": True, "instrument": True}, ""),
        ({"security_types": frozenset({"STK", "FUT"})}, ""),
        ({"lite": True}, "lite_account"),
        ({"clearing": "closed"}, "account_not_open"),
        ({"clearing": "abandoned"}, "account_not_open"),
        ({"clearing": "rejected"}, "account_not_open"),
        ({"client_trades": False}, "client_trading_disabled"),
        ({"security_types": frozenset({"FUT"})}, "asset_class_not_permitted"),
        ({"instrument": False}, "no_trading_permission"),
        ({"lite": True, "client_trades": False, "instrument": False}, "lite_account"),
    ],
)
def test_the_broadest_reason_is_told_first(facts: dict[str, Any], expected: str) -> None:
    assert reason(**facts) == expected


@pytest.mark.parametrize("asset_class", PEOPLE_SAY)
def test_each_class_goes_by_the_brokers_own_word(asset_class: str) -> None:
    instrument = Instrument(asset_class=asset_class, symbol="EURUSD")
    other_types = frozenset(SECURITY_TYPES.values()) - {SECURITY_TYPES[asset_class]}
    assert reason(instrument, security_types=frozenset({SECURITY_TYPES[asset_class]})) != "asset_class_not_permitted"
    denied = validate(instrument, ONE, permissions=Permissions(security_types=other_types))
    assert not denied.allowed
    assert denied.reason == "asset_class_not_permitted"
    assert f"no permission to trade {PEOPLE_SAY[asset_class]}." in denied.sentence


def test_every_tradable_class_has_a_word_for_people() -> None:
    assert set(PEOPLE_SAY) == set(AssetClass) - {AssetClass.INDEX}


def test_an_account_that_is_still_being_opened_is_warned_and_not_refused() -> None:
    answer = validate(SPY, ONE, permissions=Permissions(clearing="pending"))
    assert answer.allowed
    assert [each.sentence for each in answer.cautions] == [
        "IBKR lists this account as pending, not open yet, and may not take the order."
    ]


def test_an_unknown_class_stays_an_unknown_class() -> None:
    asked = build_question(
        Instrument(asset_class="crypto"), ONE, permissions=Permissions(security_types=frozenset({"STK"}))
    )
    assert "asset_class_not_supported" in {denied.reason for denied in every_denial(asked)}


def test_the_whole_gate_asks_the_account_too() -> None:
    poor = Account(available=Decimal(100_000), permissions=Permissions(instrument=False))
    assessment = assess(SPY, ONE, Quote(price=Decimal(10)), poor, NOW)
    assert not assessment.verdict.allowed
    assert (assessment.verdict.reason, assessment.fee) == ("no_trading_permission", None)
    assert assessment.verdict.sentence.startswith("This account has no permission to trade SPY.")
    assert assessment.verdict.provenance == rulesets.load().provenance


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) >= REASONS


@given(
    lite=st.none() | st.booleans(),
    clearing=st.sampled_from(["", "open", "pending", "new", "closed", "somewhere"]),
    client_trades=st.none() | st.booleans(),
    types=st.frozensets(st.sampled_from(["STK", "FUT", "CASH", "News", ""])),
    instrument=st.none() | st.booleans(),
)
def test_less_said_never_refuses_more(
    lite: bool | None, clearing: str, client_trades: bool | None, types: frozenset[str], instrument: bool | None
) -> None:
    facts = {
        "lite": lite,
        "clearing": clearing,
        "client_trades": client_trades,
        "security_types": types,
        "instrument": instrument,
    }
    if not reason(**facts):
        for left_out in facts:
            assert not reason(**{key: value for key, value in facts.items() if key != left_out})
