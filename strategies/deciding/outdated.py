"""What has waited longer than any of its subscriptions allows is set aside in bulk, not decided one by one."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.db import connection, transaction

from brokers.connections import nights
from brokers.domain.sessions import Environment, Region
from brokers.postgres.notices import DECIDED_CHANNEL, notify
from strategies import live
from strategies.models import Signal, Subscription

# How many of a team's oldest signals one statement looks at.
AT_ONCE = 2_000
# A backlog whose oldest signal is younger is not looked through.
YOUNGEST = timedelta(seconds=30)
# Signals older than that may have come into a night that is not looked up any more: they are decided one by one.
LOOKED_BACK = timedelta(hours=36)

# Its words are those of the rule that refuses such a signal for one account (T01). A signal that was handed out in part goes
# on as it began, and one whose life a restart of IBKR may have prolonged is decided for each account.
SET_ASIDE = """
WITH life AS (
  SELECT * FROM unnest(%(strategies)s::bigint[], %(lives)s::int[]) AS l (strategy_id, seconds)
), night AS (
  SELECT * FROM unnest(%(nightly)s::bigint[], %(begin)s::timestamptz[], %(end)s::timestamptz[]) AS n (strategy_id, begins, ends)
), waiting AS MATERIALIZED (
  SELECT id, strategy_id, coalesce(not_before, received_at) AS due FROM strategies_signal
  WHERE team_id = %(team)s AND dispatched_at IS NULL AND NOT is_test AND fanned_out_to IS NULL
  ORDER BY id LIMIT %(most)s
), old AS (
  SELECT s.id, l.seconds AS life, extract(epoch FROM %(now)s - w.due)::bigint AS age
  FROM waiting w JOIN life l ON l.strategy_id = w.strategy_id JOIN strategies_signal s ON s.id = w.id
  WHERE w.due + l.seconds * interval '1 second' <= %(now)s
    AND NOT EXISTS (SELECT FROM night n WHERE n.strategy_id = w.strategy_id AND n.begins <= w.due AND w.due < n.ends)
  FOR UPDATE OF s SKIP LOCKED
)
UPDATE strategies_signal s SET dispatched_at = %(now)s, set_aside = 'stale-signal', note = format(
  'It waited here for %%s, and no subscription of its strategy gives an order more than %%s seconds to leave, so it was '
  'not traded late. Send it again if it is still wanted.',
  CASE WHEN age < 120 THEN age || ' seconds' WHEN age < 7200 THEN age / 60 || ' minutes'
       WHEN age < 172800 THEN age / 3600 || ' hours' ELSE age / 86400 || ' days' END, life)
FROM old WHERE s.id = old.id AND s.dispatched_at IS NULL
RETURNING s.id
"""


@transaction.atomic
def set_aside(team: int, now: datetime) -> int:
    """Set aside those of a team's oldest waiting signals that came too late for all accounts; returns how many."""
    lives, shut = _lives(team, now)
    if not lives:
        return 0
    intervals = [(strategy, begins, ends) for strategy, spans in shut.items() for begins, ends in spans]
    values: dict[str, int | datetime | list[int] | list[datetime]] = {
        "team": team,
        "now": now,
        "most": AT_ONCE,
        "strategies": list(lives),
        "lives": list(lives.values()),
        "nightly": [strategy for strategy, _, _ in intervals],
        "begin": [begins for _, begins, _ in intervals],
        "end": [ends for _, _, ends in intervals],
    }
    with connection.cursor() as cursor:
        cursor.execute(SET_ASIDE, values)
        keys = [key for (key,) in cursor.fetchall()]
    for key in keys:
        live.signal_changed(key, team)
    if keys:
        notify(DECIDED_CHANNEL)
    return len(keys)


def is_old(signal: Signal, now: datetime) -> bool:
    """Whether it is worth looking what of a backlog is too old, where this is its oldest signal."""
    return signal.due_at <= now - YOUNGEST


def _lives(team: int, now: datetime) -> tuple[dict[int, int], dict[int, set[tuple[datetime, datetime]]]]:
    """The longest life of a signal in seconds, by strategy, and the spans in which a signal of it may have a longer one.

    A strategy that nobody follows has none: its signals cost no decision.
    """
    rows = Subscription.objects.filter(team=team, enabled=True, strategy__enabled=True)
    lives: dict[int, int] = {}
    regions: dict[int, set[Region]] = defaultdict(set)
    for row in rows.select_related("terms", "account__connection"):
        assert row.terms is not None, "an enabled subscription has terms"
        terms = row.terms.value()
        life = max(terms.entry_time_to_live_seconds, terms.exit_time_to_live_seconds, 1)
        lives[row.strategy_id] = max(lives.get(row.strategy_id, 0), life)
        if row.account.connection.environment != Environment.SIMULATED:
            regions[row.strategy_id].add(nights.region_of(row.account.connection))
    shut: dict[int, set[tuple[datetime, datetime]]] = {}
    for strategy, places in regions.items():
        patience = timedelta(seconds=lives[strategy])
        shut[strategy] = {(datetime.min.replace(tzinfo=now.tzinfo), now - LOOKED_BACK)}
        for region in places:
            around = {*nights.resets().nights(region, now), *nights.resets().nights(region, now - LOOKED_BACK)}
            shut[strategy] |= {(night.closes - patience, night.ends) for night in around}
    return lives, shut
