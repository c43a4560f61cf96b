"""The day ledger: what an account held when the trading day began, and what the day has brought since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Q

from brokers.book import day_rows, rates
from brokers.domain.dayresult import NOTHING, Day, DayResult, Fill, Held, added, result
from brokers.domain.orders import OF_FUTURES, OPTIONS, Side
from brokers.models import BrokerageAccount, OpeningPosition, Position

# A trading day begins at midnight where most of it happens.
ZONE = ZoneInfo("America/New_York")
# While fills come in, a position read from the broker may or may not contain them: a day is opened in a quiet moment.
QUIET = timedelta(seconds=20)
# Prices that are older than this say nothing about now.
LONGEST_AWAY = timedelta(minutes=15)
# How long after a fill the broker may still show the position from before it.
LAG = timedelta(seconds=60)
DAYS_KEPT = 7


def day_start(now: datetime) -> datetime:
    """When the trading day of this moment began."""
    return now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)


def day_end(now: datetime) -> datetime:
    """When the next trading day begins."""
    start = day_start(now)
    return (start + timedelta(hours=26)).replace(hour=0)


def open_day(account: BrokerageAccount, as_of: datetime) -> bool:
    """At the first look of a day, write down what is held and at what price; True when this look was it.

    Called in the transaction that replaced the positions, whose row of the account is locked.
    """
    start = day_start(as_of)
    if account.opened_at is not None and account.opened_at >= start:
        return False
    if day_rows.filled_since(account.pk, as_of - QUIET):
        return False
    unopened = BrokerageAccount.objects.filter(pk=account.pk).filter(Q(opened_at=None) | Q(opened_at__lt=start))
    if not unopened.update(opened_at=as_of):
        return False
    account.opened_at = as_of
    held = list(Position.objects.filter(account=account))
    known = _multipliers([account], {position.conid for position in held})
    OpeningPosition.objects.bulk_create(
        OpeningPosition(
            account=account,
            day=start.date(),
            conid=position.conid,
            ticker=position.ticker,
            quantity=position.quantity,
            price=position.market_price,
            multiplier=_multiplier(position, known),
            currency=position.currency,
        )
        for position in held
    )
    OpeningPosition.objects.filter(account=account, day__lt=start.date() - timedelta(days=DAYS_KEPT)).delete()
    return True


def results(
    accounts: Collection[BrokerageAccount],
    now: datetime,
    *,
    ask: bool = True,
    held: Collection[Position] | None = None,
) -> dict[int, DayResult]:
    """Results of today by the accounts' keys, with a handful of queries for all; `ask` for rates that are missing.

    `held`: all their positions, where they are read already.
    """
    start = day_start(now)
    books = _books(accounts, start.date(), start, held)
    needed = {
        (account.connection_id, currency, account.currency)
        for account in accounts
        for currency in books[account.pk].currencies
        if currency != account.currency
    }
    exchange = rates.load(needed, now, ask=ask)
    by_account = {}
    for account in accounts:
        book = books[account.pk]
        if (missing := _unknown(account, book, start, now)) is not None:
            by_account[account.pk] = missing
            continue
        known = {
            currency: rate
            for currency in book.currencies
            if (rate := exchange.known.get((account.connection_id, currency, account.currency))) is not None
        }
        by_account[account.pk] = result(book.day(account, known))
    return by_account


def with_results(
    accounts: Collection[BrokerageAccount],
    now: datetime,
    *,
    ask: bool = True,
    held: Collection[Position] | None = None,
) -> None:
    """Set `day` of each account to its result of today, as every page and the API show it. `ask`, `held`: as in `results`."""
    by_account = results(accounts, now, ask=ask, held=held) if accounts else {}
    for account in accounts:
        account.day = by_account[account.pk]


def sum_of(
    accounts: Collection[BrokerageAccount],
    by_account: Mapping[int, DayResult],
    currency: str,
    now: datetime,
    *,
    ask: bool = True,
) -> DayResult:
    """The results of these accounts, by their keys, added up in one currency."""
    needed = {
        (account.connection_id, account.currency, currency) for account in accounts if account.currency != currency
    }
    exchange = {source: rate for (_, source, _), rate in rates.load(needed, now, ask=ask).known.items()}
    results = [(account.account_id, account.currency, by_account[account.pk]) for account in accounts]
    return added(results, currency, exchange)


def worths(positions: Collection[Position]) -> dict[int, Decimal]:
    """What positions are worth at their last price, in their own currencies; those of unknown worth are left out."""
    accounts, conids = [position.account for position in positions], {position.conid for position in positions}
    known = _multipliers(accounts, conids)
    return {
        position.pk: abs(position.quantity) * position.market_price * multiplier
        for position in positions
        if position.market_price is not None and (multiplier := _multiplier(position, known)) is not None
    }


def worth_of_a_point(account: BrokerageAccount, conids: Collection[int]) -> Decimal | None:
    """What one point of a contract, under any of its numbers, is worth: as looked up, ordered or held; None: nobody knows."""
    known = _multipliers([account], set(conids))
    if known:
        return next(iter(known.values()))
    held = Position.objects.filter(account=account, conid__in=conids).first()
    return None if held is None else _multiplier(held, known)


@dataclass(slots=True)
class _Book:
    """What is on record of one account's day."""

    opening: list[OpeningPosition] = field(default_factory=list)
    executions: list[day_rows.Dealt] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    multipliers: dict[int, Decimal] = field(default_factory=dict)

    @property
    def currencies(self) -> set[str]:
        return {row.currency for row in self.rows}

    @property
    def rows(self) -> Iterator[OpeningPosition | day_rows.Dealt | Position]:
        yield from self.opening
        yield from self.executions
        yield from self.positions

    def day(self, account: BrokerageAccount, known: dict[str, Decimal]) -> Day:
        read_at = account.book_as_of
        return Day(
            currency=account.currency,
            opening=tuple(_held(row, row.price) for row in self.opening),
            fills=tuple(
                Fill(
                    conid=execution.conid,
                    ticker=execution.ticker,
                    quantity=Side(execution.side).sign * execution.quantity,
                    price=execution.price,
                    currency=execution.currency,
                    fee=execution.fee or Decimal(0),
                    settled=read_at is not None and execution.seen_at <= read_at - LAG,
                )
                for execution in self.executions
                if account.opened_at is not None and execution.executed_at > account.opened_at
            ),
            now=tuple(_held(row, row.market_price) for row in self.positions),
            multipliers=self.multipliers,
            rates=known,
        )


