"""Prices of derived contracts: a pure function of seed, contract and time, without free money in it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from brokers.simulator.catalogue import catalogue, futures, options
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.series import by_slot, periods
from brokers.simulator.market import options as pricing
from brokers.simulator.market.feeds import completed
from brokers.simulator.market.market import Market
from brokers.simulator.market.options import RATE, Terms

TODAY = date(2026, 11, 20)
# Friday noon in New York.
NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC).timestamp()
AAPL, SPX = 265598, 416904
QUICK = settings(deadline=None)
TERMS = st.builds(
    Terms,
    call=st.booleans(),
    level=st.floats(1.0, 10_000.0),
    strike=st.floats(1.0, 10_000.0),
    years=st.floats(0.003, 2.0),
    volatility=st.floats(0.05, 1.2),
    carry=st.sampled_from([0.0, RATE]),
)


def market(seed: int = 1) -> Market:
    return Market(seed, catalogue.find)


def contract(conid: int) -> Instrument:
    instrument = catalogue.find(conid)
    assert instrument is not None
    return instrument


def pair_of(conid: int, month: date, strike: Decimal, price: float) -> tuple[Instrument, Instrument]:
    chain = options.options(conid, month, strike=strike, rights="CP", price=price, today=TODAY)
    calls = [o for o in chain if o.right == "C"]
    puts = [o for o in chain if o.right == "P"]
    return calls[-1], puts[-1]


def test_a_call_is_worth_what_the_textbook_says() -> None:
    terms = Terms(call=True, level=42.0, strike=40.0, years=0.5, volatility=0.2)
    one = (math.log(42 / 40) + (RATE + 0.02) * 0.5) / (0.2 * math.sqrt(0.5))
    two = one - 0.2 * math.sqrt(0.5)
    normal = [0.5 * (1 + math.erf(x / math.sqrt(2))) for x in (one, two)]
    assert math.isclose(pricing.value(terms, american=False), 42 * normal[0] - 40 * math.exp(-RATE * 0.5) * normal[1])
    assert math.isclose(pricing.greeks(terms).delta, normal[0])


@QUICK
@given(TERMS)
def test_greeks_are_the_slopes_of_the_value(terms: Terms) -> None:
    def value(**changes: float) -> float:
        fields = {name: getattr(terms, name) for name in ("call", "level", "strike", "years", "volatility", "carry")}
        return pricing.value(Terms(**{**fields, **changes}), american=False)

    step = terms.level * 1e-4
    greeks = pricing.greeks(terms)
    slope = (value(level=terms.level + step) - value(level=terms.level - step)) / (2 * step)
    assert math.isclose(greeks.delta, slope, abs_tol=2e-3)
    vega = (value(volatility=terms.volatility + 1e-4) - value(volatility=terms.volatility - 1e-4)) / 2e-4 / 100
    assert math.isclose(greeks.vega, vega, rel_tol=1e-2, abs_tol=1e-3 * terms.level / 100)
    theta = (value(years=terms.years - 1e-5) - value(years=terms.years)) / 1e-5 / 365
    assert math.isclose(greeks.theta, theta, rel_tol=2e-2, abs_tol=1e-3 * terms.level / 365)
    assert -1.0001 <= greeks.delta <= 1.0001
    assert greeks.gamma >= 0


@QUICK
@given(seed=st.integers(1, 50), hours_on=st.integers(0, 200), step=st.integers(-40, 40))
@example(seed=45, hours_on=0, step=37)
def test_calls_and_puts_on_an_index_leave_no_free_money(seed: int, hours_on: int, step: int) -> None:
    one, at = market(seed), NOON + hours_on * 3600.0
    level = one.level(SPX, at)
    strike = Decimal(round(level / 25) * 25 + step * 25)
    # Far from the level only every second or fourth of them is listed.
    assume(options.options(SPX, date(2027, 3, 1), strike=strike, rights="C", price=level, today=TODAY))
    call, put = pair_of(SPX, date(2027, 3, 1), strike, level)
    c, p = one.quote(call.conid, at), one.quote(put.conid, at)
    assert c is not None
    assert p is not None
    terms = one.terms(call, at)
    forward = terms.discount * (terms.forward - float(strike))
    # A quote of nothing is shown as one tick.
    slack = float(call.increment)
    assert float(c.bid - p.ask) <= forward + slack
    assert float(c.ask - p.bid) >= forward - slack


@QUICK
@given(
    slot=st.sampled_from(sorted(by_slot())),
    place=st.integers(0, 1022),
    right=st.sampled_from("CP"),
    seconds=st.integers(0, 30 * 86_400),
)
def test_every_option_has_a_price_above_nothing_on_its_tick(slot: int, place: int, right: str, seconds: int) -> None:
    series = by_slot()[slot]
    [period] = periods(series, TODAY)[:1]
    place %= len(series.ladder.strikes)
    option = contract(2**30 + ((slot * 1024 + period) * 1024 + place) * 2 + (right == "P"))
    quote = market().quote(option.conid, NOON + seconds)
    assert quote is not None
    assert Decimal(0) < quote.bid < quote.ask
    assert not quote.bid % option.tick(quote.bid)
    assert not quote.ask % option.tick(quote.ask)
    assert quote.last in (quote.bid, quote.ask)


@QUICK
@given(conid=st.sampled_from([i.conid for i in catalogue.everything(TODAY)]), seconds=st.integers(0, 3 * 86_400))
def test_every_listed_contract_has_a_price_above_nothing_on_its_tick(conid: int, seconds: int) -> None:
    instrument, quote = contract(conid), market().quote(conid, NOON + seconds)
    assert quote is not None
    assert Decimal(0) < quote.bid < quote.ask
    assert not quote.bid % instrument.tick(quote.bid)
    assert not quote.ask % instrument.tick(quote.ask)


def test_prices_depend_on_seed_contract_and_time_only() -> None:
    call, put = pair_of(AAPL, date(2027, 1, 1), Decimal(230), 231.0)
    moments = [NOON + step * 41.3 for step in range(100)]
    one, other = market(), market()
    assert [one.quote(call.conid, at) for at in moments] == [other.quote(call.conid, at) for at in moments[::-1]][::-1]
    assert market(1).quote(put.conid, NOON) != market(2).quote(put.conid, NOON)


def test_an_option_is_worth_what_exercising_brings_once_it_is_over() -> None:
    call, _ = pair_of(AAPL, date(2026, 12, 1), Decimal(200), 231.0)
    one, after = market(), datetime(2027, 1, 5, tzinfo=UTC).timestamp()
    ended = one.alive(call, after)
    quote = one.quote(call.conid, after)
    assert quote is not None
    intrinsic = max(one.level(AAPL, ended) - 200.0, 0.01)
    assert float(quote.bid) <= intrinsic + 0.05
    assert float(quote.ask) >= intrinsic - 0.05


def test_options_follow_a_price_that_was_posted_for_their_underlying() -> None:
    call, put = pair_of(AAPL, date(2027, 1, 1), Decimal(230), 231.0)
    one = market()
    before = one.quote(call.conid, NOON)
    one.post(completed({"last": Decimal(300)}, AAPL, NOON), NOON + 60)
    during, after_put = one.quote(call.conid, NOON), one.quote(put.conid, NOON)
    assert before is not None
    assert during is not None
    assert after_put is not None
    assert during.bid >= Decimal("69.5") > before.ask
    assert after_put.ask < Decimal(1)
    one.posted.clear()
    assert one.quote(call.conid, NOON) == before


def test_a_cfd_trades_at_its_shares_own_quote() -> None:
    one = market()
    cfd = next(i for i in catalogue.everything(TODAY) if i.sec_type == "CFD" and i.underlying_conid == AAPL)
    share, quote = one.quote(AAPL, NOON), one.quote(cfd.conid, NOON)
    assert share is not None
    assert quote is not None
    assert (quote.conid, quote.bid, quote.ask) == (cfd.conid, share.bid, share.ask)


def test_an_index_cfd_lies_around_its_index() -> None:
    one = market()
    cfd = catalogue.resolve("IBUS500", TODAY)
    assert cfd is not None
    quote = one.quote(cfd.conid, NOON)
    assert quote is not None
    assert float(quote.bid) < one.level(SPX, NOON) < float(quote.ask)


def test_months_of_a_future_differ_by_the_cost_of_waiting_and_end_at_the_index() -> None:
    one = market()
    first, second = catalogue.futures("ES", TODAY)[:2]
    months = [one.price(future, NOON) for future in (first, second)]
    level = one.level(SPX, NOON)
    assert level < months[0] < months[1] < level * 1.02
    assert first.expiry is not None
    end = datetime(2026, 12, 18, 22, 0, tzinfo=UTC).timestamp()
    assert math.isclose(one.price(first, end), one.price(contract(SPX), end), rel_tol=1e-6)


def test_oil_costs_less_later() -> None:
    one = market()
    prices = [one.price(future, NOON) for future in catalogue.futures("CL", TODAY)[1:6]]
    assert prices == sorted(prices, reverse=True)


@QUICK
@given(st.floats(NOON, NOON + 10 * 86_400))
def test_no_circle_of_currencies_earns_anything(at: float) -> None:
    one = market()

    def rate(base: str, quote: str) -> float:
        pair = catalogue.pair(base, quote)
        assert pair is not None
        return one.price(pair, at)

    assert math.isclose(rate("EUR", "GBP"), rate("EUR", "USD") / rate("GBP", "USD"), rel_tol=1e-9)
    assert math.isclose(rate("EUR", "JPY"), rate("EUR", "USD") * rate("USD", "JPY"), rel_tol=1e-9)
    assert math.isclose(rate("CHF", "JPY"), rate("USD", "JPY") / rate("USD", "CHF"), rel_tol=1e-9)


def test_funds_move_with_their_index() -> None:
    one = market()
    [fund] = catalogue.stocks("SPY")[:1]
    ratios = [one.price(fund, at) / one.price(contract(SPX), at) for at in (NOON, NOON + 1e5, NOON + 1e6)]
    assert all(math.isclose(ratio, ratios[0], rel_tol=1e-9) for ratio in ratios)


@pytest.mark.parametrize("symbol", ["AAPL", "ES", "EURUSD"])
def test_a_closed_exchange_shows_the_last_price_and_no_new_ones(symbol: str) -> None:
    one = Market(1, catalogue.find, lambda: False)
    instrument = catalogue.resolve(symbol, TODAY)
    assert instrument is not None
    saturday = datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()
    first, later = one.quote(instrument.conid, saturday), one.quote(instrument.conid, saturday + 7200)
    assert first == later
    assert first is not None
    assert first.at <= saturday - 3600
    assert one.is_frozen(instrument, saturday)
    assert not one.is_frozen(instrument, NOON)
    assert one.quote(instrument.conid, NOON) != one.quote(instrument.conid, NOON + 600)


def test_the_closed_day_keeps_its_figures_and_the_close_before() -> None:
    one = Market(1, catalogue.find, lambda: False)
    saturday = datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()
    day, sunday = one.day(AAPL, saturday), one.day(AAPL, saturday + 86_400)
    assert day is not None
    assert day == sunday
    thursday = one.price(contract(AAPL), datetime(2026, 11, 19, 21, 0, tzinfo=UTC).timestamp())
    assert math.isclose(float(day.prior_close), thursday, abs_tol=0.01)
    assert day.low <= day.open <= day.high


def test_products_nobody_trades_still_have_a_level() -> None:
    product = futures.underlying("GC")
    assert product is not None
    assert 2000 < market().level(product.conid, NOON) < 3500
