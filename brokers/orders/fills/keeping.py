"""Fills kept as IBKR tells them: those that were not seen are inserted, those that were are corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from brokers.domain.brokerage import ExecutionFacts
from brokers.models import BrokerageAccount, Execution, Order
from brokers.orders.fills.told import Told, revision_of
from brokers.orders.identity import match
from brokers.postgres.inserts import inserted


@dataclass
class Kept:
    """What fills have changed: our orders, by key; keys of accounts with new ones; and the instruments, each as the key of its
    account and its contract. `nobodys`: those that are of no order of ours.
    """

    orders: dict[int, Order] = field(default_factory=dict)
    accounts: set[int] = field(default_factory=set)
    filled: set[tuple[int, int]] = field(default_factory=set)
    nobodys: list[ExecutionFacts] = field(default_factory=list)


def keep(
    accounts: dict[str, BrokerageAccount],
    ours: match.Ours,
    fills: Sequence[ExecutionFacts],
    told: Told,
    now: datetime,
) -> Kept:
    """Insert fills that are not among those `told`, and add them there; correct those that are."""
    kept, fresh = Kept(), list[Execution]()
    for fill in fills:
        account = accounts.get(fill.account_id)
        if account is None:
            continue
        base, revision = revision_of(fill.execution_id)
        order, execution = ours.of_fill(fill), told.rows.get((account.pk, base))
        if order is None and (execution is None or execution.order_id is None):
            kept.nobodys.append(fill)
        if execution is None:
            execution = told.rows[account.pk, base] = _new(account, order, fill, now)
            fresh.append(execution)
        else:
            if execution.pk is not None and execution.order_id is None and order is not None:
                # Seen before its order was known.
                Execution.objects.filter(pk=execution.pk, order=None).update(order=order)
                execution.order = order
                kept.orders[order.pk] = order
            if revision <= execution.revision and (execution.fee is not None or fill.fee is None):
                continue
        _correct(execution, fill, revision, order)
        kept.filled.add((account.pk, fill.conid))
        if execution.pk is not None:
            execution.save()
        if order is not None:
            kept.orders[order.pk] = order
    kept.accounts = {execution.account_id for execution in fresh}
    _insert(fresh, told)
    return kept


def _insert(fresh: Sequence[Execution], told: Told) -> None:
    inserted(fresh, ignore_conflicts=True)
    # Somebody else may bring the same fill home at this moment, as nobody's; it counts once. Of several, none says so.
    told.stale |= {row.order.pk for row in fresh if row.order is not None and not row.pk}


def _new(account: BrokerageAccount, order: Order | None, fill: ExecutionFacts, now: datetime) -> Execution:
    return Execution(
        account=account,
        team_id=account.team_id,
        order=order,
        broker_execution_id=revision_of(fill.execution_id)[0],
        conid=fill.conid,
        # A share abroad is named with its exchange, as its order is.
        ticker=order.ticker if order is not None and ":" in order.ticker else fill.ticker,
        side=fill.side,
        seen_at=now,
        broker_order_id=fill.broker_order_id or "",
        reference=fill.reference or "",
    )


def _correct(execution: Execution, fill: ExecutionFacts, revision: int, order: Order | None) -> None:
    execution.revision, execution.quantity = revision, fill.quantity
    execution.price = fill.price if order is None else fill.price_at(order.multiplier)
    execution.currency = fill.currency or ("USD" if order is None else order.currency)
    execution.exchange, execution.executed_at = fill.exchange[:32], fill.executed_at
    if fill.fee is not None:
        execution.fee = fill.fee
