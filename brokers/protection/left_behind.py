"""Ways out whose position somebody has closed by hand, asked to cancel as soon as list and fills agree that nothing is held."""

from __future__ import annotations

from datetime import datetime

from brokers.domain.protection.scenes import NOTHING
from brokers.domain.protection.verdicts import STRAY_AFTER
from brokers.models import BrokerageAccount, Order
from brokers.orders import orphans
from brokers.protection.held import Untold, held_in


def cancel(account: BrokerageAccount, now: datetime) -> datetime | None:
    """Ask for the cancel of an account's; returns when to look again by the clock alone.

    IBKR itself ends the rest of a group when one of it fills, within moments of the fill.
    """
    again_at = None
    rows = orphans.without_position(now).filter(account=account)
    for conid in sorted(set(rows.values_list("conid", flat=True))):
        filled = Order.objects.filter(account=account, conid=conid, filled_quantity__gt=0)
        holding = held_in(account, NOTHING, conid, list(filled), now, Untold(now))
        if holding.by_fills or not holding.read or holding.filled_at is None:
            # What its fills do not explain is believed after a while only.
            continue
        due = holding.filled_at + STRAY_AFTER
        if now >= due:
            orphans.cancel_these(rows.filter(conid=conid), now)
        elif again_at is None or due < again_at:
            again_at = due
    return again_at
