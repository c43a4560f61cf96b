"""Signals that come while IBKR restarts its servers: exits wait until it is over, entries as their subscription says."""

from __future__ import annotations

from brokers.book.views import NotYet
from brokers.connections import nights
from strategies.deciding.desk import Desk
from strategies.deciding.turns import only_enters
from strategies.domain.decide.too_late import during_restart
from strategies.domain.message.message import Action, Message
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.terms import RestartEntries
from strategies.models import Decision


def held(decision: Decision, message: Message, desk: Desk) -> NotYet | Rejection | None:
    """What a signal waits for while IBKR restarts, or why it is not traded; None where it may be decided."""
    connection = decision.subscription.account.connection
    now = None if decision.signal.is_test else nights.night_of(connection, desk.now)
    if now is None:
        return None
    came_into_it = now.closes <= decision.signal.due_at
    queued = decision.terms.value().restart_entries is RestartEntries.QUEUE
    if came_into_it and not queued and _opens(decision, message, desk):
        return during_restart(now.ends)
    return NotYet(waiting_for=f"IBKR, which restarts its servers until {now.ends:%H:%M} UTC")


def _opens(decision: Decision, message: Message, desk: Desk) -> bool:
    """Whether a signal would open a position, by what was last known to be held: the book is old in a restart."""
    if not only_enters(message):
        return False
    account = decision.subscription.account
    lookup = None if message.instrument is None else desk.book.lookup(account, message.instrument)
    position = None if lookup is None or lookup.conid is None else desk.book.positions.get((account.pk, lookup.conid))
    if position is None:
        return True
    if message.target_quantity is not None:
        return False
    return message.action is Action.ADD or (message.action is Action.BUY) is (position.quantity > 0)
