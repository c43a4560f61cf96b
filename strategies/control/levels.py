"""How the guards stand: each level's limits beside its figures of this moment, what is stopped or locked, and by whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, Max, QuerySet
from django.db.models.functions import Abs
from django.http import Http404

from accounts.models import AuditEntry, Team
from brokers.book import day_ledger
from brokers.domain.dayresult import DayResult
from brokers.models import BrokerageAccount, Position
from strategies import usage
from strategies.control.limits import Target
from strategies.deciding.guards import COLUMNS, Key, key_of, subject
from strategies.domain.decide.guards import Halt, Level
from strategies.domain.numbers import plain
from strategies.models import Guard, Strategy, Subscription

NEAR = Decimal("0.8")


@dataclass(frozen=True, slots=True)
class Meter:
    """A figure against its limit; `load` is None while the figure is not known, and `unknown` then says why."""

    name: str
    unit: str
    load: Decimal | None
    limit: Decimal
    is_money: bool = False
    unknown: str = ""

    @property
    def percent(self) -> int:
        return 0 if self.load is None else max(0, min(100, round(100 * self.load / self.limit)))

    @property
    def tone(self) -> str:
        if self.load is None:
            return "warn"
        return "bad" if self.load >= self.limit else "warn" if self.load >= NEAR * self.limit else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One level as the page of guards shows it."""

    level: Level
    target: Target
    guard: Guard
    name: str
    code: UUID
    currency: str = ""
    result: DayResult | None = None
    made: int = 0
    last: datetime | None = None
    meters: tuple[Meter, ...] = ()
    # Limits that are held against each order, and have no figure of their own.
    bounds: tuple[str, ...] = ()
    pause_until: datetime | None = None
    locked: bool = False

    @property
    def stopped(self) -> bool:
        return self.guard.halt != Halt.NOTHING

    @property
    def limited(self) -> bool:
        return bool(self.meters or self.bounds or self.guard.restricted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    team: Standing
    accounts: list[Standing]
    strategies: list[Standing]
    subscriptions: list[Standing]

    def __iter__(self) -> Any:
        return iter((self.team, *self.accounts, *self.strategies, *self.subscriptions))


def all_of(team: Team, now: datetime) -> Standings:
    """Every level of a team, with a query or two for each kind of figure."""
    accounts = list(
        BrokerageAccount.objects.filter(team=team).select_related("connection").order_by("-connection__enabled", "pk")
    )
    strategies = list(Strategy.objects.filter(team=team).order_by("name"))
    subscriptions = list(
        Subscription.objects.filter(team=team)
        .select_related("strategy", "account__connection", "terms")
        .order_by("strategy__name", "account__account_id")
    )
    figures = _Reading(team, accounts, now)
    return Standings(
        team=figures.standing(Level.TEAM, None),
        accounts=[figures.standing(Level.ACCOUNT, each) for each in accounts],
        strategies=[figures.standing(Level.STRATEGY, each) for each in strategies],
        subscriptions=[figures.standing(Level.SUBSCRIPTION, each) for each in subscriptions],
    )


def one(team: Team, level: Level, target: Target, now: datetime) -> Standing:
    """One level alone."""
    rows = BrokerageAccount.objects.filter(team=team).select_related("connection").order_by("pk")
    accounts = [target] if isinstance(target, BrokerageAccount) else list(rows) if level is Level.TEAM else []
    if isinstance(target, Subscription):
        accounts = [target.account]
    return _Reading(team, accounts, now).standing(level, target)


def history(guard: Guard, latest: int = 30) -> list[AuditEntry]:
    """What was done to it, newest first."""
    entries = AuditEntry.objects.filter(team=guard.team_id, subject=subject(guard), action__startswith="guard.")
    return list(entries.select_related("actor").order_by("-pk")[:latest])


class _Reading:
    """Figures of a team's levels, each kind read once."""

    def __init__(self, team: Team, accounts: list[BrokerageAccount], now: datetime) -> None:
        self.team, self.accounts, self.now = team, accounts, now
        rows = Guard.objects.filter(team=team).select_related("halted_by", "locked_by", "account", "strategy")
        self.rows: dict[Key, Guard] = {key_of(row): row for row in rows.select_related("subscription")}
        self.results = day_ledger.results(accounts, now)
        self.entries: dict[Level, dict[int, tuple[int, datetime | None]]] = {}
        self.largest = _largest(accounts)

    def standing(self, level: Level, target: Target) -> Standing:
        key = (level, self.team.pk if target is None else target.pk)
        guard = self.rows.get(key) or Guard(team=self.team, level=str(level), **_whom(level, target))
        entries, last = self._entries(level).get(key[1], (0, None))
        result, currency = self._result(level, target)
        meters = [*_of_guard(guard, entries, result, currency, self._largest(level, target))]
        if isinstance(target, Subscription) and target.terms is not None:
            meters += _of_terms(target, entries, self.results.get(target.account_id))
        until = last + timedelta(seconds=guard.cooldown_seconds) if last and guard.cooldown_seconds else None
        return Standing(
            level=level,
            target=target,
            guard=guard,
            name=name_of(self.team, target),
            currency=currency,
            result=result,
            code=self.team.code if target is None else target.code,
            made=entries,
            last=last,
            meters=tuple(meters),
            bounds=tuple(_bounds(guard, currency)),
            pause_until=until if until and until > self.now else None,
            locked=guard.lockout_until is not None and guard.lockout_until > self.now,
        )

    def _entries(self, level: Level) -> dict[int, tuple[int, datetime | None]]:
        if level not in self.entries:
            of = {
                Level.TEAM: Team.objects.filter(pk=self.team.pk),
                Level.ACCOUNT: self.team.accounts.all(),
                Level.STRATEGY: self.team.strategies.all(),
                Level.SUBSCRIPTION: self.team.subscriptions.all(),
            }
            pauses = dict.fromkeys(of[level].values_list("pk", flat=True), 0)
            self.entries[level] = usage.entries_by(COLUMNS[level], pauses, self.now)
        return self.entries[level]

    def _result(self, level: Level, target: Target) -> tuple[DayResult | None, str]:
        """Of an account its own; of the team that of its live accounts, or of the others where it has none."""
        if isinstance(target, BrokerageAccount):
            return self.results.get(target.pk), target.currency
        if level is not Level.TEAM or not self.accounts:
            return None, ""
        real = [each for each in self.accounts if not each.is_paper]
        alike = real or self.accounts
        currency = alike[0].currency
        return day_ledger.sum_of(alike, self.results, currency, self.now), currency

    def _largest(self, level: Level, target: Target) -> Decimal | None:
        if isinstance(target, BrokerageAccount):
            return self.largest.get(target.pk, Decimal(0))
        return max(self.largest.values(), default=Decimal(0)) if level is Level.TEAM else None


def name_of(team: Team, target: Target) -> str:
    """What a level is called: the team's name, an account's number, "Trend on U123"."""
    if isinstance(target, Subscription):
        return f"{target.strategy.name} on {target.account.account_id}"
    return team.name if target is None else str(target)


def _whom(level: Level, target: Target) -> dict[str, Any]:
    return {} if level is Level.TEAM else {str(level): target}


def _largest(accounts: Iterable[BrokerageAccount]) -> dict[int, Decimal]:
    rows = Position.objects.filter(account__in=[each.pk for each in accounts]).values("account_id")
    largest: dict[int, Decimal] = {}
    for row in rows.annotate(most=Max(Abs(F("quantity")))):
        largest[int(row["account_id"])] = row["most"]
    return largest


def _of_guard(
    guard: Guard, made: int, result: DayResult | None, currency: str, largest: Decimal | None
) -> Iterable[Meter]:
    if guard.max_trades_per_day is not None:
        yield Meter("Entries today", "", Decimal(made), Decimal(guard.max_trades_per_day))
    if guard.max_daily_loss is not None:
        yield _day("Loss today", guard.max_daily_loss, result, currency, -1)
    if guard.max_daily_profit is not None:
        yield _day("Profit today", guard.max_daily_profit, result, currency, 1)
    if guard.max_position is not None and largest is not None:
        yield Meter("Largest position", "units", largest, guard.max_position)


def _of_terms(subscription: Subscription, made: int, result: DayResult | None) -> Iterable[Meter]:
    terms, currency = subscription.terms.value() if subscription.terms else None, subscription.account.currency
    if terms is None:
        return
    if terms.max_trades_per_day is not None:
        yield Meter("Entries today", "", Decimal(made), Decimal(terms.max_trades_per_day))
    if terms.max_daily_loss is not None:
        yield _day("The account's loss today", terms.max_daily_loss, result, currency, -1)
    if terms.max_daily_profit is not None:
        yield _day("The account's profit today", terms.max_daily_profit, result, currency, 1)


def _day(name: str, limit: Decimal, result: DayResult | None, currency: str, sign: int) -> Meter:
    if result is None or result.profit is None:
        why = result.unknown if result else "there is no account yet."
        return Meter(name, currency, None, limit, is_money=True, unknown=why)
    return Meter(name, currency, max(result.profit * sign, Decimal(0)), limit, is_money=True)


def _bounds(guard: Guard, currency: str) -> Iterable[str]:
    money = currency or "in the account's currency"
    if guard.max_quantity is not None:
        yield f"At most {plain(guard.max_quantity)} units an order."
    if guard.max_amount is not None:
        yield f"An order is worth at most {guard.max_amount:,.2f} {money}."
    if guard.max_position is not None and guard.level == Level.STRATEGY:
        yield f"A position has at most {plain(guard.max_position)} units."
    if guard.max_position_amount is not None:
        yield f"A position is worth at most {guard.max_position_amount:,.2f} {money}."
    if guard.cooldown_seconds:
        yield f"{guard.cooldown_seconds} seconds pass between two entries."


def level_of(team: Team, level: str, code: UUID) -> tuple[Level, Target]:
    """The level and what it guards; Http404 for what this team does not have."""
    rows: dict[str, QuerySet[Any]] = {
        Level.ACCOUNT: BrokerageAccount.objects.select_related("connection"),
        Level.STRATEGY: Strategy.objects.all(),
        Level.SUBSCRIPTION: Subscription.objects.select_related("strategy", "account__connection", "terms"),
    }
    if level == Level.TEAM and code == team.code:
        return Level.TEAM, None
    target = rows[level].filter(team=team, code=code).first() if level in rows else None
    if target is None:
        raise Http404("This team has nothing at this address.")
    return Level(level), target
