"""Waiting signals and pending decisions are settled: team by team in turn, a share of each in a transaction."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from brokers.models import Ticket
from brokers.postgres.notices import DECIDED_CHANNEL, notify
from strategies import live
from strategies.deciding import record
from strategies.deciding.batch import decide_all
from strategies.deciding.record import save
from strategies.deciding.superseded import without_superseded
from strategies.domain.rota import Rota, by_ticker
from strategies.models import Decision, Signal, Subscription

log = logging.getLogger(__name__)

BATCH = 100
# Among so many of a team's oldest signals the tickers are looked for that take turns.
LOOKED_AT = 2_000
# How often a plan is made for one signal and subscription: each time something filled that was to be canceled.
MOST_ATTEMPTS = 3
PENDING = Decision.Status.PENDING

Clock = Callable[[], datetime]


def settle_waiting(now: datetime, *, batch: int = BATCH, clock: Clock | None = None, rota: Rota | None = None) -> int:
    """Take waiting signals and pending decisions one step further; returns how many were settled.

    Each team with work has a turn, in the order of the `rota`; who comes meanwhile is seen after every turn. A turn that
    fails is settled one by one, so that a poisonous signal stops nobody but itself. With a `clock`, each turn is decided
    at the moment it begins: what came while the turn before it was settled was not decided earlier.
    """
    moment = clock or (lambda: now)
    rota = rota or Rota(most=batch, bounded=False)
    served: set[int] = set()
    settled = 0
    while True:
        looked = _waiting(moment())
        rota.keep({work.team for work in looked if work.pending})
        waiting = {work.team: work for work in looked if work.team not in served}
        team = rota.next(waiting)
        if team is None:
            return settled
        settled += _take_turn(waiting[team], moment, rota)
        served.add(team)
        if len(waiting) == 1:
            return settled


class Work(NamedTuple):
    """What waits of a team: signals, decisions that could not be taken, and plans that no longer fit."""

    team: int
    signals: bool
    pending: bool
    unfit: bool


# Written as SQL, since every signal waits for it: one look at what is nearly always nothing but the signal itself. Each
# of the three walks its index from team to team, past all that waits behind a team's first row.
_TEAMS = """{name} (team_id) AS (
    (SELECT team_id FROM {rows} ORDER BY team_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.team_id FROM {rows} AND r.team_id > {name}.team_id ORDER BY r.team_id LIMIT 1)
      FROM {name} WHERE {name}.team_id IS NOT NULL
)"""
_SIGNALS = "strategies_signal r WHERE r.dispatched_at IS NULL AND (r.not_before IS NULL OR r.not_before <= %s)"
WAITING = f"""
WITH RECURSIVE
{_TEAMS.format(name="signals", rows=_SIGNALS)},
{_TEAMS.format(name="pending", rows="strategies_decision r WHERE r.status = 'pending'")},
{_TEAMS.format(name="unfit", rows="brokers_ticket r WHERE r.unfit_at IS NOT NULL")}
SELECT team_id, bool_or(kind = 1), bool_or(kind = 2), bool_or(kind = 3)
  FROM (SELECT team_id, 1 AS kind FROM signals UNION ALL SELECT team_id, 2 FROM pending
        UNION ALL SELECT team_id, 3 FROM unfit) work
 WHERE team_id IS NOT NULL
 GROUP BY team_id
"""  # noqa: S608  # all parts stand above


def _waiting(now: datetime) -> list[Work]:
    """The teams of which something waits."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [now, now])
        return [Work(*row) for row in cursor.fetchall()]


def _take_turn(work: Work, moment: Clock, rota: Rota) -> int:
    """A team's turn: its pending decisions as far as the time goes, then its next signals."""
    began = took_signals = time.monotonic()
    settled, full, after = 0, False, 0
    try:
        if work.unfit:
            _plan_again(work.team, moment())
        if work.pending or work.unfit:
            settled, after = _settle_every_pending(work.team, moment, rota, began)
        if work.signals:
            most, took_signals = rota.size(work.team), time.monotonic()
            done, decided = _settle_signals(work.team, moment, most, behind=work.pending or work.unfit)
            settled, full = settled + done, decided >= most
    except Exception:
        log.exception("A batch of signals could not be settled; settling them one by one")
        settled, after = _settle_singly(work.team, moment), 0
    ended = time.monotonic()
    rota.served(work.team, ended, seconds=ended - took_signals if work.signals else 0.0, full=full, after=after)
    return settled


