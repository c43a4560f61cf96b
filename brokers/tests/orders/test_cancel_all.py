"""Canceling whatever may still fill: what a kill switch and the end of a position need; a real gateway."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from brokers.domain.brokerage import NotSent
from brokers.domain.orders import OrderStatus
from brokers.models import Order, SubmissionAttempt, Ticket
from brokers.orders import cancels, doubt, execution
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import resting, status, watched

pytestmark = pytest.mark.django_db(transaction=True)
CAUSE = "Trading was stopped."


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def stop_all(bench: lab.Lab, actor: User | None = None) -> int:
    orders = Order.objects.filter(account=bench.account)
    return cancels.cancel_all(orders, actor=actor, cause=CAUSE, now=timezone.now())


def on_its_way(bench: lab.Lab) -> tuple[Order, execution.Job]:
    """An order that has left and whose answer is not there yet."""
    order = bench.order(type="limit", limit_price=1)
    job = execution.take_next(bench.connection.pk, timezone.now())
    assert job is not None
    assert status(order) == OrderStatus.SUBMITTED
    return order, job


def test_what_never_left_ends_at_once_with_everything_behind_it(bench: lab.Lab, alice: User) -> None:
    parent = bench.order()
    child = bench.order(parent=parent, release="after_parent_fills")
    assert stop_all(bench, alice) == 1
    parent.refresh_from_db()
    assert (parent.status, status(child)) == ("canceled", "canceled")
    assert parent.reason == "Canceled before it was sent: Trading was stopped. Asked by alice@example.com."
    lab.work()
    assert bench.posts() == []


def test_the_caller_writes_the_audit(bench: lab.Lab, alice: User) -> None:
    bench.order()
    before = AuditEntry.objects.count()
    stop_all(bench, alice)
    assert AuditEntry.objects.count() == before


def test_what_works_is_asked_for_and_ends_by_the_brokers_word(bench: lab.Lab) -> None:
    order = resting(bench)
    assert stop_all(bench) == 1
    event = order.events.latest("id")
    assert (event.new, event.cause) == ("pending_cancel", CAUSE)
    watched(lambda: status(order) == "canceled", "it is canceled")
    assert [row["status"] for row in bench.at_broker()] == ["Cancelled"]


def test_a_second_call_asks_for_nothing_new(bench: lab.Lab) -> None:
    resting(bench)
    on_its_way(bench)
    assert stop_all(bench) == 2
    wishes = Ticket.objects.exclude(cancels=[]).count()
    assert stop_all(bench) == 1  # what is on its way is counted, and wished for once
    assert Ticket.objects.exclude(cancels=[]).count() == wishes == 1


def test_what_is_over_stays_as_it_was(bench: lab.Lab) -> None:
    order = resting(bench)
    assert Order.objects.move(order, OrderStatus.CANCELED, now=timezone.now())
    assert stop_all(bench) == 0
    assert order.events.count() == 4


def test_what_is_on_its_way_is_canceled_as_soon_as_it_has_arrived(bench: lab.Lab) -> None:
    order, job = on_its_way(bench)
    assert stop_all(bench) == 1
    assert status(order) == OrderStatus.SUBMITTED
    doubt.doubt_abandoned(bench.connection.pk, timezone.now())
    assert status(order) == OrderStatus.UNKNOWN
    assert (
        bench.gateway.call(
            bench.user,
            "POST",
            f"/iserver/account/{job.account_id}/orders",
            {
                "orders": [
                    {
                        "conid": 265598,
                        "side": "BUY",
                        "orderType": "LMT",
                        "price": 1,
                        "quantity": 10,
                        "tif": "DAY",
                        "cOID": order.reference,
                    }
                ]
            },
        )[0]
        == 200
    )
    watched(lambda: status(order) == "canceled", "it is canceled")


def test_what_provably_never_left_does_not_leave_again(bench: lab.Lab) -> None:
    order, job = on_its_way(bench)
    stop_all(bench)
    refused = NotSent(reason="The connection was refused.")
    execution.finish(job, execution.Answer(outcome=refused, attempt_pk=job.attempt_pk), timezone.now())
    order.refresh_from_db()
    assert (order.status, order.reason) == ("canceled", f"Canceled before it was sent: {CAUSE}")
    assert not Ticket.objects.filter(worked_at__isnull=True).exists()
    lab.work()
    assert bench.posts() == []


def test_what_the_broker_never_had_is_not_sent_again(bench: lab.Lab) -> None:
    order, _ = on_its_way(bench)
    stop_all(bench)
    doubt.doubt_abandoned(bench.connection.pk, timezone.now())
    lab.miss(Order.objects.get(pk=order.pk))
    assert status(order) == OrderStatus.CANCELED


def test_a_broker_that_said_no_is_asked_again_after_a_while(bench: lab.Lab) -> None:
    order, now = resting(bench), timezone.now()
    SubmissionAttempt.objects.create(
        order=order, kind="cancel", request_hash="x", sent_at=now, answered_at=now, outcome="rejected"
    )
    orders = Order.objects.filter(pk=order.pk)
    assert cancels.cancel_all(orders, actor=None, cause=CAUSE, now=now + timedelta(seconds=9)) == 0
    assert cancels.cancel_all(orders, actor=None, cause=CAUSE, now=now + timedelta(seconds=11)) == 1


def test_one_that_a_pause_held_back_counts_as_not_sent_and_leaves_after_it(bench: lab.Lab) -> None:
    order = resting(bench)
    match = {"user": bench.user, "method": "DELETE", "path": "/iserver/account/*/order/*"}
    action = {"status": 429, "body": {"error": "too many requests"}, "headers": {"Retry-After": "1"}}
    bench.gateway.fault(match=match, action=action, times=1)
    stop_all(bench)

    outcomes = SubmissionAttempt.objects.filter(order=order, kind="cancel").order_by("pk")

    def left() -> bool:
        lab.work()
        return outcomes.filter(outcome="accepted").exists()

    asyncio.run(lab.until(left, "the cancel has left after the pause"))
    # IBKR did nothing of the first one, so it is none of those whose answer was lost.
    assert list(outcomes.values_list("outcome", flat=True)) == ["not_sent", "accepted"]
    watched(lambda: status(order) == "canceled", "it is canceled")


def test_what_time_brings_is_done_while_orders_keep_coming(bench: lab.Lab) -> None:
    order = resting(bench)
    # Not from its beginning: on a slow machine the second would be over before it rests.
    Order.objects.filter(pk=order.pk).update(cancel_after=1)

    async def busy() -> None:
        working = asyncio.create_task(asyncio.to_thread(lab.work))
        while not working.done():
            if await asyncio.to_thread(_asked, order):
                break
            await asyncio.to_thread(_stir, bench)
        await working

    asyncio.run(busy())
    assert status(order) in {"pending_cancel", "canceled"}


def _asked(order: Order) -> bool:
    try:
        return status(order) != "accepted"
    finally:
        connection.close()


def _stir(bench: lab.Lab) -> None:
    with transaction.atomic():
        notify(ORDERS_CHANNEL, str(bench.connection.pk))
    connection.close()


def test_one_order_on_its_way_that_somebody_cancels_is_canceled_once_it_has_arrived(
    bench: lab.Lab, alice: User
) -> None:
    order, job = on_its_way(bench)
    for _ in range(2):
        assert cancels.request_cancel(order=order, actor=alice, now=timezone.now())
    assert status(order) == OrderStatus.SUBMITTED
    assert Ticket.objects.filter(worked_at__isnull=True).exclude(cancels=[]).count() == 1
    refused = NotSent(reason="The connection was refused.")
    execution.finish(job, execution.Answer(outcome=refused, attempt_pk=job.attempt_pk), timezone.now())
    order.refresh_from_db()
    assert (order.status, order.reason) == ("canceled", f"Canceled before it was sent: Asked by {alice}.")
    assert not cancels.request_cancel(order=order, actor=alice, now=timezone.now())
