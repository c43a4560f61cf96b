"""Which subscription owns the orders at work, and the entries it planned within a batch that has no rows yet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from django.db import connection

from brokers.book.live_book import Book
from brokers.domain.orders import Role
from brokers.domain.snapshot import Snapshot
from strategies.models import Decision

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
        if enters:
            self.entries[decision.subscription_id] += 1

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
