"""What is asked of trades: totals, days with their curve, groups, and what is open at the present prices.

Each currency of an account stands for itself, and what has no rate into it stands apart: neither is ever added to the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Min, Q, QuerySet, Sum

from brokers.book import rates
from brokers.book.day_ledger import ZONE
from brokers.domain.orders import Side
from brokers.domain.profit.statistics import Point, Totals, curve, largest_drawdown
from brokers.models import BrokerageAccount, Position
from strategies.models import Owner, ProfitDay, Strategy, Subscription, Trade

ZERO = Decimal(0)
# What profits are grouped by, with the columns of a group.
GROUPS: Mapping[str, str] = {
    "account": "account_id",
    "strategy": "strategy_id",
    "subscription": "subscription_id",
    "ticker": "ticker",
    "owner": "owner",
}
# Open trades beyond so many are not valued; and groups beyond so many are not listed.
MOST_OPEN, MOST_GROUPS = 2_000, 500
_HELD = ExpressionWrapper(F("closed_at") - F("opened_at"), output_field=DurationField())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is asked about: of a team, all of it or a part, and the trading days from `first` to `last`."""

    team: int
    account: int | None = None
    strategy: int | None = None
    subscription: int | None = None
    owner: str = ""
    ticker: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def _of(self) -> Q:
        chosen = Q(team=self.team)
        for name in ("account", "strategy", "subscription"):
            if (pk := getattr(self, name)) is not None:
                chosen &= Q(**{name: pk})
        if self.owner:
            chosen &= Q(owner=self.owner)
        return chosen & Q(ticker=self.ticker) if self.ticker else chosen

    def trades(self) -> QuerySet[Trade]:
        """Its trades that are open or ended within its days."""
        rows = Trade.objects.filter(self._of)
        if self.first is not None:
            rows = rows.filter(Q(closed_at=None) | Q(closed_at__gte=_midnight(self.first)))
        if self.last is not None:
            end = _midnight(self.last + timedelta(days=1))
            rows = rows.filter(opened_at__lt=end).filter(Q(closed_at=None) | Q(closed_at__lt=end))
        return rows

    def days(self) -> QuerySet[ProfitDay]:
        rows = ProfitDay.objects.filter(self._of)
        if self.first is not None:
            rows = rows.filter(day__gte=self.first)
        return rows if self.last is None else rows.filter(day__lte=self.last)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What days brought in one currency; `net` is after fees."""

    realized: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        return self.realized - self.fees


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """What counts in no sum: of a contract's `currency` there was no rate, or of its points (`is_worth` False) no value.

    `realized` is None where some of it is not known.
    """

    currency: str
    home: str
    realized: Decimal | None
    fees: Decimal
    fills: int


@dataclass(slots=True, kw_only=True)
class Unrealized:
    """What open trades would make at the present prices; `unpriced` of them have none, or no rate. `as_of`: of the oldest."""

    profit: Decimal = ZERO
    count: int = 0
    unpriced: int = 0
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything about one currency of accounts. `exposure`: the share of the time in which something was held."""

    currency: str
    sum: Brought
    totals: Totals
    points: list[Point]
    drawdown: Decimal
    unrealized: Unrealized
    slippage: Decimal | None
    exposure: Decimal | None

    @property
    def newest(self) -> list[Point]:
        """Its days, the last one first."""
        return self.points[::-1]

    @property
    def win_percent(self) -> Decimal | None:
        return None if self.totals.win_rate is None else self.totals.win_rate * 100

    @property
    def exposure_percent(self) -> Decimal | None:
        return None if self.exposure is None else self.exposure * 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One account, strategy, subscription, ticker or owner, in one currency."""

    key: Any
    name: str
    currency: str
    sum: Brought
    totals: Totals


@dataclass(slots=True, kw_only=True)
class Answer:
    """Reports by currency, those with the most trades first, and what stands apart."""

    reports: list[Report] = field(default_factory=list)
    apart: list[Apart] = field(default_factory=list)
    unseen: int = 0


def answer(scope: Scope, now: datetime) -> Answer:
    """Everything about a scope, with a handful of queries however many trades it has."""
    by_day = _by_day(scope)
    counted = {currency: total for (currency,), total in _totals(scope.trades(), ()).items()}
    slipped = _slippage(scope)
    open_ = unrealized(scope.trades().filter(status=Trade.Status.OPEN), now)
    exposed = _exposures(scope, now)
    reports = []
    for currency in {*by_day, *counted, *open_}:
        days = by_day.get(currency, {})
        points = curve((day, each.net) for day, each in sorted(days.items()))
        reports.append(
            Report(
                currency=currency,
                sum=_added(days.values()),
                totals=counted.get(currency, Totals()),
                points=points,
                drawdown=largest_drawdown(points),
                unrealized=open_.get(currency, Unrealized()),
                slippage=slipped.get(currency),
                exposure=exposed.get(currency),
            )
        )
    reports.sort(key=lambda each: (-each.totals.count, each.currency))
    unseen = scope.days().aggregate(sum=Sum("unseen"))["sum"] or 0
    return Answer(reports=reports, apart=_apart(scope), unseen=unseen)


def groups(scope: Scope, by: str) -> list[Group]:
    """What each account, strategy, subscription, ticker or owner (a name of GROUPS) brought, by currency, the most first."""
    column = GROUPS[by]
    rows = _in_home(scope.days()).values_list("home_currency", column)
    sums = {
        (currency, key): Brought(realized=realized, fees=fees)
        for currency, key, realized, fees in rows.annotate(in_all=Sum("realized_home"), cost=Sum("fees_home")).order_by(
            (F("in_all") - F("cost")).desc()
        )[:MOST_GROUPS]
    }
    counted = _totals(scope.trades(), (column,))
    names = _names(by, {key for _, key in sums})
    found = [
        Group(
            key=names.get(key, (key, ""))[0],
            name=names.get(key, (None, str(key)))[1] if key is not None else "No strategy",
            currency=currency,
            sum=each,
            totals=counted.get((currency, key), Totals()),
        )
        for (currency, key), each in sums.items()
    ]
    return sorted(found, key=lambda each: (each.currency, -each.sum.net, each.name))


def _names(by: str, keys: Collection[Any]) -> dict[Any, tuple[Any, str]]:
    """The public code and the name of each key that is one of a row."""
    wanted = [key for key in keys if key is not None]
    if by == "account":
        rows = BrokerageAccount.objects.filter(pk__in=wanted).values_list("pk", "code", "account_id")
        return {pk: (code, name) for pk, code, name in rows}
    if by == "strategy":
        return {
            pk: (code, name)
            for pk, code, name in Strategy.objects.filter(pk__in=wanted).values_list("pk", "code", "name")
        }
    if by == "subscription":
        found = Subscription.objects.filter(pk__in=wanted).select_related("strategy", "account", "group")
        return {each.pk: (each.code, f"{each.strategy.name} in {each.trades_for}") for each in found}
    return {key: (key, Owner(key).label if by == "owner" else key) for key in wanted}


def _in_home(days: QuerySet[ProfitDay]) -> QuerySet[ProfitDay]:
    return days.filter(realized_home__isnull=False, fees_home__isnull=False)


def _by_day(scope: Scope) -> dict[str, dict[date, Brought]]:
    rows = _in_home(scope.days()).values_list("home_currency", "day")
    found: dict[str, dict[date, Brought]] = defaultdict(dict)
    for currency, day, realized, fees in rows.annotate(in_all=Sum("realized_home"), cost=Sum("fees_home")).order_by():
        found[currency][day] = Brought(realized=realized, fees=fees)
    return found


def _added(days: Iterable[Brought]) -> Brought:
    known = list(days)
    return Brought(realized=sum((each.realized for each in known), ZERO), fees=sum((each.fees for each in known), ZERO))


def _totals(trades: QuerySet[Trade], columns: tuple[str, ...]) -> dict[tuple[Any, ...], Totals]:
    """Totals of trades that are over, by the account's currency and these columns."""
    over = trades.filter(status=Trade.Status.CLOSED, profit_home__isnull=False)
    won, lost = Q(profit_home__gt=0), Q(profit_home__lt=0)
    rows = over.values_list("home_currency", *columns).annotate(
        wins=Count("pk", filter=won),
        losses=Count("pk", filter=lost),
        count=Count("pk"),
        won=Sum("profit_home", filter=won, default=ZERO),
        lost=Sum("profit_home", filter=lost, default=ZERO),
        held=Sum(_HELD),
    )
    found = {}
    for *key, wins, losses, count, gained, gone, held in rows.order_by():
        found[tuple(key)] = Totals(
            wins=wins, losses=losses, even=count - wins - losses, won=gained, lost=gone, held=held or timedelta(0)
        )
    return found


