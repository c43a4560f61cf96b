"""Margin, buying power and fill prices are the rulebook's, as far as a market of quotes can follow it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.rulebook import values as book
from brokers.rulebook.fills import fill
from brokers.rulebook.fills.market import Feed, Scan, Tick
from brokers.rulebook.fills.market import Market as Shown
from brokers.simulator import catalogue
from brokers.simulator.accounting import World, worth
from brokers.simulator.catalogue import Instrument
from brokers.simulator.hours import calendar_of
from brokers.simulator.margin import TOO_LITTLE, Asked, refusal
from brokers.simulator.market import Quote
from brokers.simulator.matching import price_for
from brokers.simulator.records import Account, Order, Position
from brokers.simulator.rules import margins

D = Decimal
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
AT = NOW.timestamp()
AAPL, EURUSD = 265598, 12087792


def found(conid: int) -> Instrument:
    instrument = catalogue.find(conid)
    assert instrument is not None
    return instrument


def future(symbol: str) -> Instrument:
    return catalogue.futures(symbol, NOW.date())[0]


@pytest.mark.parametrize(
    ("instrument", "price", "initial", "maintenance"),
    [
        (found(AAPL), "230", "11500", "11500"),
        (found(EURUSD), "1.08", "2.16", "2.16"),
        (future("ES"), "6500", "1188000", "1080000"),
        (future("MNQ"), "24000", "384000", "336000"),
    ],
)
def test_a_holding_of_a_hundred_needs_its_margin(
    instrument: Instrument, price: str, initial: str, maintenance: str
) -> None:
    for quantity in (D(100), D(-100)):
        assert margins(instrument, quantity, D(price), D(1), AT) == (D(initial), D(maintenance))


def test_an_order_may_use_all_its_funds_and_not_a_cent_more() -> None:
    def refused(cash: str, quantity: int = 100, held: int = 0) -> str:
        account = Account(account_id="SIM1", username="alice", opened_at=AT, cash={"USD": D(cash)})
        account.positions[AAPL] = Position(account_id="SIM1", conid=AAPL, quantity=D(held), average_price=D(230))
        world = World(catalogue.find, lambda conid: D(230), lambda currency, base: D(1), AT)
        return refusal(account, Asked(instrument=found(AAPL), quantity=D(quantity), price=D(230)), world)

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
        order_id=1, account_id="SIM1", username="alice", conid=AAPL, side="BUY" if buys else "SELL", order_type=kind,
        quantity=D(10), tif="DAY", limit_price=limit if kind == "LMT" else None, stop_price=None, trailing_type="",
        trailing_amount=None, reference="", parent_id=None, oca_group="", outside_rth=False, status="Submitted",
        created_at=AT, updated_at=AT,
    )  # fmt: skip
    ours = price_for(order, found(AAPL), quote, AT)
    tick = Tick(at=NOW + timedelta(seconds=1), kind="quote", bid=quote.bid, ask=quote.ask)
    scan = Scan(
        order=book.Order(
            type="market" if kind == "MKT" else "limit", quantity=D(10 if buys else -10), limit_price=order.limit_price
        ),
        ordered_at=NOW, now=NOW + timedelta(seconds=1), market=Shown(ticks=(tick,)),
        feed=Feed(subscriptions=frozenset({"tick"}), resolution="tick"), calendar=calendar_of(found(EURUSD)),
    )  # fmt: skip
    theirs = fill("forex", scan)
    touches = kind == "LMT" and limit == (quote.ask if buys else quote.bid)
    # The one difference: a quote that only reaches the limit fills here, and has to go through it there.
    assert ours == (limit if touches else theirs.fill.price if theirs.fill else None)
