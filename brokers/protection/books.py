"""What follows from an account's book that was just read: closings go on, and its stops are looked at."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db.models import IntegerField, QuerySet, Value

from brokers.models import BrokerageAccount, Closing
from brokers.orders import closing, orphans
from brokers.postgres.written import written_once
from brokers.protection import left_behind, mending, rounds

_SUSPECT, _LEFT_BEHIND, _CLOSING = range(3)


def look_through(account: BrokerageAccount, now: datetime) -> datetime | None:
    """Do what is due; returns when to look again by the clock alone. Most books leave nothing to do: one question says so."""
    due: dict[int, set[int]] = defaultdict(set)
    for kind, conid in _due(account.pk, now - rounds.OF_LATE, orphans.oldest_book(now)):
        due[kind].add(conid)
    if due[_CLOSING]:
        closing.work(now)
        # What is sent or asked to cancel for them changes what lacks a stop.
        return rounds.look_through(account, now)
    instruments = {(account.pk, conid) for conid in due[_SUSPECT]}
    moments = (left_behind.cancel(account, due[_LEFT_BEHIND], now), mending.look_at(instruments, now).again_at)
    return min((moment for moment in moments if moment is not None), default=None)


@written_once
def _due(account_pk: int, since: datetime, read_since: datetime) -> QuerySet[Any, Any]:
    """Contracts in which anything may be due in the account, each with what."""
    asked: list[tuple[int, QuerySet[Any]]] = [
        *((_SUSPECT, rows) for rows in rounds.suspected(since)),
        (_LEFT_BEHIND, orphans.without_position(read_since)),
        (_CLOSING, Closing.objects.filter(status=Closing.Status.OPEN)),
    ]
    first, *rest = (
        rows.filter(account=account_pk)
        .order_by()
        .annotate(kind=Value(kind, IntegerField()))
        .values_list("kind", "conid")
        for kind, rows in asked
    )
    due: QuerySet[Any, Any] = first.union(*rest)
    return due
