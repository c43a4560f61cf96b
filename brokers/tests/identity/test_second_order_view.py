"""The pages of two orders for one: what they say, and what a person may do about it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Team, User
from brokers.models import Order
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(team: Team, now: datetime) -> tuple[Order, Order]:
    """A limit order that was to become a market order, and the market order that IBKR has beside it."""
    account = rows.account(team)
    first = rows.order(
        account, type="limit", limit_price=Decimal(180), status="accepted", broker_order_id="7", acknowledged_at=now
    )
    values = {"reference": f"{first.reference}.2", "second_of": first, "broker_order_id": "8", "acknowledged_at": now}
    second = rows.order(first.ticket, status="partially_filled", filled_quantity=Decimal(3), **values)
    return first, second


def page(client: Client, order: Order) -> str:
    return client.get(reverse("order", args=[order.team.code, order.code])).content.decode()


def test_each_names_the_other_and_asks(alice: User, client: Client, two: tuple[Order, Order]) -> None:
    client.force_login(alice)
    for this, other in (two, two[::-1]):
        shown = page(client, this)
        assert "IBKR has 2 orders for this one" in shown
        assert reverse("order", args=[other.team.code, other.code]) in shown
        assert f'<span class="mono">{other.broker_order_id}</span>' in shown
        assert "Keep both" in shown


def test_who_keeps_both_is_on_record_and_nobody_is_asked_again(
    alice: User, client: Client, two: tuple[Order, Order]
) -> None:
    first, second = two
    client.force_login(alice)
    keep = reverse("order_keep_both", args=[second.team.code, second.code])
    assert "Both orders stay." in client.post(keep, follow=True).content.decode()
    assert "Keep both" not in page(client, first)
    assert "IBKR has 2 orders for this one" in page(client, first)
    entry = AuditEntry.objects.get(action="order.both_kept")
    assert (entry.actor, entry.after) == (alice, {"numbers": ["7", "8"]})
    assert "second-order-kept" in client.post(keep, follow=True).content.decode()


def test_who_only_looks_is_told_who_decides(bob: User, client: Client, two: tuple[Order, Order]) -> None:
    client.force_login(bob)
    shown = page(client, two[0])
    assert "A trader of the team keeps both, or cancels one." in shown
    assert "order_keep_both" not in shown


def test_one_without_a_reference_says_what_it_may_be(alice: User, client: Client, two: tuple[Order, Order]) -> None:
    first, second = two
    row = rows.foreign_order(first.account, second_of=first)
    assert second.second_of_id == first.pk
    client.force_login(alice)
    shown = client.get(reverse("foreign_order", args=[row.team.code, row.code])).content.decode()
    assert "This may be a second order for one of Halyard's" in shown
    assert "Choose this where somebody placed it by hand." in shown
    assert "Adopt it" in shown
