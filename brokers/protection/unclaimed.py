"""Fills at IBKR that bear our reference and are in no row, or look like a change in doubt: a person is asked whose they are.

After a restore of an older backup an order that filled since is seen by its fills alone. Nothing is made of it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from brokers import live
from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.doubts.seconds import fills_like
from brokers.domain.elsewhere.classes import UNKNOWN
from brokers.domain.elsewhere.whose import Choice, is_ours
from brokers.domain.orders import OVER, OrderStatus, Side
from brokers.models import BrokerageAccount, ContractLookup, ForeignOrder, Order, Position, UnclaimedOrder
from brokers.orders.fills import told
from brokers.orders.identity import found

_NOTHING = Decimal(0)


@dataclass(slots=True)
class _Found:
    """What reports tell of one order that has filled: its names, what it is in, and how much of it has filled."""

    account: BrokerageAccount
    number: str
    reference: str
    conid: int
    side: Side
    filled: Decimal = _NOTHING
    filled_at: datetime | None = None
    shown: dict[str, object] = field(default_factory=dict)
    second_of: Order | None = None
    execution: str = ""


def note(
    accounts: dict[str, BrokerageAccount], orders: Sequence[OrderFacts], fills: Sequence[ExecutionFacts], now: datetime
) -> set[tuple[int, int]]:
    """Keep what these reports of nobody's orders and fills tell of orders that may be ours; where, by account and contract."""
    ended = [fact for fact in orders if is_ours(fact.reference) and fact.status in OVER and _filled(fact)]
    asks = [fill for fill in fills if not fill.reference or is_ours(fill.reference)]
    if not ended and not asks:
        return set()
    orders_found = [*_by_lists(accounts, ended, now), *_suspected(_by_fills(accounts, asks), now)]
    known = _known(orders_found)
    kept = [_keep(each, now) for each in orders_found if (each.reference, each.conid, str(each.side)) not in known]
    for account in {row.account for row in kept if row is not None}:
        live.account_changed(account)
    return {(row.account_id, row.conid) for row in kept if row is not None}


def _filled(fact: OrderFacts) -> Decimal:
    """How much of it has filled, by a report that says that it is over."""
    if fact.status is OrderStatus.FILLED and not fact.filled_quantity:
        return fact.quantity or _NOTHING
    return fact.filled_quantity or _NOTHING


def _by_lists(accounts: dict[str, BrokerageAccount], facts: Iterable[OrderFacts], now: datetime) -> Iterable[_Found]:
    for fact in facts:
        account = accounts.get(fact.account_id)
        if account is not None and fact.conid is not None and fact.side is not None:
            order = _Found(account, fact.broker_order_id, fact.reference or "", fact.conid, fact.side)
            order.filled, order.filled_at, order.shown = _filled(fact), now, _shown(fact)
            yield order


def _suspected(orders: Iterable[_Found], now: datetime) -> Iterator[_Found]:
    """Those that bear our reference, and those without one that look like a change of an order of ours in doubt."""
    unnamed = []
    for each in orders:
        if each.reference:
            yield each
        else:
            unnamed.append(each)
    if not unnamed:
        return
    changes = found.suspects({each.account.pk for each in unnamed}, {each.conid for each in unnamed}, now)
    for each in unnamed:
        at = each.filled_at or now
        alike = (
            order
            for order, change in changes
            if (order.account_id, order.conid) == (each.account.pk, each.conid)
            and fills_like(change, each.side, each.filled, at)
        )
        each.second_of = next(alike, None)
        if each.second_of is not None:
            yield each


def _by_fills(accounts: dict[str, BrokerageAccount], fills: Iterable[ExecutionFacts]) -> Iterable[_Found]:
    """The orders that these fills are of."""
    orders: dict[tuple[str, str, str, str, int, Side], _Found] = {}
    for fill in fills:
        if (account := accounts.get(fill.account_id)) is None:
            continue
        names = (fill.broker_order_id or "", fill.reference or "")
        execution = "" if any(names) else told.revision_of(fill.execution_id)[0]
        key = (fill.account_id, *names, execution, fill.conid, fill.side)
        order = orders.setdefault(key, _Found(account, *names, fill.conid, fill.side, execution=execution))
        order.filled += fill.quantity
        order.filled_at = max(order.filled_at or fill.executed_at, fill.executed_at)
        order.shown = {"ticker": fill.ticker, "currency": fill.currency}
        if fill.asset_class:
            order.shown["asset_class"] = fill.asset_class
    return orders.values()


