"""The walk of one signal through the product's own functions, in one process: what its statements cost without the wire."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from benchmarks.trading.tenants import AAPL


def walk(subscription: Any, now: datetime) -> Any:
    """A stored signal is decided, its order leaves, is acknowledged and fills; returns the order.

    Nothing is sent: the broker's answers are made up here.
    """
    from brokers.models import BrokerageAccount
    from brokers.orders import execution
    from strategies.deciding import settle
    from strategies.tests import rows

    signal = rows.signal(subscription.strategy, now)
    # The stream keeps the book fresh; here nobody else does.
    BrokerageAccount.objects.filter(pk=subscription.account_id).update(book_as_of=now)
    settle.settle_waiting(now)
    decision = signal.decisions.get(subscription=subscription)
    if decision.ticket is None:
        raise RuntimeError(f"The signal was not taken: {decision.status} {decision.reason} {decision.waiting_for}")
    job = execution.take_next(subscription.account.connection_id, now)
    assert job is not None, "an order waits to leave"
    order = job.orders[0]
    answer(job, order, now)
    fill(order, job.account_id, now)
    order.refresh_from_db()
    return order


def answer(job: Any, order: Any, now: datetime) -> None:
    """IBKR takes it."""
    from brokers.domain.brokerage import Accepted, Ack
    from brokers.domain.orders import OrderStatus
    from brokers.orders import execution

    ack = Ack(reference=order.reference, broker_order_id=str(10**9 + order.pk), status=OrderStatus.ACCEPTED)
    with transaction.atomic():
        execution.finish(job, execution.Answer(outcome=Accepted(acks=(ack,)), attempt_pk=job.attempt_pk), now)


def fill(order: Any, account_id: str, now: datetime) -> None:
    """All of it, with one fill."""
    from decimal import Decimal

    from brokers.domain.brokerage import ExecutionFacts
    from brokers.domain.orders import Side
    from brokers.orders import reconciliation

    facts = ExecutionFacts(
        account_id=account_id,
        execution_id=f"0001.{order.pk:x}.01",
        reference=order.reference,
        broker_order_id=str(10**9 + order.pk),
        conid=AAPL,
        ticker=order.ticker,
        side=Side(order.side),
        quantity=order.quantity,
        price=Decimal("187.25"),
        fee=Decimal(1),
        currency="USD",
        exchange="NASDAQ",
        executed_at=now - timedelta(milliseconds=1),
    )
    reconciliation.apply(order.connection, executions=[facts], now=now)
