"""An option whose spread is wider than the terms say for its class, or that is not quoted, is not entered; exits leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.market.quotes import Quote
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.domain.snapshot import Snapshot
from strategies.domain.decide.decide import decide
from strategies.domain.message import options
from strategies.domain.message.symbols import Kind, Symbol, read
from strategies.domain.message.wishes import Wish
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.plan.prerequisites import quote_needed
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, message, quote, snapshot

D = Decimal
TEN = Terms(option_spread_percent=D(10), index_option_spread_percent=D(2))
CALL, INDEX_CALL, FUTURE_CALL = "SPY 261218C640", "SPXW 261218C6400", "ESZ2026 261218C6400"
PRICES = st.decimals(min_value=D("0.01"), max_value=D(5_000), places=2)


def named(ticker: str) -> Symbol:
    return options.read(ticker, Wish(), NOW) if " " in ticker else read(ticker, Kind.STOCK, NOW)


def held(ticker: str, shown: Quote | None, position: int = 0) -> Snapshot:
    future = ticker == FUTURE_CALL
    kind = AssetClass.FUTURE_OPTION if future else AssetClass.OPTION if " " in ticker else AssetClass.STOCK
    contract = Contract(
        instrument=Instrument(ticker=ticker, asset_class=kind),
        conid=7,
        multiplier=D(50) if future else D(100) if kind is AssetClass.OPTION else D(1),
    )
    return snapshot(position, contract=contract, quote=shown)


def answer(seen: Snapshot, terms: Terms = TEN, action: str = "buy") -> Plan | Rejection:
    ticker = seen.contract.instrument.ticker
    sent = message(action, 1 if action == "buy" else None, symbol=named(ticker))
    return decide(sent, terms, seen, NOW, received_at=NOW, freshness=None)


def test_a_wide_spread_is_refused_with_both_prices() -> None:
    refused = answer(held(CALL, quote("1.00", "1.20")))
    assert isinstance(refused, Rejection)
    assert (refused.rule, refused.code) == ("D44", "option-illiquid")
    assert refused.reason == (
        "SPY 18 Dec 2026 640 C is bid at 1 and asked at 1.2: a spread of 18.2 % of the middle, wider than the 10 % that this "
        "subscription allows of options. Choose one that is traded more, or allow a wider spread."
    )
    assert isinstance(answer(held(CALL, quote("1.00", "1.10"))), Plan)


def test_options_on_indices_and_futures_have_a_figure_of_their_own() -> None:
    shown = quote("40.00", "41.00")
    assert isinstance(answer(held(CALL, shown)), Plan)
    for ticker in (INDEX_CALL, FUTURE_CALL):
        refused = answer(held(ticker, shown))
        assert isinstance(refused, Rejection), ticker
        assert refused.code == "option-illiquid"
        assert isinstance(answer(held(ticker, shown), replace(TEN, index_option_spread_percent=None)), Plan), ticker


@pytest.mark.parametrize(
    "shown",
    [
        None,
        Quote(bid=None, ask=D(1), last=D(1), as_of=NOW),
        Quote(bid=D(1), ask=None, last=D(1), as_of=NOW),
        quote("1.00", "1.01", at=NOW - timedelta(minutes=2)),
        replace(quote("1.00", "1.01"), flags="DpB"),
        quote("3.00", "1.00"),
        quote("0", "0"),
        quote("0", "0.05"),
        quote("-1", "1"),
    ],
    ids=["none", "nobody bids", "nobody asks", "old", "delayed", "crossed", "zero", "bid of zero", "below zero"],
)
def test_without_a_live_bid_and_ask_nothing_is_entered_and_a_quote_is_waited_for(shown: Quote | None) -> None:
    seen = held(CALL, shown)
    refused = answer(seen)
    assert isinstance(refused, Rejection)
    assert (refused.rule, refused.code) == ("D44", "option-not-quoted")
    assert refused.reason.startswith("IBKR shows no live bid and ask of SPY 18 Dec 2026 640 C, ")
    sent = message("buy", 1, symbol=named(CALL))
    assert quote_needed(sent, TEN, refused)
    # Where no figure is set, nobody asks.
    assert isinstance(answer(seen, Terms()), Plan)


@given(bid=PRICES, ask=PRICES, most=st.decimals(min_value=0, max_value=300, places=2))
def test_it_is_refused_where_the_spread_is_wider_and_nowhere_else(bid: Decimal, ask: Decimal, most: Decimal) -> None:
    seen = held(CALL, Quote(bid=bid, ask=ask, last=None, as_of=NOW))
    wider = bid > ask or 2 * (ask - bid) * 100 > most * (ask + bid)
    given_answer = answer(seen, Terms(option_spread_percent=most))
    assert isinstance(given_answer, Rejection) is wider
    # Shares, and options of the other class, are not asked about.
    assert isinstance(answer(seen, Terms(index_option_spread_percent=most)), Plan)
    assert isinstance(answer(held("SPY", seen.quote), Terms(option_spread_percent=most)), Plan)


@given(bid=st.none() | PRICES, ask=st.none() | PRICES, most=st.decimals(min_value=0, max_value=300, places=2))
def test_a_way_out_is_never_kept_by_it(bid: Decimal | None, ask: Decimal | None, most: Decimal) -> None:
    seen = held(CALL, Quote(bid=bid, ask=ask, last=None, as_of=NOW), position=2)
    left = answer(seen, Terms(option_spread_percent=most, index_option_spread_percent=most), "exit")
    assert isinstance(left, Plan)
    assert [intent.quantity for intent in left.intents] == [D(2)]
