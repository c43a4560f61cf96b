"""What is read in several ways: orders of the day, fills of the last days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from brokers.simulator.catalogue import catalogue
from brokers.simulator.exchange.combos import instrument_of
from brokers.simulator.exchange.lifetimes import NEW_YORK, day_of
from brokers.simulator.exchange.records import Execution
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.shapes.orders import order_row, trade_row

_MOST_ORDERS = 1000
__all__ = ["day_of", "order_rows", "trade_rows"]


def order_rows(gateway: Gateway, account_id: str, filters: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The orders of today, the newest first, at most a thousand."""
    today = day_of(gateway.clock())
    began = gateway.users[gateway.engine.accounts[account_id].username].day_began_at
    show, trails = gateway.behaviour.children_show_reference, gateway.behaviour.trails_show_prices
    rows = []
    for order in reversed(list(gateway.engine.by_account[account_id].values())):
        if filters and order.status.lower() not in filters:
            continue
        if (
            order.working
            or not gateway.behaviour.day_scoped_orders
            or (day_of(order.updated_at) == today and order.updated_at >= began)
        ):
            instrument = instrument_of(order)
            if instrument is not None:
                rows.append(order_row(order, instrument, show_reference=show, show_trail=trails))
        if len(rows) == _MOST_ORDERS:
            break
    return rows


def trade_rows(gateway: Gateway, account_id: str, days: int, submitter: str) -> list[dict[str, Any]]:
    """The fills of the last trading days, the newest first; an advisor's account shows those of its sub-accounts."""
    first = day_of(gateway.clock())
    for _ in range(min(max(days, 1), 7) - 1):
        first -= timedelta(days=1)
        while first.weekday() >= 5:
            first -= timedelta(days=1)
    since = datetime.combine(first, datetime.min.time(), NEW_YORK).timestamp()
    rows = []
    for execution in reversed(_executions(gateway, account_id)):
        if execution.executed_at < since:
            break
        if (instrument := catalogue.find(execution.conid)) is not None:
            rows.append(trade_row(execution, instrument, submitter=submitter))
    return rows


def _executions(gateway: Gateway, account_id: str) -> Sequence[Execution]:
    engine = gateway.engine
    account = engine.accounts[account_id]
    if not account.advisor:
        return engine.executions[account_id]
    subs = gateway.users[account.username].account_ids
    return sorted((e for each in subs for e in engine.executions[each]), key=lambda e: e.number)
