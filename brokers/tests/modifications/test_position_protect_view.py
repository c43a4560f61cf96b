"""The page of a position's stop and target: what it has is moved, what it lacks is added."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team, User
from brokers.models import Order, Position
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(client: Client, alice: User, team: Team) -> Position:
    client.force_login(alice)
    return rows.position(rows.account(team, book_as_of=timezone.now()), market_price=Decimal(180))


def address(position: Position) -> str:
    return reverse("position_protect", args=[position.team.code, position.account.code, position.conid])


def test_a_stop_is_added_and_then_moved(client: Client, held: Position) -> None:
    assert "Add stop, target or both" in client.get(address(held)).text
    answer = client.post(address(held), {"stop_price": "170"}, follow=True)
    assert "AAPL is being protected: stop 170." in answer.text
    [stop] = Order.objects.all()
    assert (stop.role, stop.side, stop.quantity, stop.stop_price) == ("stop_loss", "sell", Decimal(10), Decimal(170))
    assert reverse("order_change", args=[held.team.code, stop.code]) in answer.text
    assert "would not be linked to it" in answer.text


def test_what_is_wrong_is_said_on_the_form(client: Client, held: Position) -> None:
    answer = client.post(address(held), {"stop_price": "181"})
    assert (answer.status_code, Order.objects.count()) == (422, 0)
    assert "is past a stop to sell at 181" in answer.text


def test_a_position_that_is_gone_has_nothing_to_protect(client: Client, held: Position) -> None:
    Position.objects.all().delete()
    assert "nothing to protect" in client.get(address(held), follow=True).text
