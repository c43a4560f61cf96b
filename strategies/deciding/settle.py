"""Waiting signals and pending decisions are settled: batch by batch, each batch in a transaction."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from brokers.models import Ticket
from brokers.postgres.notices import DECIDED_CHANNEL, notify
from strategies import live
from strategies.deciding import record
from strategies.deciding.batch import decide_all
from strategies.deciding.record import save
from strategies.deciding.superseded import without_superseded
from strategies.models import Decision, Signal, Subscription

log = logging.getLogger(__name__)

BATCH = 100
# So many decisions are taken in one transaction at most, but for those of one signal.
MOST_DECISIONS = 1_000
# How often a plan is made for one signal and subscription: each time something filled that was to be canceled.
MOST_ATTEMPTS = 3
PENDING = Decision.Status.PENDING

Clock = Callable[[], datetime]


def settle_waiting(now: datetime, *, batch: int = BATCH, clock: Clock | None = None) -> int:
    """Take waiting signals and pending decisions one step further; returns how many were settled.

    A batch that fails is settled one by one, so that a poisonous signal stops nobody but itself. With a `clock`, each
    batch is decided at the moment it is taken: what came while the batch before it was settled was not decided earlier.
    """
    moment = clock or (lambda: now)
    try:
        signals, pending, unfit = _waiting(now)
        if unfit:
            _plan_again(now)
        settled = _settle_every_pending(moment, batch) if pending or unfit else 0
        return settled + (_settle_signals(moment, batch, behind=pending or unfit) if signals else 0)
    except Exception:
        log.exception("A batch of signals could not be settled; settling them one by one")
        return _settle_singly(moment)


# Written as SQL, since every signal waits for it: one look at what is nearly always nothing but the signal itself.
WAITING = """
SELECT
  EXISTS (SELECT FROM strategies_signal WHERE dispatched_at IS NULL AND (not_before IS NULL OR not_before <= %s)),
  EXISTS (SELECT FROM strategies_decision WHERE status = 'pending'),
  EXISTS (SELECT FROM brokers_ticket WHERE unfit_at IS NOT NULL)
"""


def _waiting(now: datetime) -> tuple[bool, bool, bool]:
    """Whether signals wait, decisions that could not be taken, and plans that no longer fit."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [now])
        signals, pending, unfit = cursor.fetchone()
    return signals, pending, unfit


def _settle_singly(moment: Clock) -> int:
    done = 0
    for signal_pk in list(_waiting_signals(moment()).values_list("pk", flat=True)[:BATCH]):
        try:
            done += _settle_signals(moment, 1, only=signal_pk)
        except Exception:
            log.exception("Signal %s cannot be settled and is set aside", signal_pk)
            note = "Halyard could not read this signal back. It was not traded; its record is kept."
            Signal.objects.filter(pk=signal_pk).update(dispatched_at=moment(), note=note)
    for decision_pk in list(
        Decision.objects.filter(status=PENDING).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        try:
            done += _settle_pending(moment, 1, only=decision_pk)[0]
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


def _waiting_signals(now: datetime) -> QuerySet[Signal]:
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    return Signal.objects.filter(due, dispatched_at__isnull=True).order_by("pk")


@transaction.atomic
def _plan_again(now: datetime) -> None:
    """Another attempt for plans that no longer fit: what they were to cancel had filled, so nothing of them was sent."""
    unfit = Decision.objects.filter(ticket__unfit_at__isnull=False, attempt__lt=MOST_ATTEMPTS)
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
def _settle_signals(moment: Clock, batch: int, only: int | None = None, *, behind: bool = True) -> int:
    """Fan signals out: one decision per enabled subscription, decided at once where the book allows it.

    `behind`: earlier decisions may wait, for the same account and instrument perhaps.
    """
    waiting = _waiting_signals(moment()).select_for_update(of=("self",), skip_locked=True).select_related("strategy")
    taken = list(waiting.filter(pk=only) if only is not None else waiting[:batch])
    if not taken:
        return 0
    now = moment()
    followers = _followers(taken)
    taken = _at_once(taken, followers)
    signals = without_superseded(taken, now)
    decisions = [
        Decision(
            team_id=signal.team_id, signal=signal, subscription=subscription, terms=subscription.terms, created_at=now
        )
        for signal in signals
        for subscription in followers[signal.strategy_id]
    ]
    decide_all(decisions, now, behind=behind)
    Decision.objects.bulk_create(decisions)
    Signal.objects.filter(pk__in=[signal.pk for signal in signals]).update(dispatched_at=now)
    for signal in taken:
        live.signal_changed(signal.pk, signal.team_id)
    record.tell_of_proposals(decisions)
    notify(DECIDED_CHANNEL)
    return len(taken)


def _followers(signals: Sequence[Signal]) -> dict[int, list[Subscription]]:
    """The enabled subscriptions of the signals' strategies, by strategy."""
    enabled = Subscription.objects.filter(
        strategy__in={signal.strategy_id for signal in signals}, enabled=True, strategy__enabled=True
    )
    followers: dict[int, list[Subscription]] = defaultdict(list)
    for subscription in enabled.select_related("account__connection", "terms").order_by("pk"):
        followers[subscription.strategy_id].append(subscription)
    return followers


def _at_once(signals: list[Signal], followers: dict[int, list[Subscription]]) -> list[Signal]:
    """The first signals, as many as make a transaction of a size that others can wait for."""
    count = 0
    for index, signal in enumerate(signals):
        count += len(followers[signal.strategy_id])
        if index and count > MOST_DECISIONS:
            return signals[:index]
    return signals


def _settle_every_pending(moment: Clock, batch: int) -> int:
    """All of them, a batch a transaction: what cannot be decided must not stand before what can."""
    settled, after = 0, 0
    while True:
        done, after = _settle_pending(moment, batch, after=after)
        settled += done
        if not after:
            return settled


@transaction.atomic
def _settle_pending(moment: Clock, batch: int, *, after: int = 0, only: int | None = None) -> tuple[int, int]:
    """Decide what had to wait for a contract or a fresh book; too late is an answer too.

    How many were settled, and the key of the last one where there may be more behind it, else 0.
    """
    pending = (
        Decision.objects.filter(status=PENDING, pk__gt=after)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("signal__strategy", "subscription__account__connection", "terms")
        .order_by("pk")
    )
    decisions = list(pending.filter(pk=only) if only is not None else pending[:batch])
    if not decisions:
        return 0, 0
    before = {decision.pk: decision.waiting_for for decision in decisions}
    decide_all(decisions, moment())
    settled = [decision for decision in decisions if decision.status != PENDING]
    save([d for d in decisions if d.status != PENDING or d.waiting_for != before[d.pk]])
    return len(settled), decisions[-1].pk if len(decisions) == batch else 0
