"""Guards: what holds an entry back whatever the signal says. An exit is held back by a full stop only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from strategies.domain.numbers import plain
from strategies.domain.plan.estimate import money
from strategies.domain.plan.plan import Rejection

if TYPE_CHECKING:
    from strategies.domain.decide.case import Case


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


# Who is meant, for sentences: "this account's limit".
WHO = {
    Level.TEAM: "the team",
    Level.ACCOUNT: "this account",
    Level.STRATEGY: "this strategy",
    Level.SUBSCRIPTION: "this subscription",
}


UNTIL = "No entry until tomorrow."


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelGuard:
    """One level's limits, and that level's own figures of today they are held against. None sets no limit.

    `day_unknown` completes "The result of today is not known: ...", and stands there while `day_profit` is None.
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
    trades_today: int | None = None
    last_trade_at: datetime | None = None
    day_profit: Decimal | None = None
    day_unknown: str = ""

    @property
    def who(self) -> str:
        return WHO[self.level]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What was set above a subscription's terms: a stop, a lockout, and limits of each level; every one of them holds.

    `halted_by` completes "Trading is stopped by ...", `lockout` says whose entries are locked, and why where it is known.
    """

    halt: Halt = Halt.NOTHING
    halted_by: str = ""
    lockout_until: datetime | None = None
    lockout: str = "this account"
    levels: tuple[LevelGuard, ...] = ()


NO_GUARDS = Guards()


def halted(case: Case, *, entry: bool) -> Rejection | None:
    """Somebody has stopped trading; with `entries` the ways out stay open."""
    stopped = case.guards.halt
    if stopped is Halt.NOTHING or (stopped is Halt.ENTRIES and not entry):
        return None
    by = case.guards.halted_by or "a person"
    what = "Trading is" if stopped is Halt.EVERYTHING else "Opening positions is"
    return Rejection(rule="G00", code="trading-halted", reason=f"{what} stopped by {by}. Resume it, then send again.")


def holds_back(case: Case) -> Rejection | None:
    """Why no entry may be made now, before its size is known."""
    if refused := halted(case, entry=True) or _locked(case) or _restricted(case):
        return refused
    for level in _levels(case):
        if refused := _too_often(case, level) or _day_is_over(case, level):
            return refused
    return None


def _levels(case: Case) -> Iterator[LevelGuard]:
    """The terms' own limits with what the snapshot counted for them, then those from above."""
    terms, snapshot = case.terms, case.snapshot
    yield LevelGuard(
        level=Level.SUBSCRIPTION,
        max_quantity=terms.max_quantity,
        max_amount=terms.max_amount,
        max_position=terms.max_position,
        max_position_amount=terms.max_position_amount,
        max_trades_per_day=terms.max_trades_per_day,
        cooldown_seconds=terms.cooldown_seconds,
        max_daily_loss=terms.max_daily_loss,
        max_daily_profit=terms.max_daily_profit,
        trades_today=snapshot.trades_today,
        last_trade_at=snapshot.last_trade_at,
        day_profit=snapshot.day_profit,
        day_unknown=snapshot.day_unknown,
    )
    yield from case.guards.levels


def _locked(case: Case) -> Rejection | None:
    until = case.guards.lockout_until
    if until is not None and case.now < until:
        reason = f"Entries of {case.guards.lockout} are locked until {until:%Y-%m-%d %H:%M} UTC. Exits are not."
        return Rejection(rule="D43", code="entry-blocked-by-lock", reason=reason)
    if case.terms.close_only:
        return Rejection(
            rule="G03",
            code="close-only",
            reason="This subscription only closes positions. Change its terms to open them again.",
        )
    return None


def _restricted(case: Case) -> Rejection | None:
    names = {case.ticker, case.message.symbol.name, case.message.symbol.root}
    for level in case.guards.levels:
        if not names.isdisjoint(level.restricted):
            reason = f"{case.ticker} is on {level.who}'s list of tickers in which no position may be opened. Exits are not held back."
            return Rejection(rule="G12", code="ticker-restricted", reason=reason)
    return None


