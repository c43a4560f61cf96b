"""`manage.py stream`: keeps sessions alive and brings the brokers' news home."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from typing import Any

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from brokers import ibkr
from brokers.connections.reach import reach
from brokers.connections.tokens import Shelves
from brokers.domain.sessions import Login
from brokers.processes.call_writer import CallWriter
from brokers.processes.shards import TAKE_OVER_SECONDS
from brokers.processes.stream import Keeper

COLLECT_SECONDS = 3600.0


class Command(BaseCommand):
    # Checks import every page; this process shows none.
    requires_system_checks = []
    help = "Keep the sessions of all connections alive and follow their live streams."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shard", type=int, default=0, help="which share of the connections, from 0")
        parser.add_argument("--shards", type=int, default=1, help="how many stream processes there are")

        parser.add_argument(
            "--take-over-after",
            type=float,
            default=TAKE_OVER_SECONDS,
            metavar="SECONDS",
            help="how long another shard may be without a process before this one watches its connections, too",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["shard"] not in range(options["shards"]):
            raise CommandError(
                f"With --shards {options['shards']} the shards are numbered from 0 to {options['shards'] - 1}. "
                "Give --shard one of these."
            )
        _prepare()
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(self._run(options["shard"], options["shards"], options["take_over_after"]))

    async def _run(self, shard: int, shards: int, take_over_seconds: float) -> None:
        async with (
            CallWriter() as calls,
            ibkr.new_http(reach()) as http,
            ibkr.EGRESS.sharing(settings.REDIS_URL, per_second=settings.IBKR_PER_SECOND),
        ):
            shelves = Shelves()  # for the life of the process

            def connect(login: Login) -> ibkr.IbkrBrokerage:
                return ibkr.connect(login, http, calls=calls, shelf=shelves.of(login))

            def listen(login: Login) -> ibkr.IbkrFeed:
                return ibkr.listen(login, http, calls=calls, shelf=shelves.of(login))

            collecting = asyncio.create_task(_collect())
            keeper = Keeper(connect, listen, shard=shard, shards=shards, take_over_seconds=take_over_seconds)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, keeper.stopping.set)
            try:
                await keeper.run()
            finally:
                collecting.cancel()


def _prepare() -> None:
    """Ready the process for thousands of sessions."""
    # Each holds two sockets or three, and many systems begin with a thousand.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Threads that hold a row would otherwise keep the loop waiting for 5 ms each, time and again.
    sys.setswitchinterval(0.001)
    _rarely_collect()


def _rarely_collect() -> None:
    """Let Python look through the newest objects only. By itself it looks through all as soon as a quarter of them has
    been busy: every few seconds while sessions open, and for a second where they are ten thousand."""
    gc.collect()
    # What is there now stays.
    gc.freeze()
    gc.set_threshold(5_000, 10, 1_000_000)


async def _collect() -> None:
    """Look through everything for garbage that refers to itself, once an hour."""
    while True:
        await asyncio.sleep(COLLECT_SECONDS)
        gc.collect()
