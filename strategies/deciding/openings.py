"""When the signals were sent that opened what is held, by their own times: an older exit leaves that alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery

from brokers.domain.orders import MAY_FILL, Role
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount
from strategies.models import Decision

_FILLED: dict[str, Any] = {"ticket__orders__filled_quantity__gt": 0}
_WORKING: dict[str, Any] = {"ticket__orders__status__in": [str(status) for status in sorted(MAY_FILL)]}


@dataclass(frozen=True, slots=True)
class _Entries:
    """The own times of the signals behind an account's last filled entry, and behind its last working one."""

    filled: datetime | None = None
    working: datetime | None = None


@dataclass(slots=True)
class Openings:
    """The entries of a batch's accounts, loaded with one query for each contract that an exit asks about."""

    accounts: frozenset[int] = frozenset()
    _entries: dict[int, dict[int, _Entries]] = field(default_factory=dict)
    # Entries of the batch itself, which have no rows yet.
    _planned: dict[tuple[int, int], datetime] = field(default_factory=dict)

    def plan(self, account_pk: int, conid: int, signal_time: datetime | None) -> None:
        """Note an entry that was planned a moment ago."""
        if signal_time is not None:
            self._planned[(account_pk, conid)] = signal_time

    def opened_at(self, account_pk: int, snapshot: Snapshot) -> datetime | None:
        """The own time of the signal behind the position; of a flat account, behind the entry that works."""
        conid = snapshot.contract.conid
        if conid not in self._entries:
            self._entries[conid] = _load(self.accounts | {account_pk}, conid)
        entries = self._entries[conid].get(account_pk, _Entries())
        if snapshot.position:
            return entries.filled
        return self._planned.get((account_pk, conid), entries.working)


def _load(accounts: Iterable[int], conid: int) -> dict[int, _Entries]:
    rows = BrokerageAccount.objects.filter(pk__in=accounts).values_list(
        "pk", _last(conid, _FILLED), _last(conid, _WORKING)
    )
    return {account_pk: _Entries(filled, working) for account_pk, filled, working in rows}


def _last(conid: int, state: dict[str, Any]) -> Subquery:
    entries = Decision.objects.filter(
        ticket__account=OuterRef("pk"),
        ticket__orders__conid=conid,
        ticket__orders__role=str(Role.ENTRY),
        signal__signal_time__isnull=False,
        **state,
    )
    return Subquery(entries.order_by("-pk").values("signal__signal_time")[:1])
