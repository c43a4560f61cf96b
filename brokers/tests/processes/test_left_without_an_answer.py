"""Requests whose answers nobody wrote down: the worker died, or the database was away; a real gateway."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import OrderStatus
from brokers.models import Order, SubmissionAttempt
from brokers.orders import doubt, execution, reconciliation
from brokers.processes import agenda
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def left(bench: lab.Lab, now: datetime) -> tuple[Order, SubmissionAttempt]:
    """An order that has left, with the attempt of its worker."""
    order = bench.order(type="limit", limit_price=1)
    job = execution.take_next(bench.connection.pk, now)
    assert job is not None
    return order, SubmissionAttempt.objects.get(pk=job.attempt_pk)


def told(bench: lab.Lab, order: Order, now: datetime) -> None:
    """The stream tells that IBKR has it."""
    facts = OrderFacts(
        account_id=bench.account.account_id,
        broker_order_id="77",
        reference=order.reference,
        status=OrderStatus.ACCEPTED,
    )
    reconciliation.apply(bench.connection, orders=[facts], now=now)


def outcome(attempt: SubmissionAttempt) -> str:
    return SubmissionAttempt.objects.get(pk=attempt.pk).outcome


def test_what_the_stream_told_of_first_gets_an_outcome_from_the_next_worker(bench: lab.Lab) -> None:
    now = timezone.now()
    order, attempt = left(bench, now)
    told(bench, order, now)
    assert (status(order), outcome(attempt)) == ("accepted", "")
    agenda.look(bench.connection.pk, now, back=True)
    assert (status(order), outcome(attempt)) == ("accepted", "ambiguous")


def test_a_worker_that_could_not_write_an_answer_down_looks_for_the_order(bench: lab.Lab) -> None:
    now = timezone.now()
    order, attempt = left(bench, now)
    assert agenda.look(bench.connection.pk, now, back=False).doubtful
    assert (status(order), outcome(attempt)) == ("unknown", "ambiguous")


def test_a_worker_is_woken_for_what_nobody_waits_for_any_more(bench: lab.Lab) -> None:
    now = timezone.now()
    order, _ = left(bench, now)
    told(bench, order, now)
    assert agenda.waiting_connections(now) == []
    assert agenda.waiting_connections(now + doubt.LONGEST_WRITE + timedelta(seconds=1)) == [bench.connection.pk]


def test_what_asks_for_a_change_stays_open_until_it_is_looked_up(bench: lab.Lab) -> None:
    now = timezone.now()
    order, _ = left(bench, now)
    for kind in (SubmissionAttempt.Kind.CANCEL, SubmissionAttempt.Kind.MODIFY):
        SubmissionAttempt.objects.create(order=order, kind=kind, request_hash="0" * 64, sent_at=now)
    doubt.doubt_abandoned(bench.connection.pk, now)
    assert order.attempts.get(outcome="").kind == SubmissionAttempt.Kind.MODIFY
