"""What fills, time and settlement do to the books."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.rulebook import rulesets
from brokers.rulebook.accounting import Book, Execution, Fee, apply_fill, release, unrealized_profit
from brokers.rulebook.calendars import calendar, exchange_calendar
from brokers.rulebook.errors import BadInput, UnsupportedAssetClass
from brokers.rulebook.settlement import settlement_rule, settles_at
from brokers.rulebook.values import Instrument, Position

D = Decimal
STOCK = Instrument(asset_class="equity")
NYSE = exchange_calendar("us_equity", "Equity-usa-[*]")
THURSDAY = datetime(2025, 7, 3, 15, tzinfo=UTC)


def test_a_sale_in_a_cash_account_settles_on_the_next_trading_morning() -> None:
    rules = rulesets.load()
    due = settles_at(settlement_rule("equity", "cash", rules), THURSDAY, NYSE, rules)
    assert due == datetime(2025, 7, 7, 10, tzinfo=UTC)
    book = Book(currency="USD", cash={"USD": D(5)}, position=Position(quantity=D(10), average_price=D(8)))
    sold = apply_fill(
        book,
        STOCK,
        Execution(quantity=D(-10), price=D(10), fee=Fee(D(1), "USD"), delayed=True, settles_at=due),
    )
    assert (sold.cash["USD"], sold.unsettled_by_currency(), sold.realised_profit) == (D(4), {"USD": D(100)}, D(20))
    assert release(sold, THURSDAY) == sold
    settled = release(sold, due)
    assert (settled.cash["USD"], settled.unsettled) == (D(104), ())
    assert release(settled, due) == settled


def test_a_sale_in_a_margin_account_is_cash_at_once() -> None:
    rules = rulesets.load()
    assert settles_at(settlement_rule("equity", "margin", rules), THURSDAY, NYSE, rules) == THURSDAY


def test_bank_holidays_delay_settlement_where_the_broker_says_so() -> None:
    friday = datetime(2025, 10, 10, 15, tzinfo=UTC)
    hours = calendar("us_equity").with_days(bank_holidays=frozenset({datetime(2025, 10, 13, tzinfo=UTC).date()}))
    for name, day in (("lean", 13), ("ibkr_current", 14)):
        rules = rulesets.load(name)
        settled_at = settles_at(settlement_rule("equity", "cash", rules), friday, hours, rules)
        assert settled_at == datetime(2025, 10, day, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("quantity", "bid", "ask", "profit"), [(10, 12, 13, 19), (-10, 12, 13, -31), (10, 0, 13, 49), (-10, 12, 0, -51)]
)
def test_an_open_position_is_worth_what_closing_it_would_bring(quantity: int, bid: int, ask: int, profit: int) -> None:
    position = Position(quantity=D(quantity), average_price=D(10))
    unrealized = unrealized_profit(position, STOCK, bid=D(bid), ask=D(ask), last=D(15), closing_fee=D(1))
    assert unrealized == profit


def test_profit_of_a_foreign_contract_is_counted_in_account_currency() -> None:
    cfd = Instrument(asset_class="cfd", currency="EUR")
    book = Book(
        currency="USD",
        cash={"EUR": D(0)},
        rates={"EUR": D("1.1")},
        position=Position(quantity=D(10), average_price=D(100)),
    )
    closed = apply_fill(book, cfd, Execution(quantity=D(-10), price=D(110)))
    assert (closed.cash["EUR"], closed.realised_profit) == (D(100), D(110))


def test_it_refuses_to_book_what_it_does_not_know() -> None:
    book = Book(currency="USD", cash={})
    with pytest.raises(UnsupportedAssetClass, match="crypto"):
        apply_fill(book, Instrument(asset_class="crypto"), Execution(quantity=D(1), price=D(1)))
    with pytest.raises(BadInput, match="base_currency"):
        apply_fill(book, Instrument(asset_class="forex"), Execution(quantity=D(1), price=D(1)))
