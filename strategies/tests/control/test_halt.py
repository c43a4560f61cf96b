"""The kill switch: what a stop cancels, declines and closes at each level, what goes on, and who may undo it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import AuditEntry, Team, User
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Closing, Order
from brokers.tests import rows as broker_rows
from strategies.control import halt
from strategies.control.limits import GuardRefused
from strategies.deciding import settle
from strategies.domain.decide.guards import Halt, Level
from strategies.models import Decision, Guard, Strategy, Subscription
from strategies.tests import rows
from strategies.tests.control import proposing
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now, equity=Decimal(1000))
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


@pytest.fixture
def subscription(strategy: Strategy, account: BrokerageAccount, now: datetime) -> Subscription:
    return rows.subscription(strategy, account, now, allow_add=True)


def working(by: Subscription, now: datetime, **values: Any) -> Order:
    """An order of the subscription that works at the broker."""
    _, ticket = rows.accepted(rows.signal(by.strategy, now), by, now)
    return at_the_broker(broker_rows.order(ticket, **values), now)


def at_the_broker(order: Order, now: datetime) -> Order:
    assert Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    assert Order.objects.move(order, OrderStatus.ACCEPTED, now=now, broker_order_id=str(order.pk), acknowledged_at=now)
    return order


def stop(team: Team, target: Any = None, how: Halt = Halt.ENTRIES, **values: Any) -> Any:
    now: datetime = values.pop("now")
    fields = {"reason": "It went wild", "actor": None, "clock": lambda: now, **values}
    return halt.halt(team=team, target=target, how=how, now=now, **fields)


def state(*orders: Order) -> list[str]:
    return [Order.objects.get(pk=order.pk).status for order in orders]


def test_entries_end_with_their_legs_and_exits_and_protection_go_on(
    subscription: Subscription, team: Team, now: datetime
) -> None:
    resting = working(subscription, now)
    leg = broker_rows.order(resting.ticket, role="stop_loss", side="sell", type="stop", stop_price=1, parent=resting)
    _, ticket = rows.accepted(rows.signal(subscription.strategy, now), subscription, now)
    unsent = broker_rows.order(ticket)
    behind = broker_rows.order(
        ticket, role="stop_loss", side="sell", type="stop", stop_price=1, parent=unsent, release="with_parent"
    )
    way_out = working(subscription, now, role="exit", side="sell")
    flip = broker_rows.order(way_out.ticket, parent=way_out, release="after_parent_fills")
    protection = working(subscription, now, role="stop_loss", side="sell", type="stop", stop_price=1)
    done = stop(team, now=now)
    assert done == halt.Stopped(canceled=3, declined=0, closing=0)
    assert state(resting, unsent, behind, flip) == ["pending_cancel", "canceled", "canceled", "canceled"]
    assert state(way_out, protection, leg) == ["accepted", "accepted", "created"]
    assert "Trading was stopped: It went wild" in Order.objects.get(pk=unsent.pk).reason


def test_everything_takes_the_exits_and_the_protection_too(
    subscription: Subscription, team: Team, now: datetime
) -> None:
    orders = [working(subscription, now), working(subscription, now, role="exit", side="sell")]
    assert stop(team, how=Halt.EVERYTHING, now=now).canceled == 2
    assert state(*orders) == ["pending_cancel", "pending_cancel"]


@pytest.mark.parametrize("level", list(Level))
def test_a_stop_is_about_its_level_only(
    level: Level, subscription: Subscription, strategy: Strategy, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    beside = rows.subscription(rows.strategy(team, now, "Other"), account, now)
    elsewhere = rows.subscription(strategy, broker_rows.account(team), now)
    far = rows.subscription(rows.strategy(team, now, "Third"), elsewhere.account, now)
    orders = {each: working(each, now) for each in (subscription, beside, elsewhere, far)}
    target = {Level.ACCOUNT: account, Level.STRATEGY: strategy, Level.SUBSCRIPTION: subscription}.get(level)
    reached = {
        Level.TEAM: [subscription, beside, elsewhere, far],
        Level.ACCOUNT: [subscription, beside],
        Level.STRATEGY: [subscription, elsewhere],
        Level.SUBSCRIPTION: [subscription],
    }[level]
    assert stop(team, target, now=now).canceled == len(reached)
    assert [each for each in orders if state(orders[each]) == ["pending_cancel"]] == reached


def test_a_stop_of_another_team_reaches_nothing_of_ours(
    subscription: Subscription, charlie: User, now: datetime
) -> None:
    ours = working(subscription, now)
    assert stop(Team.objects.create(name="Elsewhere"), how=Halt.EVERYTHING, now=now).canceled == 0
    assert state(ours) == ["accepted"]


@pytest.mark.parametrize(("how", "exits"), [(Halt.ENTRIES, "accepted"), (Halt.EVERYTHING, "rejected")])
def test_what_comes_next_sees_it(
    how: Halt, exits: str, subscription: Subscription, account: BrokerageAccount, team: Team, alice: User, now: datetime
) -> None:
    broker_rows.position(account, quantity=Decimal(5))
    stop(team, how=how, actor=alice, now=now)
    for message_reading in (reading("buy"), reading("exit", quantity=None)):
        rows.signal(subscription.strategy, now, reading=message_reading)
        settle.settle_waiting(now)
    buy, leave = Decision.objects.order_by("pk")
    assert (buy.status, buy.reason_code, leave.status) == ("rejected", "trading-halted", exits)
    assert f"stopped by {alice.email} for the whole team (It went wild)" in buy.reason
    halt.resume(team=team, target=None, reason="It was a test", actor=alice, now=now)
    Order.objects.update(status="canceled")
    rows.signal(subscription.strategy, now)
    settle.settle_waiting(now)
    assert Decision.objects.latest("pk").status == "accepted"


def test_a_reversal_still_leaves_and_does_not_enter(
    subscription: Subscription, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    broker_rows.position(account, quantity=Decimal(5))
    stop(team, now=now)
    rows.signal(subscription.strategy, now, reading=reading("reverse", quantity=None))
    settle.settle_waiting(now)
    assert [(order.role, order.quantity) for order in Order.objects.all()] == [("exit", Decimal(5))]


def test_what_waits_for_an_approver_is_declined(team: Team, alice: User, now: datetime) -> None:
    asked = proposing.decided(proposing.asking(team, now), now)
    assert asked.status == "proposed"
    assert stop(team, actor=alice, now=now).declined == 1
    asked.refresh_from_db()
    assert (asked.status, asked.reason_code, asked.answered_by) == ("rejected", "declined", alice)
    assert "trading was stopped: It went wild" in asked.reason


def test_flatten_closes_what_belongs_to_the_level(
    subscription: Subscription, strategy: Strategy, account: BrokerageAccount, team: Team, alice: User, now: datetime
) -> None:
    _, ticket = rows.accepted(rows.signal(strategy, now), subscription, now)
    broker_rows.filled(broker_rows.order(ticket), at=now)
    broker_rows.position(account)
    broker_rows.position(account, conid=1, ticker="T")
    done = stop(team, strategy, flatten=True, actor=alice, now=now)
    assert done.closing == 1
    asked = Closing.objects.get()
    assert (asked.ticker, asked.asked_by, asked.reason) == ("AAPL", alice, "Trading was stopped: It went wild.")
    assert stop(team, account, flatten=True, now=now).closing == 2
    assert sorted(Closing.objects.values_list("ticker", flat=True)) == ["AAPL", "T"]


def test_the_way_out_a_person_has_asked_for_is_not_canceled(
    account: BrokerageAccount, team: Team, now: datetime
) -> None:
    broker_rows.position(account)
    assert stop(team, how=Halt.EVERYTHING, flatten=True, now=now).closing == 1
    way_out = Order.objects.get()
    assert stop(team, how=Halt.EVERYTHING, now=now).canceled == 0
    assert state(way_out) == ["created"]


def test_it_needs_a_reason_and_is_on_record(
    subscription: Subscription, strategy: Strategy, team: Team, alice: User, now: datetime
) -> None:
    working(subscription, now)
    for reason in ("", " \n "):
        with pytest.raises(GuardRefused, match="Say why"):
            stop(team, reason=reason, now=now)
    assert not Guard.objects.filter(halt="entries").exists()
    stop(team, strategy, actor=alice, now=now)
    written = AuditEntry.objects.get(action="guard.halted")
    assert (written.actor, written.subject, written.before) == (alice, "strategy Trend", {"halt": "nothing"})
    assert written.after == {"halt": "entries", "reason": "It went wild", "canceled": 1, "declined": 0, "closing": 0}
    halt.resume(team=team, target=strategy, reason="Mended", actor=alice, now=now)
    written = AuditEntry.objects.get(action="guard.resumed")
    assert written.before == {"halt": "entries", "reason": "It went wild"}
    assert written.after == {"halt": "nothing", "reason": "Mended"}


def test_a_lesser_stop_is_not_put_over_a_larger_one(team: Team, now: datetime) -> None:
    stop(team, how=Halt.EVERYTHING, now=now)
    with pytest.raises(GuardRefused, match="Everything is stopped here already"):
        stop(team, now=now)
    assert Guard.objects.get().halt == "everything"


def test_nothing_is_resumed_twice(team: Team, now: datetime) -> None:
    with pytest.raises(GuardRefused, match="Nothing is stopped here"):
        halt.resume(team=team, target=None, reason="Why not", actor=None, now=now)


def test_its_moment_is_the_one_it_took_effect(team: Team, now: datetime) -> None:
    stop(team, now=now, clock=lambda: now + timedelta(milliseconds=40))
    assert Guard.objects.get().halted_at == now + timedelta(milliseconds=40)
