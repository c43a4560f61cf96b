"""Margin, buying power and fill prices are the rulebook's, as far as a market of quotes can follow it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.rulebook import values as book
from brokers.rulebook.fills import fill
from brokers.rulebook.fills.market import Feed, Scan, Tick
from brokers.rulebook.fills.market import Market as Shown
from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.hours import calendar_of
from brokers.simulator.exchange.accounting import World, worth
from brokers.simulator.exchange.margin import TOO_LITTLE, Trade, preview, refusal
from brokers.simulator.exchange.matching import price_for
from brokers.simulator.exchange.records import Account, Order, Position
from brokers.simulator.exchange.rules import Prices, commission, margins
from brokers.simulator.market.market import Quote

D = Decimal
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
AT = NOW.timestamp()
AAPL, EURUSD = 265598, 12087792


def contract(conid: int) -> Instrument:
    instrument = catalogue.find(conid)
    assert instrument is not None
    return instrument


def future(symbol: str) -> Instrument:
    return catalogue.futures(symbol, NOW.date())[0]


@pytest.mark.parametrize(
    ("instrument", "price", "initial", "maintenance"),
    [
        (contract(AAPL), "230", "11500", "11500"),
        (contract(EURUSD), "1.08", "2.16", "2.16"),
        (future("ES"), "6500", "2600000", "2275000"),
        (future("MES"), "6500", "260000", "227500"),
        (future("MNQ"), "24000", "384000", "336000"),
    ],
)
def test_a_holding_of_a_hundred_needs_its_margin(
    instrument: Instrument, price: str, initial: str, maintenance: str
) -> None:
    for quantity in (D(100), D(-100)):
        assert margins(instrument, quantity, Prices(D(price), D(1), AT)) == (D(initial), D(maintenance))


def test_an_order_may_use_all_its_funds_and_not_a_cent_more() -> None:
    def refused(cash: str, quantity: int = 100, held: int = 0) -> str:
        account = Account(account_id="SIM1", username="alice", opened_at=AT, cash={"USD": D(cash)})
        account.positions[AAPL] = Position(account_id="SIM1", conid=AAPL, quantity=D(held), average_price=D(230))
        world = World(catalogue.find, lambda conid: D(230), lambda currency, base: D(1), AT)
        return refusal(account, Trade(instrument=contract(AAPL), quantity=D(quantity), price=D(230)), world)

    assert refused("11501.00") == ""
    assert refused("11500.99") == TOO_LITTLE
    assert refused("-11500", quantity=-100, held=100) == ""
    assert refused("-11500", quantity=-300, held=100) == TOO_LITTLE


def test_buying_power_is_what_one_could_hold_in_shares() -> None:
    account = Account(account_id="SIM1", username="alice", opened_at=AT, cash={"USD": D(100_000)})
    account.positions[AAPL] = Position(account_id="SIM1", conid=AAPL, quantity=D(100), average_price=D(230))
    value = worth(account, World(catalogue.find, lambda conid: D(230), lambda currency, base: D(1), AT))
    assert value.initial_margin == D(11_500)
    assert (value.available_funds, value.buying_power) == (D(111_500), D(223_000))


CENTS = st.integers(9_000, 11_000).map(lambda cents: D(cents) / 100)


@given(bid=CENTS, spread=st.integers(1, 50), limit=CENTS, buys=st.booleans(), kind=st.sampled_from(["MKT", "LMT"]))
def test_a_fill_is_at_the_price_of_the_immediate_model(
    bid: Decimal, spread: int, limit: Decimal, buys: bool, kind: str
) -> None:
    quote = Quote(AAPL, bid, bid + D(spread) / 100, bid, 100, 100, AT)
    order = Order(
        order_id=1,
        account_id="SIM1",
        username="alice",
        conid=AAPL,
        side="BUY" if buys else "SELL",
        order_type=kind,
        quantity=D(10),
        tif="DAY",
        limit_price=limit if kind == "LMT" else None,
        stop_price=None,
        trailing_type="",
        trailing_amount=None,
        reference="",
        parent_id=None,
        oca_group="",
        outside_rth=False,
        status="Submitted",
        created_at=AT,
        updated_at=AT,
    )
    ours = price_for(order, contract(AAPL), quote, AT)
    tick = Tick(at=NOW + timedelta(seconds=1), kind="quote", bid=quote.bid, ask=quote.ask)
    scan = Scan(
        order=book.Order(
            type="market" if kind == "MKT" else "limit", quantity=D(10 if buys else -10), limit_price=order.limit_price
        ),
        ordered_at=NOW,
        now=NOW + timedelta(seconds=1),
        market=Shown(ticks=(tick,)),
        feed=Feed(subscriptions=frozenset({"tick"}), resolution="tick"),
        calendar=calendar_of(contract(EURUSD)),
    )
    theirs = fill("forex", scan)
    touches = kind == "LMT" and limit == (quote.ask if buys else quote.bid)
    # The one difference: a quote that only reaches the limit fills here, and has to go through it there.
    assert ours == (limit if touches else theirs.fill.price if theirs.fill else None)


# -- every class -----------------------------------------------------------------------------------------------------


def option(right: str, strike: int, kind: str = "OPT", underlying: int = AAPL) -> Instrument:
    return Instrument(
        conid=77,
        symbol="AAPL" if kind == "OPT" else "ES",
        name="",
        sec_type=kind,
        exchange="CME",
        listing="CME",
        currency="USD",
        base_price=5.0,
        increment=D("0.01"),
        volatility=0.3,
        kind="",
        right=right,
        strike=D(strike),
        multiplier=D(100 if kind == "OPT" else 50),
        underlying_conid=underlying,
        underlying_type="STK" if kind == "OPT" else "FUT",
    )


@pytest.mark.parametrize(
    ("right", "strike", "quantity", "initial", "maintenance"),
    [
        # Bought: the premium, and nothing to be kept.
        ("C", 100, 2, "1000", "0"),
        # Written at the money: the premium and a fifth of the underlying, for each of a hundred.
        ("C", 100, -1, "2500", "2500"),
        # Far out of the money the floor of a tenth counts: of the underlying for a call, of the strike for a put.
        ("C", 200, -1, "1500", "1500"),
        ("P", 50, -1, "1000", "1000"),
    ],
)
def test_options_need_their_premium_or_what_writing_them_risks(
    right: str, strike: int, quantity: int, initial: str, maintenance: str
) -> None:
    needed = margins(option(right, strike), D(quantity), Prices(D(5), D(1), AT, underlying=D(100)))
    assert needed == (D(initial), D(maintenance))


def test_the_margin_of_an_option_on_a_future_follows_the_future() -> None:
    short = margins(option("C", 6500, "FOP"), D(-1), Prices(D(50), D(1), AT, underlying=D(6500)))
    long = margins(option("C", 6500, "FOP"), D(1), Prices(D(50), D(1), AT, underlying=D(6500)))
    rule = D(26_000)
    assert 0 < long[0] < rule * D("1.2")
    assert 0 < short[0] < rule


def test_a_cash_account_needs_all_of_a_share_and_nothing_for_a_currency() -> None:
    assert margins(contract(AAPL), D(10), Prices(D(230), D(1), AT), kind="cash") == (D(2300), D(2300))
    assert margins(contract(EURUSD), D(10), Prices(D("1.1"), D(1), AT), kind="cash") == (D(0), D(0))


def test_a_cfd_needs_a_tenth() -> None:
    share = contract(AAPL)
    cfd = replace(share, conid=78, sec_type="CFD")
    assert margins(cfd, D(10), Prices(D(230), D(1), AT)) == (D(230), D(230))


def test_every_listed_contract_can_be_margined_and_charged() -> None:
    rates = {"USD": D(1)}
    for instrument in catalogue.everything(NOW.date()):
        if instrument.sec_type == "IND" or not instrument.tradable:
            continue
        price = D(str(round(instrument.base_price, 2)))
        rate = rates.get(instrument.currency, D(1))
        initial, kept = margins(instrument, D(1), Prices(price, rate, AT, underlying=price))
        assert initial >= 0 <= kept, instrument
        assert commission(instrument, D(1), price, rate).amount >= 0, instrument


def test_a_preview_shows_what_taking_the_order_would_need() -> None:
    account = Account(account_id="SIM1", username="alice", opened_at=AT, cash={"USD": D(10_000)})
    account.positions[AAPL] = Position(account_id="SIM1", conid=AAPL, quantity=D(-10), average_price=D(230))
    world = World(catalogue.find, lambda conid: D(230), lambda currency, base: D(1), AT)
    shown = preview(account, Trade(instrument=contract(AAPL), quantity=D(30), price=D(230)), world)
    assert (shown.initial, shown.maintenance, shown.commission, shown.held) == (D(1150), D(1150), D(1), D(-10))
    assert shown.refusal == ""
    more = Trade(instrument=contract(AAPL), quantity=D(300), price=D(230))
    assert preview(account, more, world).refusal == refusal(account, more, world) == TOO_LITTLE