def _settle_singly(team: int, moment: Clock) -> int:
    done = 0
    for signal_pk in list(_waiting_signals(team, moment()).values_list("pk", flat=True)[:BATCH]):
        try:
            done += _settle_signals(team, moment, BATCH, only=signal_pk)[0]
        except Exception:
            log.exception("Signal %s cannot be settled and is set aside", signal_pk)
            note = "Halyard could not read this signal back. It was not traded; its record is kept."
            Signal.objects.filter(pk=signal_pk).update(dispatched_at=moment(), note=note)
    for decision_pk in list(
        Decision.objects.filter(team=team, status=PENDING).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        try:
            done += _settle_pending(team, moment, 1, only=decision_pk)[0]
        except Exception:
            log.exception("Decision %s cannot be settled and is rejected", decision_pk)
            Decision.objects.filter(pk=decision_pk, status=PENDING).update(
                status=Decision.Status.REJECTED,
                rule="X01",
                reason_code="internal-error",
                decided_at=moment(),
                reason="A fault in Halyard kept this signal from being decided. It was not traded.",
            )
    return done


def _waiting_signals(team: int, now: datetime) -> QuerySet[Signal]:
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    return Signal.objects.filter(due, team=team, dispatched_at__isnull=True).order_by("pk")


@transaction.atomic
def _plan_again(team: int, now: datetime) -> None:
    """Another attempt for plans that no longer fit: what they were to cancel had filled, so nothing of them was sent."""
    unfit = Decision.objects.filter(team=team, ticket__unfit_at__isnull=False, attempt__lt=MOST_ATTEMPTS)
    decisions = list(unfit.select_related("ticket").select_for_update(of=("self", "ticket")).order_by("pk"))
    if not decisions:
        return
    Decision.objects.bulk_create(
        Decision(
            team_id=decision.team_id,
            signal_id=decision.signal_id,
            subscription_id=decision.subscription_id,
            terms_id=decision.terms_id,
            attempt=decision.attempt + 1,
            created_at=now,
            waiting_for="the position after what had filled",
        )
        for decision in decisions
    )
    Ticket.objects.filter(pk__in=[decision.ticket_id for decision in decisions]).update(unfit_at=None)


@transaction.atomic
def _settle_signals(
    team: int, moment: Clock, most: int, *, only: int | None = None, behind: bool = True
) -> tuple[int, int]:
    """Fan signals out: one decision per enabled subscription, decided at once where the book allows it.

    `most`: decisions of this transaction; a signal with more subscriptions than that goes on in the next one.
    `behind`: earlier decisions may wait, for the same account and instrument perhaps.

    How many signals were taken, and how many decisions.
    """
    waiting = _waiting_signals(team, moment()).select_for_update(of=("self",), skip_locked=True)
    waiting = waiting.select_related("strategy")
    taken = list(waiting.filter(pk=only) if only is not None else waiting[:most])
    if not taken:
        return 0, 0
    if only is None:
        taken = _in_turn(taken, waiting, most)
    now = moment()
    taken, followers, rest = _share(taken, most)
    signals = without_superseded(taken, now)
    decisions = [
        Decision(
            team_id=signal.team_id, signal=signal, subscription=subscription, terms=subscription.terms, created_at=now
        )
        for signal in signals
        for subscription in followers[signal.strategy_id]
    ]
    decide_all(decisions, now, behind=behind, clock=moment)
    Decision.objects.bulk_create(decisions)
    if rest and signals:
        Signal.objects.filter(pk=signals[0].pk).update(fanned_out_to=decisions[-1].subscription_id)
        notify(DECIDED_CHANNEL)
    else:
        _hand_out(signals, moment())
    for signal in taken:
        live.signal_changed(signal.pk, signal.team_id)
    record.tell_of_proposals(decisions)
    return len(taken), len(decisions)


def _in_turn(first: list[Signal], waiting: QuerySet[Signal], most: int) -> list[Signal]:
    """The signals of this turn, where `first` are the oldest that wait: one of each ticker in turn where there are more.

    One that was handed out in part goes on alone: it is decided once for each subscription.
    """
    if len(first) == most:
        looked_at = list(waiting.values_list("pk", "ticker", "fanned_out_to")[:LOOKED_AT])
        begun = [pk for pk, _, fanned_out_to in looked_at if fanned_out_to is not None]
        keys = begun[:1] or by_ticker([(pk, ticker) for pk, ticker, _ in looked_at], most)
        if set(keys) != {signal.pk for signal in first}:
            first = list(waiting.filter(pk__in=keys))
    begun_signals = [signal for signal in first if signal.fanned_out_to is not None]
    return begun_signals[:1] or first


# Two things to say, one statement: every signal waits for it.
_HAND_OUT = """
WITH handed_out AS (UPDATE strategies_signal SET dispatched_at = %s WHERE id = ANY(%s))
SELECT pg_notify(%s, '')
"""


def _hand_out(signals: Sequence[Signal], now: datetime) -> None:
    """Write down that these signals are decided, and tell who waits to hear of decisions."""
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OUT, [now, [signal.pk for signal in signals], DECIDED_CHANNEL])


