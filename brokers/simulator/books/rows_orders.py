"""Orders and fills as table rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from brokers.simulator.exchange.records import Execution, Leg, Order
from brokers.simulator.models import SimExecution, SimOrder


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def order_row(order: Order) -> SimOrder:
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
        good_till=None if order.good_till is None else moment(order.good_till),
        expires_at=None if order.expires_at is None else moment(order.expires_at),
        legs=[[leg.conid, leg.ratio] for leg in order.legs],
        fa_group=order.fa_group,
        fa_method=order.fa_method,
        shares=_texts(order.shares),
        dealt=_texts(order.dealt),
        created_at=moment(order.created_at),
        updated_at=moment(order.updated_at),
    )


def execution_row(execution: Execution) -> SimExecution:
    return SimExecution(
        number=execution.number,
        order_id=execution.order_id,
        account_id=execution.account_id,
        conid=execution.conid,
        side=execution.side,
        quantity=execution.quantity,
        price=execution.price,
        commission=execution.commission,
        currency=execution.currency,
        net_amount=execution.net_amount,
        exchange=execution.exchange,
        reference=execution.reference,
        executed_at=moment(execution.executed_at),
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
        good_till=None if row.good_till is None else row.good_till.timestamp(),
        expires_at=None if row.expires_at is None else row.expires_at.timestamp(),
        legs=tuple(Leg(conid, ratio) for conid, ratio in row.legs),
        fa_group=row.fa_group,
        fa_method=row.fa_method,
        shares=_numbers(row.shares),
        dealt=_numbers(row.dealt),
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
        currency=row.currency,
        net_amount=row.net_amount,
        exchange=row.exchange,
        reference=row.reference,
        executed_at=row.executed_at.timestamp(),
    )


def _texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}


def _numbers(texts: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in texts.items()}
