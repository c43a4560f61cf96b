"""Day trades that IBKR still takes of an account: what an entry is told where few are left. Pure.

IBKR counts the days on which shares or options are bought and sold again in margin accounts below its sum, and refuses or
restricts beyond its number. An entry is no day trade yet: it is sent, with a note.
"""

from __future__ import annotations

from brokers.domain.orders import AssetClass, OrderIntent, Role
from brokers.domain.snapshot import Snapshot

_COUNTED = frozenset({AssetClass.STOCK, AssetClass.OPTION})


def note(intent: OrderIntent, snapshot: Snapshot) -> tuple[str, ...]:
    """What is said of an entry before it leaves (R08); nothing where IBKR counts none, or does not say."""
    counted = intent.role is Role.ENTRY and intent.instrument.asset_class in _COUNTED
    if not counted or snapshot.account_type != "margin" or snapshot.contract.currency != "USD":
        return ()
    if snapshot.day_trades_left == 0:
        return (
            "IBKR counts no day trade left for this account: to close this position today would be one too many, which IBKR "
            "may refuse or restrict the account for. Keep it until the next trading day.",
        )
    if snapshot.day_trades_left == 1:
        return (
            "IBKR counts one day trade left for this account: to close this position today would be the last one, and the next "
            "entry could not be closed the same day.",
        )
    return ()
