"""Our copy of an account's positions and money: replaced by what the broker shows, never computed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from brokers import live
from brokers.book import day_ledger
from brokers.domain.brokerage import AccountSummary, PositionFacts
from brokers.domain.orders import AssetClass
from brokers.models import BrokerageAccount, EquityPoint, Position
from brokers.postgres.notices import DECISIONS_CHANNEL, notify


@transaction.atomic
def refresh(
    account: BrokerageAccount, *, positions: Sequence[PositionFacts], summary: AccountSummary, as_of: datetime
) -> None:
    """Replace our copy of the account's positions and money. `as_of` is the moment before the broker was asked."""
    newer = BrokerageAccount.objects.select_for_update().filter(pk=account.pk, book_as_of__gt=as_of).exists()
    if newer:
        return
    held = {fact.conid: fact for fact in positions if fact.quantity}
    Position.objects.filter(account=account).exclude(conid__in=held).delete()
    Position.objects.bulk_create(
        [
            Position(
                team_id=account.team_id,
                account=account,
                conid=fact.conid,
                ticker=fact.ticker,
                asset_class=_asset_class(fact.asset_class),
                quantity=fact.quantity,
                average_cost=fact.average_cost,
                market_price=fact.market_price,
                unrealized_pnl=fact.unrealized_pnl,
                currency=fact.currency,
                as_of=as_of,
            )
            for fact in held.values()
        ],
        update_conflicts=True,
        unique_fields=["account", "conid"],
        update_fields=["ticker", "quantity", "average_cost", "market_price", "unrealized_pnl", "currency", "as_of"],
    )
    values: dict[str, Any] = {
        "equity": summary.net_liquidation,
        "cash": summary.cash,
        "buying_power": summary.buying_power,
        "available_funds": summary.available_funds,
        "unrealized_pnl": summary.unrealized_pnl,
        "realized_pnl": summary.realized_pnl,
        "book_as_of": as_of,
    }
    if summary.margin in BrokerageAccount.Margin.values:
        values["margin"] = summary.margin
    BrokerageAccount.objects.filter(pk=account.pk).update(**values)
    for name, value in values.items():
        setattr(account, name, value)
    if summary.net_liquidation is not None:
        EquityPoint.objects.bulk_create(
            [EquityPoint(account=account, at=as_of.replace(second=0, microsecond=0), equity=summary.net_liquidation)],
            ignore_conflicts=True,
        )
    day_ledger.open_day(account, as_of)
    notify(DECISIONS_CHANNEL)
    live.account_changed(account)


def _asset_class(word: str) -> AssetClass:
    try:
        return AssetClass(word)
    except ValueError:
        # A holding of a class we do not trade yet is shown all the same.
        return AssetClass.STOCK
