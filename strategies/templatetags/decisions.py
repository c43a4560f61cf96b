"""How signals, decisions and proposals look on every page: their status words and their times."""

from __future__ import annotations

from django import template

from accounts.templatetags.ui import Words
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
        "rejected": ("x", "bad"),
        "refused": ("ban", "bad"),
    },
}
LABELS = {"nobody": "nobody follows", "rehearsed": "dry run"}


@register.filter
def decided_after(signal: Signal) -> float | None:
    """Milliseconds from the signal's arrival to the last of its decisions."""
    moments = [decision.decided_at for decision in signal.decisions.all() if decision.decided_at]
    if not moments:
        return None
    return max((max(moments) - signal.received_at).total_seconds() * 1000, 0.0)