def _slippage(scope: Scope) -> dict[str, Decimal]:
    """Money lost against the signals' prices, of contracts in the account's own currency."""
    rows = scope.trades().filter(slippage__isnull=False, currency=F("home_currency"))
    return dict(rows.values_list("home_currency").annotate(sum=Sum("slippage")).order_by())


def _apart(scope: Scope) -> list[Apart]:
    rows = scope.days().filter(Q(realized_home=None) | Q(fees_home=None)).values_list("currency", "home_currency")
    found = rows.annotate(
        in_all=Sum("realized"), cost=Sum("fees"), dealt=Sum("fills"), unknown=Count("pk", filter=Q(realized=None))
    )
    return [
        Apart(currency=currency, home=home, realized=None if unknown else realized, fees=fees, fills=fills)
        for currency, home, realized, fees, fills, unknown in found.order_by("currency", "home_currency")
    ]


# What overlaps is one stretch.
_EXPOSED = """
SELECT home_currency, sum(extract(epoch FROM upper(stretch) - lower(stretch)))::numeric
  FROM (SELECT home_currency, unnest(range_agg(tstzrange(opened_at, greatest(coalesce(closed_at, %s), opened_at), '[]'))) AS stretch
          FROM ({trades}) AS chosen GROUP BY home_currency) AS stretches
 GROUP BY home_currency
"""


