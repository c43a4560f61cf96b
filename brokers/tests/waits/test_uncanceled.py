"""Orders that IBKR takes the cancel of and goes on working: asked once more, then a person's, until they are over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.feed.needs import needs_of
from accounts.models import Team
from brokers.domain.brokerage import OrderFacts
from brokers.domain.help.pages import page_of
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Order
from brokers.orders import cancels, orphans, reconciliation
from brokers.orders.waits import overlong, uncanceled
from brokers.protection import home
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_plans import resting, status

pytestmark = pytest.mark.django_db(transaction=True)
# A Monday, 11:00 in New York, where shares trade until 16:00.
OPEN = datetime(2026, 6, 8, 15, 0, tzinfo=UTC)
CLOSED = datetime(2026, 6, 8, 23, 0, tzinfo=UTC)
NEXT_OPEN = datetime(2026, 6, 9, 13, 30, tzinfo=UTC)
IGNORES = "cancel_ack_is_not_cancelled"


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team, rows.connection(team, environment="paper", base_url="https://127.0.0.1:5000/v1/api"))


def asked(account: BrokerageAccount, at: datetime, **values: object) -> Order:
    """A working order whose cancel IBKR took at this moment."""
    fields = {"type": "limit", "limit_price": 1, "status": "accepted", "broker_order_id": "70", **values}
    order = rows.order(account, acknowledged_at=at, changed_at=at, **fields)
    assert cancels.request_cancel(order=order, actor=None, now=at)
    take(order, at)
    return order


def take(order: Order, at: datetime) -> None:
    """The lane asks for the cancel, and IBKR answers that it has the request."""
    order.refresh_from_db()
    cancels.finish_cancel(order, cancels.begin_cancel(order, at), cancels.ACCEPTED, "", at)


def listed(order: Order, at: datetime, shown: OrderStatus = OrderStatus.ACCEPTED) -> str:
    """IBKR's list shows the order; its status in our row afterwards, with the outcome of its last request."""
    facts = [OrderFacts(account_id=order.account.account_id, broker_order_id="70", reference=None, status=shown)]
    home.note_list(order.connection, order.account.account_id, facts, at)
    order.refresh_from_db()
    last = order.attempts.filter(kind="cancel").latest("pk")
    return f"{order.status} {last.outcome}"


def asked_twice(account: BrokerageAccount, **values: object) -> Order:
    order = asked(account, OPEN, **values)
    listed(order, OPEN + timedelta(seconds=60))
    take(order, OPEN + timedelta(seconds=61))
    return order


@pytest.mark.parametrize(
    ("at", "later", "shown", "becomes"),
    [
        pytest.param(OPEN, 59, OrderStatus.ACCEPTED, "pending_cancel accepted", id="IBKR has a minute for it"),
        pytest.param(OPEN, 60, OrderStatus.ACCEPTED, "pending_cancel not_applied", id="then it is asked again"),
        pytest.param(OPEN, 60, OrderStatus.PENDING_CANCEL, "pending_cancel accepted", id="IBKR is at it"),
        pytest.param(CLOSED, 3600, OrderStatus.ACCEPTED, "pending_cancel accepted", id="its market is closed"),
        pytest.param(
            CLOSED,
            (NEXT_OPEN - CLOSED).total_seconds() + 30,
            OrderStatus.ACCEPTED,
            "pending_cancel accepted",
            id="its market has just opened",
        ),
        pytest.param(
            CLOSED,
            (NEXT_OPEN - CLOSED).total_seconds() + 90,
            OrderStatus.ACCEPTED,
            "pending_cancel not_applied",
            id="its market is open by now",
        ),
    ],
)
def test_a_cancel_that_ibkr_took_is_asked_for_again_once_an_open_market_ignored_it(
    account: BrokerageAccount, at: datetime, later: float, shown: OrderStatus, becomes: str
) -> None:
    order = asked(account, at)
    assert listed(order, at + timedelta(seconds=later), shown) == becomes
    waits = cancels.next_cancel(order.connection_id) == order
    assert waits is becomes.endswith("not_applied")


def test_where_nobody_knows_the_hours_of_its_market_ibkr_has_a_day(account: BrokerageAccount) -> None:
    order = asked(account, OPEN, currency="EUR")
    assert listed(order, OPEN + timedelta(hours=19)) == "pending_cancel accepted"
    assert listed(order, OPEN + timedelta(hours=20)) == "pending_cancel not_applied"


