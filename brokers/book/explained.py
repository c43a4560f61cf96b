"""Changes of what an account holds that no fill explains: kept with since when, as long as they may mean anything.

IBKR's list of positions may show a fill that neither its orders nor its executions show yet. An order that is looked for
may be the one that has filled: until the change is explained, nobody believes that the order is not there.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from brokers.book.actions import noticing
from brokers.domain.brokerage import PositionFacts
from brokers.domain.contracts.combos import sign_in
from brokers.domain.elsewhere.unexplained import least_left
from brokers.domain.orders import Side
from brokers.models import (
    BrokerageAccount,
    ContractLookup,
    CorporateAction,
    Order,
    Position,
    UnexplainedChange,
)
from brokers.models.options import combos
from brokers.models.unclaimed import EXPLAINED_WITHIN, LOOKED_FOR, MEETS
from brokers.postgres.written import written_once

log = logging.getLogger(__name__)
NOTHING = Decimal(0)
# IBKR's list of positions may lag behind a fill for so long.
LAGS = timedelta(seconds=30)
# Of fills that may count or not each sum is tried, so many additions in all; beyond them all fills count.
MOST_TRIED = 10_000


class _Fill(NamedTuple):
    conid: int
    signed: Decimal
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class _Anchor:
    """The reading that was explained last: what it showed of a contract, what a unit had cost, and when IBKR was asked."""

    quantity: Decimal
    average: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True)
class _Compared:
    """The part of a contract's change that fills do not explain. `is_clear`: fills explain all of it, at whichever reading they came."""

    conid: int
    anchor: _Anchor
    quantity: Decimal
    is_clear: bool


