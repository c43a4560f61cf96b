"""Our copy of an account's positions and money: replaced by what the broker shows, never computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from brokers import live
from brokers.book import day_ledger, explained, replacing
from brokers.book.options import names
from brokers.domain.brokerage import AccountSummary, PositionFacts
from brokers.domain.elsewhere.classes import UNKNOWN
from brokers.domain.session import clocks
from brokers.domain.session.feed import MoneyHeard
from brokers.models import BrokerageAccount, ContractLookup, EquityPoint, FirstHolding, Position
from brokers.postgres.inserts import inserted
from brokers.postgres.written import written_once
from brokers.rulebook.products.abroad import CURRENCIES_IN_PARTS


@transaction.atomic
def refresh(
    account: BrokerageAccount,
    *,
    positions: Sequence[PositionFacts],
    summary: AccountSummary | None,
    as_of: datetime,
    ended_at: datetime | None = None,
) -> bool:
    """Replace our copy of the account's positions and money. `as_of` is the moment before the broker was asked.

    `summary` is None where the stream tells the money; `ended_at` is the moment after the broker had answered. Returns
    whether IBKR's executions are to be read again (see `explained`).
    """
    rows = _locked(account.pk)
    if not rows:
        raise BrokerageAccount.DoesNotExist(f"The account {account.pk} was removed while it was read.")
    before_at, account.opened_at = rows[0]
    if before_at is not None and before_at > as_of:
        return explained.asks(account, as_of)
    held = _in_units(account, {fact.conid: fact for fact in positions if fact.quantity})
    held = names.under_own_names(account, held)
    asks = explained.note(account, held, before_at, as_of)
    if before_at is None:
        _keep_first(account, held, as_of)
    values = {"book_as_of": as_of, "book_read_at": ended_at or as_of, **_money_read(summary, as_of)}
    equity = None if summary is None else summary.net_liquidation
    replacing.replace(account, held.values(), _classes(account, held.values()), values, equity)
    for name, value in values.items():
        setattr(account, name, value)
    day_ledger.open_day(account, as_of)
    live.account_changed(account)
    return asks


def _keep_first(account: BrokerageAccount, held: Mapping[int, PositionFacts], at: datetime) -> None:
    """Keep what is held as the account is looked at first: what is closed of it is no trade of anybody's whose profit is known."""
    FirstHolding.objects.bulk_create(
        [
            FirstHolding(account=account, conid=conid, quantity=fact.quantity, at=at)
            for conid, fact in sorted(held.items())
        ],
        ignore_conflicts=True,
    )


@written_once
def _locked(account_pk: int) -> QuerySet[BrokerageAccount, Any]:
    """When the account's book was read last, and when its day was opened; it is locked until the transaction ends."""
    rows = BrokerageAccount.objects.select_for_update(no_key=True).filter(pk=account_pk)
    return rows.values_list("book_as_of", "opened_at")


@transaction.atomic
def hear(connection_pk: int, told: Mapping[str, MoneyHeard], now: datetime) -> None:
    """Write what the stream of a connection told of its accounts' money. What it tells of others' is nobody's."""
    rows = BrokerageAccount.objects.select_for_update().filter(connection=connection_pk, account_id__in=told)
    for account in rows.order_by("pk"):
        part = told[account.account_id]
        if part.currency not in {"", account.currency} or clocks.is_recent(account.money_as_of, now, timedelta(0)):
            continue
        values = {column: value for column, name in _MONEY.items() if (value := getattr(part, name)) is not None}
        if not values:
            continue
        BrokerageAccount.objects.filter(pk=account.pk).update(**values, money_as_of=now, money_heard=True)
        _keep_equity(account, part.net_liquidation, now)
        # Also where nothing has changed: a page that is open shows how old its figures are.
        live.account_changed(account)


# Our columns, and their names in what IBKR says.
_MONEY = {
    "equity": "net_liquidation",
    "cash": "cash",
    "buying_power": "buying_power",
    "available_funds": "available_funds",
    "settled_cash": "settled_cash",
    "day_trades_left": "day_trades_left",
    "unrealized_pnl": "unrealized_pnl",
    "realized_pnl": "realized_pnl",
}


def _money_read(summary: AccountSummary | None, as_of: datetime) -> dict[str, Any]:
    if summary is None:
        return {}
    values = {column: getattr(summary, name) for column, name in _MONEY.items()}
    if summary.margin in BrokerageAccount.Margin.values:
        values["margin"] = summary.margin
    return {**values, "money_as_of": as_of, "money_heard": False}


def _keep_equity(account: BrokerageAccount, equity: Decimal | None, at: datetime) -> None:
    """Keep the account's value for its curve, once a minute."""
    if equity is not None:
        point = EquityPoint(account=account, at=at.replace(second=0, microsecond=0), equity=equity)
        inserted([point], ignore_conflicts=True)


def _in_units(account: BrokerageAccount, held: dict[int, PositionFacts]) -> dict[int, PositionFacts]:
    """The holdings with their prices in the units of their contracts: of a chart in pence, also where IBKR shows pounds."""
    may_be = [conid for conid, fact in held.items() if fact.currency in CURRENCIES_IN_PARTS]
    if not may_be:
        return held
    lookups = ContractLookup.objects.filter(connection=account.connection_id, conid__in=may_be, multiplier__lt=1)
    in_parts = {
        conid: held[conid].in_units_of(each) for conid, each in lookups.values_list("conid", "multiplier") if conid
    }
    return held | in_parts


def _classes(account: BrokerageAccount, held: Iterable[PositionFacts]) -> dict[int, str]:
    """What each holding is, by contract. IBKR's first list of a session may not say; then what was known of it holds."""
    named = {fact.conid: fact.asset_class[:20] or UNKNOWN for fact in held}
    if nameless := [conid for conid, name in named.items() if name == UNKNOWN]:
        named |= dict(Position.objects.filter(account=account, conid__in=nameless).values_list("conid", "asset_class"))
        # What IBKR found by the number says more than a copy of what it showed once.
        lookups = ContractLookup.objects.filter(
            connection=account.connection_id, conid__in=nameless, status=ContractLookup.Status.FOUND
        )
        named |= {conid: name for conid, name in lookups.values_list("conid", "asset_class") if conid is not None}
    return named
