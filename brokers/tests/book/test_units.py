"""Holdings and fills of shares whose prices are in pence: kept in pence whatever unit IBKR shows them in, counted in pounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.book import contracts, day_ledger, elsewhere, holdings
from brokers.domain.brokerage import ExecutionFacts, PositionFacts
from brokers.domain.dayresult import DayResult, in_units_of
from brokers.domain.elsewhere.exposure import Working
from brokers.domain.orders import Contract, Instrument, Side
from brokers.models import BrokerageAccount, ContractLookup, Execution, Order, Position
from brokers.orders import reconciliation
from brokers.orders.fills import attached
from brokers.tests import rows

D = Decimal
PENNY = D("0.01")
HELD = PositionFacts(
    account_id="", conid=9, ticker="VOD", asset_class="stock", quantity=D(1000), average_cost=D("0.9"), currency="GBP"
)
FILL = ExecutionFacts(
    account_id="",
    execution_id="1.01",
    reference=None,
    broker_order_id=None,
    conid=9,
    ticker="VOD",
    side=Side.BUY,
    quantity=D(1000),
    price=D("92.5"),
    fee=None,
    currency="",
    exchange="LSE",
    executed_at=datetime(2026, 11, 20),
)


def lookup(account: BrokerageAccount, **values: object) -> ContractLookup:
    return ContractLookup.objects.create(connection=account.connection, ticker="LSE:VOD", asset_class="stock", **values)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("shown", "price", "average"),
    [
        # Pounds, as holdings are shown.
        ({"market_price": D("0.925"), "worth": D(925)}, D("92.5"), D(90)),
        # Pence, should IBKR show these one day.
        ({"market_price": D("92.5"), "average_cost": D(90), "worth": D(925)}, D("92.5"), D(90)),
        # No worth: nobody knows, whether or not a price is shown.
        ({}, None, None),
        ({"market_price": D("92.5"), "average_cost": D(90)}, None, None),
        ({"worth": D(925)}, None, None),
    ],
)
def test_a_holding_is_kept_in_the_units_of_its_contract(
    team: Team, now: datetime, shown: dict[str, Any], price: Decimal | None, average: Decimal | None
) -> None:
    account = rows.account(team)
    lookup(account, status="found", conid=9, currency="GBP", multiplier=PENNY)
    holdings.refresh(account, positions=[replace(HELD, **shown)], summary=None, as_of=now)
    held = Position.objects.get()
    assert (held.market_price, held.average_cost) == (price, average)


@pytest.mark.django_db
def test_what_was_read_before_its_unit_was_known_is_looked_at_anew(team: Team, now: datetime) -> None:
    account = rows.account(team, book_as_of=now)
    other = rows.account(team, book_as_of=now)
    rows.position(account, conid=9, ticker="VOD", currency="GBP", average_cost=D("0.9"), market_price=D("0.925"))
    asked = lookup(account)
    found = Contract(instrument=Instrument(ticker="LSE:VOD"), conid=9, currency="GBP", multiplier=PENNY)
    contracts.answer(asked, now=now, contract=found)
    account.refresh_from_db()
    other.refresh_from_db()
    # The moment of the copy stands, so that a fill or a split meanwhile is noticed.
    assert (account.book_as_of, account.book_wanted_at) == (now, now)
    assert other.book_wanted_at is None
    held = Position.objects.get()
    assert (held.average_cost, held.market_price) == (None, None)


@pytest.mark.django_db
def test_an_order_placed_elsewhere_in_pounds_counts_unless_its_contract_is_in_pence(team: Team) -> None:
    account = rows.account(team, currency="GBP")
    order = Working(conid=9, asset_class="stock", side=Side.BUY, remaining=D(100), price=D(50), currency="GBP")
    in_pence = replace(order, conid=10)
    lookup(account, status="found", conid=10, currency="GBP", multiplier=PENNY)
    found = elsewhere.claims({account.pk: account}, {account.pk: [order, in_pence]})[account.pk]
    assert (found.money, found.uncounted) == (D(2500), (in_pence,))


@pytest.mark.parametrize(
    ("price", "money", "multiplier", "kept"),
    [
        ("92.5", "925", "0.01", "92.5"),
        ("0.925", "925", "0.01", "92.5"),
        # With a fee in it, of a small order.
        ("92.5", "12.25", "0.01", "92.5"),
        ("92.5", None, "0.01", "92.5"),
        ("92.5", "92500", "1", "92.5"),
        ("20000", "40000000", "2", "20000"),
    ],
)
def test_a_fill_is_priced_in_the_units_of_its_contract(
    price: str, money: str | None, multiplier: str, kept: str
) -> None:
    quantity = D(10) if money == "12.25" else D(1000)
    fill = replace(FILL, price=D(price), quantity=quantity, money=None if money is None else D(money))
    assert fill.price_at(D(multiplier)) == D(kept)


@pytest.mark.parametrize(
    ("price", "like", "is_"),
    [
        ("0.75", "80", "75"),
        ("75", "80", "75"),
        ("75", "30", "75"),
        # In neither: nobody knows.
        ("8", "80", None),
        ("0.75", "0.8", "0.75"),
        ("0.75", None, None),
    ],
)
def test_a_price_is_told_apart_by_one_that_is_certain(price: str, like: str | None, is_: str | None) -> None:
    told = in_units_of(PENNY, D(price), None if like is None else D(like))
    assert told == (None if is_ is None else D(is_))


NOON = datetime(2026, 11, 20, 15, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
FOUND = {"status": "found", "conid": 9, "currency": "GBP", "multiplier": PENNY}


@pytest.fixture
def pounds(team: Team) -> BrokerageAccount:
    return rows.account(team, currency="GBP")


def read(account: BrokerageAccount, quantity: int, price: str, at: datetime) -> None:
    """Let IBKR show so many shares at a price in pounds."""
    mark = D(price)
    shown = replace(
        HELD,
        account_id=account.account_id,
        quantity=D(quantity),
        market_price=mark,
        unrealized_pnl=quantity * (mark - D("0.9")),
        worth=quantity * mark,
    )
    holdings.refresh(account, positions=[shown] if quantity else [], summary=None, as_of=at)


def told(account: BrokerageAccount, **values: Any) -> None:
    """Let IBKR tell of a fill."""
    fill = replace(FILL, account_id=account.account_id, executed_at=NOON + timedelta(minutes=1), **values)
    reconciliation.apply(account.connection, executions=[fill], now=fill.executed_at)


def result(account: BrokerageAccount) -> DayResult:
    account.refresh_from_db()
    return day_ledger.results([account], LATER)[account.pk]


SOLD: dict[str, Any] = {"side": Side.SELL, "price": D("0.85"), "money": D(850), "fee": D(3)}


@pytest.mark.django_db
def test_a_day_that_was_opened_in_pounds_is_counted_in_pence_once_these_are_known(pounds: BrokerageAccount) -> None:
    read(pounds, 1000, "0.75", NOON)
    found = Contract(instrument=Instrument(ticker="LSE:VOD"), conid=9, currency="GBP", multiplier=PENNY)
    contracts.answer(lookup(pounds), now=NOON, contract=found)
    assert "no price of VOD" in result(pounds).unknown
    read(pounds, 1000, "0.70", LATER)
    assert result(pounds).profit == -50


@pytest.mark.django_db
@pytest.mark.parametrize("known_before", [True, False])
def test_a_fill_of_nobody_is_counted_in_pence(pounds: BrokerageAccount, *, known_before: bool) -> None:
    if known_before:
        lookup(pounds, **FOUND, last=D(80))
    read(pounds, 1000, "0.75", NOON)
    told(pounds, **SOLD)
    if not known_before:
        lookup(pounds, **FOUND, last=D(80))
    read(pounds, 0, "0", LATER)
    # A hundred pounds of gain, less the fee.
    assert result(pounds).profit == 97
    kept = Execution.objects.get()
    assert (kept.price, kept.currency) == ((D(85), "GBP") if known_before else (D("0.85"), "USD"))


@pytest.mark.django_db
@pytest.mark.parametrize("quoted", [None, D(8)])
def test_where_nothing_says_which_unit_it_is_the_day_is_not_known(
    pounds: BrokerageAccount, quoted: Decimal | None
) -> None:
    told(pounds, **SOLD | {"side": Side.BUY, "execution_id": "2.01"})
    told(pounds, **SOLD)
    pounds.refresh_from_db()
    read(pounds, 0, "0", NOON)
    BrokerageAccount.objects.update(opened_at=NOON)
    lookup(pounds, **FOUND, last=quoted)
    assert "what one point of VOD is worth is not known" in result(pounds).unknown


@pytest.mark.django_db
@pytest.mark.parametrize("by_number", [True, False])
def test_a_fill_that_came_before_its_order_is_brought_to_its_units(
    pounds: BrokerageAccount, *, by_number: bool
) -> None:
    if by_number:
        # Asked anew: its unit stands.
        lookup(pounds, **FOUND | {"status": "wanted"})
    told(pounds, **SOLD, broker_order_id="70")
    order = rows.order(
        pounds,
        conid=9,
        ticker="LSE:VOD",
        side="sell",
        quantity=D(1000),
        multiplier=PENNY,
        currency="GBP",
        status="accepted",
    )
    Order.objects.filter(pk=order.pk).update(broker_order_id="70")
    if by_number:
        assert attached.attach(order, "70") == 1
    else:
        told(pounds, **SOLD, broker_order_id="70")
        order.refresh_from_db()
        assert order.average_price == 85
    kept = Execution.objects.get()
    assert (kept.order_id, kept.price, kept.currency) == (order.pk, D(85), "GBP")
