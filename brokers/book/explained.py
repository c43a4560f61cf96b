"""Whether the fills that we know of explain what an account holds now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from brokers.domain.orders import Side
from brokers.models import BrokerageAccount, Execution, Position

_NONE = Decimal(0)


def last_reading(account: BrokerageAccount) -> tuple[dict[int, Decimal], datetime | None]:
    """What our copy of the account's book holds, by contract in units, and when IBKR was asked for it."""
    book_as_of = BrokerageAccount.objects.values_list("book_as_of", flat=True).get(pk=account.pk)
    return dict(Position.objects.filter(account=account).values_list("conid", "quantity")), book_as_of


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
