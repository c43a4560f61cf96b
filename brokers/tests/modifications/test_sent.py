"""Changes of working orders that somebody asks for, at a real gateway: made once, and read back where that is in doubt."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from accounts.models import Team
from brokers.book import holdings
from brokers.domain.brokerage import Accepted, Ack, NotSent, OrderFacts, PositionFacts, Refused
from brokers.domain.orders import Modification, OrderStatus, OrderType
from brokers.models import BrokerageAccount, CorporateAction, Order, OrderModification, SubmissionAttempt
from brokers.orders import cancels, resizes
from brokers.orders.execution import Answer
from brokers.orders.modifications import overdue, sending, wishes
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_conversions import changes, match
from brokers.tests.orders.test_resizes import worked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def stop(bench: lab.Lab) -> Order:
    """A stop over ten that rests at the broker, far below the market."""
    order = bench.order(role="stop_loss", side="sell", type="stop", stop_price=Decimal("1.00"), quantity=Decimal(10))
    lab.work()
    order.refresh_from_db()
    assert order.status == OrderStatus.ACCEPTED
    return order


@pytest.fixture
def row_of_a_stop(team: Team) -> Order:
    """A stop over ten, as rows have it: no gateway."""
    return rows.order(
        rows.account(team),
        role="stop_loss",
        side="sell",
        type="stop",
        stop_price=Decimal(1),
        quantity=Decimal(10),
        status="accepted",
        broker_order_id="1",
    )


def ask(order: Order, now: datetime | None = None, **values: Any) -> OrderModification:
    now = now or timezone.now()
    values = {name: Decimal(value) for name, value in values.items()}
    with transaction.atomic():
        asker = wishes.Asker(expires_at=now + timedelta(minutes=1))
        return wishes.ask([Modification(reference=order.reference, **values)], asker, now)[0]


def after(row: OrderModification) -> tuple[str, str]:
    row.refresh_from_db()
    return row.status, row.reason_code


def shown(order: Order, **values: Any) -> OrderFacts:
    return OrderFacts(account_id=order.account.account_id, broker_order_id=order.broker_order_id, **values)


def test_a_stop_is_moved_where_it_stands(bench: lab.Lab, stop: Order) -> None:
    number, row = stop.broker_order_id, ask(stop, stop_price="1.50")
    lab.work()
    stop.refresh_from_db()
    assert after(row) == ("made", "")
    assert (stop.stop_price, stop.quantity, stop.broker_order_id) == (Decimal("1.5"), Decimal(10), number)
    assert [(each["price"], each["quantity"]) for each in changes(bench)] == [(1.5, 10)]
    [at_broker] = bench.at_broker()
    assert at_broker["auxPrice"] == "1.50"
    assert not bench.gateway.journal(bench.user, method="DELETE")
    assert stop.events.order_by("-id")[0].cause == "IBKR has changed it: stop 1.5"


def test_a_refusal_keeps_the_order_and_says_why(bench: lab.Lab, stop: Order) -> None:
    bench.gateway.fault(action={"body": {"error": "It cannot be changed."}, "status": 200}, match=match(bench))
    row = ask(stop, stop_price="1.50")
    lab.work()
    stop.refresh_from_db()
    assert after(row)[0] == "refused"
    assert row.reason_code
    assert row.reason.startswith("Kept as it is: IBKR did not change it.")
    assert (stop.stop_price, stop.reason) == (Decimal(1), row.reason)
    assert len(changes(bench)) == 1
    # The next one is asked for, and ends what was said about the first.
    assert ask(stop, stop_price="1.60").status == "waiting"
    lab.work()
    stop.refresh_from_db()
    assert (stop.stop_price, stop.reason, stop.reason_code) == (Decimal("1.6"), "", "")


def test_an_answer_that_is_lost_is_read_back_and_nothing_is_asked_twice(bench: lab.Lab, stop: Order) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=match(bench), phase="after")
    row = ask(stop, stop_price="1.50")
    worked(lambda: after(row)[0] == "made", "the change is read back")
    stop.refresh_from_db()
    assert stop.stop_price == Decimal("1.5")
    assert len(changes(bench)) == 1


def test_what_the_broker_shows_settles_a_change_in_doubt(row_of_a_stop: Order) -> None:
    order, now = row_of_a_stop, timezone.now()
    row = ask(order, stop_price="1.50")
    # Written down as leaving, and then the worker was killed: nothing leaves again before the order is read.
    sending.begin(order, now)
    change = sending.next_change(order.connection_id, now)
    assert change is not None
    assert change.doubtful
    assert not sending.settle_lost(order, [], now)
    assert not sending.settle_lost(order, [shown(order, stop_price=Decimal(1))], now, early=True)
    assert sending.settle_lost(order, [shown(order, stop_price=Decimal(1))], now)
    assert after(row) == ("waiting", "")
    again = sending.next_change(order.connection_id, now)
    assert again is not None
    assert not again.doubtful
    sending.begin(order, now)
    assert sending.settle_lost(order, [shown(order, limit_price=Decimal("1.5"))], now)
    order.refresh_from_db()
    assert (after(row), order.stop_price) == (("made", ""), Decimal("1.5"))


def test_it_is_not_asked_for_for_ever(row_of_a_stop: Order) -> None:
    order, now = row_of_a_stop, timezone.now()
    row = ask(order, stop_price="1.50")
    for _ in range(3):
        sending.begin(order, now)
        assert sending.settle_lost(order, [shown(order, stop_price=Decimal(1))], now)
    assert after(row) == ("refused", "answer-lost")
    assert sending.next_change(order.connection_id, now) is None


def test_other_changes_of_the_order_wait_for_one_in_doubt(row_of_a_stop: Order) -> None:
    order, now = row_of_a_stop, timezone.now()
    ask(order, stop_price="1.50")
    sending.begin(order, now)
    Order.objects.filter(pk=order.pk).update(resize_to=Decimal(6), resize_asked_at=now)
    assert list(resizes.due()) == []
    assert sending.settle_lost(order, [shown(order, stop_price=Decimal("1.5"))], now)
    assert list(resizes.due()) == [order]
    order.refresh_from_db()
    resizes.begin(order, now)
    ask(order, stop_price="1.60")
    assert list(sending.due()) == []


def test_changes_leave_in_the_order_in_which_they_were_asked_for(row_of_a_stop: Order) -> None:
    first, now = row_of_a_stop, timezone.now()
    second = rows.order(first.ticket, role="stop_loss", side="sell", type="stop", stop_price=1, status="accepted")
    Order.objects.filter(pk=second.pk).update(broker_order_id="2")
    for order in (second, first):
        ask(order, stop_price="1.50")
    left = []
    for _ in range(2):
        change = sending.next_change(first.connection_id, now)
        assert change is not None
        left.append(change.order.pk)
        sending.begin(change.order, now)
    assert left == [second.pk, first.pk]


def not_sent(order: Order, now: datetime) -> None:
    """The change that waits is written down as leaving, and does not leave."""
    attempt, _ = sending.begin(order, now)
    answer = Answer(outcome=NotSent(reason="No line.", code="not-reached"), attempt_pk=attempt)
    sending.finish(order, attempt, answer, now)


def test_a_change_that_did_not_leave_is_not_sent_late(row_of_a_stop: Order) -> None:
    row, now = ask(row_of_a_stop, stop_price="1.50"), timezone.now()
    not_sent(row_of_a_stop, now)
    assert after(row) == ("waiting", "")
    assert sending.next_change(row_of_a_stop.connection_id, now + timedelta(seconds=61)) is None
    assert after(row) == ("not_made", "change-too-late")


def test_a_change_that_did_not_leave_gives_way_to_a_later_one(row_of_a_stop: Order) -> None:
    first, now = ask(row_of_a_stop, stop_price="1.50"), timezone.now()
    attempt, _ = sending.begin(row_of_a_stop, now)
    second = ask(row_of_a_stop, stop_price="1.40")
    answer = Answer(outcome=NotSent(reason="No line.", code="not-reached"), attempt_pk=attempt)
    sending.finish(row_of_a_stop, attempt, answer, now)
    assert (after(first), after(second)[0]) == (("not_made", "superseded-change"), "waiting")
    assert sending.begin(row_of_a_stop, now)[1].intent.stop_price == Decimal("1.4")


def test_an_entry_waits_for_the_leg_that_shrinks_first_and_is_kept_with_it(row_of_a_stop: Order) -> None:
    leg, now = row_of_a_stop, timezone.now()
    entry = rows.order(leg.ticket, type="limit", limit_price=1, status="accepted", broker_order_id="2")
    with transaction.atomic():
        wanted = [Modification(reference=each.reference, quantity=Decimal(4)) for each in (leg, entry)]
        of_leg, of_entry = wishes.ask(wanted, wishes.Asker(expires_at=now + timedelta(minutes=1)), now)
    assert list(sending.due()) == [leg]
    attempt, _ = sending.begin(leg, now)
    assert list(sending.due()) == [leg]
    answer = Answer(outcome=Refused(reason="No.", code="no"), attempt_pk=attempt)
    sending.finish(leg, attempt, answer, now)
    assert (after(of_leg)[0], after(of_entry)) == ("refused", ("not_made", "pair-not-made"))
    assert list(sending.due()) == []


def entry_of(leg: Order) -> Order:
    """A limit order of ten that works, of the same ticket as its leg."""
    return rows.order(
        leg.ticket, type="limit", limit_price=1, status="accepted", broker_order_id="2", quantity=Decimal(10)
    )


def ask_both(first: Order, second: Order, size: int, now: datetime) -> list[OrderModification]:
    """Another size of an order and its leg, in this order."""
    with transaction.atomic():
        wanted = [Modification(reference=each.reference, quantity=Decimal(size)) for each in (first, second)]
        return wishes.ask(wanted, wishes.Asker(expires_at=now + timedelta(minutes=1)), now)


def test_the_size_of_an_order_and_its_leg_is_taken_over_by_no_change_of_one_of_them(row_of_a_stop: Order) -> None:
    leg, now = row_of_a_stop, timezone.now()
    entry = entry_of(leg)
    pair = ask_both(leg, entry, 4, now)
    moved = ask(leg, now + timedelta(seconds=1), stop_price="1.50")
    assert (moved.status, moved.reason_code) == ("not_made", "size-under-way")
    limited = ask(entry, now + timedelta(seconds=1), limit_price="2", quantity="4")
    assert (limited.status, limited.reason_code) == ("not_made", "size-under-way")
    assert [after(each)[0] for each in pair] == ["waiting", "waiting"]
    assert list(sending.due()) == [leg]
    # The leg is on its way: the entry still waits for it.
    sending.begin(leg, now)
    assert ask(entry, now + timedelta(seconds=2), limit_price="2").reason_code == "size-under-way"


def test_another_size_of_both_takes_the_place_of_the_one_that_waits(row_of_a_stop: Order) -> None:
    leg, now = row_of_a_stop, timezone.now()
    entry = entry_of(leg)
    first = ask_both(leg, entry, 4, now)
    second = ask_both(leg, entry, 6, now + timedelta(seconds=1))
    assert [after(each) for each in first] == [("not_made", "superseded-change")] * 2
    assert [after(each)[0] for each in second] == ["waiting", "waiting"]
    assert list(sending.due()) == [leg]
    # One of them alone would leave the other's old size behind.
    alone = ask(entry, now + timedelta(seconds=2), quantity="8")
    assert (alone.status, alone.reason_code) == ("not_made", "size-under-way")


def test_the_size_of_a_leg_that_did_not_leave_keeps_its_place_before_its_order(row_of_a_stop: Order) -> None:
    leg, now = row_of_a_stop, timezone.now()
    entry = entry_of(leg)
    of_leg, of_entry = ask_both(leg, entry, 4, now)
    attempt, _ = sending.begin(leg, now)
    moved = ask(leg, now + timedelta(seconds=1), stop_price="1.50")
    assert moved.status == "waiting"
    answer = Answer(outcome=NotSent(reason="No line.", code="not-reached"), attempt_pk=attempt)
    sending.finish(leg, attempt, answer, now)
    assert [after(each) for each in (of_leg, of_entry)] == [("waiting", "")] * 2
    assert after(moved) == ("not_made", "size-under-way")
    assert list(sending.due()) == [leg]


def holding(order: Order, quantity: object, average: object, at: datetime) -> None:
    """IBKR shows so much of the order's contract."""
    fact = PositionFacts(
        account_id=order.account.account_id,
        conid=order.conid,
        ticker=order.ticker,
        asset_class="stock",
        quantity=Decimal(str(quantity)),
        average_cost=Decimal(str(average)),
    )
    holdings.refresh(order.account, positions=[fact], summary=None, as_of=at)


