"""Entries that IBKR has filled and shows nowhere but in its list of positions: not believed to be over, and told of."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.book import holdings
from brokers.domain.brokerage import OrderFacts, PositionFacts
from brokers.domain.doubts.evidence import Source
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Connection, Doubt, Lapse, Notice, Order, SubmissionAttempt, Ticket
from brokers.orders import doubt, gone, reconciliation, vanished
from brokers.processes import recovery
from brokers.protection import mending
from brokers.tests import rows
from brokers.tests.orders.test_reconciliation import fill as reported

pytestmark = pytest.mark.django_db
EIGHT, CONID = Decimal(8), 265598
NO_MORE = "IBKR has no working order 70; it may be filled or canceled."


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """An account at IBKR that holds nothing; session and stream without a gap."""
    account = rows.account(team, book_as_of=now)
    since, until = now - timedelta(hours=1), now + timedelta(hours=1)
    rows.without_gap(account.connection, since, until, environment="paper", session_status="active")
    return account


@pytest.fixture
def entry(account: BrokerageAccount, now: datetime) -> Order:
    """A sale of eight that IBKR took, whose stop it canceled, and of which it said that it had none to cancel."""
    sent = {"submitted_at": now, "acknowledged_at": now, "changed_at": now}
    ticket = rows.ticket(account, missing_stop="flatten")
    entry = rows.order(ticket, status="pending_cancel", side="sell", quantity=EIGHT, broker_order_id="70", **sent)
    legs = {"parent": entry, "release": "with_parent", "time_in_force": "gtc", "broker_order_id": "71"}
    prices = {"role": "stop_loss", "side": "buy", "type": "stop", "stop_price": Decimal(150)}
    rows.order(ticket, status="canceled", quantity=EIGHT, **legs, **prices, **sent)
    SubmissionAttempt.objects.create(
        order=entry, kind="cancel", request={}, sent_at=now, answered_at=now, outcome=gone.GONE, answer=NO_MORE
    )
    return entry


def hold(account: BrokerageAccount, quantity: Decimal, at: datetime) -> None:
    """IBKR's list of positions, as it was asked for then."""
    facts = PositionFacts(
        account_id=account.account_id,
        conid=CONID,
        ticker="AAPL",
        asset_class="stock",
        quantity=quantity,
        average_cost=None,
    )
    holdings.refresh(account, positions=[facts], summary=None, as_of=at)


def listed(entry: Order, at: datetime, facts: tuple[OrderFacts, ...] = ()) -> Order:
    """A complete list of orders, which by default does not show it."""
    gone.settle(entry.connection, entry, facts, recovery.GONE, at)
    entry.refresh_from_db()
    return entry


def missed(order: Order, begin: datetime, *seconds: float) -> Order:
    """Both lists, read so many seconds later, do not show it."""
    for each in seconds:
        doubt.note_looks(order, [Source.TRADES, Source.ORDERS], 0, begin + timedelta(seconds=each))
    order.refresh_from_db()
    return order


def after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def test_where_nothing_is_held_three_lists_over_half_a_minute_are_believed(entry: Order, now: datetime) -> None:
    assert [listed(entry, after(now, each)).status for each in (6, 20, 31)] == [
        "pending_cancel",
        "pending_cancel",
        "canceled",
    ]


def test_what_is_held_says_that_it_may_have_filled(entry: Order, account: BrokerageAccount, now: datetime) -> None:
    hold(account, -EIGHT, after(now, 6))
    # A fill that overtook the cancel is told within moments.
    assert listed(entry, after(now, 7)).status == "pending_cancel"
    assert (listed(entry, after(now, 12)).status, entry.reason_code) == ("unknown", "may-have-filled")
    assert entry.reason == (
        "IBKR says that it has no such order to cancel. IBKR's list of positions shows 8 fewer than all fills explain:"
        " this order may have filled. Looking for its fill."
    )
    assert Doubt.objects.get(order=entry).origin == "vanished"
    # Should it work after all, its cancel is asked for again.
    assert Ticket.objects.get(cancels__contains=[{"reference": entry.reference}]).worked_at is None


