"""Which subscription owns the orders at work, and the entries it planned within a batch that has no rows yet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection

from brokers.book.live_book import Book
from brokers.domain.orders import Modification, Role
from brokers.domain.snapshot import Snapshot, modified
from brokers.models import Order, OrderModification
from brokers.orders.modifications.wishes import OPEN
from strategies.models import Decision

_MOST_ENTRIES = 200
# As SQL: with hundreds of orders at work, to write their keys into a query of Django's costs more than to ask it.
_OWNERS = """
SELECT ticket_id, subscription_id FROM strategies_decision WHERE ticket_id = ANY(%s)
UNION ALL
SELECT ticket_id, subscription_id FROM strategies_adoption WHERE ticket_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Keys of subscriptions by ticket, as in `WorkingOrder.ticket`, and entries planned by subscription."""

    tickets: dict[str, int] = field(default_factory=dict)
    entries: Counter[int] = field(default_factory=Counter)
    # What senders call the signals of plans that were accepted a moment ago, by the same.
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    # What such plans change of orders, oldest first.
    modified: list[Modification] = field(default_factory=list)

    @classmethod
    def of(cls, book: Book) -> Ownership:
        """The owners of the entries at work in `book`: an entry of another subscription is not this one's to replace."""
        entries = {
            int(order.ticket) for orders in book.working.values() for order in orders if order.role is Role.ENTRY
        }
        if not entries:
            return cls()
        with connection.cursor() as cursor:
            cursor.execute(_OWNERS, [list(entries), list(entries)])
            # An adopted one of which a person said that no subscription asked for it is nobody's here.
            return cls(tickets={str(pk): subscription_pk or 0 for pk, subscription_pk in cursor.fetchall()})

    def accept(self, decision: Decision, *, enters: bool) -> None:
        """Count a plan that was accepted a moment ago; its ticket has no row yet and goes by the decision's code."""
        self.tickets[str(decision.code)] = decision.subscription_id
        self.names[str(decision.code)] = _names(decision.signal.reading)
        if enters:
            self.entries[decision.subscription_id] += 1

    def of_entry(self, name: str, snapshot: Snapshot, carrier: int | None = None) -> tuple[str, ...]:
        """References of the working orders that were sent for a signal of this name; of a group whose orders the account
        `carrier` carries, also the legs of its accounts."""
        keys = {int(order.ticket) for order in snapshot.working if order.ticket.isdecimal()}
        rows = Decision.objects.filter(ticket__in=keys).values_list("ticket_id", "signal__reading")
        named = {str(ticket_pk) for ticket_pk, reading in rows if name in _names(reading)}
        named |= {ticket for ticket, names in self.names.items() if name in names}
        legs = set() if carrier is None else _legs_by_account(name, snapshot, carrier)
        return tuple(o.reference for o in snapshot.working if o.ticket in named or o.reference in legs)

    def as_coming(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with working orders as they will be once IBKR has taken the changes that are on their way."""
        working = {order.reference: order for order in snapshot.working}
        rows = OrderModification.objects.filter(order__reference__in=working, status__in=OPEN).order_by("pk")
        open_ones = [_modification(row) for row in rows.select_related("order")]
        for change in (*open_ones, *self.modified):
            if change.reference in working:
                working[change.reference] = modified(working[change.reference], change)
        return replace(snapshot, working=tuple(working.values()))

    def seen_by(self, subscription_pk: int, snapshot: Snapshot) -> Snapshot:
        """The snapshot in which orders of other subscriptions are not `mine`."""
        foreign = {
            order.ticket
            for order in snapshot.working
            if self.tickets.get(order.ticket, subscription_pk) != subscription_pk
        }
        if not foreign:
            return snapshot
        working = (replace(order, mine=False) if order.ticket in foreign else order for order in snapshot.working)
        return replace(snapshot, working=tuple(working))


def _legs_by_account(name: str, snapshot: Snapshot, carrier: int) -> set[str]:
    """References of the legs that a group's accounts got for an entry of this name, of the newest entries."""
    entries = Order.objects.filter(account=carrier, conid=snapshot.contract.conid, legs_by_account__isnull=False)
    tickets = dict(entries.order_by("-pk").values_list("ticket_id", "pk")[:_MOST_ENTRIES])
    rows = Decision.objects.filter(ticket__in=tickets).values_list("ticket_id", "signal__reading")
    named = [tickets[ticket_pk] for ticket_pk, reading in rows if ticket_pk is not None and name in _names(reading)]
    return set(Order.objects.filter(group_entry__in=named).values_list("reference", flat=True))


def _modification(row: OrderModification) -> Modification:
    return Modification(
        reference=row.order.reference,
        quantity=row.quantity,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        trail_amount=row.trail_amount,
        trail_percent=row.trail_percent,
    )


def _names(reading: dict[str, Any]) -> frozenset[str]:
    """By what a sender may call a signal: its signalId, its orderId and its tags."""
    ids = (reading.get("signal_id"), reading.get("order_id"), *(reading.get("tags") or ()))
    return frozenset(str(name) for name in ids if name)
