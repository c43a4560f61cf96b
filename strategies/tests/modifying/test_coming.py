"""A signal that modifies is decided on orders as they will be, once IBKR has taken the changes that are on their way."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import Modification
from brokers.models import OrderModification
from brokers.tests import rows
from strategies.deciding.ownership import Ownership
from strategies.tests.domain.cases_of_decide import snapshot, working

pytestmark = pytest.mark.django_db


def test_what_is_on_its_way_counts_oldest_first_and_the_batch_last(team: Team) -> None:
    now = timezone.now()
    order = rows.order(
        rows.account(team), role="stop_loss", side="sell", type="stop", stop_price=Decimal(95), status="accepted"
    )
    for status, price in (("leaving", 96), ("waiting", 97)):
        OrderModification.objects.create(
            team=team,
            order=order,
            connection=order.connection,
            stop_price=Decimal(price),
            status=status,
            asked_at=now,
            expires_at=now + timedelta(minutes=1),
        )
    book = snapshot(10, working("stop_loss", "sell", 10, order.reference, "stop", stop_price=Decimal(95)))
    [coming] = Ownership().as_coming(book).working
    assert coming.stop_price == 97
    planned = Ownership(modified=[Modification(reference=order.reference, stop_price=Decimal(98))])
    [coming] = planned.as_coming(book).working
    assert coming.stop_price == 98
