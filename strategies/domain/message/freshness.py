"""Whether a signal comes in time: by its own `time`, by its `expiresAt`, and against the signals that came before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

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
    """Whether the signal opens nothing: it then has an exit's time limit, and an exit's share of the quota."""
    return leaves_by_words(message.action, message.sentiment, message.target_quantity)


def leaves_by_words(action: str, sentiment: str | None, target_quantity: Decimal | None) -> bool:
    """The same of a signal of which only these are known."""
    return action in _LEAVING or (action, sentiment) in _REDUCING or sentiment == "flat" or target_quantity == 0


def closes_what_is_held(action: str, *, has_target: bool, long: bool, short: bool) -> bool:
    """Whether a signal is to make a position smaller that its words do not tell of. `long`, `short`: what is held of its
    instrument, in one account or another."""
    if action == Action.ADD or not (long or short):
        return False
    if action == Action.REVERSE or has_target:
        return True
    return (long and action == Action.SELL) or (short and action == Action.BUY)


def wants_none(message: Message) -> bool:
    """Whether a buy or a sell is to leave no position: by its sentiment, or by its target."""
    return message.sentiment == "flat" or message.target_quantity == 0


_LEAVING = {Action.EXIT, Action.CANCEL, Action.BREAKEVEN, Action.MODIFY}
# Its sentiment is the other side's: a sell that stays bullish makes a long position smaller.
_REDUCING = {(Action.SELL, "bullish"), (Action.BUY, "bearish")}


def may_close(message: Message) -> bool:
    """Whether it may close a position and open none, so that it matters when the position was opened."""
    return (
        message.action is Action.EXIT
        or message.target_quantity is not None
        or wants_none(message)
        or (message.action, message.sentiment) in _REDUCING
    )


def is_no_newer(message: Message, opened_at: datetime | None) -> bool:
    """Whether the entry of `opened_at` is of the same moment or a later one, both by the sender's clock.

    A close and an entry of one bar carry one time, and may be swapped on their way.
    """
    return message.signal_time is not None and opened_at is not None and opened_at >= message.signal_time


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
    if message.unreadable_time and message.action is Action.ADD:
        return SetAside(
            "unreadable-time",
            "Its time could not be read, so nobody knows how old it is, and it would only enter. Send a moment such as "
            "2026-11-20T15:00:00Z or seconds since 1970, or leave time out.",
        )
    age = age_of(message, received_at)
    if age is None:
        return None
    entries = f"an entry of at most {freshness.entry_seconds} seconds"
    exits = f"an exit of at most {freshness.exit_seconds} seconds"
    if leaves(message):
        limit, limits = freshness.exit_seconds, exits
    elif message.action is Action.ADD:
        limit, limits = freshness.entry_seconds, entries
    else:
        # It may be either; which of them it would have been, nobody asks any more.
        limit, limits = max(freshness.entry_seconds, freshness.exit_seconds), f"{entries} and {exits}"
    if age <= timedelta(seconds=limit):
        return None
    return SetAside(
        "stale-signal",
        f"By its own time it is {seconds(age)} old, and this strategy takes {limits}. "
        f"Check the sender's clock, or allow more on the strategy's page.{bar_time_hint(message)}",
    )


def age_of(message: Message, received_at: datetime) -> timedelta | None:
    """How old the signal was when it came, by its own `time`; None without one, negative where the sender's clock is ahead."""
    return None if message.signal_time is None else received_at - message.signal_time


def is_bar_time(message: Message) -> bool:
    """Whether its time stands exactly on a minute, as the opening time of a chart's bar does."""
    at = message.signal_time
    return at is not None and at.second == 0 and at.microsecond == 0


def bar_time_hint(message: Message) -> str:
    """What a sender of a bar's time should send, as the end of a sentence about a signal that is too old."""
    return " If this is a bar's time, {{time}}, send {{timenow}}." if is_bar_time(message) else ""


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


_TARGET = "target "


def target_aim(target: Decimal) -> str:
    """A target in the place of a sentiment: another target would take the position elsewhere."""
    return "flat" if target == 0 else f"{_TARGET}{target.normalize():f}"


def _aim(action: str, sentiment: str | None) -> str:
    if sentiment == "flat" or action == Action.EXIT:
        return "flat"
    if sentiment is not None and sentiment.startswith(_TARGET):
        return sentiment
    return _DIRECTIONS.get(Action(action), str(action))


def undoes(older: tuple[str, str | None], newer: tuple[str, str | None]) -> bool:
    """Whether an older signal (action, sentiment), coming late, would work against a newer one of its instrument.

    Two of one aim only repeat each other, but an older `modify` would move back what a newer one has moved; a late `add`
    belongs to a position that was opened since or is still open.
    """
    first, second = _aim(*older), _aim(*newer)
    if first == second:
        return first == Action.MODIFY
    if second == Action.MODIFY:
        # It changes what the older one opens, or closes.
        return False
    if first == Action.ADD:
        return second not in {"long", "short"}
    return True
