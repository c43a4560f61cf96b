"""Signals that come while IBKR restarts its servers: exits wait until it is over, entries as their subscription says."""

from __future__ import annotations

from datetime import datetime, timedelta

from brokers.book.views import NotYet
from brokers.connections import nights
from brokers.domain.session.resets import AFTERWARDS, Night
from strategies.deciding.desk import Desk
from strategies.deciding.turns import only_enters
from strategies.domain.decide.too_late import during_restart
from strategies.domain.message.freshness import leaves
from strategies.domain.message.message import Action, Message
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.terms import RestartEntries
from strategies.models import Decision


def night_of(decision: Decision, message: Message) -> Night | None:
    """The restart that a signal came into; for a way out also the one that began while it waited."""
    if decision.signal.is_test:
        return None
    patience = timedelta(seconds=decision.terms.value().exit_time_to_live_seconds if leaves(message) else 0)
    return nights.night_around(decision.subscription.account.connection, decision.signal.due_at, patience)


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


def life_until(decision: Decision, message: Message) -> datetime:
    """Until when a decision may wait for its book; the time of a restart does not count."""
    terms = decision.terms.value()
    way_out = leaves(message)
    life = timedelta(seconds=max(terms.exit_time_to_live_seconds if way_out else terms.entry_time_to_live_seconds, 1))
    night = night_of(decision, message)
    if night is None:
        return decision.signal.due_at + life
    if way_out or terms.restart_entries is RestartEntries.REJECT:
        # What turns out to be an entry is refused as soon as the book says so.
        return night.ends + max(life, AFTERWARDS)
    return night.ends + timedelta(minutes=terms.restart_minutes)
