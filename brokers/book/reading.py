"""What a book is read from, in one statement: contracts, orders, fills, positions, orders that are not ours, and homes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from brokers.book import contracts, elsewhere, working
from brokers.domain.actions.reading import State
from brokers.domain.contracts.combos import legs_of
from brokers.models import (
    BrokerageAccount,
    ContractLookup,
    CorporateAction,
    ForeignOrder,
    Order,
    Position,
    UnclaimedOrder,
)
from brokers.models.options import columns, combos
from brokers.postgres.incarnation import this_database
from brokers.postgres.several import Asked, asked_together
from brokers.postgres.written import written_once

# The numbers that contracts had when they were last read, by connection and ticker, and how many are kept. A guess, for
# what to ask before the contracts themselves are read; where it was wrong the rest is asked again.
_NUMBERS: dict[tuple[int, str], frozenset[int]] = {}
_MOST_NUMBERS = 20_000


class Rows(NamedTuple):
    """What is on record about some accounts and the contracts of some tickers, by one moment of the database.

    Where lists are too long for one statement each kind is read by itself, in this order: what changes meanwhile is seen
    twice, as an order that may fill or as a fill that may not be in the position yet, and a decision waits. Positions
    first, it could be seen not at all.
    """

    lookups: dict[contracts.Key, ContractLookup]
    working: list[tuple[Any, ...]]
    newer: list[tuple[Any, ...]]
    ahead: list[tuple[Any, ...]]
    positions: list[Position]
    foreign: list[ForeignOrder]
    homes: list[tuple[int, bool, str]]
    # What orders for combos do to their legs, where options were asked for.
    combos: list[tuple[Any, ...]] = []
    combos_ahead: list[tuple[Any, ...]] = []


def read(
    accounts: Collection[int], connections: Collection[int], tickers: Collection[str], now: datetime, *, options: bool
) -> Rows:
    """What is on record about these accounts, and about the contracts that these connections know by these tickers; with
    `options` also about combos, whose orders move what is held of their legs."""
    rows = _read(accounts, connections, tickers, now, options=options)
    if rows is None:
        rows = _read(accounts, connections, tickers, now, options=options)
    if rows is None:
        # The contracts change while they are read: one after the other, then.
        lookups = contracts.load(connections, tickers)
        rows = beside(accounts, lookups, now, options=options)
    return rows


def beside(
    accounts: Collection[int], lookups: dict[contracts.Key, ContractLookup], now: datetime, *, options: bool
) -> Rows:
    """What is on record about these accounts and contracts, where the contracts are known."""
    conids = {row.conid for row in lookups.values() if row.conid is not None}
    return Rows(lookups, *asked_together(*_of_contracts(accounts, conids, now, options=options)))


def _read(
    accounts: Collection[int], connections: Collection[int], tickers: Collection[str], now: datetime, *, options: bool
) -> Rows | None:
    """None where the contracts turn out to have other numbers than those that were guessed."""
    conids = _guessed(connections, tickers)
    asked = Asked(contracts.of_tickers, (connections, tickers))
    found, *rest = asked_together(asked, *_of_contracts(accounts, conids, now, options=options))
    _keep(connections, tickers, found)
    rows = Rows(contracts.by_key(found), *rest)
    return rows if {row.conid for row in found if row.conid is not None} <= conids else None


def _of_contracts(
    accounts: Collection[int], conids: Collection[int], now: datetime, *, options: bool
) -> tuple[Asked, ...]:
    latest, since = working.latest(now), columns.day(now)
    # What is held and worked of a combo is held and worked of its legs.
    conids = {*conids, *(leg for conid in conids if conid < 0 for leg in legs_of(conid) or ())}
    return (
        Asked(working.working, (accounts, conids)),
        Asked(working.newer, (accounts, conids, latest)),
        # A combo's order fills in its legs, which is read of all combos at once.
        Asked(working.ahead, (accounts, {conid for conid in conids if conid >= 0}, latest)),
        Asked(_positions, (accounts, conids)),
        Asked(_elsewhere, (accounts,)),
        Asked(_homes, (accounts,)),
        *((Asked(_combos, (accounts, since)), Asked(_combos_ahead, (accounts, latest, since))) if options else ()),
    )


def _guessed(connections: Collection[int], tickers: Collection[str]) -> set[int]:
    return {conid for key in connections for ticker in tickers for conid in _NUMBERS.get((key, ticker), ())}


def _keep(connections: Collection[int], tickers: Collection[str], rows: Collection[ContractLookup]) -> None:
    if len(_NUMBERS) > _MOST_NUMBERS:
        _NUMBERS.clear()
    numbers: dict[tuple[int, str], set[int]] = {(key, ticker): set() for key in connections for ticker in tickers}
    for row in rows:
        if row.conid is not None:
            numbers[row.connection_id, row.ticker].add(row.conid)
    _NUMBERS.update({place: frozenset(conids) for place, conids in numbers.items() if conids})


@written_once
def _positions(accounts: Collection[int], conids: Collection[int]) -> QuerySet[Position]:
    return Position.objects.filter(account__in=accounts, conid__in=conids)


@written_once
def _elsewhere(accounts: Collection[int]) -> QuerySet[ForeignOrder]:
    return elsewhere.working(accounts)


@written_once
def _homes(accounts: Collection[int]) -> QuerySet[BrokerageAccount, Any]:
    """Of each account, whether an order that has filled or a split may ask about it, and the name of this database."""
    filled = UnclaimedOrder.objects.filter(account=OuterRef("pk"), choice="")
    split = CorporateAction.objects.filter(account=OuterRef("pk"), state=str(State.ASKED))
    asks = ExpressionWrapper(Q(Exists(filled)) | Q(Exists(split)), output_field=BooleanField())
    return BrokerageAccount.objects.filter(pk__in=accounts).values_list("pk", asks, this_database())


@written_once
def _combos(accounts: Collection[int], since: str) -> QuerySet[Order, Any]:
    return combos.sums(accounts, since)


@written_once
def _combos_ahead(accounts: Collection[int], latest: datetime, since: str) -> QuerySet[Order, Any]:
    return combos.ahead(accounts, latest, since)