def _too_often(case: Case, level: LevelGuard) -> Rejection | None:
    most, made = level.max_trades_per_day, level.trades_today
    if most is not None and (made is None or made >= most):
        known = f"{made} were made" if made is not None else "how many were made is not known yet"
        reason = f"{_whose(level)} limit is {most} entries a day, and {known} today."
        return Rejection(rule="G06", code="trades-per-day", reason=reason)
    pause, last = level.cooldown_seconds, level.last_trade_at
    if pause and last is not None and case.now - last < timedelta(seconds=pause):
        reason = (
            f"{_whose(level)} last entry was at {last:%H:%M:%S} UTC, and {pause} seconds have to pass before the next."
        )
        return Rejection(rule="G07", code="cooldown", reason=reason)
    return None


def _day_is_over(case: Case, level: LevelGuard) -> Rejection | None:
    """The day's loss or profit has reached its limit; while the figure is not known, nothing is opened on a guess."""
    if level.max_daily_loss is None and level.max_daily_profit is None:
        return None
    if level.day_profit is None:
        why = level.day_unknown or "the broker has not shown enough of it yet. Send again in a moment."
        reason = f"{_whose(level)} daily limit is set, and the result of today is not known: {why}"
        return Rejection(rule="G08", code="day-result-unknown", reason=reason)
    return day_reached(level, case.snapshot.currency)


def day_reached(level: LevelGuard, currency: str) -> Rejection | None:
    """Whether the day's result, as far as it is known, has reached the level's limit of loss, or its goal."""
    made, loss, gain = level.day_profit, level.max_daily_loss, level.max_daily_profit
    if made is None:
        return None
    # The subscription's own limit is held against its account's result.
    whose = "This account's" if level.level is Level.SUBSCRIPTION else _whose(level)
    if loss is not None and made <= -loss:
        reason = f"{whose} loss today is {money(-made)} {currency}, and {level.who}'s limit is {money(loss)}. {UNTIL}"
        return Rejection(rule="G08", code="daily-loss", reason=reason)
    if gain is not None and made >= gain:
        reason = f"{whose} profit today is {money(made)} {currency}, and {level.who}'s goal is {money(gain)}. {UNTIL}"
        return Rejection(rule="G09", code="daily-profit", reason=reason)
    return None


def over_a_limit(case: Case, quantity: Decimal, held_after: Decimal, unit_value: Decimal | None) -> Rejection | None:
    """Whether an order, or the position it could lead to, is larger than it may be.

    `unit_value` is what one unit is worth in the account's currency, None where that is not known.
    """
    for level in _levels(case):
        if level.max_quantity is not None and quantity > level.max_quantity:
            reason = f"{plain(quantity)} is more than {level.who}'s limit of {plain(level.max_quantity)} an order."
            return Rejection(rule="G01", code="quantity-over-limit", reason=reason)
        if level.max_position is not None and held_after > level.max_position:
            reason = f"The position could grow to {plain(held_after)}, and {level.who}'s limit is {plain(level.max_position)}."
            return Rejection(rule="G04", code="position-over-limit", reason=reason)
        for most, units, rule, what in (
            (level.max_amount, quantity, "G02", "The order"),
            (level.max_position_amount, held_after, "G05", "The position"),
        ):
            if most is not None and (refused := _worth_too_much(case, level, most, units, unit_value, rule, what)):
                return refused
    return None


def _worth_too_much(
    case: Case, level: LevelGuard, most: Decimal, units: Decimal, unit_value: Decimal | None, rule: str, what: str
) -> Rejection | None:
    currency = case.snapshot.currency
    if unit_value is None:
        reason = (
            f"{what} may be worth at most {money(most)} {currency} by {level.who}'s limit, "
            "and no price says what it is worth. Send `price`."
        )
        return Rejection(rule=rule, code="amount-unknown", reason=reason)
    if units * unit_value > most:
        worth = f"{money(units * unit_value)} {currency}"
        reason = f"{what} would be worth {worth}, and {level.who}'s limit is {money(most)}."
        return Rejection(rule=rule, code="amount-over-limit", reason=reason)
    return None


def _whose(level: LevelGuard) -> str:
    who = f"{level.who}'s"
    return who[0].upper() + who[1:]
