"""Orders that were acknowledged before the clock was set back work as long as they were given, and no longer."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import Order
from brokers.orders import cancels, conversions
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def working(team: Team, at: datetime, status: str = "accepted") -> Order:
    order = rows.order(rows.account(team), status=status, broker_order_id="1")
    Order.objects.filter(pk=order.pk).update(type="limit", limit_price=1, acknowledged_at=at)
    order.refresh_from_db()
    return order


def acknowledged_at(order: Order) -> datetime | None:
    return Order.objects.values_list("acknowledged_at", flat=True).get(pk=order.pk)


def test_a_conversion_waits_for_its_seconds_and_not_for_the_hour_that_the_clock_went_back(team: Team) -> None:
    now = timezone.now()
    order = working(team, now + timedelta(hours=1))
    Order.objects.filter(pk=order.pk).update(convert_after=60)

    assert cancels.ask_due(now) == 0
    assert acknowledged_at(order) == now
    assert list(conversions.due(now + timedelta(seconds=59))) == []
    assert list(conversions.due(now + timedelta(seconds=60))) == [order]


def test_a_cancel_after_a_time_does_too(team: Team) -> None:
    now = timezone.now()
    order = working(team, now + timedelta(hours=1), status="partially_filled")
    Order.objects.filter(pk=order.pk).update(cancel_after=60)

    assert [cancels.ask_due(now + timedelta(seconds=seconds)) for seconds in (0, 59, 61)] == [0, 0, 1]
    order.refresh_from_db()
    assert order.status == "pending_cancel"


@pytest.mark.parametrize(("ahead", "status"), [(-60, "accepted"), (4, "accepted"), (3600, "canceled")])
def test_clocks_that_differ_by_little_and_orders_that_are_over_are_left_alone(
    team: Team, ahead: int, status: str
) -> None:
    now = timezone.now()
    order = working(team, now + timedelta(seconds=ahead), status=status)
    cancels.ask_due(now)
    assert acknowledged_at(order) == now + timedelta(seconds=ahead)
