"""What is due by the clock at one connection: the tickle, the book, a look that somebody asked for."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from django.conf import settings

from brokers.connections import nights, sessions
from brokers.domain.brokerage import BrokerError, Paused
from brokers.domain.calls import together
from brokers.domain.sessions import Cause, Environment, Login
from brokers.models import BrokerageAccount
from brokers.processes.signing_in import NotSignedIn
from brokers.processes.watching.listening import Listening

P = ParamSpec("P")
T = TypeVar("T")

SIGN_IN_SECONDS = 90.0  # IBKR answers what it knows of the login itself once a minute
# Sessions that were opened together, or waited for the same pause, do not stay in step.
KEEP_JITTER = 0.9, 1.1
SIGN_IN_WAIT_SECONDS = 5.0
APART_SECONDS = 0.5  # what is due within so long is done together


class SignedIn:
    """When IBKR was asked last since when somebody is signed in."""

    def __init__(self) -> None:
        self.asked_at = -SIGN_IN_SECONDS


class Tending:
    """One sign-in kept, from its first read to its end."""

    def __init__(self, listening: Listening, login: Login, asked: SignedIn) -> None:
        self.keeper, self.pk, self.book = listening.keeper, listening.pk, listening.book
        self.broker, self.errands = listening.book.broker, listening.book.errands
        self.listening, self.session, self.prove = listening, listening.session, listening.prove
        self.connection, self.login, self.asked = listening.connection, login, asked

    async def _db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.keeper.threads.run(function, *args, **kwargs)

    async def note_sign_in(self) -> None:
        """Where IBKR serves this user and since when somebody is signed in: a person's gateway knows, once a minute."""
        simulated = self.connection.environment == Environment.SIMULATED
        now = time.monotonic()
        if simulated or not nights.signs_in_by_hand(self.connection) or now - self.asked.asked_at < SIGN_IN_SECONDS:
            return
        self.asked.asked_at = now
        # What it says is worth no wait: the pace may hold it back for a minute.
        with contextlib.suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(SIGN_IN_WAIT_SECONDS):
                seen = await self.broker.sign_in()
            await self._db(nights.sign_in_seen, self.pk, seen)

    async def tend(self, accounts: list[BrokerageAccount]) -> None:
        """Tickle every minute, ask where the feed is silent, read the book now and then."""
        # Spread over the minute, so that ten thousand sessions do not tickle in the same second.
        next_keep = time.monotonic() + settings.KEEP_SECONDS * random.random()
        paused, back_at = False, nights.back_at(self.connection, self.keeper.clock())
        self.errands.due = False
        while True:
            await self._rest(next_keep, paused=paused)
            now = time.monotonic()
            if self.errands.look_at is not None and now >= self.errands.look_at:
                self.errands.look_at = None
                for account in accounts:
                    await self.book.look_through(account)
            was_paused, paused = paused, self.broker.pause() is not None
            due, self.errands.due = self.errands.due, False
            if due and not paused:
                await self._look_anew()
            if now >= next_keep or (was_paused and not paused):
                next_keep = now + settings.KEEP_SECONDS * random.uniform(*KEEP_JITTER)
                await self._keep()
                if back_at != (back_at := nights.back_at(self.connection, self.keeper.clock())):
                    # A session that outlived a night: what became of its orders meanwhile is read as after a sign-in.
                    await self.note_sign_in()
                    await self.book.read_all(self.connection, accounts)
            if not paused:
                try:
                    await self.book.ask(self.connection, accounts, now, self.listening.heard_at)
                except Paused as pause:
                    # What fills meanwhile comes over the feed; the rest is asked for afterwards.
                    await self._db(sessions.failed, self.connection, pause, self.keeper.clock())

    async def _rest(self, next_keep: float, *, paused: bool) -> None:
        """Sleep until something is due, or somebody says so. A pause that ends is met within a second."""
        seconds = 1.0
        if not paused and not self.errands.dirty and not self.book.unread and not self.book.is_open:
            # Due apart from each other, and done in company: ten thousand sessions wake the process twice a second.
            due = together(
                min(next_keep, self.book.at + self.book.seconds()), min(APART_SECONDS, settings.KEEP_SECONDS / 50)
            )
            seconds = max(0.0, due - time.monotonic()) + 0.01
        if self.errands.look_at is not None:
            seconds = min(seconds, max(0.0, self.errands.look_at - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.errands.wake.wait()
        self.errands.wake.clear()

    async def _look_anew(self) -> None:
        """Look at the session as who comes new to the gateway does: its certificate and the keys are shown again."""
        broker = self.keeper.open_brokerage(self.login)
        try:
            state = await replace(self.session, broker=broker).look(Cause.TRIAL, check=self.prove)
        finally:
            await broker.close()
        if not state.can_trade:
            raise NotSignedIn(state)

    async def _keep(self) -> None:
        """Tickle. A gateway that is left alone keeps its session that way, and trades no sooner for it."""
        try:
            auth = await self.broker.tickle()
        except Paused as pause:
            await self._db(sessions.failed, self.connection, pause, self.keeper.clock())
            return
        left_alone = self.broker.pause()
        if left_alone is not None:
            await self._db(sessions.failed, self.connection, left_alone, self.keeper.clock())
            return
        if auth.ready and await self.keeper.kept.write(self.pk, self.keeper.clock()):
            return
        if not auth.ready:
            await self._db(sessions.doubted, self.pk)
        # One tickle that fails says little, and one that is fine says not whose session it is: the session is asked.
        state = await self.session.look(Cause.TICKLE, check=self.prove)
        if not state.can_trade:
            raise NotSignedIn(state)
