"""Trades and days made anew of their facts, contract by contract, once fills have changed.

What is made anew begins with the last trading day before the change on which nothing was held: what is older has not changed.
Teams wait in turn, and a look ends after a few seconds; none of it is on the way of an order.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Min, Q

from brokers.book.day_ledger import day_start
from brokers.domain.profit.days import by_day, trading_day
from brokers.domain.profit.trades import Part, trades
from brokers.domain.profit.trades import Trade as Made
from brokers.models import BrokerageAccount, Execution, FillChange
from brokers.postgres.locks import Space, tried_until_commit
from strategies.models import Owner, ProfitDay, Subscription, Trade, TradePart
from strategies.profit import facts
from strategies.profit.facts import Facts, Row

log = logging.getLogger(__name__)

_MOST, _SECONDS = 500, 5.0
# A rate that is on its way is looked for again after this.
_RATE_COMES = timedelta(minutes=1)
_KEPT = Decimal("0.00000001")
# The contracts that wait, the first of each team, then the second of each.
_WAITING = """
SELECT account_id, conid FROM (
    SELECT w.account_id, w.conid, min(w.id) AS first,
           row_number() OVER (PARTITION BY a.team_id ORDER BY min(w.id)) AS turn
      FROM brokers_fillchange w JOIN brokers_brokerageaccount a ON a.id = w.account_id
     WHERE w.due_at IS NULL OR w.due_at <= %s
     GROUP BY a.team_id, w.account_id, w.conid
) waiting ORDER BY turn, first LIMIT %s
"""


def make_due(now: datetime, *, seconds: float = _SECONDS) -> int:
    """Make the trades of contracts whose fills have changed, teams in turn, for so long; returns of how many contracts.

    One that fails is logged, waits for a while, and keeps no other from its turn.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [now, _MOST])
        waiting = cursor.fetchall()
    made, end = 0, time.monotonic() + seconds
    for account_pk, conid in waiting:
        try:
            made += make(account_pk, conid, now)
        except Exception:
            log.exception("Trades of contract %s in account %s could not be made", conid, account_pk)
            FillChange.objects.filter(account=account_pk, conid=conid).update(due_at=now + _RATE_COMES)
        if time.monotonic() >= end:
            break
    return made


def make_all(team_pk: int | None, now: datetime) -> int:
    """Make all trades anew from the first fill on, of a team or of everybody; returns of how many contracts."""
    made = 0
    places = Execution.objects.order_by("account_id", "conid")
    if team_pk is not None:
        places = places.filter(team=team_pk)
    for account_pk, conid, first in list(places.values_list("account_id", "conid").annotate(first=Min("executed_at"))):
        FillChange.objects.create(account_id=account_pk, conid=conid, since=first)
        made += make(account_pk, conid, now)
    return made


def note(account_pk: int, conid: int, since: datetime) -> None:
    """Let a contract's trades be made anew from a moment on, for another reason than a change of its fills."""
    FillChange.objects.create(account_id=account_pk, conid=conid, since=since)


@transaction.atomic
def make(account_pk: int, conid: int, now: datetime) -> bool:
    """Make what has changed of a contract's trades anew; False where somebody is at it, or nothing waits."""
    # One at a time in an account: who read earlier facts must not write after who read later ones.
    if not tried_until_commit(Space.TRADES, account_pk):
        return False
    conids, _ = facts.line_of(account_pk, conid)
    due = FillChange.objects.filter(Q(due_at=None) | Q(due_at__lte=now), account=account_pk, conid__in=conids)
    waiting = dict(due.values_list("pk", "since"))
    if not waiting:
        return False
    account = BrokerageAccount.objects.get(pk=account_pk)
    since = _beginning(account_pk, conids, min(waiting.values()))
    known = facts.load(account, conid, since, now)
    _save(known, since)
    FillChange.objects.filter(pk__in=waiting).delete()
    if known.unrated_since is not None:
        FillChange.objects.create(account=account, conid=conid, since=known.unrated_since, due_at=now + _RATE_COMES)
    return True


def _beginning(account_pk: int, conids: Collection[int], since: datetime) -> datetime:
    """The beginning of the last trading day up to `since` that began with nothing held.

    Of what was held before any fill was seen, each fill may have closed a part: then it is that of the first fill.
    """
    if facts.first_held(account_pk, conids) is not None:
        dealt = Execution.objects.filter(account=account_pk, conid__in=conids)
        first_fill: datetime | None = dealt.aggregate(first=Min("executed_at"))["first"]
        return day_start(since if first_fill is None else min(since, first_fill))
    mine = Trade.objects.filter(account=account_pk, conid__in=conids)
    start = day_start(since)
    while True:
        spanning = mine.filter(Q(closed_at=None) | Q(closed_at__gte=start), opened_at__lt=start)
        first: datetime | None = spanning.aggregate(first=Min("opened_at"))["first"]
        if first is None:
            return start
        start = day_start(first)


def _save(known: Facts, since: datetime) -> None:
    made = trades(known.fills, known.splits, multiplier=known.multiplier or Decimal(1), before=known.before)
    rows = {row.broker_execution_id: row for row in known.rows}
    followed = {row.subscription for row in known.rows if row.subscription is not None}
    strategies = dict(Subscription.objects.filter(pk__in=followed).values_list("pk", "strategy_id"))
    here: dict[str, Any] = {"account": known.account.pk, "conid__in": known.conids}
    before = {(row.begun_by, row.number): row for row in Trade.objects.filter(**here, opened_at__gte=since)}
    fresh = [(_trade(each, known, rows, strategies), each) for each in made]
    changed = []
    for row, each in fresh:
        old = before.pop((row.begun_by, row.number), None)
        if old is not None and old.fingerprint == row.fingerprint:
            continue
        if old is not None:
            # It keeps its address.
            row.pk, row.code = old.pk, old.code
        changed.append((row, each))
    _write(changed, gone=[row.pk for row in before.values()], rows=rows)
    ProfitDay.objects.filter(**here, day__gte=trading_day(since)).delete()
    ProfitDay.objects.bulk_create(_days(made, known, strategies))