@pytest.mark.parametrize(("quantity", "average", "state"), [(400, 50, "known"), (373, "53.6193", "asked")])
def test_a_split_ends_the_change_that_waits_with_a_sentence(
    row_of_a_stop: Order, quantity: object, average: object, state: str
) -> None:
    order, now = row_of_a_stop, timezone.now()
    Order.objects.filter(pk=order.pk).update(created_at=now - timedelta(hours=1))
    rows.position(order.account, conid=order.conid, quantity=Decimal(100), average_cost=Decimal(200), as_of=now)
    BrokerageAccount.objects.filter(pk=order.account_id).update(book_as_of=now, opened_at=now)
    order.account.refresh_from_db()
    row = ask(order, now, stop_price="1.50")
    for seconds in (5, 10):
        holding(order, quantity, average, now + timedelta(seconds=seconds))
    assert CorporateAction.objects.get().state == state
    assert after(row) == ("not_made", "split-meanwhile")
    assert "send the change again" in row.reason
    assert list(sending.due()) == []


def test_a_trail_that_may_be_at_ibkr_is_gone_by(row_of_a_stop: Order) -> None:
    order, now = row_of_a_stop, timezone.now()
    Order.objects.filter(pk=order.pk).update(type="trailing_stop", stop_price=None, trail_percent=Decimal(5))
    row = ask(order, trail_percent="2")
    for _ in range(3):
        sending.begin(order, now)
        assert sending.settle_lost(order, [shown(order)], now)
    order.refresh_from_db()
    assert (after(row), order.trail_percent) == (("refused", "answer-lost"), Decimal(2))


