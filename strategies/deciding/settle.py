"""Waiting signals and pending decisions are settled: team by team in turn, a share of each in a transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.db import connection, transaction

from brokers.models import Ticket
from brokers.postgres.away import AWAY
from strategies.deciding.aside import Aside
from strategies.deciding.fan_out import settle_signals, waiting_signals
from strategies.deciding.pending import PENDING, by_urgency, settle_one, settle_pending
from strategies.domain.revisits import Connections, Look, Revisits, Seen
from strategies.domain.rota import Place, Rota
from strategies.models import Decision, Signal

log = logging.getLogger(__name__)

BATCH = 100
# How often a plan is made for one signal and subscription: each time something filled that was to be canceled.
MOST_ATTEMPTS = 3
# After so many failures of the database the rest of a turn waits for the next one.
MOST_FAILURES = 2

Clock = Callable[[], datetime]


class Taken(NamedTuple):
    """What came of a turn, and when it ended: the rest as for `Rota.served`, all times of the steady clock.

    `look`: what of the pending decisions it looked at; `seen`: what it came upon, None where that is not known.
    """

    look: Look | None
    seen: Seen | None
    settled: int
    decisions: int
    ended: float
    seconds: float
    took: float
    full: bool
    place: Place | None
    goes_on: bool
    all_done: bool
    processor: float


Beside = Aside[Taken]


class Share(NamedTuple):
    """The teams that one drain of `of` decides for: every `of`th, by their keys."""

    number: int = 0
    of: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this drain does what is to be done once, and not for each share."""
        return self.number == 0


ALL = Share()


def settle_waiting(
    now: datetime,
    *,
    batch: int = BATCH,
    clock: Clock | None = None,
    rota: Rota | None = None,
    share: Share = ALL,
    aside: Beside | None = None,
    revisits: Revisits | None = None,
) -> int:
    """Take waiting signals and pending decisions one step further; returns how many were settled.

    Each team with work has a turn, in the order of the `rota`; who comes meanwhile is seen after every turn. A turn that
    fails is settled one by one, so that a poisonous signal stops nobody but itself. With a `clock`, each turn is decided
    at the moment it begins: what came while the turn before it was settled was not decided earlier. Turns of teams that do
    much are taken `aside`, where there is that; what came of one is counted by the first call behind its end. `revisits`:
    which pending decisions are looked at; all, where there is nothing that knows.
    """
    moment = clock or (lambda: now)
    rota = rota or Rota(most=batch, bounded=False)
    revisits = revisits or Revisits()
    served: set[int] = set()
    settled = 0
    while True:
        if aside is not None and (ended := aside.ended()) is not None:
            settled += _noted(rota, revisits, *ended)
        looked = _waiting(moment(), share)
        pending = {work.team for work in looked if work.pending}
        rota.keep(pending)
        revisits.keep(pending)
        began = time.monotonic()
        waiting = {work.team: work for work in _to_do(looked, revisits, began) if work.team not in served}
        team = rota.next(waiting, began)
        if team is None:
            return settled
        served.add(team)
        if aside is not None and rota.goes_aside(team, began):
            rota.aside = team
            aside.begin(team, partial(_turn, waiting[team], moment, rota))
        else:
            settled += _noted(rota, revisits, team, _turn(waiting[team], moment, rota))
        rota.all_done = rota.all_done and len(looked) == 1
        if len(waiting) == 1:
            return settled


class Work(NamedTuple):
    """What waits of a team: signals, decisions that could not be taken, and plans that no longer fit.

    `look`: which of the decisions a turn looks at, if any.
    """

    team: int
    signals: bool
    pending: bool
    unfit: bool
    look: Look | None = None


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
 WHERE team_id %% %s = %s
 GROUP BY team_id
"""  # noqa: S608  # all parts stand above


def _waiting(now: datetime, share: Share) -> list[Work]:
    """The teams of this share of which something waits."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [now, now, share.of, share.number])
        return [Work(*row) for row in cursor.fetchall()]


def _to_do(found: Iterable[Work], revisits: Revisits, now: float) -> Iterator[Work]:
    """The teams that have something to do now, each with what of its pending decisions is looked at."""
    for work in found:
        # Where nothing was pending nothing is left out.
        look = revisits.due(work.team, now) if work.pending else Look(now)
        if work.signals or work.unfit or look is not None:
            yield work._replace(look=look)


