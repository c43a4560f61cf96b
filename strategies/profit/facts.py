"""The facts of one contract in one account: its fills with whose they are, its splits, and what its money is worth."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from brokers.book import day_ledger, day_rows, rates
from brokers.domain.actions.reading import Ratio
from brokers.domain.orders import Role, Side
from brokers.domain.profit.facts import Effect, Fill, Held, Rate, Split
from brokers.models import (
    BrokerageAccount,
    ContractLookup,
    CorporateAction,
    ExchangeRate,
    Execution,
    FillRate,
    FirstHolding,
    Position,
)
from strategies.models import Owner, Trade

# A rate of another day says nothing about a fill.
NEAR = timedelta(days=1)
# Of legs the price of the signal says nothing: they were to fill elsewhere.
_AT_A_SIGNAL = frozenset({Role.ENTRY, Role.EXIT})


class Row(NamedTuple):
    """A fill with what its order and its decision say, as asked for."""

    pk: int
    broker_execution_id: str
    revision: int
    conid: int
    ticker: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    currency: str
    executed_at: datetime
    seen_at: datetime
    order__conid: int | None
    order__role: str | None
    order__asset_class: str | None
    order__multiplier: Decimal | None
    order__signal_price: Decimal | None
    order__ticket__decision__subscription: int | None
    order__ticket__decision__signal: int | None
    order__ticket__decision__signal__received_at: datetime | None
    order__ticket__decision__signal__not_before: datetime | None
    order__ticket__adoption__subscription: int | None
    rate__target: str | None
    rate__rate: Decimal | None
    rate__as_of: datetime | None

    @property
    def subscription(self) -> int | None:
        return self.order__ticket__decision__subscription or self.order__ticket__adoption__subscription

    @property
    def due_at(self) -> datetime | None:
        """When its signal came, or when the delay that it asked for was over."""
        return self.order__ticket__decision__signal__not_before or self.order__ticket__decision__signal__received_at

    @property
    def owner(self) -> tuple[Owner, int | None]:
        if self.subscription is not None:
            return Owner.SUBSCRIPTION, self.subscription
        return (Owner.ELSEWHERE if self.order__conid is None else Owner.HAND), None

    @property
    def effect(self) -> Effect:
        if self.order__role is None:
            return Effect.EITHER
        return Effect.OPENS if self.order__role == Role.ENTRY else Effect.CLOSES

    @property
    def signal_price(self) -> Decimal | None:
        """What its signal saw of this contract; the price of a combo is none of its legs'."""
        known = self.order__role in _AT_A_SIGNAL and self.order__conid == self.conid
        return self.order__signal_price or None if known else None

    def fill(self, home: str, kept: Rate | None) -> Fill:
        """The fill as a value; `kept`: its rate, where it is in another currency than the account."""
        return Fill(
            execution_id=self.broker_execution_id,
            revision=self.revision,
            conid=self.conid,
            owner=self.owner,
            effect=self.effect,
            quantity=self.quantity * Side(self.side).sign,
            price=self.price,
            fee=self.fee,
            at=self.executed_at,
            signal_price=self.signal_price,
            rate=Rate(Decimal(1), self.executed_at) if self.currency == home else kept,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a contract's trades are made of since a moment. `multiplier`: None where nobody knows it.

    `unrated_since`: the first fill whose rate is not known and may still be. `before`: what was held before any fill was seen.
    """

    account: BrokerageAccount
    conids: frozenset[int]
    rows: tuple[Row, ...]
    fills: tuple[Fill, ...]
    splits: tuple[Split, ...]
    multiplier: Decimal | None
    unrated_since: datetime | None
    before: Held | None = None


def first_held(account_pk: int, conids: Collection[int]) -> Held | None:
    """What the account held of a contract, under any of its numbers, when it was looked at first; None where that was nothing."""
    rows = FirstHolding.objects.filter(account=account_pk, conid__in=conids).order_by("conid")
    held = list(rows.values_list("quantity", "at"))
    return Held(quantity=sum((quantity for quantity, _ in held), Decimal(0)), at=held[0][1]) if held else None


def line_of(account_pk: int, conid: int) -> tuple[frozenset[int], tuple[Split, ...]]:
    """The numbers that the contract has had in this account, and its splits."""
    known = CorporateAction.objects.filter(account=account_pk, new__isnull=False).order_by("split_at", "pk")
    actions = list(known.values_list("conid_before", "conid", "split_at", "new", "old"))
    conids, before = {conid}, 0
    while len(conids) > before:
        before = len(conids)
        for former, now, *_ in actions:
            if former in conids or now in conids:
                conids |= {former, now}
    splits = tuple(
        Split(conid_before=former, conid=now, at=at, ratio=Ratio(new=new, old=old))
        for former, now, at, new, old in actions
        if former in conids and new is not None and old is not None
    )
    return frozenset(conids), splits


def load(account: BrokerageAccount, conid: int, since: datetime, now: datetime) -> Facts:
    """The facts of a contract from a moment on; keeps the rates of fills that had none, and asks for those that lack."""
    conids, splits = line_of(account.pk, conid)
    found = Execution.objects.filter(account=account.pk, conid__in=conids, executed_at__gte=since)
    rows = [Row._make(each) for each in found.order_by("executed_at", "pk").values_list(*Row._fields)]
    if (currency := _currency(account, conids, rows)) is not None:
        # IBKR's word on a fill names none: that of one which is not ours is the contract's.
        rows = [row._replace(currency=currency) if row.order__conid is None else row for row in rows]
    multiplier = _multiplier(account, conids, rows)
    if multiplier is not None and multiplier < 1:
        rows, multiplier = _in_units(account, conids, rows, multiplier)
    kept, unrated_since = _rates(account, rows, now)
    return Facts(
        account=account,
        conids=conids,
        rows=tuple(rows),
        fills=tuple(row.fill(account.currency, kept.get(row.pk)) for row in rows),
        splits=tuple(split for split in splits if split.at >= since),
        multiplier=multiplier,
        unrated_since=unrated_since,
        before=first_held(account.pk, conids),
    )


def _currency(account: BrokerageAccount, conids: frozenset[int], rows: Sequence[Row]) -> str | None:
    """What the contract is traded in: as of our own fills, as looked up or held, or as it was known before; None: nobody knows."""
    for row in rows:
        if row.order__conid == row.conid:
            return row.currency
    looked_up = ContractLookup.objects.filter(connection=account.connection_id, conid__in=conids)
    held = Position.objects.filter(account=account.pk, conid__in=conids)
    before = Trade.objects.filter(account=account.pk, conid__in=conids).order_by("-opened_at")
    for known in (looked_up, held, before):
        if (found := known.values_list("currency", flat=True).first()) is not None:
            return found
    return None


def _multiplier(account: BrokerageAccount, conids: frozenset[int], rows: Sequence[Row]) -> Decimal | None:
    """What one point is worth: by our own orders, by what was looked up or is held, or as it was known before."""
    for row in reversed(rows):
        if row.order__multiplier is not None and row.order__conid == row.conid and row.order__role == Role.ENTRY:
            return row.order__multiplier
    known = day_ledger.worth_of_a_point(account, conids)
    if known is None:
        before = Trade.objects.filter(account=account.pk, conid__in=conids, multiplier__isnull=False)
        known = before.order_by("-opened_at").values_list("multiplier", flat=True).first()
    return known


def _in_units(
    account: BrokerageAccount, conids: frozenset[int], rows: list[Row], multiplier: Decimal
) -> tuple[list[Row], Decimal | None]:
    """Fills that are not ours in the units of the contract: of a share in London IBKR tells them in pounds or in pence, whichever is
    nearer to a price that is in these for certain. Without one nobody knows what a point is worth."""
    units = day_rows.units_of([account], dict.fromkeys(conids, multiplier))
    if not units or all(row.order__conid == row.conid for row in rows):
        return rows, multiplier
    marks = Position.objects.filter(account=account.pk, conid__in=conids, market_price__gt=0)
    certain = [
        *(row.price for row in reversed(rows) if row.order__conid == row.conid),
        *marks.values_list("market_price", flat=True),
        *(unit.quoted for unit in units.values()),
    ]
    like = next((price for price in certain if price), None)
    if like is None:
        return rows, None
    return [
        row if row.order__conid == row.conid else row._replace(price=_nearer(like, row.price, row.price / multiplier))
        for row in rows
    ], multiplier


def _nearer(like: Decimal, *prices: Decimal) -> Decimal:
    """That of these prices which is fewer times as much or as little as `like`."""
    return min(prices, key=lambda price: max(price / like, like / price) if price > 0 else like)


def _rates(account: BrokerageAccount, rows: Sequence[Row], now: datetime) -> tuple[dict[int, Rate], datetime | None]:
    """The rate of each fill in another currency, by its key; and the first fill that still waits for one."""
    kept: dict[int, Rate] = {}
    missing: list[Row] = []
    for row in rows:
        if row.currency == account.currency:
            continue
        if row.rate__target == account.currency and row.rate__rate is not None and row.rate__as_of is not None:
            kept[row.pk] = Rate(row.rate__rate, row.rate__as_of)
        elif abs(now - row.executed_at) <= NEAR:
            missing.append(row)
    if not missing:
        return kept, None
    keys = {(account.connection_id, row.currency, account.currency) for row in missing}
    known = rates.load(keys, now, ask=True).known
    quoted = {
        row.source: Rate(row.rate, row.as_of)
        for row in ExchangeRate.objects.filter(connection=account.connection_id, target=account.currency)
        if row.rate is not None
        and row.as_of is not None
        and (account.connection_id, row.source, account.currency) in known
    }
    fresh = {row.pk: quoted[row.currency] for row in missing if row.currency in quoted}
    FillRate.objects.bulk_create(
        (
            FillRate(execution_id=pk, target=account.currency, rate=rate.value, as_of=rate.at)
            for pk, rate in fresh.items()
        ),
        ignore_conflicts=True,
    )
    waiting = [row.executed_at for row in missing if row.pk not in fresh]
    return kept | fresh, min(waiting, default=None)
