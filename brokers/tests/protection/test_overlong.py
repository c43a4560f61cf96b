"""Orders of which IBKR says nothing: looked for, and left to a person with what is known; its later word settles them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Team
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.choices import Choice
from brokers.domain.doubts.evidence import Source
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Connection, Doubt, Order, SubmissionAttempt, Ticket
from brokers.orders import doubt, reconciliation, undecided, vanished
from brokers.orders.waits import overlong
from brokers.tests import rows

pytestmark = pytest.mark.django_db
# A Monday, 11:00 in New York, where shares trade until 16:00.
OPEN = datetime(2026, 6, 8, 15, 0, tzinfo=UTC)
CLOSED = datetime(2026, 6, 8, 23, 0, tzinfo=UTC)
BOTH = (Source.TRADES, Source.ORDERS)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    """An account at IBKR whose session and stream have no gap."""
    account = rows.account(team)
    since, until = OPEN - timedelta(days=1), OPEN + timedelta(days=30)
    rows.without_gap(account.connection, since, until, environment="paper", session_status="active")
    return account


def canceled(account: BrokerageAccount, at: datetime) -> Order:
    """An order of two hours ago whose cancel IBKR took at this moment."""
    long_ago = at - timedelta(hours=2)
    order = rows.order(
        account,
        status="pending_cancel",
        broker_order_id="70",
        submitted_at=long_ago,
        acknowledged_at=long_ago,
        changed_at=at,
    )
    SubmissionAttempt.objects.create(
        order=order, kind="cancel", request={}, sent_at=at, answered_at=at, outcome="accepted", answer="IBKR has it."
    )
    return order


def empty(order: Order, begin: datetime, *minutes: float) -> str:
    """Empty lists of orders so many minutes later; returns the order's status."""
    for each in minutes:
        vanished.note_list(order.connection, order.account.account_id, [], begin + timedelta(minutes=each))
    order.refresh_from_db()
    return order.status


def looks(order: Order, begin: datetime, *minutes: float, is_empty: bool = True) -> str:
    """Looks for it at both lists, neither of which shows it; returns the order's status."""
    for each in minutes:
        doubt.note_looks(order, BOTH, 0, begin + timedelta(minutes=each), is_empty=is_empty)
    order.refresh_from_db()
    return order.status


def waited(order: Order) -> Order:
    """It was looked for until a person is asked."""
    assert empty(order, OPEN, 1, 5, 16) == "unknown"
    looks(order, OPEN, *(16 + each / 2 for each in range(31)))
    return order


def test_a_cancel_that_ibkr_took_and_never_confirms_comes_to_a_person(account: BrokerageAccount) -> None:
    order = canceled(account, OPEN)
    assert empty(order, OPEN, 1, 5, 15.9) == "pending_cancel"
    assert empty(order, OPEN, 16) == "unknown"
    # An empty list proves nothing: neither that it was canceled, nor that it works.
    assert looks(order, OPEN, *(16 + each / 2 for each in range(30))) == "unknown"
    assert looks(order, OPEN, 31) == "needs_attention"
    assert (order.reason_code, order.reason) == (
        "cancel-not-told",
        "IBKR took the cancel of this order at 15:00 UTC on 8 June. No execution shows it, and its list of orders has been"
        " empty since 15:01 UTC on 8 June, which proves nothing: the order may still work.",
    )
    assert Doubt.objects.get().sentence == order.reason


@pytest.mark.parametrize("ends", ["canceled", "expired", "accepted", "pending_cancel"])
def test_later_word_of_ibkr_settles_it_without_the_person(account: BrokerageAccount, ends: str) -> None:
    order = waited(canceled(account, OPEN))
    told = OrderFacts(
        account_id=account.account_id, broker_order_id="70", reference=order.reference, status=OrderStatus(ends)
    )
    reconciliation.apply(account.connection, orders=[told], now=OPEN + timedelta(hours=1))
    order.refresh_from_db()
    assert (order.status, Doubt.objects.get().became, order.reason) == (ends, ends, "")


def test_the_person_may_say_that_it_is_no_longer_there(account: BrokerageAccount) -> None:
    order = waited(canceled(account, OPEN))
    undecided.choose(order=order, choice=Choice.ABSENT, actor=None, now=OPEN + timedelta(hours=1))
    order.refresh_from_db()
    assert (order.status, order.reason_code) == ("expired", "given-up")
    assert order.reason.startswith("No longer there: ")


def test_lists_with_other_orders_prove_that_it_was_canceled(account: BrokerageAccount) -> None:
    order = canceled(account, OPEN)
    empty(order, OPEN, 1, 16)
    assert looks(order, OPEN, 16, 16.25, 16.5, 17) == "unknown"
    assert looks(order, OPEN, 17.1, 17.4, 17.7, is_empty=False) == "canceled"
    assert order.unlisted_since is None


