"""A decision as its page shows it: its plan, and the inputs, guards and settings it was taken with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.domain.sentences import grouped
from brokers.domain.snapshot import Snapshot
from strategies import inputs
from strategies.display.effective import Setting, settings_in_effect
from strategies.display.labels import LABELS
from strategies.display.readings import pairs
from strategies.display.values import Change, changes, describe
from strategies.domain.decide.guards import GUARD_LIMITS, Guards, Halt
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import Terms
from strategies.inputs import Inputs
from strategies.models import Decision

# Raised by inputs of an older version: a field or a word that this version does not know.
UNREADABLE = (ValueError, TypeError, KeyError)


@dataclass(frozen=True, slots=True)
class Limit:
    """A stop, a lockout or a limit above the terms, and the figure it was checked against."""

    whose: str
    label: str
    text: str
    figure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a decision saw, in words where a page shows words."""

    reading: tuple[tuple[str, str], ...]
    snapshot: Snapshot
    now: datetime
    received_at: datetime | None
    terms: tuple[Change, ...]
    guards: tuple[Limit, ...]
    settings: tuple[Setting, ...]
    unsettled: Decimal = Decimal(0)

    @property
    def settings_set(self) -> list[Setting]:
        return [setting for setting in self.settings if setting.is_set]

    @property
    def settings_unset(self) -> list[Setting]:
        return [setting for setting in self.settings if not setting.is_set]


def plan_of(decision: Decision) -> Plan | None:
    """The plan that was made; of a decision older than stored plans, the one its inputs lead to."""
    if decision.plan:
        return inputs.plan_from_json(decision.plan)
    if decision.status != Decision.Status.ACCEPTED or not is_complete(decision.inputs):
        return None
    try:
        answer = inputs.decide_again(decision.inputs or {})
    except UNREADABLE:
        return None
    return answer if isinstance(answer, Plan) else None


def inputs_seen(decision: Decision) -> Seen | None:
    """What the decision saw; None where it was taken without a look at the book, or by a version too old to read."""
    stored = decision.inputs or {}
    if not is_complete(stored):
        return None
    try:
        seen = Inputs.from_json(stored)
    except UNREADABLE:
        return None
    return Seen(
        reading=tuple(pairs(stored["message"])),
        snapshot=seen.snapshot,
        now=seen.now,
        received_at=seen.received_at,
        terms=tuple(changes(Terms(), seen.terms)),
        guards=tuple(_limits(seen.guards)),
        # Without the strategy's defaults: today's may differ from those in force at the decision.
        settings=tuple(settings_in_effect(seen.message, seen.terms)),
        unsettled=seen.unsettled,
    )


def is_complete(stored: dict[str, Any] | None) -> bool:
    """Whether a decision's stored inputs are enough to decide again."""
    return {"message", "terms", "snapshot", "now"} <= set(stored or {})


_GUARD_LABELS = {**LABELS, "uncounted_from": "No entry from so many uncounted orders on"}


def _limits(guards: Guards) -> Iterator[Limit]:
    """The stop, the lockout and the limits above the terms."""
    if guards.halt is not Halt.NOTHING:
        yield Limit("", "Stopped by hand", f"{guards.halt}, by {guards.halted_by or 'a person'}")
    if guards.lockout_until is not None:
        yield Limit("", "Entries locked", f"until {guards.lockout_until:%Y-%m-%d %H:%M} UTC for {guards.lockout}")
    for level in guards.levels:
        whose = f"{level.who[:1].upper()}{level.who[1:]}"
        figures = {
            "max_trades_per_day": level.trades_today,
            "max_daily_loss": level.day_profit,
            "max_daily_profit": level.day_profit,
            "cooldown_seconds": level.last_trade_at,
        }
        if level.restricted:
            yield Limit(whose, "Tickers not to be opened", ", ".join(level.restricted))
        for name in GUARD_LIMITS:
            value = getattr(level, name)
            if value is not None:
                yield Limit(whose, _GUARD_LABELS[name], describe(name, value), _figure(figures.get(name)))


def _figure(value: Decimal | datetime | int | None) -> str:
    match value:
        case datetime():
            return f"the last at {value:%H:%M:%S} UTC"
        case Decimal():
            return f"the day's result {grouped(value)}"
        case int():
            return f"{value} so far"
    return ""
