"""Changes of what an account holds that no fill explains: kept with since when, as long as they may mean anything.

IBKR's list of positions may show a fill that neither its orders nor its executions show yet. An order that is looked for
may be the one that has filled: until the change is explained, nobody believes that the order is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce

from brokers.domain.orders import Side
from brokers.models import BrokerageAccount, Execution, Order, Position, UnexplainedChange
from brokers.models.unclaimed import LOOKED_FOR, MEETS
from brokers.postgres.written import written_once

NOTHING = Decimal(0)
# IBKR's list of positions may lag behind a fill for so long.
LAGS = timedelta(seconds=30)
# What nobody looks for and no fill has explained by then was transferred, most likely.
EXPLAINED_WITHIN = timedelta(minutes=3)
# Of so many fills that may count or not, each way is tried; beyond them all count.
MOST_LOOSE = 10


@dataclass(frozen=True, slots=True)
class _Fill:
    conid: int
    signed: Decimal
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class _Anchor:
    """The reading that was explained last: what it showed of a contract, and when IBKR was asked."""

    quantity: Decimal
    at: datetime


def note(account: BrokerageAccount, held: Mapping[int, Decimal], before_at: datetime | None, as_of: datetime) -> bool:
    """Compare a reading, by contract in units, with the one before and the fills since; keep what they do not explain.

    Call it before our copy of the positions is replaced, inside the transaction that holds the account. `before_at`: when
    IBKR was asked for the copy; `as_of`: for this reading. Without a copy nothing can be compared. Returns what `asks` would.
    """
    if before_at is None:
        return False
    asks = False
    kept = {row.conid: row for row in _kept(account.pk)}
    for row in [each for each in kept.values() if each.before_at > as_of]:
        # The clock was set back: what is held is compared with our copy alone.
        kept.pop(row.conid).delete()
    before = dict(_held(account.pk))
    anchors = {conid: _Anchor(quantity, before_at) for conid, quantity in before.items()}
    anchors |= {conid: _Anchor(row.before, row.before_at) for conid, row in kept.items()}
    fills = _fills_since(account, min([before_at, *(row.before_at for row in kept.values())]) - MEETS)
    changed = {conid for conid in {*before, *held} if held.get(conid, NOTHING) != before.get(conid, NOTHING)}
    for conid in sorted(changed | {*kept} | {fill.conid for fill in fills}):
        anchor = anchors.get(conid, _Anchor(NOTHING, before_at))
        here = [fill for fill in fills if fill.conid == conid and fill.seen_at > anchor.at - MEETS]
        change = held.get(conid, NOTHING) - anchor.quantity
        quantity = _unexplained(change, here, anchor.at, as_of)
        if quantity and (more := _told_by_orders(account, conid, anchor.at - MEETS)):
            here += more
            quantity = _unexplained(change, here, anchor.at, as_of)
        is_clear = change == sum((fill.signed for fill in here if fill.seen_at > anchor.at), NOTHING)
        asks |= _keep(account, conid, kept.get(conid), anchor, quantity, as_of, is_clear=is_clear)
    return asks


def _fills_since(account: BrokerageAccount, since: datetime) -> list[_Fill]:
    return [
        _Fill(conid, quantity * Side(side).sign, seen_at)
        for conid, side, quantity, seen_at in _executions(account.pk, since)
    ]


@written_once
def _kept(account_pk: int) -> QuerySet[UnexplainedChange]:
    return UnexplainedChange.objects.filter(account=account_pk)


@written_once
def _held(account_pk: int) -> QuerySet[Position, Any]:
    return Position.objects.filter(account=account_pk).values_list("conid", "quantity")


@written_once
def _executions(account_pk: int, since: datetime) -> QuerySet[Execution, Any]:
    rows = Execution.objects.filter(account=account_pk, seen_at__gt=since)
    return rows.values_list("conid", "side", "quantity", "seen_at")


def _told_by_orders(account: BrokerageAccount, conid: int, since: datetime) -> list[_Fill]:
    """What orders are known to have filled, without the executions so far."""
    return [
        _Fill(conid, (filled - executed) * Side(side).sign, changed_at)
        for side, filled, executed, changed_at in _ahead(account.pk, conid, since)
    ]


@written_once
def _ahead(account_pk: int, conid: int, since: datetime) -> QuerySet[Order, Any]:
    orders = Order.objects.filter(account=account_pk, conid=conid, changed_at__gt=since, filled_quantity__gt=0)
    executed = orders.annotate(executed=Coalesce(Sum("executions__quantity"), NOTHING))
    told = executed.filter(filled_quantity__gt=F("executed"))
    return told.values_list("side", "filled_quantity", "executed", "changed_at")


def _unexplained(change: Decimal, fills: Iterable[_Fill], anchor_at: datetime, as_of: datetime) -> Decimal:
    """What of a change no fills explain. Fills that met either reading, or that its list may lack yet, count or not:
    the way that leaves least is the truth, most likely."""
    fills = list(fills)
    loose = [fill for fill in fills if fill.seen_at <= anchor_at + MEETS or fill.seen_at > as_of - LAGS]
    rest = change - sum((fill.signed for fill in fills if fill not in loose), NOTHING)
    if len(loose) > MOST_LOOSE:
        return rest - sum((fill.signed for fill in loose if fill.seen_at > anchor_at), NOTHING)
    sums = {NOTHING}
    for fill in loose:
        sums |= {each + fill.signed for each in sums}
    return min((rest - each for each in sums), key=lambda left: (abs(left), left))


def _keep(
    account: BrokerageAccount,
    conid: int,
    row: UnexplainedChange | None,
    anchor: _Anchor,
    quantity: Decimal,
    as_of: datetime,
    *,
    is_clear: bool,
) -> bool:
    """Write down what is not explained; forget it where it is, or where it is old and nobody looks for an order there.

    Returns whether IBKR is to be asked about it.
    """
    if row is None:
        if not is_clear:
            UnexplainedChange.objects.create(
                team_id=account.team_id,
                account=account,
                conid=conid,
                before=anchor.quantity,
                before_at=anchor.at,
                quantity=quantity,
                since=as_of,
                as_of=as_of,
            )
        return bool(quantity) and not is_clear
    # More of it is news; and a clock that was set back makes nothing last.
    since = as_of if abs(quantity) > abs(row.quantity) else min(row.since, as_of)
    if is_clear or (as_of - since > EXPLAINED_WITHIN and not _is_looked_for(account.pk, conid)):
        row.delete()
        return False
    UnexplainedChange.objects.filter(pk=row.pk).update(quantity=quantity, since=since, as_of=as_of)
    return bool(quantity) and as_of - since < EXPLAINED_WITHIN


def _is_looked_for(account_pk: int, conid: int) -> bool:
    return Order.objects.filter(account=account_pk, conid=conid, status__in=LOOKED_FOR).exists()


def asks(account: BrokerageAccount, now: datetime) -> bool:
    """Whether IBKR's executions are to be read again, since what is held has changed of late by more than is known."""
    rows = UnexplainedChange.objects.filter(account=account, since__gt=now - EXPLAINED_WITHIN)
    return rows.exclude(quantity=0).exists()
