"""What nobody asked for and what somebody did wait beside each other, and each leaves, ends and is told as what it is."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Team, User
from brokers.domain.brokerage import Accepted, Ack, NotSent, Refused
from brokers.domain.orders import Modification, OrderStatus, Role
from brokers.models import BrokerageAccount, Order, OrderModification
from brokers.notices import unchanged
from brokers.orders.execution import Answer
from brokers.orders.modifications import asking, from_fill, overdue, sending, wishes
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.modifications.test_from_fill import account, fills, last, order, working
from brokers.tests.orders.test_conversions import changes
from brokers.tests.orders.test_resizes import worked

__all__ = ["account"]

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


@pytest.fixture
def stop(account: BrokerageAccount) -> Order:
    return rows.order(
        account,
        role="stop_loss",
        side="sell",
        type="stop_limit",
        stop_price=D(95),
        limit_price=D(94),
        quantity=D(10),
        status="accepted",
        broker_order_id="1",
    )


def ask(order: Order, *, kind: str = "", **values: Any) -> OrderModification:
    """A change of `kind` "from_fill" or "by_rule", or one that somebody asks for."""
    now = timezone.now()
    wanted = Modification.at_ibkr(order.reference, {name: D(value) for name, value in values.items()})
    until = now + (from_fill.LEAVES_WITHIN if kind else asking.LEAVES_WITHIN)
    asker = wishes.Asker(expires_at=until, from_fill=kind == "from_fill", by_rule=kind == "by_rule")
    with transaction.atomic():
        return wishes.ask([wanted], asker, now)[0]


def waiting(order: Order) -> list[tuple[bool, dict[str, Decimal]]]:
    """What waits, by whether nobody asked for it."""
    found = OrderModification.objects.filter(order=order.pk, status="waiting").order_by("pk")
    return [(row.from_fill or row.by_rule, row.values()) for row in found]


def leave(order: Order, outcome: Any) -> OrderModification:
    """Send what is first in line, and let IBKR answer so."""
    attempt, _ = sending.begin(order, timezone.now())
    row = OrderModification.objects.get(order=order.pk, status="leaving")
    sending.finish(order, attempt, Answer(outcome=outcome, attempt_pk=attempt), timezone.now())
    row.refresh_from_db()
    return row


def taken(order: Order) -> Accepted:
    return Accepted(acks=(Ack(reference=None, broker_order_id=order.broker_order_id, status=OrderStatus.ACCEPTED),))


@pytest.mark.parametrize("kind", ["from_fill", "by_rule"])
def test_a_persons_size_leaves_a_waiting_price_to_whoever_it_is_of(stop: Order, kind: str) -> None:
    price, size = ask(stop, kind=kind, stop_price="97"), ask(stop, quantity="4")
    assert waiting(stop) == [(True, {"stop_price": D(97)}), (False, {"quantity": D(4)})]
    # The person's time is over: the price waits on.
    overdue.end_due(size.expires_at)
    size.refresh_from_db()
    assert size.reason_code == "change-too-late"
    assert waiting(stop) == [(True, {"stop_price": D(97)})]
    assert price.expires_at - price.asked_at == from_fill.LEAVES_WITHIN


def test_each_leaves_alone_in_the_order_in_which_they_came(stop: Order) -> None:
    ask(stop, kind="from_fill", stop_price="97")
    ask(stop, quantity="4")
    first = leave(stop, taken(stop))
    assert (first.status, first.from_fill, first.values()) == ("made", True, {"stop_price": D(97)})
    second = leave(stop, Refused(reason="No.", code="r"))
    assert (second.status, second.from_fill, second.values()) == ("refused", False, {"quantity": D(4)})
    stop.refresh_from_db()
    assert (stop.stop_price, stop.quantity) == (D(97), D(10))


def test_a_refused_size_of_a_person_tells_nobody_and_a_refused_count_does(stop: Order, alice: User) -> None:
    ask(stop, kind="from_fill", stop_price="97")
    mine = ask(stop, quantity="4")
    OrderModification.objects.filter(pk=mine.pk).update(asked_by=alice)
    leave(stop, Refused(reason="No.", code="r"))
    leave(stop, Refused(reason="No.", code="r"))
    assert unchanged.tell_of_changes(timezone.now()) == 1


@pytest.mark.parametrize("kind", ["from_fill", "by_rule"])
def test_the_same_price_anew_takes_the_place_of_the_one_that_waits(stop: Order, kind: str) -> None:
    price = ask(stop, kind=kind, stop_price="97", limit_price="96")
    ask(stop, stop_price="98", limit_price="97")
    price.refresh_from_db()
    assert (price.status, price.reason_code) == ("not_made", "superseded-change")
    assert waiting(stop) == [(False, {"stop_price": D(98), "limit_price": D(97)})]


def test_only_what_is_said_anew_is_taken(stop: Order) -> None:
    ask(stop, kind="from_fill", stop_price="97", limit_price="96")
    ask(stop, limit_price="92")
    assert waiting(stop) == [(True, {"stop_price": D(97)}), (False, {"limit_price": D(92)})]


def test_a_rule_takes_what_a_person_wants_of_the_stop_and_leaves_the_size(stop: Order) -> None:
    ask(stop, stop_price="96", quantity="4")
    ask(stop, kind="by_rule", stop_price="99")
    assert waiting(stop) == [(False, {"quantity": D(4)}), (True, {"stop_price": D(99)})]


def test_what_did_not_leave_gives_way_to_what_came_behind_it(stop: Order) -> None:
    count = ask(stop, kind="from_fill", stop_price="97", limit_price="96")
    attempt, _ = sending.begin(stop, timezone.now())
    ask(stop, limit_price="92")
    sending.finish(stop, attempt, Answer(outcome=NotSent(reason="No line."), attempt_pk=attempt), timezone.now())
    count.refresh_from_db()
    assert (count.status, count.values()) == ("waiting", {"stop_price": D(97)})
    assert waiting(stop) == [(True, {"stop_price": D(97)}), (False, {"limit_price": D(92)})]


def test_what_came_before_takes_nothing_of_what_waits_behind(stop: Order) -> None:
    size = ask(stop, quantity="4")
    attempt, _ = sending.begin(stop, timezone.now())
    ask(stop, kind="by_rule", stop_price="99")
    sending.finish(stop, attempt, Answer(outcome=NotSent(reason="No line."), attempt_pk=attempt), timezone.now())
    size.refresh_from_db()
    assert (size.status, size.values()) == ("waiting", {"quantity": D(4)})
    assert waiting(stop) == [(False, {"quantity": D(4)}), (True, {"stop_price": D(99)})]


def test_a_trail_and_a_stop_that_stands_exclude_each_other(account: BrokerageAccount) -> None:
    stop = rows.order(
        account, role="stop_loss", side="sell", type="stop", stop_price=D(95), status="accepted", broker_order_id="2"
    )
    ask(stop, kind="from_fill", stop_price="97")
    ask(stop, kind="by_rule", trail_amount="2")
    assert waiting(stop) == [(True, {"trail_amount": D(2)})]


def test_a_size_that_waits_for_its_pair_is_not_sent_out_of_turn_by_a_price(account: BrokerageAccount) -> None:
    """The leg shrinks before its entry; what a rule wants of the entry's other leg leaves meanwhile, and only that."""
    entry = rows.order(account, role="entry", type="limit", limit_price=D(99), status="accepted", broker_order_id="3")
    leg = rows.order(
        entry.ticket,
        parent=entry,
        role="stop_loss",
        side="sell",
        type="stop",
        stop_price=D(95),
        status="accepted",
        broker_order_id="4",
    )
    now = timezone.now()
    smaller = [Modification(reference=each.reference, quantity=D(1)) for each in (entry, leg)]
    with transaction.atomic():
        wishes.ask(smaller, wishes.Asker(expires_at=now + timedelta(minutes=1)), now)
    ask(leg, kind="by_rule", stop_price="96")
    assert {each.pk for each in sending.due()} == {entry.pk, leg.pk}
    sending.begin(leg, timezone.now())
    assert OrderModification.objects.get(status="leaving").values() == {"stop_price": D(96)}


