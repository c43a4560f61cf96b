"""Stops that nobody's news was about: looked for among all positions and entries, a few times a minute."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Abs, Coalesce, Least

from accounts.turns import in_portions, one_of_each
from brokers.domain.orders import CHANGED_IN_PLACE, MAY_FILL, WORKING, OrderStatus, Release, Role
from brokers.models import BrokerageAccount, CorporateAction, Lapse, Order, Position
from brokers.postgres.written import written_once
from brokers.protection import left_behind, mending

_MAY_FILL = [str(status) for status in MAY_FILL]
_AMOUNT = DecimalField(max_digits=24, decimal_places=8)
_STOP = str(Role.STOP_LOSS)
# What stood for longer was seen by its news; a lapse that is open is looked at whatever its age.
OF_LATE = timedelta(days=1)
# So many instruments are looked at before the time is asked for, and for so long one look begins with more of them.
AT_ONCE, LONGEST_SECONDS = 20, 5.0


def look(now: datetime) -> int:
    """Look at what may lack its stop, one instrument of each team in turn; returns how many lapses have changed.

    What there is no time for is looked at by a later look, which begins elsewhere.
    """
    suspects = one_of_each(_suspects(now - OF_LATE, None), lambda suspect: suspect[0], now)

    def portion(some: list[tuple[int, int, int]]) -> int:
        return mending.look_at([(account_pk, conid) for _, account_pk, conid in some], now).changed

    return in_portions(suspects, portion, at_once=AT_ONCE, seconds=LONGEST_SECONDS)


def look_through(account: BrokerageAccount, now: datetime) -> datetime | None:
    """The same for one account, and its ways out that were left behind; returns when to look again by the clock alone."""
    moments = (
        left_behind.cancel(account, left_behind.contracts(account, now), now),
        mending.look_at(candidates(now, account), now).again_at,
    )
    return min((moment for moment in moments if moment is not None), default=None)


def candidates(now: datetime, account: BrokerageAccount | None = None) -> set[tuple[int, int]]:
    """Instruments that may lack a stop, or have too much of one, each as the key of its account and its contract."""
    suspects = _suspects(now - OF_LATE, None if account is None else account.pk)
    return {(account_pk, conid) for _, account_pk, conid in suspects}


@written_once
def _suspects(since: datetime, account_pk: int | None) -> QuerySet[Position, Any]:
    """Those instruments of one account, or of all: the keys of their team and their account, and their contract."""
    rows = suspected(since)
    if account_pk is not None:
        rows = [each.filter(account=account_pk) for each in rows]
    first, *rest = (each.order_by().values_list("team_id", "account_id", "conid") for each in rows)
    return first.union(*rest)


def suspected(since: datetime) -> list[QuerySet[Any]]:
    """Rows of all accounts that are in such instruments; a stop that has not changed since then is no reason."""
    return [_positions(since), _entries(), _strays(), Lapse.objects.filter(ended_at=None)]


def _positions(since: datetime) -> QuerySet[Position]:
    """Positions in which a stop has changed since then, and the stops that protect them are not just as large."""
    here = Order.objects.filter(account=OuterRef("account"), conid=OuterRef("conid"))
    held = ExpressionWrapper(OuterRef("quantity"), output_field=_AMOUNT)
    closing = here.annotate(held=held).filter(Q(side="sell", held__gt=0) | Q(side="buy", held__lt=0))
    sums = closing.filter(role=_STOP, status__in=_MAY_FILL).order_by().values("conid")
    working = Subquery(sums.annotate(sum=Sum(_protects())).values("sum"), output_field=_AMOUNT)
    split = CorporateAction.objects.filter(account=OuterRef("account"), conid=OuterRef("conid"), seen_at__gt=since)
    return (
        Position.objects.filter(
            Exists(here.filter(role=_STOP, changed_at__gt=since)) | Exists(split), account__connection__enabled=True
        )
        .annotate(stopped=Coalesce(working, 0, output_field=_AMOUNT))
        .exclude(stopped=Abs("quantity"))
    )


def _protects() -> Case:
    """How much of a position a stop may protect: one that sleeps behind an entry, no more than has filled of that entry."""
    left = F("quantity") - F("filled_quantity")
    behind = Q(release=str(Release.WITH_PARENT), parent__status__in=_MAY_FILL)
    return Case(When(behind, then=Least(left, F("parent__filled_quantity"))), default=left, output_field=_AMOUNT)


def _entries() -> QuerySet[Order]:
    """Entries at the broker that came with a stop, and have none that may still work."""
    legs = Order.objects.filter(parent=OuterRef("pk"), role=_STOP, release=str(Release.WITH_PARENT))
    rows = Order.objects.filter(role=str(Role.ENTRY), status__in=[str(status) for status in WORKING])
    return rows.filter(Exists(legs), ~Exists(legs.filter(status__in=_MAY_FILL)), connection__enabled=True)


def _strays() -> QuerySet[Order]:
    """Legs that work although their entry ended without a fill."""
    ended = [str(status) for status in (OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.CANCELED)]
    return Order.objects.filter(
        Q(parent__status__in=ended, parent__filled_quantity=0),
        role=_STOP,
        release=str(Release.WITH_PARENT),
        status__in=[str(status) for status in CHANGED_IN_PLACE],
        connection__enabled=True,
    )
