"""What a day's result is made of, as its rows are asked for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, QuerySet

from brokers.models import ContractLookup, Execution, OpeningPosition, Position
from brokers.postgres.written import written_once


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
def quoted(connection_pks: Collection[int], conids: Collection[int]) -> QuerySet[ContractLookup, Any]:
    """What contracts are in, and what IBKR last quoted of each, those quoted last at the end."""
    found = ContractLookup.objects.filter(connection__in=connection_pks, conid__in=conids)
    return found.order_by(F("quote_as_of").asc(nulls_first=True)).values_list("conid", "currency", "last", "bid", "ask")
