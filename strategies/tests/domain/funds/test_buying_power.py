"""The buying power of a class before an order leaves: only what IBKR would refuse is refused, and its own word counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.orders import AssetClass, Contract, OrderType, Side, TimeInForce
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import MarginPreview
from strategies.domain.plan.estimate import Estimate, MarginSource
from strategies.domain.plan.plan import Rejection
from strategies.tests.domain.test_assessment import AAPL, EURUSD, MNQ, NOW, ask, contract, line, refusal, snapshot

D = Decimal
CFD = contract("AAPL", AssetClass.CFD, exchange="SMART")
CALL = contract("SPY 261218C640", AssetClass.OPTION, multiplier=Decimal(100))
INDEX_CALL = contract("SPXW 261218C6400", AssetClass.OPTION, multiplier=Decimal(100))
ABROAD = contract("XETR:SAP", AssetClass.STOCK, exchange="IBIS", currency="EUR")
# Of none of these there is a table or a price of today.
NO_TABLE: dict[str, tuple[Contract, dict[str, Any]]] = {
    "shares": (AAPL, {}),
    "shares abroad": (ABROAD, {"rates": {"EUR": D("1.1")}}),
    "option": (CALL, {}),
    "option written": (CALL, {"side": Side.SELL}),
    "index option": (INDEX_CALL, {}),
    "index option written": (INDEX_CALL, {"side": Side.SELL}),
    "future": (contract("QMF2027", AssetClass.FUTURE, exchange="NYMEX", multiplier=D(500)), {}),
    "future sold": (contract("FDXSZ2026", AssetClass.FUTURE, exchange="EUREX", currency="EUR"), {"side": Side.SELL}),
    "forex": (EURUSD, {}),
    "CFD": (CFD, {}),
}


def test_shares_that_ibkr_lends_for_the_day_are_sent_and_told() -> None:
    # 300 at 231 are 69,300: more than twice the funds, and less than IBKR's own buying power.
    answer = ask(snapshot(buying_power=D(100_000)), "300", "231")
    assert line(answer).endswith(
        " of 25,000.00 available. It is worth more than the 50,000.00 USD of shares that may be held overnight. IBKR's buying "
        "power of the moment, 100,000.00 USD, is for the day: make the position smaller before the close, or IBKR may."
    )
    # What may be held overnight needs no word.
    assert "overnight" not in line(ask(snapshot(buying_power=D(100_000)), "200", "231"))


@pytest.mark.parametrize(
    "order",
    [
        {"time_in_force": TimeInForce.CLS},
        {"time_in_force": TimeInForce.OPG},
        {"time_in_force": TimeInForce.GTC, "type": OrderType.LIMIT, "limit_price": D(231)},
        {"outside_rth": True, "type": OrderType.LIMIT, "limit_price": D(231)},
    ],
    ids="-".join,
)
def test_what_is_lent_for_the_day_is_not_for_what_may_be_held_overnight(order: dict[str, Any]) -> None:
    told = snapshot(buying_power=D(100_000))
    assert refusal(ask(told, "300", "231", **order)) == (
        "R04",
        "insufficient_buying_power",
        "Margin needed 34,651.50 USD of 25,000.00 available. That is a buying power of 50,000.00 USD for shares: what IBKR "
        "lends for the day is not for an order that may fill at the close, outside regular hours or on another day. "
        "Order less, or add funds.",
    )
    assert isinstance(ask(told, "200", "231", **order), Estimate)


def test_an_order_of_the_day_that_waits_for_the_open_is_lent_nothing() -> None:
    told = replace(snapshot(buying_power=D(100_000)), environment=Environment.PAPER)
    closed = NOW + timedelta(hours=12)
    assert isinstance(ask(told, "300", "231"), Estimate)
    assert isinstance(ask(told, "300", "231", now=closed), Rejection)


def test_shares_beyond_ibkrs_own_buying_power_are_refused_with_it() -> None:
    assert refusal(ask(snapshot(buying_power=D(100_000)), "500", "231")) == (
        "R04",
        "insufficient_buying_power",
        "Margin needed 57,752.50 USD of 25,000.00 available. That is a buying power of 100,000.00 USD for shares. "
        "Order less, or add funds.",
    )


def test_the_last_cent_of_ibkrs_own_buying_power_is_enough() -> None:
    # 300 shares at 231, and the fee of 1.50.
    assert isinstance(ask(snapshot(buying_power=D("69301.50")), "300", "231"), Estimate)
    assert isinstance(ask(snapshot(buying_power=D("69301.49")), "300", "231"), Rejection)


def test_a_cash_account_and_options_are_lent_nothing() -> None:
    told: dict[str, Any] = {"buying_power": D(1_000_000)}
    reason = refusal(ask(snapshot(account_type="cash", **told), "300", "231"))[2]
    assert reason.endswith(" of 25,000.00 available. This account pays for shares in full. Order less, or add funds.")
    reason = refusal(ask(snapshot(CALL, **told), "10", "30"))[2]
    assert reason.endswith(" of 25,000.00 available. Options are paid in full. Order less, or add funds.")


def test_the_estimate_says_what_of_its_class_the_account_may_open() -> None:
    for of, price, words in (
        (AAPL, "231", "Buying power for shares: 50,000.00 USD."),
        (CALL, "3", "Buying power for options on shares: 25,000.00 USD of premium."),
        (INDEX_CALL, "3", "Buying power for options on indices: 25,000.00 USD of premium."),
        (MNQ, None, "Buying power for futures: 25,000.00 USD for margins."),
        (EURUSD, "1.08", "Buying power for currencies: 1,250,000.00 USD."),
        (CFD, "231", "Buying power for CFDs: 250,000.00 USD."),
    ):
        answer = ask(snapshot(of), "30000" if of is EURUSD else "1", price)
        assert isinstance(answer, Estimate), answer
        assert (answer.power, answer.to_json()["power"]) == (words, words)
    silent = ask(snapshot(available=None), "1", "231")
    assert isinstance(silent, Estimate)
    assert silent.power == ""


@pytest.mark.parametrize("name", NO_TABLE)
@pytest.mark.parametrize("environment", list(Environment))
def test_no_class_is_refused_for_want_of_a_table_or_a_price(name: str, environment: Environment) -> None:
    of, facts = NO_TABLE[name]
    values = {key: value for key, value in facts.items() if key == "side"}
    seen = snapshot(of, "900", environment=environment, rates=facts.get("rates", {}))
    quantity = "30000" if of is EURUSD else "1"
    answer = ask(seen, quantity, **values)
    assert isinstance(answer, Estimate), answer
    assert not answer.margin_from.is_certain or answer.margin is None


@pytest.mark.parametrize("name", ["option written", "index option written", "future", "future sold"])
def test_ibkrs_preview_decides_in_every_class_whose_margin_is_its_own(name: str) -> None:
    of, facts = NO_TABLE[name]
    side = facts.get("side", Side.BUY)
    shown = MarginPreview(side=side, quantity=D(1), initial=D(2_400), as_of=NOW)
    rates = {"rates": {"EUR": D("1.1")}}
    enough = ask(snapshot(of, "2500", previews=(shown,), **rates), "1", side=side)
    assert isinstance(enough, Estimate), enough
    assert enough.margin_from is MarginSource.PREVIEW
    assert refusal(ask(snapshot(of, "2300", previews=(shown,), **rates), "1", side=side))[:2] == (
        "R04",
        "insufficient_buying_power",
    )


def test_a_cfd_beyond_the_usual_rate_is_asked_about_and_ibkrs_preview_decides() -> None:
    # 100 at 231 at a tenth are 2,310 of margin.
    asked = ask(snapshot(CFD, "2000"), "100", "231")
    assert isinstance(asked, Estimate), asked
    assert (asked.margin_from, asked.margin) == (MarginSource.USUAL, D("2311"))
    assert asked.margin_note == (
        "At the usual margin of its class it needs more than is available, so IBKR decides when the order arrives."
    )
    preview = MarginPreview(side=Side.BUY, quantity=D(100), initial=D(1_200), as_of=NOW)
    taken = ask(snapshot(CFD, "2000", previews=(preview,)), "100", "231")
    assert isinstance(taken, Estimate), taken
    assert (taken.margin_from, taken.margin, taken.margin_note) == (MarginSource.PREVIEW, D("1201"), "")
    dear = replace(preview, initial=D(4_600))
    assert refusal(ask(snapshot(CFD, "2000", previews=(dear,)), "100", "231"))[:2] == (
        "R04",
        "insufficient_buying_power",
    )
    old = replace(dear, as_of=NOW - timedelta(minutes=6))
    assert isinstance(ask(snapshot(CFD, "2000", previews=(old,)), "100", "231"), Estimate)
    # What the usual rate carries is asked about nowhere.
    assert "IBKR decides" not in line(ask(snapshot(CFD, "3000"), "100", "231"))


@given(
    available=st.decimals(min_value=-10_000, max_value=100_000, places=2),
    told=st.none() | st.decimals(min_value=-10_000, max_value=400_000, places=2),
    quantity=st.integers(min_value=1, max_value=2_000),
)
def test_shares_are_refused_only_where_neither_the_rule_nor_ibkr_carries_them(
    available: Decimal, told: Decimal | None, quantity: int
) -> None:
    answer = ask(snapshot(available=str(available), buying_power=told), str(quantity), "231")
    worth, fee = quantity * D(231), max(quantity * D("0.005"), D(1))
    carried = worth / 2 + fee <= max(available, D(0)) or (told is not None and worth + fee <= told)
    assert isinstance(answer, Estimate) is carried, answer