def test_an_ended_change_keeps_no_other_change_of_its_order_back(row_of_a_stop: Order) -> None:
    order, now = row_of_a_stop, timezone.now()
    ask(order, stop_price="1.50")
    sending.begin(order, now)
    Order.objects.filter(pk=order.pk).update(status="filled", filled_quantity=Decimal(10))
    assert overdue.end_due(now + timedelta(seconds=31)) == 1
    Order.objects.filter(pk=order.pk).update(
        status="partially_filled", quantity=Decimal(20), resize_to=Decimal(15), resize_asked_at=now
    )
    assert list(resizes.due()) == [order]


def test_a_repeat_makes_no_second_change(bench: lab.Lab, stop: Order) -> None:
    first, second = ask(stop, stop_price="1.50"), ask(stop, stop_price="1.50")
    assert after(second) == ("not_made", "change-under-way")
    lab.work()
    assert after(first) == ("made", "")
    assert after(ask(stop, stop_price="1.50")) == ("not_made", "already-so")
    assert len(changes(bench)) == 1


def test_a_later_wish_takes_the_place_of_one_that_waits_and_keeps_what_it_does_not_name(row_of_a_stop: Order) -> None:
    first = ask(row_of_a_stop, stop_price="1.50", quantity="8")
    second = ask(row_of_a_stop, stop_price="1.60")
    assert after(first) == ("not_made", "superseded-change")
    assert (second.stop_price, second.quantity, second.status) == (Decimal("1.6"), Decimal(8), "waiting")


