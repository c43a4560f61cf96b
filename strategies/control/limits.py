"""Limits, lockouts and restricted tickers: set by people, level by level, each change on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.feed.needs import needs_changed
from accounts.models import Team, User
from accounts.refusals import Refusal
from brokers.models import BrokerageAccount
from brokers.postgres.locks import Space, alone_until_commit
from strategies.deciding.guards import subject
from strategies.domain.decide.guards import GUARD_LIMITS, LIMITS, Level
from strategies.domain.message import lists
from strategies.domain.message.kinds import Kind
from strategies.domain.message.refusals import Refused
from strategies.models import Guard, Strategy, Subscription

Target = BrokerageAccount | Strategy | Subscription | None
DAILY = frozenset({"max_daily_loss", "max_daily_profit"})
COUNTS = frozenset({"max_trades_per_day", "cooldown_seconds", "uncounted_from"})
MOST_TICKERS = 100
LONGEST_REASON = 200
LIMITS_OF = {
    Level.TEAM: GUARD_LIMITS,
    Level.ACCOUNT: GUARD_LIMITS,
    # The result of a day is an account's: two strategies may share a position.
    Level.STRATEGY: tuple(name for name in LIMITS if name not in DAILY),
    # A subscription's limits are part of its terms.
    Level.SUBSCRIPTION: (),
}


class GuardRefused(Refusal):
    """The message is a sentence for people; `field` is what it is about where it is about one, `code` a stable word."""

    def __init__(self, sentence: str, field: str = "", code: str = "guard-refused") -> None:
        super().__init__(sentence, code)
        self.field = field


def level_guarding(target: Target) -> Level:
    """The level whose guard guards the target; None is the team."""
    match target:
        case None:
            return Level.TEAM
        case BrokerageAccount():
            return Level.ACCOUNT
        case Strategy():
            return Level.STRATEGY
        case Subscription():
            return Level.SUBSCRIPTION


def guard_of(team: Team, target: Target) -> Guard:
    """The row that guards the target, or one that is not saved and guards nothing yet."""
    level = level_guarding(target)
    columns: dict[str, Target] = {"account": None, "strategy": None, "subscription": None}
    if target is not None:
        columns[str(level)] = target
    row = Guard.objects.filter(team=team, level=str(level), **columns).first()
    return row or Guard(team=team, level=str(level), **columns)


def lock_guard(team: Team, target: Target) -> Guard:
    """The row, locked until commit: decisions under way end first, and later ones see the change."""
    alone_until_commit(Space.STOP, team.pk)
    guard = guard_of(team, target)
    if guard._state.adding:
        guard.save()
    return guard


@transaction.atomic
def set_limits(*, team: Team, target: Target, limits: Mapping[str, Any], actor: User | None, now: datetime) -> Guard:
    """Set the limits that are named; None takes one away."""
    level = level_guarding(target)
    for name, value in limits.items():
        _check_limit(level, name, value)
    guard = lock_guard(team, target)
    before = limits_json(guard)
    for name, value in limits.items():
        setattr(guard, name, value)
    if limits_json(guard) == before:
        return guard
    guard.save(update_fields=list(limits))
    audit_change(guard, "guard.limits_set", before, limits_json(guard), actor=actor, now=now)
    return guard


def loosens(guard: Guard, limits: Mapping[str, Any]) -> bool:
    """Whether any of these limits would allow what is not allowed now."""
    return any(_looser(name, getattr(guard, name), value) for name, value in limits.items())


def _looser(name: str, old: Any, new: Any) -> bool:
    if old is None or old == new:
        return False
    if new is None:
        return True
    return bool(new < old) if name == "cooldown_seconds" else bool(new > old)


@transaction.atomic
def lock_out(*, team: Team, target: Target, until: datetime, reason: str, actor: User | None, now: datetime) -> Guard:
    """Lock entries until a moment; exits go on."""
    reason = checked_reason(reason)
    if until <= now:
        raise GuardRefused("A lockout ends in the future. Choose a later moment.", "until")
    guard = lock_guard(team, target)
    before = lockout_json(guard)
    guard.lockout_until, guard.lockout_reason, guard.locked_by, guard.locked_at = until, reason, actor, now
    guard.save(update_fields=["lockout_until", "lockout_reason", "locked_by", "locked_at"])
    audit_change(guard, "guard.locked_out", before, lockout_json(guard), actor=actor, now=now)
    return guard


@transaction.atomic
def unlock(*, team: Team, target: Target, reason: str, actor: User | None, now: datetime) -> Guard:
    """Let entries in again before the lockout ends."""
    reason = checked_reason(reason)
    guard = lock_guard(team, target)
    if guard.lockout_until is None:
        return guard
    before = lockout_json(guard)
    guard.lockout_until, guard.lockout_reason, guard.locked_by, guard.locked_at = None, "", None, None
    guard.save(update_fields=["lockout_until", "lockout_reason", "locked_by", "locked_at"])
    audit_change(guard, "guard.unlocked", before, {"reason": reason}, actor=actor, now=now)
    return guard


@transaction.atomic
def restrict(*, team: Team, target: Target, tickers: Iterable[str], actor: User | None, now: datetime) -> Guard:
    """The tickers in which this level opens no position, in place of those before."""
    listed = read_restricted(target, tickers, now)
    guard = lock_guard(team, target)
    if listed == guard.restricted:
        return guard
    before, guard.restricted = guard.restricted, listed
    guard.save(update_fields=["restricted"])
    audit_change(guard, "guard.tickers_restricted", before, listed, actor=actor, now=now)
    return guard


def read_restricted(target: Target, tickers: Iterable[str], now: datetime) -> list[str]:
    """The names of tickers that people list for this level, as signals are read; raises GuardRefused."""
    typed = {ticker.strip().upper() for ticker in tickers} - {""}
    if len(typed) > MOST_TICKERS:
        raise GuardRefused(
            f"A list holds at most {MOST_TICKERS} tickers, and this one has {len(typed)}.",
            "restricted",
            "too-many-tickers",
        )
    kind = _kind(target)
    try:
        return sorted({lists.read(ticker, kind, now) for ticker in sorted(typed)})
    except Refused as refused:
        raise GuardRefused(refused.message, "restricted", refused.code) from refused


def _kind(target: Target) -> Kind | None:
    """What is traded at a level; None where it may be anything."""
    match target:
        case Strategy():
            return Kind(target.asset_class)
        case Subscription():
            return Kind(target.strategy.asset_class)
    return None


def checked_reason(reason: str) -> str:
    """The reason as it is kept; there has to be one."""
    text = " ".join(reason.split())
    if not text:
        raise GuardRefused("Say why, in a few words: it is kept with what you do, and others read it.", "reason")
    if len(text) > LONGEST_REASON:
        raise GuardRefused(f"A reason has at most {LONGEST_REASON} characters.", "reason")
    return text


def limits_json(guard: Guard) -> dict[str, Any]:
    """The limits that are set, as they go on record."""
    return {name: _plain(value) for name in GUARD_LIMITS if (value := getattr(guard, name)) is not None}


def lockout_json(guard: Guard) -> dict[str, str] | None:
    if guard.lockout_until is None:
        return None
    return {"until": guard.lockout_until.astimezone(UTC).isoformat(), "reason": guard.lockout_reason}


def _plain(value: Any) -> Any:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _check_limit(level: Level, name: str, value: Any) -> None:
    if name not in LIMITS_OF[level]:
        if level is Level.SUBSCRIPTION:
            raise GuardRefused("The limits of a subscription are part of its terms. Set them there.", name)
        what = "The result of a day belongs" if name in DAILY else "Orders placed elsewhere belong"
        raise GuardRefused(f"{what} to an account or to the team. Set this limit there.", name)
    if value is not None and value <= 0:
        raise GuardRefused("A limit is above zero; leave it empty for none. To stop trading, use a stop.", name)
    if value is not None and name not in COUNTS and Decimal(value) >= Decimal(10) ** 15:
        raise GuardRefused("This is more than any account could reach. Leave it empty for no limit.", name)
    if value is not None and name in COUNTS and value > 2_000_000_000:
        raise GuardRefused("This is more than a limit can be. Leave it empty for none.", name)


def audit_change(
    guard: Guard, action: str, before: object, after: object, *, actor: User | None, now: datetime
) -> None:
    """Put a change of a guard on record, and tell the open pages, which may show it among what needs somebody."""
    audit.record(
        team=guard.team, actor=actor, action=action, subject=subject(guard), before=before, after=after, now=now
    )
    needs_changed(guard.team_id)
