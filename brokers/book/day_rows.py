"""What a day's result is made of, as its rows are asked for, and their prices in the units of their contracts.

What was written before a contract's unit was known may be in pounds, not in pence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, MutableSequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, QuerySet

from brokers.domain.dayresult import in_units_of
from brokers.models import BrokerageAccount, ContractLookup, Execution, OpeningPosition, Position
from brokers.postgres.written import written_once
from brokers.rulebook.products.abroad import CURRENCIES_IN_PARTS


class Dealt(NamedTuple):
    """A fill of the day: of the columns of its row those that a result is made of, for they may be thousands."""

    account_id: int
    conid: int
    ticker: str
    side: str
    quantity: Decimal
    price: Decimal
    currency: str
    fee: Decimal | None
    executed_at: datetime
    seen_at: datetime
    order_id: int | None


@written_once
def filled_since(account_pk: int, since: datetime) -> QuerySet[Execution, int]:
    return Execution.objects.filter(account=account_pk, executed_at__gt=since).values_list("pk", flat=True)[:1]


@written_once
def openings(account_pks: Collection[int], day: date) -> QuerySet[OpeningPosition]:
    return OpeningPosition.objects.filter(account__in=account_pks, day=day)


@written_once
def fills(account_pks: Collection[int], since: datetime) -> QuerySet[Execution, Any]:
    """The columns of `Dealt`, in the order in which they were dealt."""
    rows = Execution.objects.filter(account__in=account_pks, executed_at__gte=since).order_by("executed_at", "pk")
    return rows.values_list(*Dealt._fields)


@written_once
def positions_now(account_pks: Collection[int]) -> QuerySet[Position]:
    return Position.objects.filter(account__in=account_pks)


@written_once
def lookups(connection_pks: Collection[int], conids: Collection[int]) -> QuerySet[ContractLookup, Any]:
    found = ContractLookup.objects.filter(connection__in=connection_pks, conid__in=conids)
    return found.values_list("conid", "multiplier")


@written_once
def last_quotes(connection_pks: Collection[int], conids: Collection[int]) -> QuerySet[ContractLookup, Any]:
    """What contracts are in, and what IBKR last quoted of each, those quoted last at the end."""
    found = ContractLookup.objects.filter(connection__in=connection_pks, conid__in=conids)
    return found.order_by(F("quote_as_of").asc(nulls_first=True)).values_list("conid", "currency", "last", "bid", "ask")


class Unit(NamedTuple):
    """What one point of a contract is worth, in which currency, and the last price IBKR quoted of it."""

    multiplier: Decimal
    currency: str
    quoted: Decimal | None


def units_of(accounts: list[BrokerageAccount], known: Mapping[int, Decimal]) -> dict[int, Unit]:
    """The units of those contracts whose prices are in parts of their currency; seldom any."""
    in_parts = sorted(conid for conid, multiplier in known.items() if multiplier < 1)
    units = dict[int, Unit]()
    if in_parts:
        connections = sorted({account.connection_id for account in accounts})
        for conid, currency, *prices in last_quotes(connections, in_parts):
            # A point of a future may be worth less than one, too: it is in no other unit anywhere.
            if currency in CURRENCIES_IN_PARTS:
                quoted = next((price for price in prices if price is not None), None)
                units[conid] = Unit(known[conid], currency, quoted)
    return units


def bring_to_units(
    opening: list[OpeningPosition],
    fills: MutableSequence[Dealt],
    held: list[Position],
    multipliers: MutableMapping[int, Decimal],
    units: Mapping[int, Unit],
) -> None:
    """Bring an account's opening prices and fills to their contracts' units, by a price that is in them for certain.

    What fits in neither unit leaves the day without a result: an opening has no price then, and a fill's contract no multiplier.
    """
    here = {row.conid for row in opening} | {fill.conid for fill in fills}
    for conid in here & units.keys():
        unit = units[conid]
        like = _certain(conid, fills, held, unit)
        for row in opening:
            if row.conid == conid and row.price is not None:
                row.price = in_units_of(unit.multiplier, row.price, like)
        for at, fill in enumerate(fills):
            if fill.conid != conid:
                continue
            price = in_units_of(unit.multiplier, fill.price, like)
            if price is None:
                multipliers.pop(conid, None)
            else:
                fills[at] = fill._replace(price=price, currency=unit.currency)


def _certain(conid: int, fills: MutableSequence[Dealt], held: list[Position], unit: Unit) -> Decimal | None:
    """A price of the contract in its units: of what is held as it was read, of our own orders' fills, or as quoted."""
    marks = [each.market_price for each in held if each.conid == conid]
    ours = [fill.price for fill in fills if fill.conid == conid and fill.order_id is not None]
    return next((price for price in [*marks, *reversed(ours), unit.quoted] if price is not None), None)