def test_a_wish_behind_one_that_leaves_waits_for_it(row_of_a_stop: Order) -> None:
    order, now = row_of_a_stop, timezone.now()
    first = ask(order, stop_price="1.50")
    sending.begin(order, now)
    second = ask(order, stop_price="1.60")
    assert (after(first)[0], after(second)[0]) == ("leaving", "waiting")
    assert sending.settle_lost(order, [shown(order, stop_price=Decimal("1.5"))], now)
    _, leg = sending.begin(order, now)
    assert (after(first)[0], leg.intent.stop_price) == ("made", Decimal("1.6"))


def test_of_two_that_ask_at_once_the_second_sees_the_first(row_of_a_stop: Order) -> None:
    made: list[OrderModification] = []

    def other() -> None:
        made.append(ask(row_of_a_stop, stop_price="1.50"))
        database.close()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        asker = wishes.Asker(expires_at=timezone.now() + timedelta(minutes=1))
        wanted = Modification(reference=row_of_a_stop.reference, stop_price=Decimal("1.5"))
        [first] = wishes.ask([wanted], asker, timezone.now())
        thread.start()
        thread.join(0.3)
        assert made == []
    thread.join(10)
    assert [after(each) for each in (first, *made)] == [("waiting", ""), ("not_made", "change-under-way")]


@pytest.mark.parametrize(
    ("now_is", "code"),
    [
        ({"status": "filled", "filled_quantity": Decimal(10)}, "already-filled"),
        ({"status": "canceled"}, "order-over"),
        ({"status": "partially_filled", "filled_quantity": Decimal(6)}, "quantity-below-filled"),
    ],
)
def test_a_fill_that_comes_first_ends_the_change_before_it_leaves(
    row_of_a_stop: Order, now_is: dict[str, Any], code: str
) -> None:
    row = ask(row_of_a_stop, quantity="6")
    Order.objects.filter(pk=row_of_a_stop.pk).update(**now_is)
    assert sending.next_change(row_of_a_stop.connection_id, timezone.now()) is None
    assert after(row) == ("not_made", code)
    assert row.reason.endswith(".")


