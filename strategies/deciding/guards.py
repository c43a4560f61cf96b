"""Guards as a batch of decisions sees them: loaded once, unchanged until the batch ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import audit
from accounts.feed.needs import needs_changed
from brokers.book import day_ledger
from brokers.book.day_ledger import day_end
from brokers.domain.dayresult import DayResult
from brokers.models import BrokerageAccount
from brokers.postgres.locks import Space, share_until_commit
from brokers.postgres.written import written_once
from strategies import usage
from strategies.deciding.advisors import groups
from strategies.deciding.advisors.groups import Casts
from strategies.domain.decide.guards import GUARD_LIMITS, NO_GUARDS, UNTIL, Guards, Halt, Level, LevelGuard, day_reached
from strategies.models import Guard, Subscription

# From a decision to the row that a level's entries are counted for.
COLUMNS = {
    Level.TEAM: "subscription__team",
    Level.ACCOUNT: "subscription__account",
    Level.STRATEGY: "subscription__strategy",
    Level.SUBSCRIPTION: "subscription",
}
Key = tuple[Level, int]


def hold(subscriptions: Iterable[Subscription], now: datetime) -> ActiveGuards:
    """The guards of these subscriptions, held until the caller's transaction ends: a stop waits for that.

    Call it before any row is locked: a stop locks rows behind this lock.
    """
    guarded = list(subscriptions)
    teams = {subscription.team_id for subscription in guarded}
    if teams:
        share_until_commit(Space.STOP, teams)
    return ActiveGuards(_rows_of(teams), guarded, now)


def held(subscriptions: Iterable[Subscription], rows: Iterable[Guard], now: datetime) -> ActiveGuards:
    """The same, where the caller's transaction holds the lock of their team and has read the team's `rows` behind it."""
    return ActiveGuards({key_of(row): row for row in rows}, list(subscriptions), now)


def peek(subscriptions: Iterable[Subscription], now: datetime, *, ask: bool) -> ActiveGuards:
    """The guards of these subscriptions at this moment, for a rehearsal: no lock is taken, nobody is locked out.

    `ask`: ask IBKR for exchange rates that a result of the day lacks; without it nothing is written.
    """
    guarded = list(subscriptions)
    rows = _rows_of({subscription.team_id for subscription in guarded})
    return ActiveGuards(rows, guarded, now, judges=False, ask=ask)


def _rows_of(teams: set[int]) -> dict[Key, Guard]:
    return {key_of(row): row for row in of_teams(teams)} if teams else {}


@written_once
def of_teams(teams: Collection[int]) -> QuerySet[Guard]:
    return Guard.objects.filter(team__in=teams).select_related("halted_by")


def judge_days(now: datetime) -> None:
    """Lock out every level that has reached a limit of the day, even if its result recovers before the next signal."""
    limited = Q()
    for name in ("max_daily_loss", "max_daily_profit"):
        limited |= Q(**{f"terms__values__{name}__isnull": False}) & ~Q(**{f"terms__values__{name}": None})
        limited |= Q(**{f"account__guards__{name}__isnull": False})
        of_teams = Guard.objects.filter(level=str(Level.TEAM), **{f"{name}__isnull": False})
        limited |= Q(team__in=of_teams.values("team"))
    rows = Subscription.objects.filter(limited, enabled=True).select_related("account__connection", "terms").distinct()
    by_team: dict[int, list[Subscription]] = defaultdict(list)
    for subscription in rows.order_by("team_id", "pk"):
        by_team[subscription.team_id].append(subscription)
    for subscriptions in by_team.values():
        with transaction.atomic():
            active = hold(subscriptions, now)
            for subscription in subscriptions:
                active.of(subscription)


def key_of(guard: Guard) -> Key:
    """The level a row guards, and the key of what it guards there."""
    pk = guard.subscription_id or guard.strategy_id or guard.account_id or guard.team_id
    return Level(guard.level), pk


def subject(guard: Guard) -> str:
    """A guard's name in the audit: "team", "account U123", "subscription" with its code."""
    target = guard.account or guard.strategy or guard.subscription
    name = f" {target.code}" if isinstance(target, Subscription) else f" {target}" if target else ""
    return f"{guard.level}{name}"[:120]


