"""How signals, decisions and proposals look on every page: their status words and their times."""

from __future__ import annotations

from django import template

from accounts.templatetags.ui import Words
from brokers.models import Order
from strategies.display import one_line, proposals
from strategies.domain.message.kinds import WORDS, Kind
from strategies.models import Signal

register = template.Library()

BADGES: dict[str, Words] = {
    "decision": {
        "pending": ("clock", "busy"),
        "proposed": ("user", "warn"),
        "accepted": ("check", "good"),
        "rejected": ("x", "bad"),
        "rehearsed": ("simulated", ""),
    },
    # What became of a proposal.
    "answer": {
        "proposed": ("user", "warn"),
        "approved": ("check", "good"),
        "declined": ("x", "bad"),
        "expired": ("hourglass", ""),
        "overtaken": ("cycle", ""),
    },
    "outcome": {
        "received": ("clock", "busy"),
        "delayed": ("hourglass", "busy"),
        "set_aside": ("inbox", "warn"),
        "nobody": ("minus", ""),
        "rehearsed": ("simulated", ""),
        "pending": ("clock", "busy"),
        "proposed": ("user", "warn"),
        "accepted": ("check", "good"),
        # Accepted, and something went wrong with its orders.
        "troubled": ("alert", "bad"),
        "rejected": ("x", "bad"),
        "refused": ("ban", "bad"),
    },
}
LABELS = {"nobody": "nobody follows", "rehearsed": "dry run"}


@register.filter
def class_words(kind: str) -> str:
    """What a strategy of a class trades: "currency pairs", "CFDs"."""
    return WORDS[Kind(kind)][1]


@register.filter
def decided_after(signal: Signal) -> float | None:
    """Milliseconds until the last of a signal's decisions was taken: from its arrival, or from the end of its delay.

    The time that people took to answer is theirs: a proposal was decided when it was proposed.
    """
    decisions = signal.decisions.all()
    moments = [moment for each in decisions if (moment := proposals.proposed_at(each) or each.decided_at)]
    if not moments:
        return None
    return max((max(moments) - signal.due_at).total_seconds() * 1000, 0.0)


@register.filter
def asked_quantity(signal: Signal) -> str:
    """The quantity that a signal asks for, with its unit: "1,000", "50 % of the position"; "" for none."""
    return one_line.quantity_of(signal.reading)


@register.filter
def worked_in(order: Order) -> float | None:
    """Milliseconds from the moment an order could be made, its signal's or its approval's, to its fill or else to IBKR's word."""
    end = order.filled_at or order.acknowledged_at
    decision = getattr(order.ticket, "decision", None)
    if end is None or decision is None:
        return None
    begin = decision.answered_at if decision.expires_at is not None else None
    took: float = (end - (begin or decision.signal.due_at)).total_seconds() * 1000
    return max(took, 0.0)
