"""The Celery edge of the strategies."""

from __future__ import annotations

import contextlib
import threading

from celery import shared_task
from celery.signals import worker_ready
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.turns import each_alone
from brokers import tasks as broker_tasks
from brokers.connections import call_log
from brokers.postgres.locks import Space, is_free
from strategies.control import mail, team_end
from strategies.drain import drain, drain_beside_lanes
from strategies.webhook import intake, retention


@shared_task(name="strategies.decide", ignore_result=True, acks_late=True)
def decide() -> None:
    """Drain waiting signals; ends at once when another worker does it already."""
    if is_free(Space.DECIDE, 0):
        drain(nudge=_nudge_lanes)


def _decide_beside(stopped: threading.Event) -> None:
    # Whoever spreads the lanes over several processes has much to do: the drain then has a process of its own.
    if settings.WORK_SHARDS == 1:
        drain_beside_lanes(stopped)


broker_tasks.BESIDE.append(_decide_beside)


@shared_task(name="strategies.sweep", ignore_result=True, acks_late=True)
def sweep() -> None:
    """Start the drain, in case a nudge was lost."""
    decide.delay()


@shared_task(name="strategies.tidy", ignore_result=True, acks_late=True)
def tidy() -> None:
    """Delete expired keys, old contents of deliveries, old calls to brokers, and teams closed long ago."""
    each_alone((intake.forget_expired, retention.forget, team_end.remove_closed, call_log.forget), timezone.now)


@shared_task(name="strategies.mail_approvers", ignore_result=True, acks_late=True)
def mail_approvers() -> None:
    """Write to those who may answer the plans that wait."""
    mail.tell_approvers(timezone.now())


def _nudge_lanes() -> None:
    # Redis may be away; the lanes are told by the database, and the sweep heals the rest.
    with contextlib.suppress(OperationalError):
        broker_tasks.nudge()


@worker_ready.connect
def _begin(**_: object) -> None:
    with contextlib.suppress(OperationalError):
        decide.delay()
