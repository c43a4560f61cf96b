"""What a lane would do before an order, keeps whoever opens a ticket from writing its order down as leaving."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Connection, Order, OrderPrompt, SubmissionAttempt, Ticket
from brokers.orders import execution
from brokers.orders.together.leaving import take_of_ticket
from brokers.orders.together.taking import take_of_each
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team, rows.connection(team, session_status="active", last_kept_at=timezone.now()))


def taken(ticket: Ticket) -> execution.Job | None:
    return take_of_ticket(ticket, timezone.now())


def test_the_order_is_written_down_as_leaving_with_its_attempt(account: BrokerageAccount) -> None:
    order = rows.order(account)
    job = taken(order.ticket)
    assert job is not None
    order.refresh_from_db()
    assert (order.status, [event.new for event in order.events.order_by("pk")][-1]) == ("submitted", "submitted")
    attempt = order.attempts.get()
    assert (attempt.pk, attempt.kind, attempt.outcome) == (job.attempt_pk, "post", "")
    assert attempt.request[0]["reference"] == job.legs[0].reference == order.reference
    assert taken(order.ticket) is None, "nobody takes it a second time"


def test_what_leaves_with_it_is_written_down_with_it(account: BrokerageAccount) -> None:
    entry = rows.order(account)
    how: dict[str, Any] = {"side": "sell", "type": "stop", "stop_price": Decimal("1.00"), "parent": entry}
    stop = rows.order(entry.ticket, role="stop_loss", release="with_parent", **how)
    later = rows.order(entry.ticket, role="stop_loss", release="after_parent_fills", **how)
    job = taken(entry.ticket)
    assert job is not None
    assert [order.pk for order in job.orders] == [entry.pk, stop.pk]
    later.refresh_from_db()
    assert later.status == "created"


def of_connection(**values: Any) -> Callable[[Order], object]:
    return lambda order: Connection.objects.filter(pk=order.connection_id).update(**values)


def other(**values: Any) -> Callable[[Order], object]:
    """Another order of the connection, in another contract."""
    return lambda order: rows.order(order.account, **{"conid": 1, "ticker": "OTHER", **values})


def working(**values: Any) -> Callable[[Order], object]:
    return other(broker_order_id="1", acknowledged_at=timezone.now(), **{"status": "accepted", **values})


def unanswered(order: Order) -> None:
    made = rows.order(order.account, conid=1, status="accepted", broker_order_id="1", acknowledged_at=timezone.now())
    SubmissionAttempt.objects.create(order=made, kind="post", request={}, request_hash="", sent_at=timezone.now())


def prompt(order: Order) -> None:
    names = {"broker_order_id": "1", "request_id": "1", "by": "stream"}
    OrderPrompt.objects.create(
        connection=order.connection, text="Sure?", options=["Yes"], seen_at=timezone.now(), **names
    )


BEFORE: dict[str, Callable[[Order], object]] = {
    "the connection is off": of_connection(enabled=False),
    "its session is in doubt": of_connection(last_kept_at=None),
    "its session is lost": of_connection(session_status="competing"),
    "a question is to be switched off": of_connection(suppression_wanted_at=timezone.now() - timedelta(hours=1)),
    "another order waits": other(),
    "another order of the ticket waits": lambda order: rows.order(order.ticket, role="exit", side="sell"),
    "another order is on its way": other(status="submitted", submitted_at=timezone.now()),
    "another order is in doubt": other(status="unknown", submitted_at=timezone.now()),
    "an order in the contract needs a person": lambda order: rows.order(order.account, status="needs_attention"),
    "a cancel is to leave": working(status="pending_cancel"),
    "an order is to become a market order": working(type="limit", limit_price=Decimal(1), convert_after=5),
    "an order is to become smaller": working(resize_to=Decimal(1), resize_asked_at=timezone.now(), quantity=Decimal(2)),
    "an answer was never written down": unanswered,
    "a cancel of an order placed elsewhere is to leave": lambda order: rows.foreign_order(
        order.account, cancel_asked_at=timezone.now()
    ),
    "IBKR waits for an answer": prompt,
    "the contract is held as something else": lambda order: rows.position(
        order.account, conid=order.conid, asset_class="cfd"
    ),
    "IBKR's preview comes first": lambda order: Order.objects.filter(pk=order.pk).update(asks_first=True),
    "the order is too late": lambda order: Order.objects.filter(pk=order.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    ),
}


@pytest.mark.parametrize("before", BEFORE)
def test_what_comes_first_or_is_in_doubt_leaves_the_order_to_its_lane(account: BrokerageAccount, before: str) -> None:
    order = rows.order(account)
    BEFORE[before](order)
    assert taken(order.ticket) is None
    order.refresh_from_db()
    assert order.status == OrderStatus.CREATED
    assert not order.attempts.exists()


def test_an_order_behind_a_cancel_is_left_to_its_lane(account: BrokerageAccount) -> None:
    order = rows.order(account)
    order.ticket.cancels = [{"reference": "x", "filled": "0"}]
    assert taken(order.ticket) is None


PRICES: dict[str, dict[str, Any]] = {
    "market": {},
    "limit": {"type": "limit", "limit_price": Decimal("187.255")},
    "stop limit": {
        "type": "stop_limit",
        "limit_price": Decimal(1),
        "stop_price": Decimal("0.5"),
        "time_in_force": "gtc",
    },
    "trail of an amount": {"type": "trailing_stop", "trail_amount": Decimal("1.5")},
    "trail in percent": {"type": "trailing_stop", "trail_percent": Decimal("0.75")},
    "part of a share": {"quantity": Decimal("0.0625")},
}


@pytest.mark.parametrize("prices", PRICES)
@pytest.mark.parametrize("way", ["by its ticket", "next", "of each"])
def test_the_attempt_says_what_is_sent(account: BrokerageAccount, prices: str, way: str) -> None:
    """PostgreSQL writes it of the rows that it moves, and the job is made of them: both say the same."""
    entry = rows.order(account, **PRICES[prices])
    rows.order(
        entry.ticket,
        role="stop_loss",
        release="in_group",
        side="sell",
        type="stop",
        stop_price=Decimal(9),
        parent=entry,
    )
    now, pk = timezone.now(), account.connection_id
    takes: dict[str, Callable[[], execution.Job | None]] = {
        "by its ticket": lambda: take_of_ticket(entry.ticket, now),
        "next": lambda: execution.take_next(pk, now),
        "of each": lambda: take_of_each([pk], now).get(pk),
    }
    job = takes[way]()
    assert job is not None
    attempt = entry.attempts.get()
    assert attempt.pk == job.attempt_pk
    assert attempt.sent_at == now
    assert attempt.request == [execution.described(leg) for leg in job.legs]
    assert len(attempt.request) == len(job.orders) == 2
    assert len(attempt.request_hash) == 64
