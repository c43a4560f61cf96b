"""Records as table rows, and back."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models

from brokers.simulator.market import Quote
from brokers.simulator.models import SimAccount, SimCash, SimExecution, SimOrder, SimPosition, SimQuote, SimUser
from brokers.simulator.records import Account, CashChanged, Change, Execution, Order, Position

Storable = Change | str | tuple[Quote, float]


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def key(change: Storable) -> tuple[type, object]:
    """What identifies the row a change belongs to: the last change of a batch is the one written."""
    match change:
        case Order():
            return SimOrder, change.order_id
        case Execution():
            return SimExecution, change.number
        case Position():
            return SimPosition, f"{change.account_id}-{change.conid}"
        case CashChanged():
            return SimCash, f"{change.account_id}-{change.currency}"
        case Account():
            return SimAccount, change.account_id
        case str():
            return SimUser, change
        case _:
            return SimQuote, change[0].conid


def row(change: Storable) -> models.Model:
    """The row of a change, with the values of this moment."""
    match change:
        case Order():
            return _order_row(change)
        case Execution():
            return _execution_row(change)
        case Position():
            return SimPosition(
                key=f"{change.account_id}-{change.conid}",
                account_id=change.account_id,
                conid=change.conid,
                quantity=change.quantity,
                average_price=change.average_price,
                realized=change.realized,
            )
        case CashChanged():
            return SimCash(
                key=f"{change.account_id}-{change.currency}",
                account_id=change.account_id,
                currency=change.currency,
                balance=change.balance,
            )
        case Account():
            return SimAccount(
                account_id=change.account_id,
                user_id=change.username,
                base_currency=change.base,
                opened_at=moment(change.opened_at),
            )
        case str():
            return SimUser(username=change, created_at=datetime.now(UTC))
        case _:
            quoted, until = change
            return SimQuote(
                conid=quoted.conid,
                bid=quoted.bid,
                ask=quoted.ask,
                last=quoted.last,
                posted_at=moment(quoted.at),
                until=moment(until),
            )


def _order_row(order: Order) -> SimOrder:
    return SimOrder(
        order_id=order.order_id,
        account_id=order.account_id,
        conid=order.conid,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        tif=order.tif,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trailing_type=order.trailing_type,
        trailing_amount=order.trailing_amount,
        reference=order.reference,
        parent_id=order.parent_id,
        oca_group=order.oca_group,
        outside_rth=order.outside_rth,
        status=order.status,
        held=order.held,
        triggered=order.triggered,
        filled=order.filled,
        average_price=order.average_price,
        reason=order.reason,
        created_at=moment(order.created_at),
        updated_at=moment(order.updated_at),
    )


def _execution_row(execution: Execution) -> SimExecution:
    return SimExecution(
        number=execution.number,
        order_id=execution.order_id,
        account_id=execution.account_id,
        conid=execution.conid,
        side=execution.side,
        quantity=execution.quantity,
        price=execution.price,
        commission=execution.commission,
        net_amount=execution.net_amount,
        exchange=execution.exchange,
        reference=execution.reference,
        executed_at=moment(execution.executed_at),
    )


def account(row: SimAccount) -> Account:
    return Account(
        account_id=row.account_id,
        username=row.user_id,
        opened_at=row.opened_at.timestamp(),
        base=row.base_currency,
    )


def position(row: SimPosition) -> Position:
    return Position(
        account_id=row.account_id,
        conid=row.conid,
        quantity=row.quantity,
        average_price=row.average_price,
        realized=row.realized,
    )


def order(row: SimOrder) -> Order:
    return Order(
        order_id=row.order_id,
        account_id=row.account_id,
        username=row.account.user_id,
        conid=row.conid,
        side=row.side,
        order_type=row.order_type,
        quantity=row.quantity,
        tif=row.tif,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        trailing_type=row.trailing_type,
        trailing_amount=row.trailing_amount,
        reference=row.reference,
        parent_id=row.parent_id,
        oca_group=row.oca_group,
        outside_rth=row.outside_rth,
        status=row.status,
        held=row.held,
        triggered=row.triggered,
        filled=row.filled,
        average_price=row.average_price,
        reason=row.reason,
        created_at=row.created_at.timestamp(),
        updated_at=row.updated_at.timestamp(),
    )


def execution(row: SimExecution) -> Execution:
    return Execution(
        number=row.number,
        order_id=row.order_id,
        account_id=row.account_id,
        username=row.account.user_id,
        conid=row.conid,
        side=row.side,
        quantity=row.quantity,
        price=row.price,
        commission=row.commission,
        net_amount=row.net_amount,
        exchange=row.exchange,
        reference=row.reference,
        executed_at=row.executed_at.timestamp(),
    )


def quote(row: SimQuote) -> tuple[Quote, float]:
    at, until = row.posted_at.timestamp(), row.until.timestamp()
    return Quote(row.conid, row.bid, row.ask, row.last, 100, 100, at), until