def _share(signals: Sequence[Signal], most: int) -> tuple[list[Signal], dict[int, list[Subscription]], bool]:
    """The first signals that make no more than `most` decisions together, with the subscriptions of their strategies.

    True beside them: the one signal has further subscriptions, which come after these.
    """
    first = signals[0]
    if first.fanned_out_to is not None:
        signals = [first]
    strategies = {signal.strategy_id for signal in signals}
    enabled = Subscription.objects.filter(strategy__in=strategies, enabled=True, strategy__enabled=True)
    enabled = enabled.select_related("account__connection", "terms").order_by("pk")
    if len(strategies) == 1:
        enabled = enabled.filter(pk__gt=first.fanned_out_to or 0)[: most + 1]
    followers: dict[int, list[Subscription]] = defaultdict(list)
    for subscription in enabled:
        followers[subscription.strategy_id].append(subscription)
    count = 0
    for index, signal in enumerate(signals):
        count += len(followers[signal.strategy_id])
        if index and count > most:
            return list(signals[:index]), followers, False
        if count > most:
            return [first], {first.strategy_id: followers[first.strategy_id][:most]}, True
    return list(signals), followers, False


def _settle_every_pending(team: int, moment: Clock, rota: Rota, began: float) -> tuple[int, int]:
    """All of them, a batch a transaction: what cannot be decided must not stand before what can.

    How many were settled, and the key behind which the next turn goes on where this one's time was over, else 0.
    """
    settled, after = 0, rota.after(team)
    while True:
        # Whole batches, so that ways out of one moment leave before its entries.
        done, after = _settle_pending(team, moment, rota.most, after=after)
        settled += done
        if not after or rota.is_over(began, time.monotonic()):
            return settled, after


@transaction.atomic
def _settle_pending(
    team: int, moment: Clock, batch: int, *, after: int = 0, only: int | None = None
) -> tuple[int, int]:
    """Decide what had to wait for a contract or a fresh book; too late is an answer too.

    How many were settled, and the key of the last one where there may be more behind it, else 0.
    """
    pending = (
        Decision.objects.filter(team=team, status=PENDING, pk__gt=after)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("signal__strategy", "subscription__account__connection", "terms")
        .order_by("pk")
    )
    decisions = list(pending.filter(pk=only) if only is not None else pending[:batch])
    if not decisions:
        return 0, 0
    before = {decision.pk: decision.waiting_for for decision in decisions}
    decide_all(decisions, moment(), clock=moment)
    settled = [decision for decision in decisions if decision.status != PENDING]
    save([d for d in decisions if d.status != PENDING or d.waiting_for != before[d.pk]])
    return len(settled), decisions[-1].pk if len(decisions) == batch else 0
