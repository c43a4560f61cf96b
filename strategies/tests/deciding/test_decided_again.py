"""An order that nobody can find is given up, and its signal decided anew by the position as it is now."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team, User
from brokers.domain.doubts.choices import Choice
from brokers.models import Order
from brokers.orders import undecided
from brokers.tests import rows as broker
from strategies.deciding import settle
from strategies.models import Decision
from strategies.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(team: Team) -> Order:
    """The entry of an accepted signal, of which nobody knows whether IBKR has it."""
    now = timezone.now()
    account = broker.account(team)
    strategy = rows.strategy(team, now)
    _, ticket = rows.accepted(rows.signal(strategy, now), rows.subscription(strategy, account, now), now)
    made = broker.order(ticket)
    Order.objects.filter(pk=made.pk).update(status="needs_attention", submitted_at=now)
    made.refresh_from_db()
    return made


def decide_again(order: Order, actor: User) -> None:
    undecided.choose(order=order, choice=Choice.AGAIN, actor=actor, now=timezone.now())


def test_it_is_given_up_and_decided_once_more(order: Order, alice: User) -> None:
    decide_again(order, alice)
    order.refresh_from_db()
    assert (order.status, order.reason_code) == ("expired", "placed-anew")
    assert "IBKR may have this order all the same" in order.reason
    settle.settle_waiting(timezone.now())
    assert list(Decision.objects.order_by("pk").values_list("attempt", flat=True)) == [1, 2]


def test_not_while_another_order_of_the_signal_works(order: Order, alice: User) -> None:
    Order.objects.filter(pk=broker.order(order.ticket, role="exit", side="sell").pk).update(status="accepted")
    with pytest.raises(undecided.ChoiceRefused) as refused:
        decide_again(order, alice)
    assert "Cancel them first" in str(refused.value)


def test_all_of_its_undecided_orders_are_given_up_together(order: Order, alice: User) -> None:
    leg = broker.order(order.ticket, role="stop_loss", side="sell", type="stop", stop_price=Decimal(1))
    Order.objects.filter(pk=leg.pk).update(status="needs_attention")
    decide_again(order, alice)
    leg.refresh_from_db()
    assert leg.reason_code == "placed-anew"
