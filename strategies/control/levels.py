"""The state of every level: its limits beside its figures of this moment, and what is stopped or locked by whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from brokers.domain.sentences import grouped
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount, Position
from strategies import usage
from strategies.control import flatten
from strategies.control.limits import Target, level_guarding
from strategies.deciding.guards import COLUMNS, Key, key_of, subject
from strategies.domain.clockwork import Schedule
from strategies.domain.decide.guards import Halt, Level
from strategies.domain.terms.terms import Terms
from strategies.models import FlattenRule, Guard, Strategy, Subscription

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
class LevelState:
    """One level as the page of guards shows it."""

    level: Level
    target: Target
    guard: Guard
    name: str
    code: UUID
    currency: str = ""
    result: DayResult | None = None
    # "simulated" where its result comes from simulated prices.
    environment: str = ""
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
    def schedule(self) -> Schedule | None:
        """When its positions are closed by the clock."""
        rule: FlattenRule | None = getattr(self.guard, "flatten_rule", None)
        return None if rule is None else rule.schedule()

    @property
    def by_the_clock(self) -> str:
        """The same in words; "" where they are not."""
        return "" if self.schedule is None else flatten.in_words(self.schedule)

    @property
    def limited(self) -> bool:
        return bool(self.meters or self.bounds or self.guard.restricted)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelStates:
    """Every level of a team, the widest first."""

    team: LevelState
    accounts: list[LevelState]
    strategies: list[LevelState]
    subscriptions: list[LevelState]

    def __iter__(self) -> Iterator[LevelState]:
        return iter((self.team, *self.accounts, *self.strategies, *self.subscriptions))


def all_levels(team: Team, now: datetime) -> LevelStates:
    """Every level of a team, with a query or two for each kind of figure."""
    accounts = list(
        BrokerageAccount.objects.filter(team=team, connection__removed_at=None)
        .select_related("connection")
        .order_by("-connection__enabled", "pk")
    )
    strategies = list(Strategy.objects.filter(team=team).order_by("name"))
    subscriptions = list(
        Subscription.objects.filter(team=team)
        .select_related("strategy", "account__connection", "terms")
        .order_by("strategy__name", "account__account_id")
    )
    figures = _Figures(team, accounts, now)
    return LevelStates(
        team=figures.state(None),
        accounts=[figures.state(each) for each in accounts],
        strategies=[figures.state(each) for each in strategies],
        subscriptions=[figures.state(each) for each in subscriptions],
    )


def one_level(team: Team, target: Target, now: datetime) -> LevelState:
    """The level of one target alone; None is the team."""
    accounts: list[BrokerageAccount] = []
    match target:
        case None:
            accounts = list(BrokerageAccount.objects.filter(team=team).select_related("connection").order_by("pk"))
        case BrokerageAccount():
            accounts = [target]
        case Subscription():
            accounts = [target.account]
    return _Figures(team, accounts, now).state(target)


def history(guard: Guard, latest: int = 30) -> list[AuditEntry]:
    """What was done to it, newest first."""
    entries = AuditEntry.objects.filter(team=guard.team_id, subject=subject(guard), action__startswith="guard.")
    return list(entries.select_related("actor").order_by("-pk")[:latest])


class _Figures:
    """Figures of a team's levels, each kind read once."""

    def __init__(self, team: Team, accounts: list[BrokerageAccount], now: datetime) -> None:
        self.team, self.accounts, self.now = team, accounts, now
        rows = Guard.objects.filter(team=team).select_related(
            "halted_by", "locked_by", "account", "strategy", "flatten_rule"
        )
        self.rows: dict[Key, Guard] = {key_of(row): row for row in rows.select_related("subscription")}
        self.results = day_ledger.results(accounts, now)
        self.entries: dict[Level, dict[int, tuple[int, datetime | None]]] = {}
        self.largest = _largest(accounts)

    def state(self, target: Target) -> LevelState:
        level = level_guarding(target)
        key = (level, self.team.pk if target is None else target.pk)
        columns = {} if target is None else {str(level): target}
        guard = self.rows.get(key) or Guard(team=self.team, level=str(level), **columns)
        entries, last = self._entries(level).get(key[1], (0, None))
        result, currency = self._result(target)
        meters = [*_day_meters(guard, entries, result, currency)]
        if guard.max_position is not None and (largest := self._largest(target)) is not None:
            meters.append(Meter("Largest position", "units", largest, guard.max_position))
        if isinstance(target, Subscription) and target.terms is not None:
            own_result = self.results.get(target.account_id)
            meters += _day_meters(target.terms.value(), entries, own_result, target.account.currency, "The account's ")
        until = last + timedelta(seconds=guard.cooldown_seconds) if last and guard.cooldown_seconds else None
        return LevelState(
            level=level,
            target=target,
            guard=guard,
            name=name_of(self.team, target),
            currency=currency,
            result=result,
            environment=self._environment(target),
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
            rows = {
                Level.TEAM: Team.objects.filter(pk=self.team.pk),
                Level.ACCOUNT: self.team.accounts.all(),
                Level.STRATEGY: self.team.strategies.all(),
                Level.SUBSCRIPTION: self.team.subscriptions.all(),
            }
            pauses = dict.fromkeys(rows[level].values_list("pk", flat=True), 0)
            self.entries[level] = usage.entries_by(COLUMNS[level], pauses, self.now)
        return self.entries[level]

    def _result(self, target: Target) -> tuple[DayResult | None, str]:
        """An account's own result; the team's is that of its live accounts, or of its paper ones where it has none."""
        if isinstance(target, BrokerageAccount):
            return self.results.get(target.pk), target.currency
        if target is not None or not self.accounts:
            return None, ""
        alike = self._alike()
        currency = alike[0].currency
        return day_ledger.sum_of(alike, self.results, currency, self.now), currency

    def _environment(self, target: Target) -> str:
        """The environment of a level's result; simulated as soon as one account of the team's result is."""
        accounts = [target] if isinstance(target, BrokerageAccount) else self._alike() if target is None else []
        environments = sorted({str(each.connection.environment) for each in accounts})
        simulated = [each for each in environments if each == Environment.SIMULATED]
        return next(iter(simulated or environments), "")

    def _alike(self) -> list[BrokerageAccount]:
        """The team's live accounts, or its paper ones where it has none."""
        return [each for each in self.accounts if not each.is_paper] or self.accounts

    def _largest(self, target: Target) -> Decimal | None:
        if isinstance(target, BrokerageAccount):
            return self.largest.get(target.pk, Decimal(0))
        return max(self.largest.values(), default=Decimal(0)) if target is None else None


def name_of(team: Team, target: Target) -> str:
    """What a level is called: the team's name, an account's number, "Trend on U123"."""
    if isinstance(target, Subscription):
        return f"{target.strategy.name} on {target.account.account_id}"
    return team.name if target is None else str(target)


def _largest(accounts: Iterable[BrokerageAccount]) -> dict[int, Decimal]:
    rows = Position.objects.filter(account__in=[each.pk for each in accounts]).values("account_id")
    largest: dict[int, Decimal] = {}
    for row in rows.annotate(most=Max(Abs(F("quantity")))):
        largest[int(row["account_id"])] = row["most"]
    return largest


def _day_meters(
    limits: Guard | Terms, entries: int, result: DayResult | None, currency: str, whose: str = ""
) -> Iterable[Meter]:
    """The limits of a day, each with its figure. `whose` begins the names of results: "The account's "."""
    if limits.max_trades_per_day is not None:
        yield Meter("Entries today", "", Decimal(entries), Decimal(limits.max_trades_per_day))
    for word, limit, sign in (("loss", limits.max_daily_loss, -1), ("profit", limits.max_daily_profit, 1)):
        if limit is not None:
            name = f"{whose}{word} today"
            yield _result_meter(f"{name[0].upper()}{name[1:]}", limit, result, currency, sign)


def _result_meter(name: str, limit: Decimal, result: DayResult | None, currency: str, sign: int) -> Meter:
    if result is None or result.profit is None:
        why = result.unknown if result else "there is no account yet."
        return Meter(name, currency, None, limit, is_money=True, unknown=why)
    return Meter(name, currency, max(result.profit * sign, Decimal(0)), limit, is_money=True)


def _bounds(guard: Guard, currency: str) -> Iterable[str]:
    money = currency or "in the account's currency"
    if guard.max_quantity is not None:
        yield f"At most {grouped(guard.max_quantity)} units an order."
    if guard.max_amount is not None:
        yield f"An order is worth at most {guard.max_amount:,.2f} {money}."
    if guard.max_position is not None and guard.level == Level.STRATEGY:
        yield f"A position has at most {grouped(guard.max_position)} units."
    if guard.max_position_amount is not None:
        yield f"A position is worth at most {guard.max_position_amount:,.2f} {money}."
    if guard.cooldown_seconds:
        yield f"{guard.cooldown_seconds} seconds pass between two entries."
    if guard.uncounted_from:
        orders = "one order" if guard.uncounted_from == 1 else f"{guard.uncounted_from} orders"
        yield f"No entry while {orders} placed elsewhere work whose money is not counted."


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
