"""Fills kept as IBKR tells them: those that were not seen are inserted, those that were are corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from brokers.domain.brokerage import ExecutionFacts
from brokers.domain.contracts.combos import leg_named
from brokers.models import BrokerageAccount, ContractLookup, Execution, Order
from brokers.orders.fills.told import Told, names_its_fills, revision_of
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
    units = _units(accounts, ours, fills, told)
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
                _give(execution, order, fill, revision)
                kept.orders[order.pk] = order
            if not _says_more(fill, revision, execution):
                continue
        _correct(execution, fill, revision, order or units.get((account.connection_id, fill.conid)))
        kept.filled.add((account.pk, fill.conid))
        if execution.pk is not None:
            execution.save()
        if order is not None:
            kept.orders[order.pk] = order
    kept.accounts = {execution.account_id for execution in fresh}
    _insert(fresh, told)
    return kept


def _give(execution: Execution, order: Order, fill: ExecutionFacts, revision: int) -> None:
    """Give an order a fill that was seen before it was known, in the order's currency and units."""
    execution.order, execution.currency = order, fill.currency or order.currency
    execution.ticker = _ticker(order, fill)
    if revision == execution.revision:
        # It may have been kept in pounds, and is in pence beside its order's prices.
        execution.price = fill.price_at(order.multiplier)
    given = Execution.objects.filter(pk=execution.pk, order=None)
    given.update(order=order, ticker=execution.ticker, currency=execution.currency, price=execution.price)


def _says_more(fill: ExecutionFacts, revision: int, execution: Execution) -> bool:
    return revision > execution.revision or (execution.fee is None and fill.fee is not None)


def _units(
    accounts: dict[str, BrokerageAccount], ours: match.Ours, fills: Sequence[ExecutionFacts], told: Told
) -> dict[tuple[int, int], ContractLookup]:
    """The contracts of fills without an order that are to be written, by connection and number: their units and currencies."""
    wanted = set[tuple[int, int]]()
    for fill in fills:
        account = accounts.get(fill.account_id)
        if account is None or ours.of_fill(fill) is not None:
            continue
        base, revision = revision_of(fill.execution_id)
        execution = told.rows.get((account.pk, base))
        if execution is None or _says_more(fill, revision, execution):
            wanted.add((account.connection_id, fill.conid))
    if not wanted:
        return {}
    # Also those that are asked anew at this moment: a contract keeps its unit.
    found = ContractLookup.objects.filter(
        connection__in={connection for connection, _ in wanted}, conid__in={conid for _, conid in wanted}
    )
    return {(each.connection_id, each.conid): each for each in found if each.conid is not None}


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
        ticker=_ticker(order, fill),
        side=fill.side,
        seen_at=now,
        broker_order_id=fill.broker_order_id or "",
        reference=fill.reference or "",
    )


def _ticker(order: Order | None, fill: ExecutionFacts) -> str:
    """What a fill is in, as its order says where that names it: IBKR's fills say "SPX" of an option on it, "EUR" of a pair,
    and no exchange. The leg of a combo is named by its combo.
    """
    if order is None:
        return fill.ticker
    if order.conid == fill.conid:
        return order.ticker if names_its_fills(order) else fill.ticker
    return leg_named(order.ticker, order.conid, fill.conid) or fill.ticker


def _correct(execution: Execution, fill: ExecutionFacts, revision: int, unit: Order | ContractLookup | None) -> None:
    """Write a fill as told, in the units and the currency of its order, or else of its contract where that was looked up."""
    execution.revision, execution.quantity = revision, fill.quantity
    execution.price = fill.price if unit is None else fill.price_at(unit.multiplier)
    execution.currency = fill.currency or ("USD" if unit is None else unit.currency)
    execution.exchange, execution.executed_at = fill.exchange[:32], fill.executed_at
    if fill.fee is not None:
        execution.fee = fill.fee