def _exposures(scope: Scope, now: datetime) -> dict[str, Decimal]:
    """The share of the time since the first of its trades in which something was held, by currency."""
    chosen = scope.trades().order_by()
    spans = {
        currency: (first, now if is_open else last)
        for currency, first, last, is_open in chosen.values_list("home_currency").annotate(
            first=Min("opened_at"), last=Max("closed_at"), open=Count("pk", filter=Q(closed_at=None))
        )
    }
    if not spans:
        return {}
    query, values = chosen.values("home_currency", "opened_at", "closed_at").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_EXPOSED.format(trades=query), [now, *values])
        held = dict(cursor.fetchall())
    return {
        currency: min(held[currency] / Decimal(str((last - first).total_seconds())), Decimal(1))
        for currency, (first, last) in spans.items()
        if currency in held and last is not None and last > first
    }


def unrealized(trades: QuerySet[Trade], now: datetime) -> dict[str, Unrealized]:
    """What open trades would make at the last prices of what is held, by the account's currency."""
    found: dict[str, Unrealized] = defaultdict(Unrealized)
    for trade, profit, as_of in valued(list(trades.select_related("account")[:MOST_OPEN]), now):
        each = found[trade.home_currency]
        each.count += 1
        if profit is None or as_of is None:
            each.unpriced += 1
            continue
        each.profit += profit
        each.as_of = as_of if each.as_of is None else min(each.as_of, as_of)
    return found


def valued(trades: Collection[Trade], now: datetime) -> list[tuple[Trade, Decimal | None, datetime | None]]:
    """Each open trade with what it would make in its account's currency, and of when the price is; None where it has none."""
    held = {
        (row.account_id, row.conid): row
        for row in Position.objects.filter(
            account__in={trade.account_id for trade in trades}, conid__in={trade.conid for trade in trades}
        )
    }
    keys = {
        (trade.account.connection_id, trade.currency, trade.home_currency)
        for trade in trades
        if trade.currency != trade.home_currency
    }
    known = rates.load(keys, now, ask=False).known
    found: list[tuple[Trade, Decimal | None, datetime | None]] = []
    for trade in trades:
        position = held.get((trade.account_id, trade.conid))
        mark = None if position is None else position.market_price
        key = (trade.account.connection_id, trade.currency, trade.home_currency)
        rate = Decimal(1) if trade.currency == trade.home_currency else known.get(key)
        if mark is None or rate is None or trade.average is None or trade.multiplier is None or position is None:
            found.append((trade, None, None))
            continue
        points = (mark - trade.average) * trade.left * Side(trade.side).sign
        found.append((trade, points * trade.multiplier * rate, position.as_of))
    return found