def _known(orders: Iterable[_Found]) -> set[tuple[str, int, str]]:
    """References of ours among these that a row has, of this connection or of another one of the same user."""
    references = {each.reference for each in orders if each.reference}
    rows = Order.objects.filter(reference__in=references)
    return set(rows.values_list("reference", "conid", "side"))


def _shown(fact: OrderFacts) -> dict[str, object]:
    values = {
        "ticker": fact.ticker,
        "asset_class": fact.asset_class,
        "currency": fact.currency,
        "type": str(fact.type or ""),
        "quantity": fact.quantity,
        "limit_price": fact.limit_price,
        "stop_price": fact.stop_price,
        "described": fact.described,
    }
    return {name: value for name, value in values.items() if value}


@transaction.atomic
def _keep(order: _Found, now: datetime) -> UnclaimedOrder | None:
    """Its row, where anything about it is new."""
    same = UnclaimedOrder.objects.select_for_update().filter(
        account=order.account, conid=order.conid, side=str(order.side)
    )
    row = next((each for each in same.order_by("pk") if _is_same(each, order)), None)
    if row is None:
        return _begin(order, now)
    values: dict[str, object] = {name: value for name, value in order.shown.items() if not getattr(row, name)}
    if row.asset_class == UNKNOWN and "asset_class" in order.shown:
        values["asset_class"] = order.shown["asset_class"]
    filled = max(row.filled, order.filled, row.fills.aggregate(sum=Sum("quantity"))["sum"] or _NOTHING)
    values |= {"broker_order_id": row.broker_order_id or order.number, "reference": row.reference or order.reference}
    values |= {"filled": filled}
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not changed:
        return None
    UnclaimedOrder.objects.filter(pk=row.pk).update(**changed)
    return row


def _is_same(row: UnclaimedOrder, order: _Found) -> bool:
    """By IBKR's number where both have one, else by the reference: IBKR need not name both."""
    if row.broker_order_id and order.number:
        return row.broker_order_id == order.number
    if order.execution:
        return row.broker_execution_id == order.execution
    return bool(order.reference) and row.reference == order.reference


def _begin(order: _Found, now: datetime) -> UnclaimedOrder:
    values = {"asset_class": _class_of(order), "ticker": str(order.conid), **order.shown}
    values |= {"filled": order.filled, "filled_at": order.filled_at or now, "second_of": order.second_of}
    values |= {"team_id": order.account.team_id, "first_seen_at": now}
    row, _ = UnclaimedOrder.objects.get_or_create(
        account=order.account,
        broker_order_id=order.number,
        reference=order.reference,
        broker_execution_id=order.execution,
        conid=order.conid,
        side=str(order.side),
        defaults=values,
    )
    return row


def _class_of(order: _Found) -> str:
    """What the contract is, by what we know of it already."""
    held = Position.objects.filter(account=order.account, conid=order.conid).values_list("asset_class", flat=True)
    lookups = ContractLookup.objects.numbered(order.account.connection_id, order.conid)
    return held.first() or lookups.values_list("asset_class", flat=True).first() or UNKNOWN


def carry(row: ForeignOrder, fact: OrderFacts | None, now: datetime) -> None:
    """An order placed elsewhere that asked, or was let be, ends: what has filled of it goes on asking, or is let be."""
    if not (row.bears_our_reference or row.second_of_id):
        return
    left = (row.filled or _NOTHING) if fact is None else max(_filled(fact), row.filled or _NOTHING)
    order = _Found(row.account, row.broker_order_id, row.reference, row.conid, Side(row.side), left, now)
    order.second_of = row.second_of
    names = ("ticker", "asset_class", "currency", "type", "quantity", "limit_price", "stop_price", "described")
    order.shown = {name: getattr(row, name) for name in names if getattr(row, name)}
    if left:
        _keep(order, now)
    if row.left_at is not None:
        numbered = UnclaimedOrder.objects.filter(account=row.account_id, broker_order_id=row.broker_order_id)
        numbered.filter(choice="").update(choice=str(Choice.LEAVE), decided_at=row.left_at, decided_by=row.left_by_id)
