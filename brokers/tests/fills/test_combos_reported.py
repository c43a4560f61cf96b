"""What IBKR reports of a combo otherwise than it is named here, or never: its price, and the fill of one leg."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.book import live_book
from brokers.book.views import View
from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.contracts.combos import number_of
from brokers.domain.orders import AssetClass, Instrument, OrderStatus, Side
from brokers.models import BrokerageAccount, ContractLookup, Execution, Order
from brokers.orders import reconciliation
from brokers.tests import rows

pytestmark = pytest.mark.django_db
D = Decimal
LOW, HIGH = 700_000_001, 700_000_002
NAMES = {LOW: "SPY 261218C640", HIGH: "SPY 261218C650"}
NUMBER, NAME = number_of(LOW, HIGH), "SPY 261218C640/650"
SECOND = timedelta(seconds=1)


@pytest.fixture
def order(team: Team, now: datetime) -> Order:
    """Two combos that are bought, at IBKR."""
    account = rows.account(team, book_as_of=now - SECOND)
    for conid, ticker in {**NAMES, NUMBER: NAME}.items():
        ContractLookup.objects.create(
            connection=account.connection, ticker=ticker, asset_class="option", status="found", conid=conid,
            answered_at=now, multiplier=D(100),
        )  # fmt: skip
    return rows.order(
        account, conid=NUMBER, ticker=NAME, asset_class="option", quantity=D(2), status="accepted", broker_order_id="77",
        submitted_at=now, acknowledged_at=now,
    )  # fmt: skip


def report(order: Order, **values: Any) -> OrderFacts:
    facts: dict[str, Any] = {"status": OrderStatus.FILLED, "filled_quantity": D(2), **values}
    return OrderFacts(account_id=order.account.account_id, broker_order_id="77", reference=order.reference, **facts)


def fill(order: Order, leg: int, price: str, at: datetime) -> ExecutionFacts:
    return ExecutionFacts(
        account_id=order.account.account_id, execution_id=f"{leg}.01.01", reference=order.reference, broker_order_id="77",
        conid=leg, ticker=NAMES[leg], side=Side(order.side) if leg == LOW else Side(order.side).opposite, quantity=D(2),
        price=D(price), fee=D(1), currency="USD", exchange="SMART", executed_at=at,
    )  # fmt: skip


def home(order: Order, now: datetime, *facts: OrderFacts | ExecutionFacts) -> Order:
    reconciliation.apply(
        order.account.connection,
        orders=[fact for fact in facts if isinstance(fact, OrderFacts)],
        executions=[fact for fact in facts if isinstance(fact, ExecutionFacts)],
        now=now,
    )
    order.refresh_from_db()
    return order


@pytest.mark.parametrize("average", ["-3.1", "0"])
def test_a_price_that_is_reported_as_money_that_came_in_is_told_by_the_legs(
    order: Order, now: datetime, average: str
) -> None:
    home(order, now, report(order, average_price=D(average)))
    assert (order.status, order.filled_quantity, order.average_price) == ("filled", D(2), None)
    home(order, now, fill(order, LOW, "8.2", now), fill(order, HIGH, "5.1", now))
    assert (order.status, order.average_price) == ("filled", D("3.1"))


def test_a_leg_whose_fill_is_never_told_holds_nothing_up(order: Order, now: datetime) -> None:
    home(order, now, report(order, average_price=D("3.1")), fill(order, LOW, "8.2", now))
    assert (order.status, order.average_price) == ("filled", D("3.1"))
    account: BrokerageAccount = order.account
    for conid, quantity in ((LOW, 2), (HIGH, -2)):
        rows.position(account, conid=conid, ticker=NAMES[conid], asset_class="option", quantity=D(quantity))
    BrokerageAccount.objects.update(book_as_of=now + SECOND)
    account.refresh_from_db()
    for ticker, held in ((NAME, 2), (NAMES[LOW], 0), (NAMES[HIGH], 0)):
        instrument = Instrument(ticker=ticker, asset_class=AssetClass.OPTION)
        view = live_book.load([(account, instrument)], now + 2 * SECOND).view(account, instrument)
        assert isinstance(view, View)
        assert [each.position for each in view.alternatives] == [held]
    # And it counts once when it comes after all.
    home(order, now + 3 * SECOND, fill(order, HIGH, "5.2", now))
    assert (order.filled_quantity, order.average_price) == (D(2), D(3))
    assert Execution.objects.filter(order=order).count() == 2
