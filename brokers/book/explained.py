"""Whether the fills that we know of explain what an account holds now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from brokers.domain.orders import Side
from brokers.models import BrokerageAccount, Execution

_NONE = Decimal(0)


def by_fills(
    account: BrokerageAccount, before: Mapping[int, Decimal], held: Mapping[int, Decimal], since: datetime
) -> bool:
    """Whether the fills seen since a reading add up to what has changed, by contract in units.

    They need not where a fill and a reading met, or something was transferred: then a look at IBKR's list is in vain.
    """
    changed = {
        conid: held.get(conid, _NONE) - before.get(conid, _NONE)
        for conid in {*before, *held}
        if held.get(conid, _NONE) != before.get(conid, _NONE)
    }
    fills = Execution.objects.filter(account=account, conid__in=changed, seen_at__gt=since)
    for conid, side, quantity in fills.values_list("conid", "side", "quantity"):
        changed[conid] -= quantity * Side(side).sign
    return not any(changed.values())
