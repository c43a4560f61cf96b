"""What orders placed elsewhere may still do to the positions of an account, and what money is kept for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal

from django.db.models import Exists, OuterRef, QuerySet

from brokers.domain.elsewhere.exposure import Working, kept_back
from brokers.domain.orders import Side
from brokers.models import BrokerageAccount, ExchangeRate, ForeignOrder, Order, Position


def not_ours(rows: QuerySet[ForeignOrder]) -> QuerySet[ForeignOrder]:
    """Those of these rows that did not turn out to be ours by their number."""
    ours = Order.objects.filter(account=OuterRef("account_id"), broker_order_id=OuterRef("broker_order_id"))
    return rows.exclude(Exists(ours)).order_by("pk")


def working(accounts: Iterable[int]) -> QuerySet[ForeignOrder]:
    """Working orders of these accounts that are not ours."""
    return not_ours(ForeignOrder.objects.filter(account__in=list(accounts)))


def value(row: ForeignOrder) -> Working:
    """The domain value of an order that is not ours."""
    return Working(
        conid=row.conid,
        asset_class=row.asset_class,
        side=Side(row.side),
        remaining=row.remaining,
        price=row.limit_price or row.stop_price,
        currency=row.currency,
        is_stop=row.is_stop,
    )


def money_for(account: BrokerageAccount, orders: Collection[Working]) -> Decimal:
    """What an account has to keep for these orders, which are its own."""
    if not orders:
        return Decimal(0)
    known = ExchangeRate.objects.filter(
        connection=account.connection_id, target=account.currency, rate__isnull=False
    ).values_list("source", "rate")
    rates = {account.currency: Decimal(1)} | {source: rate for source, rate in known if rate is not None}
    held = Position.objects.filter(account=account, conid__in={order.conid for order in orders})
    positions = dict(held.values_list("conid", "quantity"))
    return kept_back(orders, positions, rates, cash_account=account.margin == BrokerageAccount.Margin.CASH)
