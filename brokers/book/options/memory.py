"""What IBKR has said of chains, kept in rows: lanes end after two minutes without work, and a day's first signal comes later."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet

from brokers.domain.contracts.options import NEW_YORK, RULE
from brokers.domain.contracts.warming import due_since
from brokers.domain.orders import OPTIONS, AssetClass, Instrument
from brokers.domain.sessions import SessionStatus
from brokers.models import ContractLookup, OptionChain
from brokers.postgres.notices import ORDERS_CHANNEL, keys, notify
from brokers.rulebook.calendars import us_options

# A rule that no signal has asked for so long is not asked ahead any more, and a chain that nobody asks about is forgotten.
USED_WITHIN = timedelta(days=14)
# Of one connection, and lanes that are woken for it in one look.
_MOST_RULES, _MOST_AT_ONCE = 60, 200


def load(connection_pk: int, name: str) -> OptionChain | None:
    """What is kept of a chain."""
    return OptionChain.objects.filter(connection=connection_pk, name=name).first()


def split_at(connection_pk: int, name: str) -> datetime | None:
    """When a split made others of a chain's contracts; None where it is not known to have."""
    rows = OptionChain.objects.filter(connection=connection_pk, name=name)
    return rows.values_list("split_at", flat=True).first()


def forget(connection_pk: int, names: Collection[str], at: datetime) -> None:
    """Take away what was said of these chains: a split has made others of their contracts. Who is asking IBKR at this moment, and
    began before, writes nothing of it down."""
    rows = OptionChain.objects.filter(connection=connection_pk, name__in=names)
    rows.update(said={}, said_at=at, split_at=at)
    OptionChain.objects.bulk_create(
        [OptionChain(connection_id=connection_pk, name=name, said={}, said_at=at, split_at=at) for name in names],
        ignore_conflicts=True,
    )
    # Somebody may have written the first row of one since.
    rows.exclude(split_at=at).update(said={}, said_at=at, split_at=at)


def share_of(connection_pk: int, name: str) -> int | None:
    """The number of the share under whose symbol a chain is kept, where a signal has asked for the share."""
    rows = ContractLookup.objects.filter(connection=connection_pk, asset_class=str(AssetClass.STOCK), ticker=name)
    return rows.filter(status=ContractLookup.Status.FOUND).values_list("conid", flat=True).first()


def keep(connection_pk: int, name: str, said: Mapping[str, Any], now: datetime, since: datetime | None) -> bool:
    """Keep what was said of a chain today, in the place of what was kept before; False where a split came since it was asked.

    `since`: the split that was known when it was asked.
    """
    rows = OptionChain.objects.filter(connection=connection_pk, name=name)
    if _of(rows, since).update(said=said, said_at=now):
        return True
    OptionChain.objects.bulk_create(
        [OptionChain(connection_id=connection_pk, name=name, said=said, said_at=now, split_at=since)],
        ignore_conflicts=True,
    )
    return _of(rows, since).exists()


def _of(rows: QuerySet[OptionChain], since: datetime | None) -> QuerySet[OptionChain]:
    return rows.filter(split_at=since) if since is not None else rows.filter(split_at__isnull=True)


def want(now: datetime) -> int:
    """Before the market opens and once it has: want the chains to be asked ahead that were not yet; how many are wanted.

    Only where a session is open: nobody signs in for it. What a lane has lost is wanted again by the next look.
    """
    since = due_since(now, us_options().regular_close(now.astimezone(NEW_YORK).date()))
    if since is None:
        return 0
    rows = OptionChain.objects.filter(
        Q(warmed_at=None) | Q(warmed_at__lt=since),
        connection__enabled=True,
        connection__session_status=str(SessionStatus.ACTIVE),
        # Of a session in doubt the lane would have to make sure first.
        connection__last_kept_at__isnull=False,
    ).order_by(F("wanted_at").asc(nulls_first=True), "pk")
    found = dict(rows.values_list("pk", "connection_id")[:_MOST_AT_ONCE])
    if found:
        OptionChain.objects.filter(pk__in=sorted(found)).update(wanted_at=now)
        notify(ORDERS_CHANNEL, keys(found.values()))
    return len(found)


def next_wanted(connection_pk: int) -> OptionChain | None:
    """The chain of a connection that is to be asked ahead first."""
    rows = OptionChain.objects.filter(connection=connection_pk, wanted_at__isnull=False)
    return rows.order_by("wanted_at", "pk").first()


def rules_of(connection_pk: int, now: datetime) -> list[Instrument]:
    """The rules that signals of a connection have asked for of late, the latest first."""
    rows = ContractLookup.objects.filter(
        connection=connection_pk,
        asset_class__in=[str(each) for each in OPTIONS],
        ticker__regex=RULE,
        asked_at__gt=now - USED_WITHIN,
    )
    latest = rows.order_by("-asked_at", "-pk").values_list("ticker", "asset_class")[:_MOST_RULES]
    return [Instrument(ticker=ticker, asset_class=AssetClass(kind)) for ticker, kind in latest]


def warmed(chain: OptionChain, said: Mapping[str, Any] | None, now: datetime) -> None:
    """Note that a chain was asked ahead, with what was said of it; None where that was nothing new. Of one that was split meanwhile
    nothing is noted: it is asked ahead once more."""
    values: dict[str, object] = {"wanted_at": None, "warmed_at": now}
    if said is not None:
        values |= {"said": said, "said_at": now}
    elif chain.said_at < now - USED_WITHIN:
        _of(OptionChain.objects.filter(pk=chain.pk), chain.split_at).delete()
        return
    _of(OptionChain.objects.filter(pk=chain.pk), chain.split_at).update(**values)
