"""Values of settings as people read them, and what differs between two versions of the terms."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.domain.contracts.stop_moves import in_words
from strategies.display.labels import CHOICES, LABELS
from strategies.domain.message.message import Bracket, Ladder, Rung
from strategies.domain.numbers import plain
from strategies.domain.terms.terms import Terms
from strategies.domain.terms.windows import Window

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LEGS = {
    "percent": "{} % away",
    "amount": "{} away",
    "pnlAmount": "{} in money",
    "trailAmount": "trailing by {}",
    "trailPercent": "trailing by {} %",
    "limitPrice": "at {}",
    "stopPrice": "at {}",
}
_UNSET = {
    "tickers": "any",
    "quantity": "the signal's",
    "windows": "none",
    "signal_fields": "nothing",
    "take_profit": "none",
    "stop_loss": "none",
    "breakeven_offset": "none",
    "cancel_after": "never",
    "good_till_days": "none",
    "stop_loss_limit_offset": "none",
    "close_ending_minutes": "never",
    "option_type": "the signal's",
    "option_expiration": "the signal's",
    "option_strikes_away": "the signal's",
}


def _part(rung: Rung) -> str:
    """How much of the entry a target takes: "30 % of it", "3 of it"."""
    if rung.percent is not None:
        return f"{plain(rung.percent)} % of it"
    return "an equal part" if rung.quantity is None else f"{plain(rung.quantity)} of it"


def describe(name: str, value: Any) -> str:
    """One setting's value as a person reads it: `describe("cancel_after", 60)` is "60 s"."""
    if value is None or value == ():
        return "as entries" if name.startswith("exit_") else _UNSET.get(name, "no limit")
    match value:
        case bool():
            return "on" if value else "off"
        case Bracket():
            moves = (
                f", and once target {value.moves.after} has filled it {in_words(value.moves)}" if value.moves else ""
            )
            return _LEGS.get(value.mode, value.mode + " {}").format(plain(value.value)) + moves
        case Ladder():
            return ", ".join(f"{describe(name, rung.target)} ({_part(rung)})" for rung in value.rungs)
        case StrEnum():
            return lower_first(CHOICES.get(name, {}).get(value, str(value).replace("_", " ")))
        case Decimal():
            return plain(value) + (" %" if name.endswith("_percent") else "")
        case int():
            return f"{value:,} s" if name.endswith(("_seconds", "cancel_after")) else f"{value:,}"
        case tuple():
            return ", ".join(_describe_member(name, member) for member in value)
    return str(value).replace("_", " ")


def _describe_member(name: str, member: Any) -> str:
    if isinstance(member, Window):
        return describe_window(member)
    return lower_first(CHOICES[name].get(member, member)) if name == "signal_fields" else str(member)


def describe_window(window: Window) -> str:
    """ "Mon-Fri 09:30 to 16:00 New York"."""
    start, end = (f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}" for at in (window.start, window.end))
    place = window.zone.rpartition("/")[2].replace("_", " ")
    return f"{_days(window.days)} {start} to {end} {place}"


def _days(days: tuple[int, ...]) -> str:
    numbers = sorted(day for day in set(days) if day in range(7))
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{_DAYS[numbers[0]]}-{_DAYS[numbers[-1]]}"
    return ", ".join(_DAYS[day] for day in numbers)


def lower_first(text: str) -> str:
    """The text as it stands within a sentence."""
    return text[:1].lower() + text[1:]


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs between two versions."""

    label: str
    before: str
    after: str


def changes(before: Terms, after: Terms) -> list[Change]:
    """What differs, in the order in which the form shows it."""
    return [
        Change(label, describe(name, getattr(before, name)), describe(name, getattr(after, name)))
        for name, label in LABELS.items()
        if getattr(before, name) != getattr(after, name)
    ]
