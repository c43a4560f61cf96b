"""Fills of a subscription, of a person and of strangers, each in one line."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.models import BrokerageAccount, Execution
from brokers.tests import rows as broker_rows
from strategies.models import Subscription
from strategies.tests import rows

D = Decimal
AAPL = 265598


def dealt(
    by: Subscription, at: datetime, units: int, price: str, *, role: str = "entry", signal: Any = None, **values: Any
) -> Execution:
    """So many AAPL by a signal of the subscription's strategy, below zero where they are sold, for a dollar."""
    received = signal or rows.signal(by.strategy, at - timedelta(milliseconds=250))
    _, ticket = rows.accepted(received, by, at)
    side = "buy" if units > 0 else "sell"
    order = broker_rows.order(
        ticket, role=role, side=side, quantity=D(abs(units)), signal_price=values.pop("signal_price", None)
    )
    columns = {"price": D(price), "executed_at": at, "seen_at": at, **values}
    return broker_rows.execution(order, **columns)


def dealt_elsewhere(account: BrokerageAccount, at: datetime, units: int, price: str, **values: Any) -> Execution:
    """So many AAPL by an order that is not ours."""
    columns = {
        "broker_execution_id": f"x{at:%H%M%S}{units}",
        "conid": AAPL,
        "ticker": "AAPL",
        "side": "buy" if units > 0 else "sell",
        "quantity": D(abs(units)),
        "price": D(price),
        "fee": D(1),
        "executed_at": at,
        "seen_at": at,
        **values,
    }
    return Execution.objects.create(team=account.team, account=account, order=None, **columns)
