"""How long a signal may wait here: the restart of IBKR that it came into, and the moment that ends its wait."""

from __future__ import annotations

from datetime import datetime, timedelta

from brokers.connections import nights
from brokers.domain.session.resets import AFTERWARDS, Night
from strategies.domain.message.freshness import leaves
from strategies.domain.message.message import Message
from strategies.domain.terms.terms import RestartEntries
from strategies.models import Decision


def night_of(decision: Decision, message: Message) -> Night | None:
    """The restart that a signal came into; for a way out also the one that began while it waited."""
    if decision.signal.is_test:
        return None
    patience = timedelta(seconds=decision.terms.value().exit_time_to_live_seconds if leaves(message) else 0)
    return nights.night_around(decision.subscription.account.connection, decision.signal.due_at, patience)


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
