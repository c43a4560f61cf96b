"""An entry is told where IBKR counts few day trades that are left; it is sent all the same, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from brokers.domain.orders import AssetClass, Role, Side
from strategies.domain.plan.estimate import Estimate
from strategies.tests.domain.test_assessment import AAPL, EURUSD, MNQ, ask, contract, snapshot

SPY_CALL = contract("SPY 261218C640", AssetClass.OPTION)
ABROAD = contract("XETR:SAP", AssetClass.STOCK, currency="EUR")


def notes(left: int | None, of: Any = AAPL, quantity: str = "10", **values: Any) -> str:
    order = {name: value for name, value in values.items() if name in {"role", "side"}}
    seen = {name: value for name, value in values.items() if name not in order}
    answer = ask(snapshot(of, "1000000", day_trades_left=left, **seen), quantity, "20", **order)
    assert isinstance(answer, Estimate), answer
    return " ".join(answer.notes)


def test_an_entry_is_told_that_no_day_trade_is_left_or_that_one_is() -> None:
    assert (
        "IBKR counts no day trade left for this account: to close this position today would be one too many" in notes(0)
    )
    assert "IBKR counts one day trade left for this account: to close this position today would be the last" in notes(1)
    assert "no day trade left" in notes(0, SPY_CALL, "1")
    assert "no day trade left" in notes(0, side=Side.SELL)


@pytest.mark.parametrize("left", [-1, 2, 3, None])
def test_nothing_is_said_where_enough_are_left_or_ibkr_does_not_say(left: int | None) -> None:
    assert "day trade" not in notes(left)


@pytest.mark.parametrize(
    ("of", "quantity", "values"),
    [
        (MNQ, "1", {}),
        (EURUSD, "30000", {}),
        (ABROAD, "1", {"rates": {"EUR": 1}}),
        (AAPL, "10", {"account_type": "cash"}),
        (AAPL, "10", {"role": Role.EXIT, "side": Side.SELL, "position": 10}),
    ],
)
def test_nothing_is_said_of_what_is_no_entry_of_a_day_trade(of: Any, quantity: str, values: dict[str, Any]) -> None:
    assert "day trade" not in notes(0, of, quantity, **values)
