"""Legs at a distance that somebody moves in TWS: our row follows, that is written down, and no fill moves them back."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import Modification, OrderType, Role
from brokers.models import BrokerageAccount, Order, OrderModification
from brokers.orders import reconciliation
from brokers.orders.modifications import wishes
from brokers.tests import lab
from brokers.tests.modifications.test_from_fill import (
    TWO_PERCENT,
    account,
    asked,
    bench,
    fills,
    last,
    leg,
    order,
    plan,
    working,
)
from brokers.tests.modifications.test_trailing_legs import at

__all__ = ["account", "bench"]

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
TOLD = ("made", "moved-at-ibkr")


def hear(one: Order, now: datetime | None = None, **values: Any) -> Order:
    """IBKR's list shows the order so."""
    one.refresh_from_db()
    fact = OrderFacts(
        account_id=one.account.account_id,
        broker_order_id=one.broker_order_id,
        **{"type": OrderType(one.type), **values},
    )
    reconciliation.apply(one.account.connection, orders=[fact], now=now or timezone.now())
    one.refresh_from_db()
    return one


def changes_of(one: Order) -> list[tuple[str, str]]:
    return list(one.modifications.order_by("pk").values_list("status", "reason_code"))


def test_a_stop_that_a_person_moves_in_tws_stays_there_when_its_entry_fills(bench: lab.Lab) -> None:
    at(bench, 2)
    stop = leg(Role.STOP_LOSS, TWO_PERCENT, stop_price=D("0.98"))
    ticket = plan(bench.account, stop, type=OrderType.LIMIT, limit_price=D("1.00"))
    lab.lived(lambda: order(ticket, Role.STOP_LOSS).status == "accepted")
    bench.gateway.move_by_hand(bench.user, order(ticket, Role.STOP_LOSS).broker_order_id, stop_price="0.50")
    lab.lived(lambda: order(ticket, Role.STOP_LOSS).stop_price == D("0.50"))
    at(bench, "0.99")
    lab.lived(lambda: order(ticket, Role.ENTRY).legs_counted_from is not None)
    moved = order(ticket, Role.STOP_LOSS)
    assert (moved.stop_price, changes_of(moved)) == (D("0.50"), [TOLD, ("not_made", "moved-by-others")])
    assert [D(row["auxPrice"]) for row in bench.at_broker() if row["origOrderType"] == "STOP"] == [D("0.50")]
    bench.gateway.clear_quotes()


def test_ibkrs_word_on_the_price_counts_and_is_told(account: BrokerageAccount) -> None:
    ticket = working(account)
    stop = hear(order(ticket, Role.STOP_LOSS), stop_price=D(99))
    assert (stop.stop_price, changes_of(stop), last(stop).stop_price) == (D(99), [TOLD], D(99))
    assert stop.events.order_by("-pk")[0].cause == "IBKR has it at stop 99, which Halyard did not ask for"
    # Told once, whoever tells it again; and an older list behind it says nothing.
    hear(stop, stop_price=D(99))
    hear(stop, stop_price=D(98))
    assert (stop.stop_price, changes_of(stop)) == (D(99), [TOLD])
    target = hear(order(ticket, Role.TAKE_PROFIT), limit_price=D(105))
    assert (target.limit_price, changes_of(target)) == (D(105), [TOLD])
    fills(order(ticket, Role.ENTRY), "99.50")
    assert [status for _, status, _ in asked(ticket)] == ["made", "made", "not_made", "not_made"]
    # Later somebody moves it again.
    hear(stop, timezone.now() + timedelta(minutes=2), stop_price=D(98))
    assert stop.stop_price == D(98)


@pytest.mark.parametrize(
    "values",
    [
        {"stop_price": D(98)},
        {},
        {"stop_price": D(99), "type": OrderType.TRAILING_STOP},
        {"stop_price": D(99), "type": None},
        # The lists of IBKR name the stop of a stop order as its price.
        {"limit_price": D(98)},
        {"stop_price": D(0)},
        # In pounds what was sent in pence.
        {"stop_price": D("0.98")},
        {"stop_price": D(9800)},
    ],
)
def test_what_says_nothing_of_another_price_changes_nothing(account: BrokerageAccount, values: dict[str, Any]) -> None:
    stop = hear(order(working(account), Role.STOP_LOSS), **values)
    assert (stop.stop_price, changes_of(stop)) == (D(98), [])


@pytest.mark.parametrize("column", ["status", "distance"])
def test_only_legs_at_a_distance_that_work_are_followed(account: BrokerageAccount, column: str) -> None:
    stop = order(working(account), Role.STOP_LOSS)
    other: dict[str, Any] = {"status": {"status": "submitted"}, "distance": {"distance": None, "distance_in": ""}}
    Order.objects.filter(pk=stop.pk).update(**other[column])
    assert (hear(stop, stop_price=D(99)).stop_price, changes_of(stop)) == (D(98), [])


def test_a_change_of_ours_is_nobody_elses(account: BrokerageAccount) -> None:
    stop, now = order(working(account), Role.STOP_LOSS), timezone.now()
    with transaction.atomic():
        asker = wishes.Asker(expires_at=now + timedelta(minutes=1), from_fill=True)
        (row,) = wishes.ask([Modification(reference=stop.reference, stop_price=D(99))], asker, now)
    hear(stop, stop_price=D(99))
    assert (stop.stop_price, changes_of(stop)) == (D(98), [("waiting", "")])
    # Its answers were lost, and IBKR has it after all: our row follows, and nobody else has moved it.
    OrderModification.objects.filter(pk=row.pk).update(
        status="refused", reason_code="answer-lost", reason="Lost.", ended_at=now
    )
    hear(stop, now + timedelta(seconds=30), stop_price=D(99))
    assert stop.stop_price == D(98)
    hear(stop, now + timedelta(minutes=2), stop_price=D(99))
    assert (stop.stop_price, changes_of(stop)) == (D(99), [("refused", "answer-lost")])
