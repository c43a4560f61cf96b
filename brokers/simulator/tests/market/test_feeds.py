"""Prices from elsewhere: recordings, and the signals' own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.simulator.catalogue import catalogue
from brokers.simulator.market import feeds
from brokers.simulator.market.market import Market

AAPL = 265598
BEGAN = 1_795_194_000.0  # 2026-11-20T17:00:00Z
CSV = """time,bid,ask,last
2026-11-20T17:00:00Z,100.00,100.02,100.01
2026-11-20T17:00:10Z,101.00,101.02,101.02
2026-11-20T17:01:00Z,99.00,99.02,
"""


def market() -> Market:
    return Market(1, catalogue.find)


def last(one: Market, at: float) -> Decimal:
    quote = one.quote(AAPL, at)
    assert quote is not None
    return quote.last


def test_a_recording_is_shown_at_its_own_times() -> None:
    one = market()
    one.feeds.choose(AAPL, "replay", feeds.replay(CSV, AAPL, now=0.0))
    shown = [last(one, BEGAN + seconds) for seconds in (-60, 0, 9.9, 10, 59, 60, 1e6)]
    assert shown == [Decimal(p) for p in ("100.01", "100.01", "100.01", "101.02", "101.02", "99.00", "99.00")]


def test_a_recording_can_be_shown_sooner_and_faster() -> None:
    one = market()
    one.feeds.choose(AAPL, "replay", feeds.replay(CSV, AAPL, now=1_000.0, speed=10))
    assert [last(one, at) for at in (1_000.0, 1_001.0, 1_006.0)] == [Decimal(p) for p in ("100.01", "101.02", "99.00")]


def test_a_recording_can_begin_again() -> None:
    one = market()
    one.feeds.choose(AAPL, "replay", feeds.replay(CSV, AAPL, now=0.0, speed=60, loop=True))
    assert [last(one, at) for at in (0.0, 0.5, 1.0, 1.5)] == [
        Decimal(p) for p in ("100.01", "101.02", "100.01", "101.02")
    ]


def test_prices_between_two_looks_are_not_lost() -> None:
    one = market()
    one.feeds.choose(AAPL, "replay", feeds.replay(CSV, AAPL, now=0.0, speed=3600))
    assert [quote.last for quote in one.passed(AAPL, 0.0, 0.25)] == [Decimal("101.02")]
    assert list(one.passed(AAPL, 0.25, 0.5)) == []
    assert list(one.passed(8314, 0.0, 100.0)) == []


def test_bars_of_a_replayed_contract_show_what_was_replayed() -> None:
    one = market()
    one.feeds.choose(AAPL, "replay", feeds.replay(CSV, AAPL, now=0.0))
    [(_, [opened, high, low, closed], _)] = one.bars(AAPL, [(BEGAN, 120.0)])
    assert (opened, high, low, closed) == (Decimal("101.02"), Decimal("101.02"), Decimal("99.00"), Decimal("99.00"))


def test_back_at_the_generator_the_old_prices_are_back() -> None:
    one = market()
    before = one.quote(AAPL, BEGAN)
    one.feeds.choose(AAPL, "replay", feeds.replay(CSV, AAPL, now=0.0))
    assert one.quote(AAPL, BEGAN) != before
    one.feeds.clear(AAPL)
    assert one.quote(AAPL, BEGAN) == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("time,bid,ask,last\n", "empty"),
        ("time,last\nsoon,5", "Line 2: time"),
        ("time,last\nnan,5", "Line 2: time"),
        ("time,last\n5,5\n4,5", "Line 3: the times must not go back"),
        ("time,last\n5,many", "Line 2: prices are numbers"),
        ("time,last\n5,-1", "Line 2: Give at least one"),
        ("time,last\n5,NaN", "Line 2: Give at least one"),
        ("time,bid,ask\n5,2,1", "Line 2: The bid is not above the ask"),
        ("time,bid,ask\n5,,", "Line 2: Give at least one"),
        ("a,b\n1,2", "Line 2: time"),
        (f"time,last\n{'9' * 200_000},5", "no CSV"),
    ],
)
def test_a_recording_that_cannot_be_read_says_where(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        feeds.replay(text, AAPL, now=0.0)


@pytest.mark.parametrize("speed", [0, -1, "fast", float("nan"), 1e9, [], {}])
def test_a_speed_is_a_number_above_zero(speed: object) -> None:
    with pytest.raises(ValueError, match="speed"):
        feeds.replay(CSV, AAPL, now=0.0, speed=speed)


def test_a_recording_has_a_limit() -> None:
    rows = "\n".join(f"{second},5" for second in range(100_001))
    with pytest.raises(ValueError, match="at most 100000 rows"):
        feeds.replay(f"time,last\n{rows}", AAPL, now=0.0)


@settings(deadline=None)
@given(
    price=st.decimals(min_value=Decimal("0.01"), max_value=Decimal(10**6), places=4),
    slippage=st.decimals(min_value=0, max_value=1000, places=2),
)
def test_a_signals_price_is_made_worse_by_the_slippage_and_stays_on_the_tick(price: Decimal, slippage: Decimal) -> None:
    apple = catalogue.find(AAPL)
    assert apple is not None
    quote = feeds.signalled(apple, price, slippage, BEGAN)
    assert quote.last == price
    assert Decimal(0) < quote.bid <= quote.ask
    if slippage:
        assert not quote.bid % apple.tick(quote.bid)
        assert not quote.ask % apple.tick(quote.ask)
        assert quote.ask >= price * (1 + slippage / 10_000)
        assert quote.bid <= max(price * (1 - slippage / 10_000), apple.increment)
    else:
        assert quote.bid == quote.ask == price


@pytest.mark.parametrize(
    ("price", "slippage"),
    [
        ("0", "0"),
        ("-1", "0"),
        ("NaN", "0"),
        ("Infinity", "0"),
        ("1e13", "0"),
        ("1e-9", "0"),
        ("1e999999", "0"),
        ("5", "-1"),
        ("5", "1001"),
        ("5", "NaN"),
    ],
)
def test_a_signals_price_is_a_number_above_zero(price: str, slippage: str) -> None:
    apple = catalogue.find(AAPL)
    assert apple is not None
    with pytest.raises(ValueError, match=r"price of a signal|slippage_bps"):
        feeds.signalled(apple, Decimal(price), Decimal(slippage), BEGAN)
