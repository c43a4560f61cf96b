"""Guards as a batch of decisions sees them: loaded once, held still until the batch ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.locks import Space, share_until_commit
from brokers.models import BrokerageAccount
from strategies import figures
from strategies.domain.guards import NO_GUARDS, Guards, Halt, Level, LevelGuard
from strategies.models import Guard, Subscription

LIMITS = (
    "max_quantity", "max_amount", "max_position", "max_position_amount", "max_trades_per_day", "cooldown_seconds",
    "max_daily_loss", "max_daily_profit",
)  # fmt: skip
# From a decision to whom a level's entries are counted for.
COLUMNS = {
    Level.TEAM: "subscription__team",
    Level.ACCOUNT: "subscription__account",
    Level.STRATEGY: "subscription__strategy",
    Level.SUBSCRIPTION: "subscription",
}
Key = tuple[Level, int]


@dataclass(frozen=True, slots=True)
class DayResult:
    """Profit since the day began; `unknown` is the sentence that says what is missing where it is None."""

    profit: Decimal | None
    unknown: str = ""


def watch(subscriptions: Iterable[Subscription], now: datetime) -> Watch:
    """What guards these subscriptions. A stop waits until the caller's transaction ends, and is seen by the next one.

    Take it before any row is locked: whoever stops trading locks rows behind this lock.
    """
    teams = {subscription.team_id for subscription in subscriptions}
    if teams:
        share_until_commit(Space.STOP, teams)
    rows = Guard.objects.filter(team__in=teams).select_related("halted_by") if teams else ()
    return Watch({key_of(row): row for row in rows}, now)


def key_of(guard: Guard) -> Key:
    """Whom a row guards."""
    whom = guard.subscription_id or guard.strategy_id or guard.account_id or guard.team_id
    return Level(guard.level), whom


class Watch:
    """The guards of a batch of decisions, with figures that are read only where a limit is held against them."""

    def __init__(self, rows: dict[Key, Guard], now: datetime) -> None:
        self._rows, self._now = rows, now
        self._levels: dict[Key, LevelGuard | None] = {}
        self._made: dict[Level, dict[int, tuple[int, datetime | None]]] = {}
        self._just_now: dict[Key, int] = defaultdict(int)
        self._results: dict[int, DayResult] = {}

    def guards(self, subscription: Subscription) -> Guards:
        """What holds for one subscription at this moment of the batch."""
        if not self._rows:
            return NO_GUARDS
        keys = [key for key in _keys(subscription) if key in self._rows]
        if not keys:
            return NO_GUARDS
        halt, halted_by = self._halt(keys)
        until, lockout = self._lockout(keys)
        levels = tuple(level for key in keys if (level := self._level(key, subscription)) is not None)
        return Guards(halt=halt, halted_by=halted_by, lockout_until=until, lockout=lockout, levels=levels)

    def entered(self, subscription: Subscription) -> None:
        """An entry was planned a moment ago: it counts before it is a row."""
        for key in _keys(subscription):
            if key in self._rows:
                self._just_now[key] += 1

    def _halt(self, keys: list[Key]) -> tuple[Halt, str]:
        stops = [self._rows[key] for key in keys if self._rows[key].halt != Halt.NOTHING]
        if not stops:
            return Halt.NOTHING, ""
        whole = [row for row in stops if row.halt == Halt.EVERYTHING]
        row = (whole or stops)[0]
        who = row.halted_by.email if row.halted_by else "somebody"
        return Halt(row.halt), f"{who} for {_WHOLE[Level(row.level)]} ({row.halt_reason.rstrip('.')})"

    def _lockout(self, keys: list[Key]) -> tuple[datetime | None, str]:
        """The lockout that ends last."""
        locked = [(row.lockout_until, row) for key in keys if (row := self._rows[key]).lockout_until is not None]
        if not locked:
            return None, NO_GUARDS.lockout
        until, row = max(locked, key=lambda each: each[0])
        return until, f"{_WHOLE[Level(row.level)]} ({row.lockout_reason.rstrip('.')})"

    def _level(self, key: Key, subscription: Subscription) -> LevelGuard | None:
        row = self._rows[key]
        values = {name: getattr(row, name) for name in LIMITS if getattr(row, name) is not None}
        if not values and not row.restricted:
            return None
        figure: dict[str, Any] = {}
        if row.max_trades_per_day is not None or row.cooldown_seconds:
            made, last = self._entries(key)
            figure.update(trades_today=made, last_trade_at=last)
        if row.max_daily_loss is not None or row.max_daily_profit is not None:
            result = self._result(key, subscription)
            figure.update(day_profit=result.profit, day_unknown=result.unknown)
        return LevelGuard(level=key[0], restricted=tuple(row.restricted), **values, **figure)

    def _entries(self, key: Key) -> tuple[int, datetime | None]:
        level, whom = key
        if level not in self._made:
            # All of a level with one query, whoever of them is asked about first.
            pauses = {pk: row.cooldown_seconds or 0 for (of, pk), row in self._rows.items() if of is level}
            self._made[level] = figures.entries_by(COLUMNS[level], pauses, self._now)
        made, last = self._made[level].get(whom, (0, None))
        just_now = self._just_now[key]
        return made + just_now, self._now if just_now else last

    def _result(self, key: Key, subscription: Subscription) -> DayResult:
        """The account's own, or the sum over the team's accounts; practice and real money are not added up."""
        level, whom = key
        account = subscription.account
        if level is Level.ACCOUNT:
            return self._of(account)
        total = Decimal(0)
        for each in BrokerageAccount.objects.filter(team=whom, is_paper=account.is_paper).order_by("pk"):
            one = self._of(each)
            if one.profit is None:
                return DayResult(None, f"{each.account_id}: {one.unknown}")
            total += one.profit
        return DayResult(total)

    def _of(self, account: BrokerageAccount) -> DayResult:
        if account.pk not in self._results:
            profit = figures.result(account, self._now)
            unknown = "" if profit is not None else "no look at the account has been had yet. Send again in a moment."
            self._results[account.pk] = DayResult(profit, unknown)
        return self._results[account.pk]


_WHOLE = {
    Level.TEAM: "the whole team",
    Level.ACCOUNT: "this account",
    Level.STRATEGY: "this strategy",
    Level.SUBSCRIPTION: "this subscription",
}


def _keys(subscription: Subscription) -> tuple[Key, ...]:
    """Everybody who guards a subscription, the widest first."""
    return (
        (Level.TEAM, subscription.team_id),
        (Level.ACCOUNT, subscription.account_id),
        (Level.STRATEGY, subscription.strategy_id),
        (Level.SUBSCRIPTION, subscription.pk),
    )
