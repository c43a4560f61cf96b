"""How much of an instrument an account holds: by IBKR's list, and by the fills that the list may not show yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from brokers.domain.orders import Side
from brokers.domain.protection.scenes import NOTHING
from brokers.models import BrokerageAccount, Execution, Order
from brokers.models.unclaimed import LOOKED_FOR, MEETS
from brokers.protection.rescaled import Splits

# IBKR's list of positions may lag behind its fills: for so long after one, the fills are believed.
BELIEVED_AFTER = timedelta(seconds=30)
# Further back nothing is counted: a position that was built of more fills counts as one that was held before.
MOST_FILLS = 400


@dataclass(frozen=True, slots=True)
class _Fill:
    at: datetime
    order: int | None
    signed: Decimal


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held: by IBKR's list, and by the fills since nothing was; with the orders that filled since then."""

    listed: Decimal
    by_fills: Decimal
    since: frozenset[int]
    opened_at: datetime | None
    filled_at: datetime | None
    recent: bool
    read: bool

    @property
    def signed(self) -> Decimal:
        return self.by_fills if self.recent else self.listed


@dataclass(frozen=True, slots=True)
class Untold:
    """What entries have filled by IBKR's list of positions, and by no fill: by their keys, negative where they sell."""

    since: datetime
    by_entry: Mapping[int, Decimal] = field(default_factory=dict)

    def of(self, order: Order) -> Decimal:
        """How much of an order it is, in units."""
        return abs(self.by_entry.get(order.pk, NOTHING))


def untold_by(entries: Sequence[Order], change: Decimal, since: datetime) -> Untold:
    """The entries that a change of the holding, which no fill explains, shows as filled: of those that are looked for."""
    left, by_entry = abs(change), dict[int, Decimal]()
    for order in entries:
        sign = Side(order.side).sign
        if order.status in LOOKED_FOR and change * sign > 0 and _was_sent_before(order, since):
            taken = min(left, order.remaining)
            left -= taken
            by_entry |= {order.pk: taken * sign} if taken > 0 else {}
    return Untold(since, by_entry)


def _was_sent_before(order: Order, moment: datetime) -> bool:
    return order.submitted_at is not None and order.submitted_at <= moment + MEETS


def held_in(
    account: BrokerageAccount, listed: Decimal, splits: Splits, orders: Sequence[Order], now: datetime, untold: Untold
) -> Holding:
    """What is held now, and since when. `listed`: how much of it IBKR's list shows, as our copy has it.

    What entries have filled by that list alone counts as their fills. `splits`: those of the contract, by which fills and
    orders are counted in the shares of now.
    """
    fills, seen_at = _fills(account, splits, orders)
    fills = sorted([*fills, *(_Fill(untold.since, pk, signed) for pk, signed in untold.by_entry.items())], key=_moment)
    recent = seen_at is not None and seen_at > now - BELIEVED_AFTER
    as_of = account.book_as_of
    fresh = as_of is not None and as_of > now - timedelta(seconds=settings.BOOK_FRESH_SECONDS)
    read = fresh and (seen_at is None or (as_of is not None and as_of > seen_at))
    total = sum((fill.signed for fill in fills), NOTHING)
    # What was held before the fills we know; while the list may lag, nothing is assumed.
    running = NOTHING if recent else listed - total
    since: set[int] = set()
    opened_at: datetime | None = None
    for fill in fills:
        if running == 0 or running * (running + fill.signed) < 0:
            since, opened_at = set(), fill.at
        running += fill.signed
        if fill.order is not None and running != 0:
            since.add(fill.order)
    return Holding(listed, running, frozenset(since), opened_at, seen_at, recent, read)


def _fills(account: BrokerageAccount, splits: Splits, orders: Sequence[Order]) -> tuple[list[_Fill], datetime | None]:
    """Fills of the instrument in their order, ours and others', and when the last of them was seen.

    That an order has filled may be known before the fill's own row.
    """
    rows = Execution.objects.filter(account=account, conid__in=splits.conids).order_by("-executed_at", "-pk")
    columns = ("executed_at", "seen_at", "order_id", "side", "quantity", "conid")
    executions = list(rows.values_list(*columns)[:MOST_FILLS])
    fills = [
        _Fill(at, order, splits.since(conid, at).exact(quantity) * Side(side).sign)
        for at, _, order, side, quantity, conid in executions
    ]
    seen = [seen_at for _, seen_at, *_ in executions]
    by_order: dict[int | None, Decimal] = {}
    for fill in fills:
        by_order[fill.order] = by_order.get(fill.order, NOTHING) + abs(fill.signed)
    oldest = executions[-1][0] if len(executions) == MOST_FILLS else None
    for order in orders:
        unreported = order.filled_quantity - by_order.get(order.pk, NOTHING)
        if unreported > 0 and (oldest is None or order.changed_at > oldest):
            fills.append(_Fill(order.filled_at or order.changed_at, order.pk, unreported * Side(order.side).sign))
            seen.append(order.changed_at)
    return fills, max(seen, default=None)


def _moment(fill: _Fill) -> datetime:
    return fill.at
