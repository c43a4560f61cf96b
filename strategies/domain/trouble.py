"""What went wrong with the orders of a decision that was accepted: nothing is green whose stop was refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from brokers.domain.sentences import ended

# The statuses after which an order is not what the plan wanted, with what became of it; the worst come first.
_ENDS = {
    "rejected": "rejected",
    "denied": "not sent",
    "expired": "not sent in time",
    "unknown": "in doubt",
    "needs_attention": "in doubt",
}
_HELD = "held back by IBKR"
# What is missing without it, where it protects a position.
_MEANS = {
    "stop_loss": "Without it, nothing limits the loss of what its entry fills.",
    "take_profit": "Without it, nothing takes the profit by itself.",
    "exit": "Without it, the position stays open.",
}
_ORDER = ("stop_loss", "exit", "entry", "take_profit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One order of a plan, as far as its trouble needs it."""

    role: str
    status: str
    reason: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """`phrase` names it in few words ("stop loss rejected"), `sentence` says what it means."""

    phrase: str
    sentence: str


def trouble(parts: Iterable[Part]) -> Trouble | None:
    """What went wrong, the way out and the stop before all else; None where every order went its way."""
    wrong = [(part, end) for part in parts if (end := _end(part))]
    if not wrong:
        return None
    first, end = min(wrong, key=lambda each: _rank(each[0]))
    name = first.role.replace("_", " ")
    more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    why = ended(first.held if end == _HELD else first.reason)
    means = _MEANS.get(first.role, "") if end not in {_HELD, "in doubt"} else ""
    sentence = " ".join(part for part in (f"The {name} is {end}{more}.", why, means) if part)
    return Trouble(f"{name} {end}{more}", sentence)


def _end(part: Part) -> str:
    return _ENDS.get(part.status, "") or (_HELD if part.held and part.status == "accepted" else "")


def _rank(part: Part) -> tuple[int, int]:
    ends = list(_ENDS)
    roles = _ORDER.index(part.role) if part.role in _ORDER else len(_ORDER)
    return roles, ends.index(part.status) if part.status in ends else len(ends)