class ActiveGuards:
    """The guards of a batch of decisions; figures are read only where a limit is checked against them."""

    def __init__(
        self,
        rows: dict[Key, Guard],
        subscriptions: Sequence[Subscription],
        now: datetime,
        *,
        judges: bool = True,
        ask: bool = True,
    ) -> None:
        self._rows, self._subscriptions, self.now, self._judges = rows, subscriptions, now, judges
        self._ask = ask
        self._made: dict[Level, dict[int, tuple[int, datetime | None]]] = {}
        self._planned: dict[Key, int] = defaultdict(int)
        self._results: dict[int, DayResult] = {}
        self._teams: dict[int, list[BrokerageAccount]] = {}
        self._reached: set[Key] = set()
        self._own: dict[int, tuple[int, datetime | None]] | None = None
        # The advisors' groups of the batch, whose accounts' guards hold for them too.
        self.casts: Casts = {}

    def of(self, subscription: Subscription) -> Guards:
        """The guards of one subscription at this moment of the batch. A limit of the day that is reached locks it out."""
        self._judge_terms(subscription)
        guards = self._of(_keys(subscription), subscription)
        cast = self.casts.get(subscription.group_id or 0)
        if cast is None or not self._rows:
            return guards
        return groups.with_clients(guards, cast, subscription, self._of, self.own_entries)

    def _of(self, wanted: Sequence[Key], subscription: Subscription) -> Guards:
        """The guards of these keys, of which those without a row say nothing."""
        keys = [key for key in wanted if key in self._rows] if self._rows else []
        if not keys:
            return NO_GUARDS
        halt, halted_by = self._halt(keys)
        until, lockout = self._lockout(keys)
        levels = tuple(level for key in keys if (level := self._level(key, subscription)) is not None)
        return Guards(halt=halt, halted_by=halted_by, lockout_until=until, lockout=lockout, levels=levels)

    def count_entry(self, subscription: Subscription) -> None:
        """Count an entry of this batch, which has no row yet."""
        for key in _keys(subscription):
            if key in self._rows:
                self._planned[key] += 1

    def own_entries(self, subscription_pk: int) -> tuple[int, datetime | None]:
        """A subscription's entries today before this batch, and the moment of the last."""
        if self._own is None:
            pauses = {each.pk: _pause(each) for each in self._subscriptions}
            self._own = usage.entries_by(COLUMNS[Level.SUBSCRIPTION], pauses, self.now)
        return self._own.get(subscription_pk, (0, None))

    def day_of(self, account: BrokerageAccount) -> DayResult:
        """The account's result of today."""
        if account.pk not in self._results:
            # Loads the whole batch on first use.
            self._read({each.account_id: each.account for each in self._subscriptions}.values())
        if account.pk not in self._results:
            self._read([account])
        return self._results[account.pk]

    def _halt(self, keys: list[Key]) -> tuple[Halt, str]:
        stops = [self._rows[key] for key in keys if self._rows[key].halt != Halt.NOTHING]
        if not stops:
            return Halt.NOTHING, ""
        whole = [row for row in stops if row.halt == Halt.EVERYTHING]
        row = (whole or stops)[0]
        email = row.halted_by.email if row.halted_by else "somebody"
        return Halt(row.halt), f"{email} for {_WHO[Level(row.level)]} ({row.halt_reason.rstrip('.')})"

    def _lockout(self, keys: list[Key]) -> tuple[datetime | None, str]:
        """The lockout that ends last."""
        locked = [(row.lockout_until, row) for key in keys if (row := self._rows[key]).lockout_until is not None]
        if not locked:
            return None, NO_GUARDS.lockout
        until, row = max(locked, key=lambda each: each[0])
        return until, f"{_WHO[Level(row.level)]} ({row.lockout_reason.rstrip('.')})"

    def _level(self, key: Key, subscription: Subscription) -> LevelGuard | None:
        row = self._rows[key]
        values = {name: getattr(row, name) for name in GUARD_LIMITS if getattr(row, name) is not None}
        if not values and not row.restricted:
            return None
        figure: dict[str, Any] = {}
        if row.max_trades_per_day is not None or row.cooldown_seconds:
            entries, last = self._entries(key)
            figure.update(trades_today=entries, last_trade_at=last)
        if row.max_daily_loss is not None or row.max_daily_profit is not None:
            result = self._result(key, subscription)
            figure.update(day_profit=result.profit, day_unknown=result.unknown)
        level = LevelGuard(level=key[0], restricted=tuple(row.restricted), **values, **figure)
        self._judge(key, level, subscription)
        return level

    def _judge_terms(self, subscription: Subscription) -> None:
        """Check the limits of the day that the terms set against the account's result."""
        values = subscription.terms.values if subscription.terms else {}
        loss, gain = values.get("max_daily_loss"), values.get("max_daily_profit")
        if (loss is None and gain is None) or subscription.group_id is not None:
            # A group's accounts have results of their own: `usage.counted` says so.
            return
        level = LevelGuard(
            level=Level.SUBSCRIPTION,
            day_profit=self.day_of(subscription.account).profit,
            max_daily_loss=None if loss is None else Decimal(loss),
            max_daily_profit=None if gain is None else Decimal(gain),
        )
        self._judge((Level.SUBSCRIPTION, subscription.pk), level, subscription)

    def _judge(self, key: Key, level: LevelGuard, subscription: Subscription) -> None:
        limit_reached = day_reached(level, subscription.account.currency)
        if self._judges and limit_reached is not None and key not in self._reached:
            self._reached.add(key)
            reason = limit_reached.reason.removesuffix(UNTIL).strip()
            # Not within the batch: the audit locks the team's row, and a batch has orders to lock after this.
            transaction.on_commit(partial(lock_for_today, key, subscription, reason, self.now), robust=True)

    def _entries(self, key: Key) -> tuple[int, datetime | None]:
        level, pk = key
        if level not in self._made:
            # Loads the whole level on first use.
            pauses = {of: row.cooldown_seconds or 0 for (kind, of), row in self._rows.items() if kind is level}
            self._made[level] = usage.entries_by(COLUMNS[level], pauses, self.now)
        entries, last = self._made[level].get(pk, (0, None))
        planned = self._planned[key]
        return entries + planned, self.now if planned else last

    def _result(self, key: Key, subscription: Subscription) -> DayResult:
        """An account's own result, or the sum over the team's accounts of the same kind, practice or real money."""
        level, team = key
        account = subscription.account
        if level is Level.ACCOUNT:
            return self.day_of(account)
        if team not in self._teams:
            rows = BrokerageAccount.objects.filter(team=team).select_related("connection").order_by("pk")
            self._teams[team] = list(rows)
            self._read(self._teams[team])
        alike = [each for each in self._teams[team] if each.is_paper == account.is_paper]
        return day_ledger.sum_of(alike, self._results, account.currency, self.now, ask=self._ask)

    def _read(self, accounts: Iterable[BrokerageAccount]) -> None:
        missing = [each for each in accounts if each.pk not in self._results]
        self._results.update(day_ledger.results(missing, self.now, ask=self._ask))


