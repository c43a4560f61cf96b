"""Whether a guard holds a signal back: entries for many reasons, exits by a full stop only. Rules G00 to G13."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from brokers.domain.sentences import all_of, grouped
from strategies.domain.decide.case import Case
from strategies.domain.decide.guards import Halt, LevelGuard, day_reached
from strategies.domain.plan.estimate import money
from strategies.domain.plan.plan import Rejection

# How many orders a sentence names.
_NAMED = 3


def halted(case: Case, *, entry: bool) -> Rejection | None:
    """Somebody has stopped trading; with `entries` the ways out stay open."""
    stopped = case.guards.halt
    if stopped is Halt.NOTHING or (stopped is Halt.ENTRIES and not entry):
        return None
    by = case.guards.halted_by or "a person"
    what = "Trading is" if stopped is Halt.EVERYTHING else "Opening positions is"
    return Rejection(rule="G00", code="trading-halted", reason=f"{what} stopped by {by}. Resume it, then send again.")


def entry_held_back(case: Case) -> Rejection | None:
    """Why no entry may be made now, before its size is known."""
    if refused := halted(case, entry=True) or _locked(case) or _restricted(case):
        return refused
    for level in case.levels:
        if refused := _too_often(case, level) or _day_is_over(case, level) or _uncounted(case, level):
            return refused
    return None


def risk_held_back(case: Case) -> Rejection | None:
    """Why what works may not be changed to risk more: as for an entry, but for what counts entries alone."""
    if refused := halted(case, entry=True) or _locked(case) or _restricted(case):
        return refused
    return next((refused for level in case.levels if (refused := _day_is_over(case, level))), None)


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
    names = {case.ticker, *case.message.symbol.names}
    for level in case.guards.levels:
        if not names.isdisjoint(level.restricted):
            reason = f"{case.ticker} is on {level.who}'s list of tickers in which no position may be opened. Exits are not held back."
            return Rejection(rule="G12", code="ticker-restricted", reason=reason)
    return None


def _too_often(case: Case, level: LevelGuard) -> Rejection | None:
    most, made = level.max_trades_per_day, level.trades_today
    if most is not None and (made is None or made >= most):
        known = f"{made} were made" if made is not None else "how many were made is not known yet"
        reason = f"{level.whose} limit is {most} entries a day, and {known} today."
        return Rejection(rule="G06", code="trades-per-day", reason=reason)
    pause, last = level.cooldown_seconds, level.last_trade_at
    if pause and last is not None and case.now - last < timedelta(seconds=pause):
        reason = (
            f"{level.whose} last entry was at {last:%H:%M:%S} UTC, and {pause} seconds have to pass before the next."
        )
        return Rejection(rule="G07", code="cooldown", reason=reason)
    return None


def _day_is_over(case: Case, level: LevelGuard) -> Rejection | None:
    """The day's loss or profit has reached its limit; while the figure is not known, nothing is opened on a guess."""
    if level.max_daily_loss is None and level.max_daily_profit is None:
        return None
    if level.day_profit is None:
        why = level.day_unknown or "the broker has not shown enough of it yet. Send again in a moment."
        reason = f"{level.whose} daily limit is set, and the result of today is not known: {why}"
        return Rejection(rule="G08", code="day-result-unknown", reason=reason)
    return day_reached(level, case.snapshot.currency)


def _uncounted(case: Case, level: LevelGuard) -> Rejection | None:
    """Orders placed elsewhere need money that nobody counts; how many of them a level bears, it says itself."""
    orders, most = case.snapshot.uncounted, level.uncounted_from
    if most is None or len(orders) < most:
        return None
    named = all_of([*orders[:_NAMED], f"{len(orders) - _NAMED} more"] if len(orders) > _NAMED else orders)
    reason = (
        f"Orders placed elsewhere need money that nobody counts ({named}), and {level.who} opens nothing beside "
        f"{'one' if most == 1 else most} of them. Cancel them, or change the limit, then send again."
    )
    return Rejection(rule="G13", code="orders-not-counted", reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySize:
    """How large an entry is: its units, and the units of the position it could lead to.

    `unit_value` is what one unit is worth in the account's currency, None where no price tells.
    """

    quantity: Decimal
    position: Decimal
    unit_value: Decimal | None
    # What of that position orders placed elsewhere may add.
    elsewhere: Decimal = Decimal(0)

    @property
    def besides(self) -> str:
        """A sentence about orders that are not ours, where these count."""
        if not self.elsewhere:
            return ""
        return f" Orders placed elsewhere may add {grouped(self.elsewhere)} of it."


def over_a_limit(case: Case, size: EntrySize) -> Rejection | None:
    """Why an entry is too large, or could make the position too large; None where every level allows it."""
    for level in case.levels:
        if level.max_quantity is not None and size.quantity > level.max_quantity:
            reason = (
                f"{grouped(size.quantity)} is more than {level.who}'s limit of {grouped(level.max_quantity)} an order."
            )
            return Rejection(rule="G01", code="quantity-over-limit", reason=reason)
        if level.max_position is not None and size.position > level.max_position:
            reason = f"The position could grow to {grouped(size.position)}, and {level.who}'s limit is {grouped(level.max_position)}.{size.besides}"
            return Rejection(rule="G04", code="position-over-limit", reason=reason)
        if refused := _worth_too_much(case, level, size):
            return refused
    return None


def _worth_too_much(case: Case, level: LevelGuard, size: EntrySize) -> Rejection | None:
    currency = case.snapshot.currency
    for rule, subject, units, most in (
        ("G02", "The order", size.quantity, level.max_amount),
        ("G05", "The position", size.position, level.max_position_amount),
    ):
        if most is None:
            continue
        if size.unit_value is None:
            reason = (
                f"{subject} may be worth at most {money(most)} {currency} by {level.who}'s limit, "
                f"and no price says what it is worth. Send `price`.{case.about_quote}"
            )
            return Rejection(rule=rule, code="amount-unknown", reason=reason)
        if units * size.unit_value > most:
            worth = f"{money(units * size.unit_value)} {currency}"
            reason = f"{subject} would be worth {worth}, and {level.who}'s limit is {money(most)}."
            reason += size.besides if rule == "G05" else ""
            return Rejection(rule=rule, code="amount-over-limit", reason=reason)
    return None