def note(
    account: BrokerageAccount, held: Mapping[int, PositionFacts], before_at: datetime | None, as_of: datetime
) -> bool:
    """Compare a reading, by contract, with the one before and the fills since; keep what they do not explain.

    A split explains what it has changed (`actions/noticing.py`).

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
    before = {
        conid: noticing.Was(quantity, average, ticker, asset_class, currency, before_at)
        for conid, quantity, average, ticker, asset_class, currency in _held(account.pk)
    }
    anchors = {conid: _Anchor(was.quantity, was.average, before_at) for conid, was in before.items()}
    anchors |= {conid: _Anchor(row.before, row.average_before, row.before_at) for conid, row in kept.items()}
    sizes = {conid: fact.quantity for conid, fact in held.items()}
    sizes_before = {conid: was.quantity for conid, was in before.items()}
    fills = _fills_since(account, min([before_at, *(row.before_at for row in kept.values())]) - MEETS, before_at, as_of)
    changed = {conid for conid in {*before, *held} if sizes.get(conid) != sizes_before.get(conid)}
    compared = [
        _compared(account, conid, anchors.get(conid, _Anchor(NOTHING, None, before_at)), sizes, fills[conid], as_of)
        for conid in sorted(changed | {*kept, *fills})
    ]
    split = _split(account, before, held, compared, kept, as_of)
    for each in compared:
        if each.conid not in split:
            asks |= _keep(account, kept.get(each.conid), each, before.get(each.conid) or held.get(each.conid), as_of)
    return asks


def _compared(
    account: BrokerageAccount,
    conid: int,
    anchor: _Anchor,
    sizes: Mapping[int, Decimal],
    fills: Sequence[_Fill],
    as_of: datetime,
) -> _Compared:
    """`fills`: those of the contract."""
    here = [fill for fill in fills if fill.seen_at > anchor.at - MEETS]
    change = sizes.get(conid, NOTHING) - anchor.quantity
    quantity = _unexplained(change, here, anchor.at, as_of)
    if quantity and (more := _told_by_orders(account, conid, anchor.at - MEETS)):
        here += more
        quantity = _unexplained(change, here, anchor.at, as_of)
    is_clear = change == sum((fill.signed for fill in here if fill.seen_at > anchor.at), NOTHING)
    return _Compared(conid, anchor, quantity, is_clear)


def _split(
    account: BrokerageAccount,
    before: Mapping[int, noticing.Was],
    held: Mapping[int, PositionFacts],
    compared: Sequence[_Compared],
    kept: Mapping[int, UnexplainedChange],
    as_of: datetime,
) -> set[int]:
    """The contracts whose change a split explains: it is written down, with what follows from it."""
    unexplained = {each.conid: each.anchor for each in compared if each.quantity}
    if not unexplained and not noticing.renamed(before, held):
        return set()
    # What was explained at the last reading is news.
    lasting = {conid: row.since for conid, row in kept.items() if row.quantity}
    since = {conid: min(lasting.get(conid, as_of), as_of) for conid in unexplained}
    was = dict(before)
    for conid, anchor in unexplained.items():
        named = _named(account, conid, kept.get(conid), before, held)
        was[conid] = noticing.Was(
            anchor.quantity,
            anchor.average,
            named.ticker if named is not None else "",
            named.asset_class if named is not None else "",
            named.currency if named is not None else "",
            anchor.at,
        )
    try:
        # What is not understood never keeps a book from being read.
        with transaction.atomic():
            return noticing.take(account, was, held, since, as_of)
    except (IntegrityError, DataError, ValueError, ArithmeticError):
        # The gateway chooses contract numbers and sizes: none of them keeps the book from being read.
        log.exception("A change of what account %s holds could not be written down as a split", account.pk)
        return set()


def _named(
    account: BrokerageAccount,
    conid: int,
    row: UnexplainedChange | None,
    before: Mapping[int, noticing.Was],
    held: Mapping[int, PositionFacts],
) -> noticing.Was | PositionFacts | ContractLookup | UnexplainedChange | None:
    """What a contract was called by the reading that was explained last: a later one may have renamed it, or lack it."""
    if row is not None and row.ticker:
        return row
    if (listed := before.get(conid) or held.get(conid)) is not None:
        return listed
    known = ContractLookup.objects.of_contracts().filter(connection=account.connection_id)
    # Its contract may have been asked for anew since, and have another number.
    return known.filter(conid=conid).first() or known.filter(replaced_conid=conid).first()


# What certainly came between the two readings that are compared is one sum, however much it is while a change stays
# unexplained; what may count or not is told one by one, as `_unexplained` tries it.
_FILLS = """
SELECT e.conid, e.side, sum(e.quantity), max(e.seen_at) FROM brokers_execution e
LEFT JOIN brokers_unexplainedchange u ON u.account_id = e.account_id AND u.conid = e.conid
WHERE e.account_id = %s AND e.seen_at > %s
GROUP BY e.conid, e.side,
  CASE WHEN e.seen_at > coalesce(u.before_at, %s) + %s AND e.seen_at <= %s THEN 0 ELSE e.id END
