"""What waits of a team where it is more than a turn takes: the oldest, and whoever stands far behind and waits for none of them.

Signals of one place are decided in the order received: a ticker, or all options on a share, in accounts that are traded
together. Strategies with an account in common are traded together; the others have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet

from strategies.domain.message.freshness import closes_what_is_held, leaves_by_words
from strategies.domain.message.options import in_line_as
from strategies.models import Signal

# So many of a team's oldest signals are looked at, and of each place that is not among them the oldest of so many more.
LOOKED_AT, BEHIND = 2_000, 10_000
_READING = ("reading__sentiment", "reading__target_quantity")

Words = tuple[str, str | None, str | None]
Place = str


class Waiting(NamedTuple):
    """A signal that waits. `begun`: handed out in part; `words`: its action, and what it says of the position it wants."""

    key: int
    place: Place
    begun: bool
    words: Words
    strategy: int
    ticker: str


# What accounts hold by the contracts that their tickers were found to mean, long (true) or short, by who trades them.
_HELD = """
SELECT DISTINCT s.strategy_id, l.ticker, p.quantity > 0
  FROM strategies_subscription s
  JOIN brokers_brokerageaccount a ON a.id = s.account_id
  JOIN brokers_position p ON p.account_id = a.id AND p.quantity <> 0
  JOIN brokers_contractlookup l ON l.connection_id = a.connection_id AND l.conid = p.conid
 WHERE s.enabled AND s.strategy_id = ANY(%s) AND l.ticker = ANY(%s)
"""

# The accounts that strategies trade. One statement for any number of them: each turn of a backlog asks.
_TRADED = "SELECT account_id, strategy_id FROM strategies_subscription WHERE enabled AND strategy_id = ANY(%s)"


class Held:
    """What is held in the accounts that some strategies trade, for signals that nobody has looked at: one statement."""

    def __init__(self, signals: Collection[tuple[int, str]]) -> None:
        strategies, tickers = {strategy for strategy, _ in signals}, {ticker for _, ticker in signals}
        with connection.cursor() as cursor:
            cursor.execute(_HELD, [list(strategies), list(tickers)])
            self._sides: set[tuple[int, str, bool]] = set(cursor.fetchall())

    def is_way_out(self, strategy: int, ticker: str, words: Words) -> bool:
        """Whether a signal is to make a position smaller: by its words, or since an account that is traded holds one."""
        action, sentiment, target = words
        if leaves_by_words(action, sentiment, None if target is None else Decimal(target)):
            return True
        long, short = ((strategy, ticker, side) in self._sides for side in (True, False))
        return closes_what_is_held(action, has_target=target is not None, long=long, short=short)


def oldest(waiting: QuerySet[Signal]) -> list[Waiting]:
    """The oldest of what waits, in the order received, then one of each place that stands behind all of these.

    `waiting`: in the order received, and not locked, since few of them are taken.
    """
    columns = ("pk", "ticker", "strategy_id", "fanned_out_to", "action", *_READING)
    rows = list(waiting.values_list(*columns)[:LOOKED_AT])
    if len(rows) == LOOKED_AT:
        rows += sorted(_behind(waiting.filter(pk__gt=rows[-1][0])).values_list(*columns))
    groups = traded_together({strategy for _, _, strategy, *_ in rows})
    looked_at, known = list[Waiting](), set[Place]()
    for number, (key, ticker, strategy, fanned_out_to, *words) in enumerate(rows):
        place = f"{groups[strategy]} {in_line_as(ticker)}"
        # Of what stands behind, only the oldest of its place: others of it may be in between.
        if number < LOOKED_AT or place not in known:
            looked_at.append(
                Waiting(key, place, fanned_out_to is not None, (words[0], words[1], words[2]), strategy, ticker)
            )
        known.add(place)
    return looked_at


def _behind(others: QuerySet[Signal]) -> QuerySet[Signal]:
    """The oldest of each strategy and ticker among the first of these.

    Without a join: where Postgres takes the table for an empty one, as it does after a flood until it has looked, it may
    go through all of the inner rows for each of the outer ones, which takes hours.
    """
    end = others.values_list("pk", flat=True)[BEHIND : BEHIND + 1].first()
    first = others if end is None else others.filter(pk__lt=end)
    return first.order_by("strategy_id", "ticker", "pk").distinct("strategy_id", "ticker")


def traded_together(strategies: Collection[int]) -> dict[int, int]:
    """The group of each strategy: the least key of those that trade an account in common with it, or with another of them."""
    groups = {strategy: strategy for strategy in strategies}
    if len(groups) > 1:
        with connection.cursor() as cursor:
            cursor.execute(_TRADED, [list(groups)])
            _join(groups, cursor.fetchall())
    return {strategy: _root(groups, strategy) for strategy in groups}


def _join(groups: dict[int, int], pairs: Iterable[tuple[int, int]]) -> None:
    of_account: dict[int, int] = {}
    for account, strategy in pairs:
        mine, other = _root(groups, strategy), _root(groups, of_account.setdefault(account, strategy))
        groups[max(mine, other)] = min(mine, other)


def _root(groups: dict[int, int], strategy: int) -> int:
    while groups[strategy] != strategy:
        strategy = groups[strategy]
    return strategy