def _write(changed: Sequence[tuple[Trade, Made]], *, gone: list[int], rows: Mapping[str, Row]) -> None:
    """Replace trades that have changed, with their parts, and remove those that are none any more."""
    replaced = [*gone, *(row.pk for row, _ in changed if row.pk is not None)]
    if replaced:
        TradePart.objects.filter(trade__in=replaced).delete()
        old = Trade.objects.filter(pk__in=replaced)
        old._raw_delete(old.db)
    Trade.objects.bulk_create(row for row, _ in changed)
    TradePart.objects.bulk_create(
        TradePart(
            trade=row,
            execution_id=rows[part.execution_id].pk,
            is_entry=is_entry,
            units=part.units,
            fee=part.fee,
            realized=None if is_entry or row.realized is None else part.realized,
        )
        for row, each in changed
        for is_entry, parts in ((True, each.entries), (False, each.exits))
        for part in parts
    )


def _trade(made: Made, known: Facts, rows: Mapping[str, Row], strategies: Mapping[int, int]) -> Trade:
    """The row of a trade; without the value of a point, units and prices are all that is known of it."""
    owner, subscription = _owner(made.owner)
    first, last = rows[made.parts[0].execution_id], rows[made.parts[-1].execution_id]
    is_worth = known.multiplier is not None
    realized_home = made.realized_at_home if is_worth else None
    fees_home, rate = made.fees_at_home, made.rate if last.currency != known.account.currency else None
    status = Trade.Status.UNSEEN if not made.is_known else Trade.Status.OPEN if made.left else Trade.Status.CLOSED
    row = Trade(
        team_id=known.account.team_id,
        account=known.account,
        owner=owner,
        subscription_id=subscription,
        strategy_id=None if subscription is None else strategies[subscription],
        signal_id=first.order__ticket__decision__signal if made.is_known else None,
        begun_by=made.begun_by,
        number=made.number,
        conid=made.conid,
        ticker=last.ticker,
        asset_class=first.order__asset_class or "",
        currency=last.currency,
        home_currency=known.account.currency,
        multiplier=known.multiplier,
        side=str(made.side),
        status=status,
        opened_at=made.opened_at,
        closed_at=made.closed_at,
        entered=_kept(made.entered),
        exited=_kept(made.exited),
        left=_kept(made.left),
        average=_kept(made.average),
        entry_price=_kept(made.entry_price),
        exit_price=_kept(made.exit_price),
        most=_kept(made.most) if is_worth and made.is_known else None,
        realized=_kept(made.realized) if is_worth else None,
        fees=_kept(made.fees),
        fees_missing=sum(not part.fee_known for part in made.parts),
        realized_home=_kept(realized_home),
        fees_home=_kept(fees_home),
        profit_home=None if realized_home is None or fees_home is None else _kept(realized_home) - _kept(fees_home),
        rate=None if rate is None else rate.value,
        rate_as_of=None if rate is None else rate.at,
        signal_price=first.signal_price if made.is_known else None,
        slippage=_kept(made.slippage) if is_worth else None,
        slippage_points=_kept(made.slippage_points),
        latency_ms=_latency(first) if made.is_known else None,
        fills=len(made.parts),
    )
    row.fingerprint = _fingerprint(row, made.parts)
    return row


def _owner(owner: Any) -> tuple[Owner, int | None]:
    kind, subscription = owner
    return kind, subscription


def _latency(first: Row) -> int | None:
    """Milliseconds from the signal until the first fill was known; a clock that runs behind gives none below zero."""
    return None if first.due_at is None else max(int((first.seen_at - first.due_at) / timedelta(milliseconds=1)), 0)


_T = TypeVar("_T", Decimal, Decimal | None)


def _kept(value: _T) -> _T:
    """As its column keeps it."""
    return value if value is None else value.quantize(_KEPT)


def _fingerprint(row: Trade, parts: Sequence[Part]) -> str:
    """Of everything that a trade's row and its parts say, but for their keys."""
    names = [field.attname for field in Trade._meta.concrete_fields if field.name not in {"id", "code", "fingerprint"}]
    said = [str(getattr(row, name)) for name in names]
    said += [f"{part.execution_id} {part.units} {part.fee} {part.realized}" for part in parts]
    return hashlib.blake2b("\n".join(said).encode(), digest_size=16).hexdigest()


def _days(made: Iterable[Made], known: Facts, strategies: Mapping[int, int]) -> Iterable[ProfitDay]:
    last = known.rows[-1] if known.rows else None
    is_worth = known.multiplier is not None
    for day in by_day(made):
        assert last is not None, "a day is made of fills"
        owner, subscription = _owner(day.owner)
        yield ProfitDay(
            team_id=known.account.team_id,
            account=known.account,
            owner=owner,
            subscription_id=subscription,
            strategy_id=None if subscription is None else strategies[subscription],
            day=day.day,
            conid=last.conid,
            ticker=last.ticker,
            currency=last.currency,
            home_currency=known.account.currency,
            realized=_kept(day.realized) if is_worth else None,
            fees=_kept(day.fees),
            realized_home=_kept(day.realized_at_home) if is_worth else None,
            fees_home=_kept(day.fees_at_home),
            fills=day.fills,
            unseen=day.unseen,
        )
