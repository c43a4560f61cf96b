from __future__ import annotations

from datetime import date
from decimal import Decimal

from brokers.simulator.catalogue import catalogue
from brokers.simulator.market.market import Market, Quote
from brokers.simulator.market.quotes import on_tick, quote_at
from config.tests.samples import samples

NOON = 1_795_262_400.0
AAPL = 265598


def market(seed: int = 1) -> Market:
    return Market(seed, catalogue.find)


def test_two_markets_with_one_seed_show_the_same_prices() -> None:
    first, second = market(), market()
    moments = [NOON + step * 37.5 for step in range(200)]
    assert [first.quote(AAPL, at) for at in moments] == [second.quote(AAPL, at) for at in reversed(moments)][::-1]


def test_another_seed_is_another_market() -> None:
    assert market(1).quote(AAPL, NOON) != market(2).quote(AAPL, NOON)


def test_the_price_moves_but_stays_near_its_typical_price() -> None:
    one = market()
    prices = [quote.last for day in range(365) if (quote := one.quote(AAPL, NOON + day * 86_400)) is not None]
    assert len(set(prices)) > 300
    assert Decimal(130) < min(prices) < max(prices) < Decimal(400)


def test_every_quote_is_on_the_tick_and_never_crossed() -> None:
    one = market()
    for instrument in catalogue.everything(date(2026, 11, 20)):
        for step in range(samples(50)):
            quote = one.quote(instrument.conid, NOON + step)
            assert quote is not None
            assert quote.bid < quote.ask
            assert quote.last in (quote.bid, quote.ask)
            assert not quote.bid % instrument.tick(quote.bid)
            assert not quote.ask % instrument.tick(quote.ask)


def test_the_day_holds_its_last_price_between_low_and_high() -> None:
    one = market()
    day, quote = one.day(AAPL, NOON), one.quote(AAPL, NOON)
    assert day is not None
    assert quote is not None
    assert day.low <= quote.last <= day.high
    assert day.low <= day.open <= day.high


def test_a_posted_price_holds_until_it_lapses() -> None:
    one = market()
    generated = one.quote(AAPL, NOON + 60)
    pinned = Quote(AAPL, Decimal("99.99"), Decimal("100.01"), Decimal(100), 100, 100, NOON)
    one.post(pinned, NOON + 60)
    assert one.quote(AAPL, NOON + 59) == pinned
    assert one.quote(AAPL, NOON + 60) == generated


def test_an_unknown_contract_has_no_price() -> None:
    assert market().quote(1, NOON) is None


def test_a_share_below_one_dollar_is_priced_to_four_digits() -> None:
    apple = catalogue.find(AAPL)
    assert apple is not None
    assert [apple.digits_at(Decimal(price)) for price in ("0.45", "45")] == [4, 2]
    assert on_tick(0.45678, apple) == Decimal("0.4568")
    quote = quote_at(apple, 0.45678, 0, NOON)
    assert (quote.bid, quote.ask - quote.bid) == (Decimal("0.4568"), Decimal("0.0001"))
