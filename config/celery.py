"""The Celery application. Its messages are nudges only: the rows are the queue, so a lost message loses no order."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from importlib import import_module
from typing import Any

from celery import Celery, bootsteps
from celery.signals import worker_before_create_process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from kombu.exceptions import OperationalError
from kombu.transport import virtual
from kombu.transport.redis import Channel, QoS

from accounts.schedule import TICK_SECONDS
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

TICK_TASK = "accounts.tick"
# What is done every so often. `expires`: of a backlog only the last messages say something about now.
app.conf["schedule"] = {
    "needs": {"task": "accounts.refresh_needs", "seconds": 5.0, "expires": 5},
    "notices": {"task": "brokers.tell_owners", "seconds": 30.0, "expires": 30},
    "chats": {"task": "brokers.deliver_notices", "seconds": 5.0, "expires": 5},
    "orders": {"task": "brokers.sweep", "seconds": settings.SWEEP_SECONDS, "expires": 10},
    "ending": {"task": "strategies.close_ending", "seconds": 20.0, "expires": 20},
    "clockwork": {"task": "strategies.flatten_due", "seconds": 5.0, "expires": 5},
    "mail": {"task": "strategies.mail_approvers", "seconds": 5.0, "expires": 10},
    "sessions": {"task": "accounts.tidy", "seconds": 6 * 3600.0, "expires": 3600},
    "keys": {"task": "strategies.tidy", "seconds": 3600.0, "expires": 600},
    "trades": {"task": "strategies.make_trades", "seconds": 5.0, "expires": 5},
    "signals": {"task": "strategies.sweep", "seconds": settings.SWEEP_SECONDS, "expires": 10},
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


class Clock(bootsteps.StartStopStep):
    """Asks once a second for what is due. The rows of the schedule let one of all workers begin it (accounts.schedule).

    In the worker's main process, which waits for messages anyway: Celery's own `beat` is a process more, a hundred
    megabytes, and one that may never run twice.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    turn: Any = None

    def start(self, parent: Any) -> None:
        self.turn = parent.timer.call_repeatedly(TICK_SECONDS, ask_for_what_is_due)
        ask_for_what_is_due()

    def stop(self, parent: Any) -> None:
        if self.turn is not None:
            self.turn.cancel()

    shutdown = stop


app.steps["consumer"].add(Clock)


def ask_for_what_is_due() -> None:
    """Publish a tick; nothing is lost with it, since the next one asks for the same."""
    with contextlib.suppress(OperationalError):
        app.send_task(TICK_TASK, expires=3 * TICK_SECONDS, retry=False)


def do_once() -> None:
    """What each process of a pool would do for itself unless it was done before the fork."""
    for task in app.tasks.values():
        task.backend  # noqa: B018  reads what every installed package says of itself
    with contextlib.suppress(OSError):
        import_module("billiard.util").get_pdeathsig()  # loads a parser of C, and the description of one call


@worker_before_create_process.connect
def share_what_is_loaded(**_: Any) -> None:
    """Leave what is loaded out of later looks for garbage: they would give each process its own copy."""
    do_once()
    gc.collect()
    gc.freeze()
