"""When an order for an auction is taken: IBKR rejects one that comes at another time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from brokers.rulebook.gate.sessions import closing_deadline_denied, opening_window_denied
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.hours import calendar_of
from brokers.simulator.exchange.records import Ticket
from brokers.simulator.exchange.rules import RULES

EXCHANGE_CLOSED = "Order rejected - reason:Exchange is closed."
# People were refused five seconds after the close.
_AFTER_CLOSE = timedelta(seconds=60)


def is_taken(ticket: Ticket, instrument: Instrument, at: float) -> bool:
    """Whether an order that is for no auction, or for one, may arrive at a moment."""
    now, calendar = datetime.fromtimestamp(at, UTC), calendar_of(instrument)
    if ticket.tif == "OPG":
        early = calendar.is_open(now - _AFTER_CLOSE) and not calendar.is_open(now)
        return not early and opening_window_denied(now, calendar, RULES) is None
    if ticket.order_type in {"MOC", "LOC"}:
        return closing_deadline_denied(now, calendar, RULES) is None
    return True
