"""What an account's fills tell of how its options ended."""

from __future__ import annotations

from collections.abc import Sequence

from brokers.domain.contracts.endings import Deal, how_ended
from brokers.domain.contracts.options import named
from brokers.domain.orders import OPTIONS, Side
from brokers.models import BrokerageAccount, ContractLookup, Execution


def ends(account: BrokerageAccount, executions: Sequence[Execution]) -> dict[int, str]:
    """By the key of a fill what it says of an option's end, where it says anything."""
    strange = {execution.conid for execution in executions if execution.order_id is None}
    if not strange:
        return {}
    rows = ContractLookup.objects.of_contracts().filter(
        connection=account.connection_id, conid__in=strange, asset_class__in=OPTIONS
    )
    names = {conid: named(ticker) for conid, ticker in rows.values_list("conid", "ticker")}
    deals = {
        execution.pk: Deal(
            ticker=execution.ticker,
            side=Side(execution.side),
            quantity=execution.quantity,
            price=execution.price,
            at=execution.executed_at,
            ours=execution.order_id is not None,
            name=names.get(execution.conid),
        )
        for execution in executions
    }
    told = {key: how_ended(deal, list(deals.values())) for key, deal in deals.items()}
    return {key: text for key, text in told.items() if text}
