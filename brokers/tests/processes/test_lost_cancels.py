"""Cancels whose answers are lost: looked up before each repetition, repeated twice and no more; a real gateway."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import Order
from brokers.orders import cancels
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import resting, status, watched

pytestmark = pytest.mark.django_db(transaction=True)
CANCEL = {"method": "DELETE", "path": "/iserver/account/*/order/*"}


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def asked(order: Order) -> list[str]:
    """The outcomes of the requests to cancel it, in the order in which they left."""
    return list(order.attempts.filter(kind="cancel").order_by("pk").values_list("outcome", flat=True))


def reason(order: Order) -> tuple[str, str]:
    row = Order.objects.get(pk=order.pk)
    return row.status, row.reason_code


def test_after_two_repetitions_it_goes_on_working_and_says_so(bench: lab.Lab) -> None:
    order = resting(bench)
    bench.gateway.fault(action={"drop_connection": True}, match=CANCEL, times=10)
    assert cancels.request_cancel(order=order, actor=None, now=timezone.now())
    watched(lambda: status(order) == "accepted", "it works again")
    assert asked(order) == ["not_applied", "not_applied", "rejected"]
    assert reason(order) == ("accepted", "not-canceled")
    assert Order.objects.get(pk=order.pk).reason == f"Not canceled: {cancels.LOST}"


def test_a_person_may_ask_anew_afterwards(bench: lab.Lab) -> None:
    order = resting(bench)
    bench.gateway.fault(action={"drop_connection": True}, match=CANCEL, times=3)
    cancels.request_cancel(order=order, actor=None, now=timezone.now())
    watched(lambda: status(order) == "accepted", "it works again")
    assert cancels.request_cancel(order=Order.objects.get(pk=order.pk), actor=None, now=timezone.now())
    watched(lambda: status(order) == "canceled", "it is canceled")
    assert asked(order) == ["not_applied", "not_applied", "rejected", "accepted"]


def test_what_arrived_although_its_answer_was_lost_is_not_repeated(bench: lab.Lab) -> None:
    order = resting(bench)
    bench.gateway.fault(action={"drop_connection": True}, match=CANCEL, phase="after")
    cancels.request_cancel(order=order, actor=None, now=timezone.now())
    watched(lambda: status(order) == "canceled", "it is canceled")
    assert len(asked(order)) == 1
