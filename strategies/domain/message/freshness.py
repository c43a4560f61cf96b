"""Whether a signal comes in time: by its own `time`, by its `expiresAt`, and against the signals that came before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from strategies.domain.message.message import Action, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old a signal may be by its own `time`, in seconds."""

    entry_seconds: int = 60
    exit_seconds: int = 600


@dataclass(frozen=True, slots=True)
class SetAside:
    """Why nothing will happen although the signal was taken: a stable code and one sentence."""

    code: str
    sentence: str


def leaves(message: Message) -> bool:
    """Whether the signal can only reduce a position: it then has an exit's time limit, and an exit's share of the quota."""
    return message.action in {Action.EXIT, Action.CANCEL, Action.BREAKEVEN} or message.sentiment == "flat"


def too_late(message: Message, freshness: Freshness, received_at: datetime) -> SetAside | None:
    """Why a signal is too late for any position; None if it is in time for one.

    A buy may close a short, so the longer of both limits holds here. Whether it is too late for an entry is decided for
    each account, where the position is known.
    """
    if message.expires_at is not None and received_at >= message.expires_at:
        return SetAside(
            "expired-signal",
            f"It expired at {message.expires_at:%H:%M:%S} UTC (expiresAt) and came at {received_at:%H:%M:%S}.",
        )
    age = age_of(message, received_at)
    if age is None:
        return None
    if leaves(message):
        limit, what = freshness.exit_seconds, "an exit"
    elif message.action is Action.ADD:
        limit, what = freshness.entry_seconds, "an entry"
    else:
        limit, what = max(freshness.entry_seconds, freshness.exit_seconds), "a signal"
    if age <= timedelta(seconds=limit):
        return None
    return SetAside(
        "stale-signal",
        f"By its own time it is {seconds(age)} old, and this strategy takes {what} of at most {limit} seconds. "
        "Check the sender's clock, or allow more on the strategy's page.",
    )


def age_of(message: Message, received_at: datetime) -> timedelta | None:
    """How old the signal was when it came, by its own `time`; None without one, negative where the sender's clock is ahead."""
    return None if message.signal_time is None else received_at - message.signal_time


def seconds(age: timedelta) -> str:
    """An age as people say it."""
    whole = int(age.total_seconds())
    if whole < 120:
        return f"{whole} seconds"
    if whole < 7200:
        return f"{whole // 60} minutes"
    return f"{whole // 3600} hours" if whole < 2 * 86400 else f"{whole // 86400} days"


# What a signal is about, for the question whether an older one would undo it.
_DIRECTIONS = {Action.BUY: "long", Action.SELL: "short"}


def _aim(action: str, sentiment: str | None) -> str:
    if sentiment == "flat" or action == Action.EXIT:
        return "flat"
    return _DIRECTIONS.get(Action(action), str(action))


def undoes(older: tuple[str, str | None], newer: tuple[str, str | None]) -> bool:
    """Whether an older signal (action, sentiment), coming late, would work against a newer one of its instrument.

    Two of one aim only repeat each other; a late `add` belongs to a position that was opened since or is still open.
    """
    first, second = _aim(*older), _aim(*newer)
    if first == second:
        return False
    if first == Action.ADD:
        return second not in {"long", "short"}
    return True