def _turn(work: Work, moment: Clock, rota: Rota) -> Taken:
    """A team's turn: its pending decisions as far as the time goes, then its next signals. Only reads the rota."""
    began = took_signals = time.monotonic()
    processor = time.thread_time()
    settled, decisions, full, place, goes_on, all_done = 0, 0, False, None, False, False
    look, seen, known = work.look, Seen(), True
    try:
        if work.unfit:
            again = _plan_again(work.team, moment())
            look = (look or Look(began, again)).also(again)
            if rota.place(work.team) is not None:
                # A look that goes on may be past them: the next one is at these.
                seen = Seen(again, again)
        if look is not None and (work.pending or work.unfit):
            settled, place, came_upon = settle_pending(work.team, moment, rota, began, look)
            seen = seen.and_also(came_upon)
        if work.signals:
            took_signals, processor = time.monotonic(), time.thread_time()
            most = rota.size(work.team, took_signals)
            taken = settle_signals(work.team, moment, most, behind=work.pending or work.unfit)
            settled, decisions = settled + taken.signals, taken.decisions
            seen = seen.and_also(taken.seen)
            full, goes_on = taken.decisions >= most, taken.goes_on
            all_done = taken.all_done and not (work.pending or work.unfit)
    except Exception:
        log.exception("A batch of signals could not be settled; settling them one by one")
        settled, place, all_done, known = _settle_singly(work.team, moment), None, False, False
    ended = time.monotonic()
    seconds = ended - took_signals if work.signals else 0.0
    return Taken(
        look=look,
        seen=seen if known else None,
        settled=settled,
        decisions=decisions,
        ended=ended,
        seconds=seconds,
        took=ended - began,
        full=full,
        place=place,
        goes_on=goes_on,
        all_done=all_done,
        processor=time.thread_time() - processor,
    )


def _noted(rota: Rota, revisits: Revisits, team: int, taken: Taken) -> int:
    """Let the rota and the revisits know of a turn; returns how many were settled in it."""
    if taken.seen is None:
        revisits.forget(team)
    else:
        revisits.looked(team, taken.look, taken.seen, taken.ended, goes_on=taken.place is not None)
    rota.served(
        team,
        taken.ended,
        seconds=taken.seconds,
        full=taken.full,
        place=taken.place,
        took=taken.took,
        goes_on=taken.goes_on,
        decisions=taken.decisions,
        processor=taken.processor,
    )
    rota.all_done = taken.all_done
    return taken.settled


def _settle_singly(team: int, moment: Clock) -> int:
    signals = list(waiting_signals(team, moment()).values_list("pk", flat=True)[:BATCH])
    done = _each_alone(signals, lambda key: settle_signals(team, moment, BATCH, only=key).signals, _set_aside, moment)
    return done + _each_alone(by_urgency(team, BATCH), lambda key: settle_one(key, moment), _reject, moment)


def _each_alone(
    keys: Iterable[int], settle: Callable[[int], int], give_up: Callable[[int, datetime], None], moment: Clock
) -> int:
    """Settle each by itself, and give up what cannot be settled for a fault of its own; returns how many were settled.

    What failed with the database is no fault of the row: it waits for the next turn. Twice, and so do all behind it.
    """
    done = failures = 0
    for key in keys:
        try:
            done += settle(key)
        except AWAY as error:
            log.warning("The database failed: %s; what waits is settled in the next turn", str(error).strip())
            failures += 1
            if failures == MOST_FAILURES:
                break
        except Exception:
            log.exception("Row %s cannot be settled and is given up", key)
            give_up(key, moment())
    return done


def _set_aside(signal_pk: int, now: datetime) -> None:
    note = "Halyard could not read this signal back. It was not traded; its record is kept."
    Signal.objects.filter(pk=signal_pk).update(dispatched_at=now, note=note)


def _reject(decision_pk: int, now: datetime) -> None:
    Decision.objects.filter(pk=decision_pk, status=PENDING).update(
        status=Decision.Status.REJECTED,
        way_out=Decision.WayOut.NO,
        rule="X01",
        reason_code="internal-error",
        decided_at=now,
        reason="A fault in Halyard kept this signal from being decided. It was not traded.",
    )


@transaction.atomic
def _plan_again(team: int, now: datetime) -> Connections:
    """Another attempt for plans that no longer fit: what they were to cancel had filled, so nothing of them was sent.

    Returns their connections.
    """
    unfit = Decision.objects.filter(team=team, ticket__unfit_at__isnull=False, attempt__lt=MOST_ATTEMPTS)
    decisions = list(unfit.select_related("ticket").select_for_update(of=("self", "ticket")).order_by("pk"))
    if not decisions:
        return frozenset()
    Decision.objects.bulk_create(
        Decision(
            team_id=decision.team_id,
            signal_id=decision.signal_id,
            subscription_id=decision.subscription_id,
            terms_id=decision.terms_id,
            attempt=decision.attempt + 1,
            created_at=now,
            waiting_for="the position after what had filled",
            # Whether it still is one, the look that follows finds out.
            way_out=Decision.WayOut.FIRST,
        )
        for decision in decisions
    )
    unfit_tickets = [decision.ticket for decision in decisions if decision.ticket is not None]
    Ticket.objects.filter(pk__in=[ticket.pk for ticket in unfit_tickets]).update(unfit_at=None)
    return frozenset(ticket.connection_id for ticket in unfit_tickets)
