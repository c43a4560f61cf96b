"""The broker's news brought home with all that follows from it: our orders moved, others' noted, stops looked after."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.orders import MAY_FILL, Role
from brokers.models import BrokerageAccount, Connection, Lapse, Order
from brokers.orders import reconciliation, vanished
from brokers.orders.reconciliation import Applied
from brokers.orders.waits import uncanceled
from brokers.postgres.written import written_once
from brokers.protection import foreign, mending, unclaimed

_MAY_FILL = [str(status) for status in MAY_FILL]


@dataclass(frozen=True, slots=True)
class Home:
    """What news has changed, and when to look at stops again by the clock alone.

    `is_open`: whether it could not be told yet of some orders whose they are, so that the list is to be read again.
    """

    applied: Applied
    again_at: datetime | None
    is_open: bool = False


def bring(
    connection: Connection,
    *,
    orders: Sequence[OrderFacts] = (),
    executions: Sequence[ExecutionFacts] = (),
    now: datetime,
    clock: Callable[[], datetime] | None = None,
    known: dict[str, BrokerageAccount] | None = None,
) -> Home:
    """Bring reports home, and look at once at the stops that they may concern. `clock`, `known`: as in
    `reconciliation.apply`."""
    if not orders and not executions:
        return Home(Applied(), None)
    applied = reconciliation.apply(connection, orders=orders, executions=executions, now=now, clock=clock, known=known)
    accounts, strangers = applied.of_connection, applied.strangers
    noted = foreign.note(accounts, strangers, now) if strangers else foreign.Noted(set(), False)
    if strangers or applied.nobodys:
        # After the orders: what works asks by its own row.
        unclaimed.note(accounts, strangers, applied.nobodys, now)
    if not (applied.may_be_stopped or noted.touched):
        return Home(applied, None, noted.is_open)
    looked = mending.look_at(concerned(applied.moved, applied.filled, noted.touched), now)
    return Home(applied, looked.again_at, noted.is_open)


def note_list(connection: Connection, account_id: str, facts: Sequence[OrderFacts], asked_at: datetime) -> int:
    """What a complete list does not show any more: orders of ours come into doubt, others' are forgotten.

    And what it goes on showing: orders whose cancels IBKR took.
    """
    lost, canceling = vanished.note_list(connection, account_id, facts, asked_at)
    if canceling:
        uncanceled.note_list(canceling, facts, asked_at)
    mending.look_at(concerned(elsewhere=foreign.note_list(connection, account_id, facts, asked_at)), asked_at)
    return lost


def look_after(orders: Sequence[Order], now: datetime) -> None:
    """Look at the stops that what became of these orders may concern."""
    mending.look_at(concerned(orders), now)


def concerned(
    moved: Iterable[Order] = (), filled: Iterable[tuple[int, int]] = (), elsewhere: Iterable[tuple[int, int]] = ()
) -> set[tuple[int, int]]:
    """The instruments among these in which anything is to have a stop.

    `elsewhere`: where an order of others has changed, which may have been all that protected a position.
    """
    moved, elsewhere = list(moved), set(elsewhere)
    positions = {(order.account_id, order.conid) for order in moved} | set(filled) | elsewhere
    if not positions:
        return set()
    if not elsewhere:
        accounts, conids = {account for account, _ in positions}, {conid for _, conid in positions}
        # Two lists also name the contract of one instrument in the account of another.
        return positions & set(_stopped(accounts, conids, {order.ticket_id for order in moved}))
    named = _named(positions)
    stops = Order.objects.filter(named, role=str(Role.STOP_LOSS))
    mine = Q(status__in=_MAY_FILL) | Q(ticket__in={order.ticket_id for order in moved})
    stops = stops.filter(mine | _named(elsewhere))
    lapses = Lapse.objects.filter(named, ended_at=None)
    columns = ("account_id", "conid")
    return set(stops.order_by().values_list(*columns).union(lapses.order_by().values_list(*columns)))


@written_once
def _stopped(accounts: Collection[int], conids: Collection[int], tickets: Collection[int]) -> QuerySet[Order, Any]:
    """Instruments in which a stop may fill, or is of one of these tickets, or in which one is missing."""
    here: dict[str, Any] = {"account__in": accounts, "conid__in": conids}
    stops = Order.objects.filter(Q(status__in=_MAY_FILL) | Q(ticket__in=tickets), **here, role=str(Role.STOP_LOSS))
    lapses = Lapse.objects.filter(**here, ended_at=None)
    columns = ("account_id", "conid")
    return stops.order_by().values_list(*columns).union(lapses.order_by().values_list(*columns))


def _named(instruments: Iterable[tuple[int, int]]) -> Q:
    """Rows of these instruments; give at least one."""
    named = Q()
    for account, conid in instruments:
        named |= Q(account=account, conid=conid)
    return named
