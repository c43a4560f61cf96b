"""What orders placed elsewhere may still do to the positions of an account, and what money is kept for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Exists, OuterRef, QuerySet

from brokers.domain.contracts.rules import Denial
from brokers.domain.elsewhere.exposure import Claim, Working, kept_back
from brokers.domain.elsewhere.whose import is_ours
from brokers.domain.orders import Side
from brokers.models import BrokerageAccount, ContractLookup, ExchangeRate, ForeignOrder, Order, Position, UnclaimedOrder
from brokers.rulebook.products.abroad import CURRENCIES_IN_PARTS

# A price tells what a market order will need about; a day old it still does.
_MARK_COUNTS_FOR = timedelta(days=1)


def not_ours(rows: QuerySet[ForeignOrder]) -> QuerySet[ForeignOrder]:
    """Those of these rows that did not turn out to be ours by their number."""
    ours = Order.objects.filter(account=OuterRef("account_id"), broker_order_id=OuterRef("broker_order_id"))
    return rows.exclude(Exists(ours)).order_by("pk")


def working(accounts: Iterable[int]) -> QuerySet[ForeignOrder]:
    """Working orders of these accounts that are not ours."""
    return not_ours(ForeignOrder.objects.filter(account__in=list(accounts)))


def undecided(row: ForeignOrder, ticker: str) -> Denial | None:
    """Why nothing may be opened in a contract in which this order works, until a person has said what it is."""
    asks = is_ours(row.reference) or row.second_of_id is not None
    if not asks or row.left_at is not None or row.cancel_asked_at is not None:
        return None
    which = "looks like a change whose answer was lost" if row.second_of_id else "bears Halyard's reference, and no row"
    rest = "" if row.second_of_id else " here knows it"
    reason = (
        f"IBKR's order {row.broker_order_id} in {ticker} {which}{rest}. Adopt it, cancel it or leave it on its page."
    )
    return Denial(code="order-undecided", sentence=f"{reason} Then send the signal again.")


def unclaimed(row: UnclaimedOrder, ticker: str) -> Denial:
    """Why nothing may be opened in a contract in which this order has filled, until a person has said whose it is."""
    name = f"order {row.broker_order_id}" if row.broker_order_id else f"order {row.reference or 'without a name'}"
    which = "looks like a change whose answer was lost" if row.second_of_id else "bears Halyard's reference, and no row"
    rest = "" if row.second_of_id else " here knows it"
    reason = f"IBKR's {name} in {ticker} has filled, {which}{rest}. Adopt it or leave it on its page."
    return Denial(code="order-undecided", sentence=f"{reason} Then send the signal again.")


def value(row: ForeignOrder, mark: Decimal | None = None) -> Working:
    """The domain value of an order that is not ours; `mark` is what one unit costs now, where it is known."""
    return Working(
        conid=row.conid,
        asset_class=row.asset_class,
        side=Side(row.side),
        remaining=row.remaining,
        price=row.limit_price or row.stop_price,
        currency=row.currency,
        is_stop=row.is_stop,
        mark=mark,
        ticker=row.ticker,
    )


def marks(rows: Collection[ForeignOrder], now: datetime) -> dict[tuple[int, int], Decimal]:
    """What the contracts of orders at any price cost, by account and number: as held, else as last traded of late."""
    at_any_price = [row for row in rows if row.limit_price is None and row.stop_price is None]
    if not at_any_price:
        return {}
    conids = {row.conid for row in at_any_price}
    quoted = ContractLookup.objects.filter(
        connection__accounts__in={row.account_id for row in at_any_price},
        conid__in=conids,
        last__isnull=False,
        quote_as_of__gte=now - _MARK_COUNTS_FOR,
    ).values_list("connection__accounts", "conid", "last")
    held = Position.objects.filter(
        account__in={row.account_id for row in at_any_price}, conid__in=conids, market_price__isnull=False
    ).values_list("account_id", "conid", "market_price")
    return {(account, conid): price for account, conid, price in (*quoted, *held) if conid and price}


def claims(accounts: Mapping[int, BrokerageAccount], orders: Mapping[int, Collection[Working]]) -> dict[int, Claim]:
    """By account, what these orders, which are its own, claim of its money."""
    if not any(orders.values()):
        return {}
    connections = {accounts[key].connection_id for key in orders}
    rates: dict[tuple[int, str], dict[str, Decimal]] = {}
    for row in ExchangeRate.objects.filter(connection__in=connections):
        if row.rate is not None:
            rates.setdefault((row.connection_id, row.target), {})[row.source] = row.rate
    conids = {order.conid for each in orders.values() for order in each}
    held: dict[int, dict[int, Decimal]] = {}
    for position in Position.objects.filter(account__in=list(orders), conid__in=conids):
        held.setdefault(position.account_id, {})[position.conid] = position.quantity
    in_parts = _in_parts(connections, (order for each in orders.values() for order in each))
    found = {}
    for key, its in orders.items():
        account = accounts[key]
        into = {account.currency: Decimal(1)} | rates.get((account.connection_id, account.currency), {})
        is_cash = account.margin == BrokerageAccount.Margin.CASH
        doubtful = in_parts.get(account.connection_id, frozenset())
        found[key] = kept_back(its, held.get(key, {}), into, cash_account=is_cash, in_parts=doubtful)
    return found


def _in_parts(connections: Collection[int], orders: Iterable[Working]) -> dict[int, frozenset[int]]:
    """By connection, those contracts of these orders whose prices are in pence by IBKR's word."""
    may_be = {order.conid for order in orders if order.currency in CURRENCIES_IN_PARTS}
    if not may_be:
        return {}
    lookups = ContractLookup.objects.filter(connection__in=connections, conid__in=may_be, multiplier__lt=1)
    found: dict[int, frozenset[int]] = {}
    for connection, conid in lookups.values_list("connection_id", "conid"):
        if conid is not None:
            found[connection] = found.get(connection, frozenset()) | {conid}
    return found


def with_counted(page: list[ForeignOrder], now: datetime) -> list[ForeignOrder]:
    """These orders, each with whether its money is counted as `money_counted`. Load them with `account`."""
    accounts = {row.account_id: row.account for row in page}
    # Orders are counted beside the others of their account: what only closes a position needs no money.
    rows = list(working(accounts)) if accounts else []
    prices = marks(rows, now)
    orders: dict[int, dict[int, Working]] = {}
    for row in rows:
        orders.setdefault(row.account_id, {})[row.pk] = value(row, prices.get((row.account_id, row.conid)))
    found = claims(accounts, {key: list(each.values()) for key, each in orders.items()})
    for row in page:
        order = orders.get(row.account_id, {}).get(row.pk)
        row.money_counted = order is not None and order not in found[row.account_id].uncounted
    return page