def test_a_corrected_fill_counts_anew_behind_a_persons_size(account: BrokerageAccount) -> None:
    """The size that somebody has asked for is no price of theirs."""
    ticket = working(account)
    fills(order(ticket, Role.ENTRY), "99.50")
    stop = order(ticket, Role.STOP_LOSS)
    ask(stop, quantity="4")
    assert [leave(stop, taken(stop)).values() for _ in range(2)] == [{"stop_price": D("97.51")}, {"quantity": D(4)}]
    fills(order(ticket, Role.ENTRY), "99.00", revision=2)
    again = last(stop)
    assert (again.status, again.from_fill, again.stop_price) == ("waiting", True, D("97.02"))


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def test_on_the_wire_both_arrive_one_after_the_other(bench: lab.Lab, alice: User) -> None:
    stop = bench.order(
        role="stop_loss",
        side="sell",
        type="stop_limit",
        stop_price=D("1.00"),
        limit_price=D("0.90"),
        quantity=D(10),
    )
    lab.work()
    stop.refresh_from_db()
    count = ask(stop, kind="from_fill", stop_price="1.50")
    mine = asking.change(order=stop, values={"limit_price": D("0.80")}, actor=alice, now=timezone.now())
    worked(lambda: not OrderModification.objects.filter(ended_at=None).exists(), "both are answered")
    for row in (count, mine):
        row.refresh_from_db()
        assert row.status == "made"
    sent = [(str(each["auxPrice"]), str(each["price"])) for each in changes(bench)]
    assert sent == [("1.5", "0.9"), ("1.5", "0.8")]
    stop.refresh_from_db()
    assert (stop.stop_price, stop.limit_price) == (D("1.5"), D("0.8"))
