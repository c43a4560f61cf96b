"""What a holding is by name, and why some of them have no way out here."""

from __future__ import annotations

import pytest

from brokers.domain.elsewhere import classes
from brokers.domain.orders import AssetClass
from brokers.ibkr import words


@pytest.mark.parametrize(
    ("code", "name", "label"),
    [
        ("STK", "stock", "stock"),
        ("OPT", "option", "option"),
        ("FOP", "future_option", "future option"),
        ("CFD", "cfd", "CFD"),
        ("bond", "bond", "bond"),
        ("NEWCLASS", "newclass", "NEWCLASS"),
        ("", "unknown", "class not known"),
    ],
)
def test_each_security_type_of_ibkr_keeps_a_name_of_its_own(code: str, name: str, label: str) -> None:
    assert words.asset_class(code) == name
    assert classes.label(name) == label


@pytest.mark.parametrize("asset_class", [str(each) for each in AssetClass])
def test_what_halyard_trades_has_a_way_out(asset_class: str) -> None:
    assert classes.no_way_out("AAPL", asset_class) is None


@pytest.mark.parametrize(
    "asset_class", [name for code, name in words.READ_SECURITY_TYPES.items() if name not in classes.TRADED]
)
def test_everything_else_is_refused_in_a_sentence(asset_class: str) -> None:
    refusal = classes.no_way_out("AAPL", asset_class)
    assert refusal is not None
    assert refusal.code == "class-not-traded"
    assert refusal.reason.startswith("AAPL is a")
    assert refusal.reason.endswith("Close it in IBKR's own app.")


def test_a_class_without_a_name_is_refused_by_ibkrs_word() -> None:
    refusal = classes.no_way_out("XYZ", "newclass")
    assert refusal is not None
    assert "XYZ is of IBKR's class NEWCLASS" in refusal.reason


def test_what_ibkr_has_not_named_yet_is_not_taken_for_a_stock() -> None:
    refusal = classes.no_way_out("XYZ", "unknown")
    assert refusal is not None
    assert "IBKR has not said what XYZ is" in refusal.reason
