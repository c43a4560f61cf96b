"""Our copy of an account's positions and money: replaced by what the broker shows, never computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from brokers import live
from brokers.book import day_ledger
from brokers.domain.brokerage import AccountSummary, PositionFacts
from brokers.domain.elsewhere.classes import UNKNOWN
from brokers.models import BrokerageAccount, ContractLookup, EquityPoint, Position
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
    classes = _classes(account, held.values())
    Position.objects.bulk_create(
        [
            Position(
                team_id=account.team_id,
                account=account,
                conid=fact.conid,
                ticker=fact.ticker,
                asset_class=classes[fact.conid],
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
        update_fields=[
            "ticker",
            "asset_class",
            "quantity",
            "average_cost",
            "market_price",
            "unrealized_pnl",
            "currency",
            "as_of",
        ],
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


def _classes(account: BrokerageAccount, held: Iterable[PositionFacts]) -> dict[int, str]:
    """What each holding is, by contract. IBKR's first list of a session may not say; then what was known of it holds."""
    named = {fact.conid: fact.asset_class[:20] or UNKNOWN for fact in held}
    if nameless := [conid for conid, name in named.items() if name == UNKNOWN]:
        lookups = ContractLookup.objects.filter(connection=account.connection_id, conid__in=nameless)
        named |= {conid: name for conid, name in lookups.values_list("conid", "asset_class") if conid is not None}
        named |= dict(Position.objects.filter(account=account, conid__in=nameless).values_list("conid", "asset_class"))
    return named
