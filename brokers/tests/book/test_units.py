"""Holdings and fills of shares whose prices are in pence: kept in pence whatever unit IBKR shows them in, counted in pounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.book import contracts, elsewhere, holdings
from brokers.domain.brokerage import ExecutionFacts, PositionFacts
from brokers.domain.elsewhere.exposure import Working
from brokers.domain.orders import Contract, Instrument, Side
from brokers.models import BrokerageAccount, ContractLookup, Position
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
