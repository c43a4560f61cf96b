"""The Celery edge of the brokers: nudges in, activities called. The rows are the queue; a lost nudge costs seconds."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable

import psycopg
import uvloop
from celery import shared_task
from celery.signals import worker_ready
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.turns import each_alone
from brokers import ibkr
from brokers.book.options import memory
from brokers.connections import keysets, tokens
from brokers.connections.reach import reach
from brokers.domain.sessions import Login
from brokers.notices import missed, parts, telling, unchanged
from brokers.notices.chats import delivering
from brokers.orders import cancels, closing, orphans, unsent
from brokers.orders.fills import account_legs
from brokers.orders.modifications import by_rule, from_fill, overdue
from brokers.orders.prompts import prompts
from brokers.orders.waits import overlong
from brokers.postgres.locks import Space, direct_parameters, is_free
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, STOP
from brokers.processes.call_writer import CallWriter
from brokers.processes.lanes import Lanes
from brokers.protection import rounds
from brokers.whatif import asking

log = logging.getLogger(__name__)

# What works beside the lanes of a shard in their process, in a thread of its own until it is told to stop: who decides
# orders hands them to lanes in memory.
BESIDE: list[Callable[[threading.Event, int], None]] = []


@shared_task(name="brokers.work", ignore_result=True, acks_late=True)
def work(*, shard: int = 0) -> None:
    """Work the lanes of a shard until they are idle; ends at once when another worker has it, or there is no such one."""
    if type(shard) is not int or shard not in range(settings.WORK_SHARDS):
        log.warning("A task named a shard of lanes that is none, so it did nothing.")
        return
    if not is_free(Space.WORK, shard):
        return

    async def main() -> None:
        async with (
            CallWriter() as calls,
            ibkr.new_http(reach()) as http,
            ibkr.EGRESS.sharing(settings.REDIS_URL, per_second=settings.IBKR_PER_SECOND),
        ):
            with tokens.Shelves() as shelves:

                def open_brokerage(login: Login) -> ibkr.IbkrBrokerage:
                    return ibkr.connect(login, http, calls=calls, shelf=shelves.of(login))

                beside = [lambda stopped, each=each: each(stopped, shard) for each in BESIDE]
                await Lanes(open_brokerage, shard=shard, shards=settings.WORK_SHARDS, beside=beside).run()

    uvloop.run(main())


@shared_task(name="brokers.sweep", ignore_result=True, acks_late=True)
def sweep() -> None:
    """Heal what a lost nudge left behind: do what time has made due, see that every shard is worked."""
    each_alone(
        (
            unsent.expire_overdue,
            overdue.end_due,
            from_fill.count_what_waits,
            account_legs.place_what_waits,
            by_rule.follow_what_waits,
            cancels.ask_due,
            overlong.look,
            closing.work,
            orphans.cancel,
            rounds.look,
            asking.expire,
            prompts.leave_late,
        ),
        timezone.now,
    )
    nudge()
    if keysets.waits(timezone.now()):
        make_keys.delay()


@shared_task(name="brokers.make_keys", ignore_result=True, acks_late=True)
def make_keys() -> None:
    """Make the keys that were asked for; ends at once when another worker is at it."""
    keysets.make_next(timezone.now)


@shared_task(name="brokers.tell_owners", ignore_result=True, acks_late=True)
def tell_owners() -> None:
    """Look at every connection before its market opens, and send the notices that wait; want the day's chains of options."""
    # Of a late message nothing is lost: what is due is due until it was asked.
    looks = (
        memory.want,
        telling.look,
        telling.tell_of_prompts,
        unchanged.tell_of_ends,
        unchanged.tell_of_changes,
        parts.tell,
        missed.tell,
    )
    each_alone((*looks, telling.send), timezone.now)


@shared_task(name="brokers.deliver_notices", ignore_result=True, acks_late=True)
def deliver_notices() -> None:
    """Send the notices that wait for chats and programs: beside the mail, which waits for none of them."""
    delivering.send(timezone.now())


def nudge() -> None:
    """See that every shard is worked; where one is, the task ends at once."""
    for shard in range(settings.WORK_SHARDS):
        work.delay(shard=shard)


@worker_ready.connect
def _begin(**_: object) -> None:
    # A restarted worker takes up the backlog without waiting for the sweep.
    with contextlib.suppress(OperationalError):
        nudge()


def end_lingering() -> None:
    """Ask the tasks of this worker, which linger for more work, to end soon: a worker that stops must not wait for them."""
    with contextlib.suppress(psycopg.Error), psycopg.connect(**direct_parameters()) as session:
        for channel in (ORDERS_CHANNEL, DECISIONS_CHANNEL):
            session.execute("SELECT pg_notify(%s, %s)", [channel, f"{STOP}{os.getpid()}"])