def test_its_fill_ends_the_doubt(entry: Order, account: BrokerageAccount, now: datetime) -> None:
    hold(account, -EIGHT, after(now, 6))
    listed(entry, after(now, 12))
    fill = reported(entry, quantity="8")
    reconciliation.apply(account.connection, executions=[fill], now=after(now, 65))
    entry.refresh_from_db()
    assert (entry.status, Doubt.objects.get().became) == ("filled", "filled")


def test_what_no_fill_ever_explains_is_a_persons_matter(entry: Order, account: BrokerageAccount, now: datetime) -> None:
    hold(account, -EIGHT, after(now, 6))
    listed(entry, after(now, 12))
    assert missed(entry, now, 12, 30, 45, 95).status == "unknown"
    told = Doubt.objects.get()
    assert (told.code, "shows 8 fewer than all fills explain" in told.sentence) == ("may-have-filled", True)
    assert (missed(entry, now, 96).status, entry.reason_code) == ("needs_attention", "may-have-filled")


def test_what_somebody_bought_says_nothing_of_a_sale(entry: Order, account: BrokerageAccount, now: datetime) -> None:
    hold(account, EIGHT, after(now, 6))
    assert [listed(entry, after(now, each)).status for each in (7, 20, 31)][-1] == "canceled"


@pytest.mark.parametrize("resends", ["limit", "all"])
def test_what_was_never_answered_and_may_have_filled_is_not_absent(
    account: BrokerageAccount, now: datetime, resends: str
) -> None:
    Connection.objects.update(resends=resends)
    order = rows.order(account, status="unknown", submitted_at=now, quantity=EIGHT, expires_at=after(now, 3600))
    hold(account, EIGHT, after(now, 1))
    assert missed(order, now, 0, 15, 31, 60).status == "unknown"
    assert missed(order, now, 95).status == "needs_attention"


def test_a_leg_is_not_absent_where_the_order_that_it_came_with_may_have_filled(
    account: BrokerageAccount, now: datetime
) -> None:
    head = rows.order(account, status="unknown", submitted_at=now, quantity=EIGHT)
    legs = {"parent": head, "release": "with_parent", "role": "stop_loss", "side": "sell", "type": "stop"}
    leg = rows.order(head.ticket, status="unknown", submitted_at=now, stop_price=Decimal(1), quantity=EIGHT, **legs)
    hold(account, EIGHT, after(now, 1))
    assert missed(leg, now, 0, 15, 31, 60).status == "unknown"
    # Once IBKR has the order that it came with, and not the leg, the leg is absent.
    Order.objects.filter(pk=head.pk).update(status="filled", filled_quantity=EIGHT)
    assert missed(leg, now, 61).reason_code == "proven-absent"


def test_somebody_is_told_of_the_position_without_its_stop(
    entry: Order, account: BrokerageAccount, now: datetime
) -> None:
    hold(account, -EIGHT, after(now, 6))
    here = [(account.pk, CONID)]
    assert mending.look_at(here, after(now, 7)).again_at == after(now, 11)
    assert not Lapse.objects.filter(alarm=True).exists()
    mending.look_at(here, after(now, 11))
    lapse = Lapse.objects.get()
    assert (lapse.verdict, lapse.alarm, lapse.quantity) == ("fill-not-shown", True, EIGHT)
    assert "IBKR lists the position" in lapse.did
    assert Notice.objects.filter(kind="missing-stop").exists()
    # The same while it is looked for; nothing leaves.
    listed(entry, after(now, 12))
    mending.look_at(here, after(now, 13))
    assert Lapse.objects.get().verdict == "fill-not-shown"
    assert Order.objects.count() == 2


