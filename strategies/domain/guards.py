"""Guards: what holds an entry back whatever the signal says. An exit is held back by a full stop only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from strategies.domain.estimate import money
from strategies.domain.numbers import plain
from strategies.domain.plan import Rejection

if TYPE_CHECKING:
    from strategies.domain.case import Case

Limit = TypeVar("Limit", int, Decimal)


class Halt(StrEnum):
    """How much somebody has stopped by hand."""

    NOTHING = "nothing"
    ENTRIES = "entries"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Limits from above the subscription (account, team, platform); the tighter of them and the terms' own holds.

    `halted_by` completes "Trading is stopped by ...". None sets no limit.
    """

    halt: Halt = Halt.NOTHING
    halted_by: str = ""
    lockout_until: datetime | None = None
    restricted: tuple[str, ...] = ()
    max_quantity: Decimal | None = None
    max_amount: Decimal | None = None
    max_position: Decimal | None = None
    max_position_amount: Decimal | None = None
    max_trades_per_day: int | None = None
    cooldown_seconds: int | None = None
    max_daily_loss: Decimal | None = None
    max_daily_profit: Decimal | None = None


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
    return halted(case, entry=True) or _locked(case) or _too_often(case) or _day_is_over(case)


def _locked(case: Case) -> Rejection | None:
    until = case.guards.lockout_until
    if until is not None and case.now < until:
        reason = f"Entries in this account are locked until {until:%Y-%m-%d %H:%M} UTC. Exits are not."
        return Rejection(rule="D43", code="entry-blocked-by-lock", reason=reason)
    names = {case.ticker, case.message.symbol.name, case.message.symbol.root}
    if not names.isdisjoint(case.guards.restricted):
        reason = f"{case.ticker} is on a list of tickers in which no position may be opened. Exits are not held back."
        return Rejection(rule="G12", code="ticker-restricted", reason=reason)
    if case.terms.close_only:
        return Rejection(
            rule="G03",
            code="close-only",
            reason="This subscription only closes positions. Change its terms to open them again.",
        )
    return None


def _too_often(case: Case) -> Rejection | None:
    most = _tighter(case.terms.max_trades_per_day, case.guards.max_trades_per_day)
    made = case.snapshot.trades_today
    if most is not None and (made is None or made >= most):
        known = f"{made} were made" if made is not None else "how many were made is not known yet"
        return Rejection(
            rule="G06", code="trades-per-day", reason=f"At most {most} entries a day are allowed, and {known}."
        )
    pause = _longer(case.terms.cooldown_seconds, case.guards.cooldown_seconds)
    last = case.snapshot.last_trade_at
    if pause and last is not None and case.now - last < timedelta(seconds=pause):
        return Rejection(
            rule="G07",
            code="cooldown",
            reason=f"The last entry was at {last:%H:%M:%S} UTC, and {pause} seconds have to pass before the next.",
        )
    return None


def _day_is_over(case: Case) -> Rejection | None:
    """The day's loss or profit has reached its limit; while the figure is not known, nothing is opened on a guess."""
    loss = _tighter(case.terms.max_daily_loss, case.guards.max_daily_loss)
    gain = _tighter(case.terms.max_daily_profit, case.guards.max_daily_profit)
    if loss is None and gain is None:
        return None
    made, currency = case.snapshot.day_profit, case.snapshot.currency
    if made is None:
        reason = "A daily limit is set, and the account's result of today is not known yet. Send again in a moment."
        return Rejection(rule="G08", code="day-result-unknown", reason=reason)
    if loss is not None and made <= -loss:
        reason = f"Today's loss is {money(-made)} {currency}, and the limit is {money(loss)}. No entry until tomorrow."
        return Rejection(rule="G08", code="daily-loss", reason=reason)
    if gain is not None and made >= gain:
        reason = f"Today's profit is {money(made)} {currency}, and the goal is {money(gain)}. No entry until tomorrow."
        return Rejection(rule="G09", code="daily-profit", reason=reason)
    return None


def over_a_limit(case: Case, quantity: Decimal, held_after: Decimal, unit_value: Decimal | None) -> Rejection | None:
    """Whether an order, or the position it could lead to, is larger than it may be.

    `unit_value` is what one unit is worth in the account's currency, None where that is not known.
    """
    terms, above, currency = case.terms, case.guards, case.snapshot.currency
    limit = _tighter(terms.max_quantity, above.max_quantity)
    if limit is not None and quantity > limit:
        reason = f"{plain(quantity)} is more than this subscription's limit of {plain(limit)} an order."
        return Rejection(rule="G01", code="quantity-over-limit", reason=reason)
    limit = _tighter(terms.max_position, above.max_position)
    if limit is not None and held_after > limit:
        reason = f"The position could grow to {plain(held_after)}, and the limit is {plain(limit)}."
        return Rejection(rule="G04", code="position-over-limit", reason=reason)
    checks: Iterable[tuple[Decimal | None, Decimal, str, str]] = (
        (_tighter(terms.max_amount, above.max_amount), quantity, "G02", "The order"),
        (_tighter(terms.max_position_amount, above.max_position_amount), held_after, "G05", "The position"),
    )
    for most, units, rule, what in checks:
        if most is None:
            continue
        if unit_value is None:
            reason = f"{what} may be worth at most {money(most)} {currency}, and no price says what it is worth. Send `price`."
            return Rejection(rule=rule, code="amount-unknown", reason=reason)
        if units * unit_value > most:
            reason = f"{what} would be worth {money(units * unit_value)} {currency}, and the limit is {money(most)}."
            return Rejection(rule=rule, code="amount-over-limit", reason=reason)
    return None


def _tighter(one: Limit | None, other: Limit | None) -> Limit | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _longer(one: int | None, other: int | None) -> int:
    return max(one or 0, other or 0)