@pytest.mark.parametrize("outside_rth", [True, False])
def test_after_hours_ibkr_confirms_nothing_until_the_open(account: BrokerageAccount, *, outside_rth: bool) -> None:
    order = canceled(account, CLOSED)
    Order.objects.update(outside_rth=outside_rth)
    assert empty(order, CLOSED, 1, 30, 600) == "pending_cancel"
    # It opens 13:30 UTC: what is confirmed then takes its time.
    assert empty(order, CLOSED, 14.5 * 60 + 10) == "pending_cancel"
    assert empty(order, CLOSED, 14.5 * 60 + 16) == "unknown"


def test_a_list_with_other_orders_begins_anew(account: BrokerageAccount) -> None:
    order = canceled(account, OPEN)
    empty(order, OPEN, 1, 10)
    shown = OrderFacts(account_id=account.account_id, broker_order_id="70", reference=order.reference)
    vanished.note_list(order.connection, account.account_id, [shown], OPEN + timedelta(minutes=11))
    assert empty(order, OPEN, 12, 17, 26) == "pending_cancel"
    assert empty(order, OPEN, 27) == "unknown"


def test_a_stop_that_no_list_shows_in_an_open_market_is_looked_for(account: BrokerageAccount) -> None:
    order = canceled(account, OPEN)
    SubmissionAttempt.objects.all().delete()
    Order.objects.filter(pk=order.pk).update(status="accepted")
    assert empty(order, OPEN, 1, 16) == "unknown"
    assert looks(order, OPEN, 16, 16.25, 16.5, 16.75) == "needs_attention"


@pytest.mark.parametrize("enabled", [True, False])
def test_what_nobody_can_look_for_comes_to_a_person_after_a_day(account: BrokerageAccount, *, enabled: bool) -> None:
    Connection.objects.update(session_status="signed_out", enabled=enabled)
    order = rows.order(account, status="unknown", submitted_at=OPEN, changed_at=OPEN)
    assert overlong.look(OPEN + timedelta(hours=23)) == 0
    assert overlong.look(OPEN + timedelta(hours=24)) == 1
    order.refresh_from_db()
    assert (order.status, order.reason_code) == ("needs_attention", "looked-for-too-long")
    assert "since 15:00 UTC on 8 June" in order.reason
    assert Doubt.objects.get().sentence == order.reason


def test_looks_that_a_session_interrupts_for_ever_come_to_a_person(account: BrokerageAccount) -> None:
    order = rows.order(account, status="unknown", submitted_at=OPEN, changed_at=OPEN)
    hours = timedelta(hours=24)
    Connection.objects.update(turned_at=OPEN + hours, stream_since=None)
    doubt.note_looks(order, [], 0, OPEN + hours - timedelta(minutes=1))
    doubt.note_looks(order, [], 0, OPEN + hours)
    order.refresh_from_db()
    assert (order.status, order.reason_code) == ("needs_attention", "looked-for-too-long")


def test_a_cancel_that_cannot_be_asked_for_is_looked_for_after_a_day(account: BrokerageAccount) -> None:
    Connection.objects.update(session_status="signed_out")
    order = canceled(account, OPEN)
    SubmissionAttempt.objects.all().delete()
    assert overlong.look(OPEN + timedelta(hours=23)) == 0
    assert overlong.look(OPEN + timedelta(hours=24)) == 1
    order.refresh_from_db()
    assert order.status == "unknown"
    # Found at work, it is canceled still.
    assert Ticket.objects.get(cancels__contains=[{"reference": order.reference}]).worked_at is None
    assert overlong.look(OPEN + timedelta(hours=48)) == 1
    order.refresh_from_db()
    assert order.status == "needs_attention"


def test_a_cancel_over_the_weekend_waits_for_the_open(account: BrokerageAccount) -> None:
    friday = datetime(2026, 6, 5, 21, 0, tzinfo=UTC)
    canceled(account, friday)
    assert overlong.look(friday + timedelta(hours=40)) == 0
    assert overlong.look(datetime(2026, 6, 8, 13, 46, tzinfo=UTC)) == 1


def test_what_cannot_move_yet_stands_before_nothing_that_can(
    account: BrokerageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The market is closed for cancels of a day and more ago, and there is time for one row in each look."""
    for number in range(3):
        order = canceled(account, CLOSED - timedelta(hours=30))
        Order.objects.filter(pk=order.pk).update(broker_order_id=f"7{number}", conid=100 + number)
    since = CLOSED - timedelta(hours=25)
    lost = rows.order(account, status="unknown", submitted_at=since, changed_at=since)
    monkeypatch.setattr(overlong, "AT_ONCE", 1)
    monkeypatch.setattr(overlong, "LONGEST_SECONDS", 0)
    # That none of sixty draws is the one of four happens once in thirty million runs.
    assert sum(overlong.look(CLOSED) for _ in range(60)) == 1
    lost.refresh_from_db()
    assert (lost.status, lost.reason_code) == ("needs_attention", "looked-for-too-long")