"""


def _fills_since(
    account: BrokerageAccount, since: datetime, before_at: datetime, as_of: datetime
) -> defaultdict[int, list[_Fill]]:
    """Fills by contract."""
    fills = defaultdict(list)
    values: list[Any] = [account.pk, since, before_at, MEETS, as_of - LAGS]
    with connection.cursor() as cursor:
        cursor.execute(_FILLS, values)
        for conid, side, quantity, seen_at in cursor.fetchall():
            fills[conid].append(_Fill(conid, quantity if side == Side.BUY else -quantity, seen_at))
    return fills


@written_once
def _kept(account_pk: int) -> QuerySet[UnexplainedChange]:
    return UnexplainedChange.objects.filter(account=account_pk)


@written_once
def _held(account_pk: int) -> QuerySet[Position, Any]:
    rows = Position.objects.filter(account=account_pk)
    return rows.values_list("conid", "quantity", "average_cost", "ticker", "asset_class", "currency")


def _told_by_orders(account: BrokerageAccount, conid: int, since: datetime) -> list[_Fill]:
    """What orders are known to have filled, without the executions so far."""
    return [
        _Fill(conid, (filled - executed) * Side(side).sign, changed_at)
        for side, filled, executed, changed_at in _ahead(account.pk, conid, since)
    ] + [
        _Fill(conid, (filled - executed) * Side(side).sign * sign_in(number, conid), changed_at)
        for number, side, filled, executed, changed_at in _ahead_in_combos(account.pk, conid, since)
    ]


@written_once
def _ahead(account_pk: int, conid: int, since: datetime) -> QuerySet[Order, Any]:
    orders = Order.objects.filter(account=account_pk, conid=conid, changed_at__gt=since, filled_quantity__gt=0)
    executed = orders.annotate(executed=Coalesce(Sum("executions__quantity"), NOTHING))
    told = executed.filter(filled_quantity__gt=F("executed"))
    return told.values_list("side", "filled_quantity", "executed", "changed_at")


def _ahead_in_combos(account_pk: int, conid: int, since: datetime) -> QuerySet[Order, Any]:
    """The same of combos with the contract as a leg."""
    orders = combos.with_leg(account_pk, conid).filter(changed_at__gt=since, filled_quantity__gt=0)
    told = orders.annotate(executed=combos.executed_in(conid)).filter(filled_quantity__gt=F("executed"))
    return told.values_list("conid", "side", "filled_quantity", "executed", "changed_at")


def _unexplained(change: Decimal, fills: Iterable[_Fill], anchor_at: datetime, as_of: datetime) -> Decimal:
    """What of a change no fills explain. Fills that met either reading, or that its list may lack yet, count or not:
    the way that leaves least is the truth, most likely."""
    rest = with_all = change
    loose = []
    for fill in fills:
        if fill.seen_at > anchor_at:
            with_all -= fill.signed
        if fill.seen_at <= anchor_at + MEETS or fill.seen_at > as_of - LAGS:
            loose.append(fill.signed)
        else:
            rest -= fill.signed
    if not with_all:
        return with_all
    # Fills of whole shares have few different sums, however many parts an order fills in.
    left = least_left(rest, loose, MOST_TRIED)
    return with_all if left is None else left


def _keep(
    account: BrokerageAccount,
    row: UnexplainedChange | None,
    found: _Compared,
    named: noticing.Was | PositionFacts | None,
    as_of: datetime,
) -> bool:
    """Write down what is not explained; forget it where it is, or where it is old and nobody looks for an order there.

    Returns whether IBKR is to be asked about it.
    """
    anchor, quantity = found.anchor, found.quantity
    if row is None:
        if not found.is_clear:
            UnexplainedChange.objects.create(
                team_id=account.team_id,
                account=account,
                conid=found.conid,
                ticker="" if named is None else named.ticker,
                asset_class="" if named is None else named.asset_class,
                currency="" if named is None else named.currency,
                before=anchor.quantity,
                before_at=anchor.at,
                average_before=anchor.average,
                quantity=quantity,
                since=as_of,
                as_of=as_of,
            )
        return bool(quantity) and not found.is_clear
    # More of it is news; and a clock that was set back makes nothing last.
    since = as_of if abs(quantity) > abs(row.quantity) else min(row.since, as_of)
    late = as_of - since > EXPLAINED_WITHIN
    if found.is_clear or (late and not (_is_looked_for(account.pk, found.conid) or _is_asked(account.pk, found.conid))):
        row.delete()
        if found.is_clear:
            noticing.withdraw(account, found.conid, as_of)
        return False
    UnexplainedChange.objects.filter(pk=row.pk).update(quantity=quantity, since=since, as_of=as_of)
    return bool(quantity) and as_of - since < EXPLAINED_WITHIN


def _is_asked(account_pk: int, conid: int) -> bool:
    """Whether a person is asked what the change was: fills that come late still answer."""
    here = Q(conid=conid) | Q(conid_before=conid)
    return CorporateAction.objects.filter(here, account=account_pk, state="asked").exists()


def _is_looked_for(account_pk: int, conid: int) -> bool:
    looked_for = Order.objects.filter(account=account_pk, status__in=LOOKED_FOR)
    if looked_for.filter(conid=conid).exists():
        return True
    return combos.with_leg(account_pk, conid).filter(status__in=LOOKED_FOR).exists()


def asks(account: BrokerageAccount, now: datetime) -> bool:
    """Whether IBKR's executions are to be read again, since what is held has changed of late by more than is known."""
    rows = UnexplainedChange.objects.filter(account=account, since__gt=now - EXPLAINED_WITHIN)
    return rows.exclude(quantity=0).exists()
