"""The Celery edge of the strategies."""

from __future__ import annotations

import contextlib
import logging
import threading

from celery import shared_task
from celery.signals import worker_ready
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.turns import each_alone
from brokers import tasks as broker_tasks
from brokers.book.options import names
from brokers.connections import call_log
from brokers.postgres.locks import Space, is_free
from strategies.control import ending, flatten, mail, team_end
from strategies.drain import drain, drain_beside_lanes
from strategies.profit import making
from strategies.webhook import intake, retention

log = logging.getLogger(__name__)


@shared_task(name="strategies.decide", ignore_result=True, acks_late=True)
def decide(*, shard: int | None = None) -> None:
    """Drain the waiting signals of a shard of teams; ends at once when another worker does it already. None: of all."""
    shards = settings.WORK_SHARDS
    if shard is None and shards > 1:
        for each in range(shards):
            if is_free(Space.DRAIN, each):
                decide.delay(shard=each)
        return
    number = 0 if shard is None else shard
    if type(number) is not int or number not in range(shards):
        log.warning("A task named a shard of teams that is none, so it did nothing.")
        return
    if is_free(Space.DRAIN, number):
        drain(nudge=_nudge_lanes, shard=number, shards=shards)


def _decide_beside(stopped: threading.Event, shard: int) -> None:
    drain_beside_lanes(stopped, shard, settings.WORK_SHARDS)


broker_tasks.BESIDE.append(_decide_beside)


@shared_task(name="strategies.sweep", ignore_result=True, acks_late=True)
def sweep() -> None:
    """Start the drain, in case a nudge was lost."""
    decide.delay()


@shared_task(name="strategies.tidy", ignore_result=True, acks_late=True)
def tidy() -> None:
    """Delete expired keys, old contents of deliveries, old calls to brokers, names of options that are none, and teams
    closed long ago."""
    each_alone(
        (intake.forget_expired, retention.forget, team_end.remove_closed, call_log.forget, names.forget_unknown),
        timezone.now,
    )


@shared_task(name="strategies.mail_approvers", ignore_result=True, acks_late=True)
def mail_approvers() -> None:
    """Write to those who may answer the plans that wait."""
    mail.tell_approvers(timezone.now())


@shared_task(name="strategies.make_trades", ignore_result=True, acks_late=True)
def make_trades() -> None:
    """Make the trades of contracts whose fills have changed."""
    making.make_due(timezone.now())


@shared_task(name="strategies.close_ending", ignore_result=True, acks_late=True)
def close_ending() -> None:
    """Close the options that end today, where their subscriptions say so, and let the orders leave."""
    if ending.close_ending(timezone.now()):
        _nudge_lanes()


@shared_task(name="strategies.flatten_due", ignore_result=True, acks_late=True)
def flatten_due() -> None:
    """Close positions by the clock, and let the orders leave."""
    if flatten.run_due(timezone.now()):
        _nudge_lanes()


def _nudge_lanes() -> None:
    # Redis may be away; the lanes are told by the database, and the sweep heals the rest.
    with contextlib.suppress(OperationalError):
        broker_tasks.nudge()


@worker_ready.connect
def _begin(**_: object) -> None:
    with contextlib.suppress(OperationalError):
        decide.delay()