@transaction.atomic
def lock_for_today(key: Key, subscription: Subscription, reason: str, now: datetime) -> None:
    """Lock entries of a level until tomorrow, in nobody's name: a limit of the day, once reached, holds for that day."""
    level, pk = key
    until = day_end(now).astimezone(UTC)
    column: dict[str, Any] = {} if level is Level.TEAM else {f"{level}_id": pk}
    guard, _ = Guard.objects.get_or_create(
        team_id=subscription.team_id,
        level=str(level),
        **column,
    )
    unlocked = Guard.objects.filter(Q(lockout_until=None) | Q(lockout_until__lt=until), pk=guard.pk)
    before = None if guard.lockout_until is None else {"until": guard.lockout_until.isoformat()}
    if unlocked.update(lockout_until=until, lockout_reason=reason[:200], locked_by=None, locked_at=now):
        audit.record(
            team=subscription.team,
            actor=None,
            action="guard.locked_out",
            subject=subject(guard),
            before=before,
            after={"until": until.isoformat(), "reason": reason},
            now=now,
        )
        needs_changed(subscription.team_id)


_WHO = {
    Level.TEAM: "the whole team",
    Level.ACCOUNT: "this account",
    Level.STRATEGY: "this strategy",
    Level.SUBSCRIPTION: "this subscription",
}


def _pause(subscription: Subscription) -> int:
    """Seconds between two entries by the subscription's terms."""
    return int((subscription.terms.values.get("cooldown_seconds") if subscription.terms else None) or 0)


def _keys(subscription: Subscription) -> tuple[Key, ...]:
    """The keys of every level that guards a subscription, the widest first."""
    return (
        (Level.TEAM, subscription.team_id),
        (Level.ACCOUNT, subscription.account_id),
        (Level.STRATEGY, subscription.strategy_id),
        (Level.SUBSCRIPTION, subscription.pk),
    )
