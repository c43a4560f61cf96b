"""Ways out whose position somebody has closed by hand, asked to cancel as soon as list and fills agree that nothing is held."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import QuerySet

from brokers.domain.protection.scenes import NOTHING
from brokers.domain.protection.verdicts import STRAY_AFTER
from brokers.models import BrokerageAccount, Order
from brokers.orders import orphans
from brokers.postgres.written import written_once
from brokers.protection.held import Untold, held_in
from brokers.protection.rescaled import Splits


def contracts(account: BrokerageAccount, now: datetime) -> set[int]:
    """The contracts in which the account has such ways out."""
    return set(_contracts(account.pk, orphans.oldest_book(now)))


@written_once
def _contracts(account_pk: int, read_since: datetime) -> QuerySet[Order, int]:
    return orphans.without_position(read_since).filter(account=account_pk).values_list("conid", flat=True)


def cancel(account: BrokerageAccount, conids: Collection[int], now: datetime) -> datetime | None:
    """Ask for the cancel of an account's in these contracts; returns when to look again by the clock alone.

    IBKR itself ends the rest of a group when one of it fills, within moments of the fill.
    """
    again_at = None
    for conid in sorted(conids):
        filled = Order.objects.filter(account=account, conid=conid, filled_quantity__gt=0)
        holding = held_in(account, NOTHING, Splits(frozenset({conid})), list(filled), now, Untold(now))
        if holding.by_fills or not holding.read or holding.filled_at is None:
            # What its fills do not explain is believed after a while only.
            continue
        due = holding.filled_at + STRAY_AFTER
        if now >= due:
            rows = orphans.without_position(orphans.oldest_book(now)).filter(account=account, conid=conid)
            orphans.cancel_these(rows, now)
        elif again_at is None or due < again_at:
            again_at = due
    return again_at