def test_after_two_requests_a_person_is_told(account: BrokerageAccount, team: Team) -> None:
    order = asked_twice(account, filled_quantity=0)
    assert needs_of(team, OPEN).rows == ()
    assert listed(order, OPEN + timedelta(seconds=100)) == "pending_cancel accepted"
    assert listed(order, OPEN + timedelta(seconds=121)) == "accepted rejected"
    assert order.reason_code == "not-canceled"
    assert page_of(order.reason_code) == "order-life"
    (need,) = needs_of(team, OPEN).rows
    assert need.title.startswith(f"IBKR does not cancel an order in {account.account_id}: buy ")
    assert (need.text, str(order.code) in need.href) == (uncanceled.IGNORED, True)
    # Nobody asks again by itself.
    assert cancels.next_cancel(order.connection_id) is None


def test_the_need_ends_with_the_order_and_while_it_is_asked_anew(account: BrokerageAccount, team: Team) -> None:
    order = asked_twice(account)
    listed(order, OPEN + timedelta(seconds=121))
    later = OPEN + timedelta(minutes=5)
    assert cancels.request_cancel(order=order, actor=None, now=later)
    order.refresh_from_db()
    assert (order.status, order.reason, order.reason_code) == ("pending_cancel", "", "")
    assert needs_of(team, later).rows == ()
    # It is counted from the beginning.
    take(order, later)
    assert listed(order, later + timedelta(seconds=60)) == "pending_cancel not_applied"
    ended = OrderFacts(account_id=account.account_id, broker_order_id="70", reference=None, status=OrderStatus.CANCELED)
    reconciliation.apply(account.connection, orders=[ended], now=later)
    assert status(order) == "canceled"
    assert needs_of(team, later).rows == ()


def test_looking_for_it_after_a_day_does_not_begin_the_count_anew(account: BrokerageAccount) -> None:
    """By the clock it is looked for, is found working, and is to be canceled still."""
    order = asked(account, OPEN, currency="EUR")
    assert overlong.look(OPEN + timedelta(hours=24)) == 1
    assert status(order) == "unknown"
    found = OPEN + timedelta(hours=24, minutes=1)
    works = OrderFacts(account_id=account.account_id, broker_order_id="70", reference=None, status=OrderStatus.ACCEPTED)
    reconciliation.apply(account.connection, orders=[works], now=found)
    cancels.ask_due(found)
    take(order, found)
    assert listed(order, found + timedelta(hours=20)) == "accepted rejected"
    cancels.ask_due(found + timedelta(hours=21))
    assert status(order) == "accepted"


def test_what_worked_as_long_as_it_was_given_is_not_asked_about_without_end(account: BrokerageAccount) -> None:
    order = rows.order(
        account,
        type="limit",
        limit_price=1,
        status="accepted",
        broker_order_id="70",
        acknowledged_at=OPEN,
        cancel_after=60,
    )
    late = OPEN + timedelta(seconds=61)
    assert cancels.ask_due(late) == 1
    order.refresh_from_db()
    cancels.finish_cancel(
        order, cancels.begin_cancel(order, late), cancels.REJECTED, "No.", late, code="order-not-canceled"
    )
    assert cancels.ask_due(late + timedelta(seconds=5)) == 0
    assert status(order) == "accepted"


def test_a_leg_left_behind_that_ibkr_does_not_cancel_is_a_persons(account: BrokerageAccount) -> None:
    leg = rows.order(
        account, role="exit", side="sell", type="limit", limit_price=1, status="accepted", broker_order_id="7"
    )
    BrokerageAccount.objects.update(book_as_of=timezone.now() + timedelta(hours=1))
    read = timezone.now() - timedelta(hours=1)
    assert orphans.without_position(read).get() == leg
    Order.objects.filter(pk=leg.pk).update(reason_code="not-canceled")
    assert not orphans.without_position(read).exists()


def at_work(done: Callable[[], bool]) -> None:
    """Lanes and stream at work until this holds."""

    async def story() -> None:
        async with lab.watching(), lab.working():
            await lab.until(done, "IBKR's word is followed", 40)

    asyncio.run(story())


def test_a_gateway_that_takes_every_cancel_and_does_nothing(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway)
    order = resting(bench)
    gateway.fault(preset=IGNORES, match={"user": bench.user}, times=None)
    assert cancels.request_cancel(order=order, actor=None, now=timezone.now())

    def is_told() -> bool:
        return Order.objects.filter(pk=order.pk, status="accepted", reason_code="not-canceled").exists()

    at_work(is_told)
    assert len(gateway.journal(bench.user, method="DELETE")) == uncanceled.MOST_ASKED
    assert [need.key for need in needs_of(team, timezone.now()).rows] == [f"uncanceled-{order.code}"]
    gateway.clear_faults()
    assert cancels.request_cancel(order=Order.objects.get(pk=order.pk), actor=None, now=timezone.now())
    at_work(lambda: status(order) == "canceled")
    assert Order.objects.get(pk=order.pk).reason_code == ""