def _held(row: OpeningPosition | Position, price: Decimal | None) -> Held:
    return Held(conid=row.conid, ticker=row.ticker, quantity=row.quantity, price=price, currency=row.currency)


def _unknown(account: BrokerageAccount, book: _Book, start: datetime, now: datetime) -> DayResult | None:
    """Why the account has no result yet, None where it has one; an account switched off has neither won nor lost by us."""
    if account.opened_at is None or account.opened_at < start:
        if not account.connection.enabled:
            return NOTHING
        return DayResult(None, "its positions of this morning have not been read yet. Check the connection's session.")
    assert account.book_as_of is not None, "a day is opened by a look at the book"
    moves = book.opening or book.executions or book.positions
    if moves and account.connection.enabled and now - account.book_as_of > LONGEST_AWAY:
        at = f"{account.book_as_of:%H:%M} UTC"
        return DayResult(None, f"its prices were last seen at {at}. Check the connection's session.")
    return None


def _books(
    accounts: Collection[BrokerageAccount], day: date, start: datetime, held: Collection[Position] | None
) -> dict[int, _Book]:
    pks = [account.pk for account in accounts]
    books: dict[int, _Book] = defaultdict(_Book)
    for opening in day_rows.openings(pks, day):
        books[opening.account_id].opening.append(opening)
    for fill in map(day_rows.Dealt._make, day_rows.fills(pks, start)):
        books[fill.account_id].executions.append(fill)
    for position in day_rows.positions_now(pks) if held is None else held:
        books[position.account_id].positions.append(position)
    conids = {row.conid for book in books.values() for row in book.rows}
    known = _multipliers(accounts, conids)
    units = day_rows.units_of(list(accounts), known)
    for book in books.values():
        opened = {row.conid: row.multiplier for row in book.opening if row.multiplier is not None}
        book.multipliers = opened | known
        for position in book.positions:
            if (multiplier := _multiplier(position, known)) is not None:
                book.multipliers[position.conid] = multiplier
        if units:
            day_rows.bring_to_units(book.opening, book.executions, book.positions, book.multipliers, units)
    return books


def _multiplier(position: Position, known: dict[int, Decimal]) -> Decimal | None:
    """What one point of a holding is worth: as on record, or one where the broker's own figures say so."""
    if position.conid in known:
        return known[position.conid]
    if position.asset_class in OPTIONS | OF_FUTURES:
        return None
    if position.market_price is None or position.unrealized_pnl is None:
        return Decimal(1)
    if position.average_cost is None:
        return None
    # A class that we do not trade may be worth a hundred a point.
    by_ones = position.quantity * (position.market_price - position.average_cost)
    return Decimal(1) if abs(position.unrealized_pnl - by_ones) <= max(abs(by_ones) / 2, Decimal(1)) else None


# The last order of each account in each contract, not all there ever were: bounds and order leave only their index (see
# `accounts.newest`). An order that only closes a future or an option opened elsewhere has the default, not the contract's own.
_ORDERED = """
SELECT wanted.conid, o.multiplier
  FROM unnest(%s::bigint[]) AS a (id) CROSS JOIN unnest(%s::bigint[]) AS wanted (conid) CROSS JOIN LATERAL (
    SELECT multiplier FROM brokers_order
     WHERE account_id >= a.id AND account_id <= a.id AND conid = wanted.conid
       AND NOT (asset_class IN ('future', 'option', 'future_option') AND multiplier = 1)
     ORDER BY account_id DESC, conid DESC, id DESC LIMIT 1
  ) o
"""


def _multipliers(accounts: Collection[BrokerageAccount], conids: set[int]) -> dict[int, Decimal]:
    """What one point is worth, by contracts that were looked up and by our own orders."""
    if not conids:
        return {}
    lookups = day_rows.lookups(sorted({account.connection_id for account in accounts}), sorted(conids))
    known = {conid: multiplier for conid, multiplier in lookups if conid}
    # Seldom any: what is traded was looked up.
    if unknown := sorted(conids - known.keys()):
        with connection.cursor() as cursor:
            cursor.execute(_ORDERED, [[account.pk for account in accounts], unknown])
            known |= dict(cursor.fetchall())
    return known