def test_the_fill_lets_the_choice_be_followed(entry: Order, account: BrokerageAccount, now: datetime) -> None:
    hold(account, -EIGHT, after(now, 6))
    listed(entry, after(now, 12))
    mending.look_at([(account.pk, CONID)], after(now, 13))
    reconciliation.apply(account.connection, executions=[reported(entry, quantity="8")], now=after(now, 20))
    hold(account, -EIGHT, after(now, 21))
    mending.look_at([(account.pk, CONID)], after(now, 22))
    lapse = Lapse.objects.get()
    assert (lapse.verdict, lapse.alarm) == ("mending", False)
    assert account.closings.get().status == "open"


def test_an_entry_that_works_is_not_taken_for_the_one_that_filled(
    entry: Order, account: BrokerageAccount, now: datetime
) -> None:
    """IBKR shows it, so that its fill is told in a moment; its stop sleeps behind it."""
    Order.objects.filter(pk=entry.pk).update(status=str(OrderStatus.ACCEPTED))
    Order.objects.filter(role="stop_loss").update(status=str(OrderStatus.ACCEPTED))
    hold(account, -EIGHT, after(now, 6))
    mending.look_at([(account.pk, CONID)], after(now, 20))
    assert not Lapse.objects.exists()


def canceled(entry: Order, now: datetime) -> Order:
    """IBKR took its cancel."""
    SubmissionAttempt.objects.update(outcome="accepted", answer="IBKR has the request.")
    return entry


def lists(entry: Order, now: datetime, *seconds: float, shown: bool = False) -> str:
    """Complete lists of orders of that account, in which another works; returns the order's status."""
    account_id = entry.account.account_id
    other = OrderFacts(account_id=account_id, broker_order_id="99", reference="somebody's")
    ours = OrderFacts(account_id=account_id, broker_order_id="70", reference=entry.reference)
    for each in seconds:
        vanished.note_list(entry.connection, account_id, [other, *([ours] if shown else [])], after(now, each))
    entry.refresh_from_db()
    return entry.status


def test_what_ibkr_cancels_and_lists_no_more_is_looked_for(entry: Order, now: datetime) -> None:
    canceled(entry, now)
    # Too early, and the second too close to the one before.
    assert lists(entry, now, 9, 11, 15) == "pending_cancel"
    assert lists(entry, now, 16) == "unknown"
    assert "IBKR took the cancel" in entry.reason
    assert Ticket.objects.get(cancels__contains=[{"reference": entry.reference}]).worked_at is None
    assert missed(entry, now, 16, 30, 40).status == "unknown"
    assert (missed(entry, now, 46).status, entry.reason_code) == ("canceled", "canceled-not-shown")
    assert "neither its orders nor its executions show the order" in entry.reason


def test_a_list_that_shows_it_begins_anew(entry: Order, now: datetime) -> None:
    canceled(entry, now)
    lists(entry, now, 11)
    lists(entry, now, 20, shown=True)
    assert lists(entry, now, 26) == "pending_cancel"
    assert lists(entry, now, 32) == "unknown"


def test_what_it_says_it_has_not_is_left_to_the_looks_for_that(entry: Order, now: datetime) -> None:
    assert lists(entry, now, 11, 20, 40) == "pending_cancel"


def test_an_empty_list_after_hours_says_nothing_of_what_worked_long(entry: Order, now: datetime) -> None:
    canceled(entry, now)
    Order.objects.filter(pk=entry.pk).update(acknowledged_at=now - timedelta(hours=2))
    for seconds in (11, 20, 40):
        vanished.note_list(entry.connection, entry.account.account_id, [], after(now, seconds))
    entry.refresh_from_db()
    assert entry.status == "pending_cancel"


def test_what_is_held_speaks_for_what_ibkr_canceled_as_well(
    entry: Order, account: BrokerageAccount, now: datetime
) -> None:
    lists(canceled(entry, now), now, 11, 16)
    hold(account, -EIGHT, after(now, 17))
    assert missed(entry, now, 17, 30, 48, 100).status == "unknown"
    assert missed(entry, now, 107).status == "needs_attention"
