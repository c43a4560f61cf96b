"""Options on futures that are bought are held against their premium, where IBKR's preview says nothing of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.market.quotes import Quote
from brokers.domain.orders import AssetClass, OrderType, Role, Side
from strategies.domain.plan.estimate import Estimate, MarginSource
from strategies.domain.plan.plan import Rejection
from strategies.tests.domain.test_assessment import NOW, ask, contract, previewed, refusal, snapshot

CALL = contract("ESZ2026 261211C6400", AssetClass.FUTURE_OPTION, multiplier=Decimal(50), exchange="CME")


def seen(available: str | None, **values: Any) -> Any:
    return snapshot(CALL, available, **values)


def needed(answer: Estimate | Rejection) -> tuple[Decimal | None, MarginSource]:
    assert isinstance(answer, Estimate), answer
    return answer.margin, answer.margin_from


def test_it_is_refused_where_the_account_has_less_than_the_premium() -> None:
    rule, code, reason = refusal(ask(seen("10000"), "10", "25"))
    assert (rule, code) == ("R04", "insufficient_buying_power")
    assert " USD of 10,000.00 available. Options are paid in full. Order less, or add funds." in reason


def test_what_it_costs_is_shown_and_the_last_cent_is_enough() -> None:
    whole, source = needed(ask(seen("100000"), "2", "25"))
    assert whole is not None
    assert (whole >= 2500, source) == (True, MarginSource.RULE)
    assert isinstance(ask(seen(str(whole)), "2", "25"), Estimate)
    assert isinstance(ask(seen(str(whole - Decimal("0.01"))), "2", "25"), Rejection)


def test_a_limit_below_the_market_is_all_that_it_costs() -> None:
    quote = Quote(bid=Decimal(24), ask=Decimal(26), last=None, as_of=NOW)
    at_most: dict[str, Any] = {"type": OrderType.LIMIT, "limit_price": Decimal(2)}
    assert isinstance(ask(seen("1500", quote=quote), "10", **at_most), Estimate)
    assert isinstance(ask(seen("1500", quote=quote), "10"), Rejection)


@pytest.mark.parametrize(
    ("available", "facts", "order"),
    [
        # IBKR's preview of the moment decides, and knows what else is held.
        ("10000", {"previews": (previewed("800"),)}, {}),
        (None, {}, {}),
        ("10000", {"position": Decimal(-10)}, {}),
        ("10000", {"position": Decimal(10)}, {"role": Role.EXIT, "side": Side.SELL}),
        ("10000", {}, {"side": Side.SELL}),
    ],
)
def test_what_is_not_held_against_a_premium(
    available: str | None, facts: dict[str, Any], order: dict[str, Any]
) -> None:
    assert isinstance(ask(seen(available, **facts), "10", "25", **order), Estimate)


def test_without_a_price_nobody_knows_the_premium() -> None:
    assert isinstance(ask(seen("1"), "10"), Estimate)


def test_an_old_preview_is_worth_less_than_the_premium() -> None:
    old = previewed("80", timedelta(hours=1))
    assert isinstance(ask(seen("10000", previews=(old,)), "10", "25"), Rejection)
    # A refusal that is not about money is said, and the premium refuses all the same.
    odd = replace(previewed(None), refusal="Not now.")
    assert isinstance(ask(seen("10000", previews=(odd,)), "10", "25"), Rejection)
    assert "Not now" in ask_line(ask(seen("1000000", previews=(odd,)), "10", "25"))


def ask_line(answer: Estimate | Rejection) -> str:
    assert isinstance(answer, Estimate), answer
    return answer.sentence
