"""One ticker, held as one class: no order of another class ends it, whatever brings the two under one number."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from brokers.book import holdings, live_book
from brokers.book.views import View
from brokers.domain.brokerage import PositionFacts
from brokers.domain.elsewhere import classes
from brokers.domain.orders import AssetClass, Instrument, OrderIntent, OrderStatus, OrderType, Role, Side
from brokers.models import BrokerageAccount, ContractLookup, Position
from brokers.orders import execution, statements, tickets, unsent
from brokers.tests import rows

pytestmark = pytest.mark.django_db
# A name that every class could have but that of options on futures, whose names have their future.
TICKER, ON_FUTURE = "AAPL 261218C200", "ESZ2026 261218C200"
CONIDS = {each: number for number, each in enumerate(AssetClass, start=1000)}
PAIRS = [*permutations(AssetClass, 2)]


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    made = rows.account(team, book_as_of=timezone.now())
    for each, conid in CONIDS.items():
        ContractLookup.objects.create(
            connection=made.connection, ticker=ticker_of(each), asset_class=str(each), status="found", conid=conid
        )
    return made


def ticker_of(asset_class: AssetClass) -> str:
    return ON_FUTURE if asset_class is AssetClass.FUTURE_OPTION else TICKER


def exit_of(account: BrokerageAccount, asset_class: AssetClass, conid: int) -> tickets.Draft:
    intent = OrderIntent(
        role=Role.EXIT,
        instrument=Instrument(ticker=ticker_of(asset_class), asset_class=asset_class),
        side=Side.SELL,
        type=OrderType.MARKET,
        quantity=Decimal(2),
    )
    return tickets.Draft(
        account=account,
        key=uuid.uuid4(),
        conid=conid,
        currency="USD",
        multiplier=Decimal(1),
        intents=(intent,),
        cancels=(),
        expires_at=timezone.now() + timedelta(minutes=1),
    )


@pytest.mark.parametrize("held", AssetClass)
def test_the_book_shows_a_position_to_its_own_class_alone(account: BrokerageAccount, held: AssetClass) -> None:
    rows.position(account, conid=CONIDS[held], ticker=ticker_of(held), asset_class=str(held), quantity=Decimal(2))
    for each in AssetClass:
        instrument = Instrument(ticker=ticker_of(each), asset_class=each)
        seen = live_book.load([(account, instrument)], timezone.now(), ask=False).view(account, instrument)
        assert isinstance(seen, View)
        assert seen.snapshot.position == (2 if each is held else 0)


@pytest.mark.parametrize(("held", "ordered"), PAIRS)
def test_an_exit_of_another_class_is_denied_under_the_number_of_what_is_held(
    account: BrokerageAccount, held: AssetClass, ordered: AssetClass
) -> None:
    rows.position(account, conid=7, ticker=TICKER, asset_class=str(held), quantity=Decimal(2))
    (ticket,) = tickets.open_tickets([exit_of(account, ordered, 7)], timezone.now())
    denied = ticket.orders.get()
    assert (denied.status, denied.reason_code) == (OrderStatus.DENIED, "held-as-another-class")
    assert f"IBKR holds this contract as {classes.spoken(str(held))}" in denied.reason
    # The same where only the statement that lets orders leave could see it.
    rows.order(account, conid=7, role="exit", side="sell", ticker=TICKER, asset_class=str(ordered))
    assert execution.take_next(account.connection_id, timezone.now()) is None
    Position.objects.update(asset_class=str(ordered))
    assert execution.take_next(account.connection_id, timezone.now()) is not None


def test_an_order_that_was_passed_by_says_what_its_contract_is_held_as(account: BrokerageAccount) -> None:
    now = timezone.now()
    order = rows.order(account, conid=7, role="exit", side="sell", ticker="AAPL", expires_at=now)
    # It is read as another class only after the order was written down.
    rows.position(account, conid=7, ticker="AAPL", asset_class="cfd", quantity=Decimal(2))
    assert unsent.expire_overdue(now + timedelta(seconds=1)) == 1
    order.refresh_from_db()
    assert (order.status, order.reason_code) == (OrderStatus.EXPIRED, "held-as-another-class")
    assert "IBKR holds this contract as a CFD, and the order for AAPL is for a stock." in order.reason


def test_what_ibkr_found_by_the_number_names_a_holding_before_an_old_copy(account: BrokerageAccount) -> None:
    conid = CONIDS[AssetClass.CFD]
    rows.position(account, conid=conid, ticker=TICKER, asset_class="stock", quantity=Decimal(2))
    nameless = PositionFacts(
        account_id=account.account_id,
        conid=conid,
        ticker=TICKER,
        asset_class="",
        quantity=Decimal(2),
        average_cost=None,
    )
    holdings.refresh(account, positions=[nameless], summary=None, as_of=timezone.now() + timedelta(seconds=1))
    assert Position.objects.get().asset_class == "cfd"


def test_positions_are_asked_once_for_all_orders_of_a_contract(account: BrokerageAccount) -> None:
    rows.position(account, conid=7, ticker="AAPL", asset_class="cfd", quantity=Decimal(2))
    for _ in range(6):
        rows.order(account, conid=7, role="exit", side="sell", ticker="AAPL")
    asked: dict[str, Any] = {
        "now": timezone.now(),
        "connection": account.connection_id,
        "left": [],
        "shut": [],
        "closed": [],
    }
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statements.TAKE_NEXT, asked)
        ((told,),) = cursor.fetchall()
    plan = told if isinstance(told, list) else json.loads(told)
    assert loops(plan[0]["Plan"]) == 1


def loops(node: dict[str, Any]) -> int:
    """How often a plan has looked into the positions."""
    here = node["Actual Loops"] if node.get("Relation Name") == "brokers_position" else 0
    return int(here) + sum(loops(each) for each in node.get("Plans", ()))
