"""Guards as values: stops, lockouts and limits from above a subscription, each with its level's figures of today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from strategies.domain.plan.estimate import money
from strategies.domain.plan.plan import Rejection


class Halt(StrEnum):
    """How much somebody has stopped by hand."""

    NOTHING = "nothing"
    ENTRIES = "entries"
    EVERYTHING = "everything"


class Level(StrEnum):
    """Whom a guard guards, the widest first."""

    TEAM = "team"
    ACCOUNT = "account"
    STRATEGY = "strategy"
    SUBSCRIPTION = "subscription"


# How sentences name a level: "this account's limit".
_NAMES = {
    Level.TEAM: "the team",
    Level.ACCOUNT: "this account",
    Level.STRATEGY: "this strategy",
    Level.SUBSCRIPTION: "this subscription",
}
UNTIL = "No entry until tomorrow."
# The limits of terms and of guards, by name; `LevelGuard` says which are counts and which amounts.
LIMITS = (
    "max_quantity",
    "max_amount",
    "max_position",
    "max_position_amount",
    "max_trades_per_day",
    "cooldown_seconds",
    "max_daily_loss",
    "max_daily_profit",
)
# Those of guards alone: an account's orders placed elsewhere are no subscription's.
GUARD_LIMITS = (*LIMITS, "uncounted_from")


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelGuard:
    """One level's limits, and the level's own figures of today, against which they hold. None sets no limit.

    Quantities and positions are in shares or contracts, amounts and the day's result in the currency of the account.
    `day_unknown` completes "The result of today is not known: ..." while `day_profit` is None.
    """

    level: Level
    restricted: tuple[str, ...] = ()
    max_quantity: Decimal | None = None
    max_amount: Decimal | None = None
    max_position: Decimal | None = None
    max_position_amount: Decimal | None = None
    max_trades_per_day: int | None = None
    cooldown_seconds: int | None = None
    max_daily_loss: Decimal | None = None
    max_daily_profit: Decimal | None = None
    # From how many orders placed elsewhere on, whose money nobody counts, no position is opened.
    uncounted_from: int | None = None
    trades_today: int | None = None
    last_trade_at: datetime | None = None
    day_profit: Decimal | None = None
    day_unknown: str = ""

    @property
    def who(self) -> str:
        return _NAMES[self.level]

    @property
    def whose(self) -> str:
        """ "This account's", to begin a sentence with."""
        return f"{self.who[0].upper()}{self.who[1:]}'s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What people set above a subscription's terms: a stop, a lockout, and limits of each level; all of them hold.

    `halted_by` completes "Trading is stopped by ..."; `lockout` names whose entries are locked, and why if that is known.
    """

    halt: Halt = Halt.NOTHING
    halted_by: str = ""
    lockout_until: datetime | None = None
    lockout: str = "this account"
    levels: tuple[LevelGuard, ...] = ()
    # What people set above each account of an advisor's group, by its number.
    clients: tuple[tuple[str, Guards], ...] = ()


NO_GUARDS = Guards()


def day_reached(level: LevelGuard, currency: str) -> Rejection | None:
    """Whether the day's result, as far as it is known, has reached the level's limit of loss, or its goal."""
    made, loss, gain = level.day_profit, level.max_daily_loss, level.max_daily_profit
    if made is None:
        return None
    # The subscription's own limit is held against its account's result.
    whose = "This account's" if level.level is Level.SUBSCRIPTION else level.whose
    if loss is not None and made <= -loss:
        reason = f"{whose} loss today is {money(-made)} {currency}, and {level.who}'s limit is {money(loss)}. {UNTIL}"
        return Rejection(rule="G08", code="daily-loss", reason=reason)
    if gain is not None and made >= gain:
        reason = f"{whose} profit today is {money(made)} {currency}, and {level.who}'s goal is {money(gain)}. {UNTIL}"
        return Rejection(rule="G09", code="daily-profit", reason=reason)
    return None
