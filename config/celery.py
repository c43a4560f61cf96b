"""The Celery application. Its messages are nudges only: the rows are the queue, so a lost message loses no order."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

from celery import Celery, bootsteps
from celery.signals import after_task_publish, beat_init, worker_before_create_process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from kombu.transport import virtual
from kombu.transport.redis import Channel, QoS

from config import env

# A taken message need not be put back when the connection is lost: the rows are the queue, and the sweeps nudge again.
# Kombu would try it over the connection that it has just taken apart, and the worker would die of that.
Channel.do_restore = False


class _Settling(QoS):
    """Settles a message that was taken before its connection was lost without the connection.

    A task that ran meanwhile acknowledges at its end (`acks_late`), and kombu would ask the closed channel for a client,
    which the worker would not survive. Redis hands the message out once more an hour later: a nudge too many.
    """

    def ack(self, delivery_tag: str) -> None:
        if self.channel.closed:
            virtual.QoS.ack(self, delivery_tag)
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if self.channel.closed:
            virtual.QoS.ack(self, delivery_tag)
        else:
            super().reject(delivery_tag, requeue=requeue)


Channel.QoS = _Settling

app = Celery("halyard")
try:
    app.conf.update(settings.CELERY)
except env.SettingError as error:
    sys.exit(str(error))  # one sentence for whoever starts it, in place of a traceback
app.conf.beat_schedule = {
    # `expires`: of a backlog only the last pulses say something about now.
    "pulse": {"task": "accounts.tasks.pulse", "schedule": 3.0, "options": {"expires": 10}},
    "needs": {"task": "accounts.refresh_needs", "schedule": 5.0, "options": {"expires": 5}},
    "notices": {"task": "brokers.tell_owners", "schedule": 30.0, "options": {"expires": 30}},
    "orders": {"task": "brokers.sweep", "schedule": settings.SWEEP_SECONDS, "options": {"expires": 10}},
    "mail": {"task": "strategies.mail_approvers", "schedule": 5.0, "options": {"expires": 10}},
    "sessions": {"task": "accounts.tidy", "schedule": 6 * 3600.0, "options": {"expires": 3600}},
    "keys": {"task": "strategies.tidy", "schedule": 3600.0, "options": {"expires": 600}},
    "signals": {"task": "strategies.sweep", "schedule": settings.SWEEP_SECONDS, "options": {"expires": 10}},
}
app.autodiscover_tasks()


class EndLingeringTasks(bootsteps.StartStopStep):
    """Ends the lingering tasks before the pool waits for them.

    A step rather than a signal: a worker that gives up because of a fault (Redis killed at the wrong moment) sends no
    signal, and would wait ten minutes for its pool, dead to the supervisor that could start it again.
    """

    requires = ("celery.worker.components:Pool",)

    def stop(self, parent: Any) -> None:
        from brokers import tasks

        tasks.end_lingering()

    terminate = stop


app.steps["worker"].add(EndLingeringTasks)


@beat_init.connect
def _publishing_is_beats_pulse(**_: Any) -> None:
    # Connected in beat only: every other process publishes too.
    after_task_publish.connect(_record_beat, weak=False)


def _record_beat(**_: Any) -> None:
    from accounts import pulse

    pulse.beat("beat")


@worker_before_create_process.connect
def share_what_is_loaded(**_: Any) -> None:
    """Leave what is loaded by now out of later looks for garbage: they would give each process of the pool its own copy."""
    gc.collect()
    gc.freeze()