def test_a_fill_while_it_is_under_way_keeps_what_has_filled(bench: lab.Lab, stop: Order) -> None:
    ask(stop, quantity="8")
    attempt, _ = sending.begin(stop, timezone.now())
    Order.objects.filter(pk=stop.pk).update(status="partially_filled", filled_quantity=Decimal(9))
    ack = Ack(reference=stop.reference, broker_order_id=stop.broker_order_id, status=OrderStatus.ACCEPTED)
    sending.finish(stop, attempt, Answer(outcome=Accepted(acks=(ack,)), attempt_pk=attempt), timezone.now())
    stop.refresh_from_db()
    assert (stop.quantity, stop.filled_quantity) == (Decimal(9), Decimal(9))


def test_what_has_ended_is_written_down_as_not_made(row_of_a_stop: Order) -> None:
    Order.objects.filter(pk=row_of_a_stop.pk).update(status="pending_cancel")
    assert after(ask(row_of_a_stop, stop_price="1.50")) == ("not_made", "being-canceled")
    Order.objects.filter(pk=row_of_a_stop.pk).update(status="filled", filled_quantity=Decimal(10))
    assert after(ask(row_of_a_stop, stop_price="1.50")) == ("not_made", "already-filled")


def test_what_cannot_leave_in_time_is_ended_with_the_reason(row_of_a_stop: Order) -> None:
    row, now = ask(row_of_a_stop, stop_price="1.50"), timezone.now()
    assert overdue.end_due(now) == 0
    assert overdue.end_due(now + timedelta(seconds=61)) == 1
    assert after(row) == ("not_made", "change-too-late")
    assert "within 60 seconds" in row.reason


def test_an_order_that_fills_while_its_change_is_in_doubt_ends_the_change(row_of_a_stop: Order) -> None:
    row, now = ask(row_of_a_stop, stop_price="1.50"), timezone.now()
    sending.begin(row_of_a_stop, now)
    Order.objects.filter(pk=row_of_a_stop.pk).update(status="filled", filled_quantity=Decimal(10))
    # The answer may still come.
    assert overdue.end_due(now + timedelta(seconds=5)) == 0
    assert overdue.end_due(now + timedelta(seconds=31)) == 1
    assert after(row) == ("not_made", "already-filled")


def test_one_of_two_orders_is_not_changed(row_of_a_stop: Order) -> None:
    order, now = row_of_a_stop, timezone.now()
    rows.order(order.ticket, second_of=order, broker_order_id="7", status="accepted", quantity=Decimal(10))
    row = ask(order, stop_price="1.50")
    change = sending.next_change(order.connection_id, now)
    assert change is not None
    assert change.doubtful
    assert sending.settle_lost(order, [], now)
    assert after(row) == ("not_made", "second-order")


@pytest.mark.parametrize(
    ("kind", "facts", "values", "expected"),
    [
        ("stop", {"stop_price": 2}, {"stop_price": 2}, True),
        ("stop", {"limit_price": 2}, {"stop_price": 2}, True),
        ("stop", {"stop_price": 1, "limit_price": 2}, {"stop_price": 2}, False),
        ("stop_limit", {"limit_price": 2}, {"stop_price": 2}, False),
        ("limit", {"limit_price": 2, "quantity": 8}, {"limit_price": 2, "quantity": 9}, False),
        ("limit", {"remaining_quantity": 5, "filled_quantity": 4}, {"quantity": 9}, True),
        ("trailing_stop", {"stop_price": 2}, {"trail_amount": 2}, False),
    ],
)
def test_what_a_list_says_of_a_change(kind: str, facts: dict[str, int], values: dict[str, int], expected: bool) -> None:
    said: dict[str, Any] = {name: Decimal(value) for name, value in facts.items()}
    fact = OrderFacts(account_id="U1", broker_order_id="1", **said)
    assert sending.shows(fact, OrderType(kind), {name: Decimal(v) for name, v in values.items()}) is expected


def test_a_cancel_ends_what_waits(bench: lab.Lab, stop: Order) -> None:
    cancels.request_cancel(order=stop, actor=None, now=timezone.now())
    row = ask(stop, stop_price="1.50")
    assert after(row) == ("not_made", "being-canceled")
    lab.work()
    assert changes(bench) == []
    assert not SubmissionAttempt.objects.filter(kind="modify").exists()
