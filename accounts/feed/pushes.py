"""Pushes to open pages. A push is the page's own partial, rendered from the committed row.

Rendering and sending happen on one background thread per process, off the path that money takes. The first change of a
row leaves at once. Those that follow while the thread is busy, or before the row has been shown for a moment, are
rendered once, with the last state. Teams take turns (`feed.waiting`).

Several processes push, and a push may be late or lost. Each has a number (`feed.numbers`), so that a page leaves out what
was read before what it shows, and reads again what it shows when a number is missing.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from channels.layers import get_channel_layer
from django.db import close_old_connections, transaction

from accounts import pulse
from accounts.feed import numbers
from accounts.feed.waiting import Audience, Push, Render, Waiting

log = logging.getLogger(__name__)

# A Redis that takes a message takes it at once; one that hangs must not hold all later pushes.
SEND_SECONDS = 5
# An open page says so every 20 seconds.
PAGE_SECONDS = 60
# So many are rendered before it is looked whose turn it is now.
ROUND = 16
# How soon it is tried again to tell pages that something was lost.
GAP_SECONDS = 2.0


def group_of(team_id: int) -> str:
    """The Channels group that every open page of a team listens to."""
    return f"team.{team_id}"


def session_group_of(session_key: str) -> str:
    """The Channels group of every open page of one browser's session. The key itself opens the session: never sent."""
    return f"session.{hashlib.sha256(session_key.encode()).hexdigest()[:40]}"


def push_on_commit(team_id: int, key: str, render: Render, *, pause: float = 0) -> None:
    """After the current transaction commits, render and send to the team; `key` names what is rendered.

    `pause`: the seconds from one rendering to the next, for what costs more than a row. The last state is always sent.
    """
    transaction.on_commit(lambda: _pusher().put(Audience(group_of(team_id), team_id), key, render, pause))


def disconnect_on_commit(team_id: int, user_id: int) -> None:
    """After commit, close the open pages of somebody who has left the team."""
    message = {"type": "feed.leave", "user_id": user_id}
    transaction.on_commit(lambda: _pusher().send(Audience(group_of(team_id), team_id), message))


def ask_again_on_commit(team_id: int, user_id: int) -> None:
    """After commit, end the lines of somebody whose role has changed; their pages open new ones, by the new role."""
    message = {"type": "feed.again", "user_id": user_id}
    transaction.on_commit(lambda: _pusher().send(Audience(group_of(team_id), team_id), message))


def end_session_on_commit(session_key: str) -> None:
    """After commit, close the open pages of a session that has ended."""
    audience = Audience(session_group_of(session_key), None)
    transaction.on_commit(lambda: _pusher().send(audience, {"type": "feed.ended"}))


def flush(timeout: float = 5.0) -> None:
    """Wait until everything pushed so far by this process has been sent. For tests and for a clean stop."""
    _pusher().flush(timeout)


def page_is_open(team_id: int) -> int | None:
    """Record that a page of the team is open; changes are worth rendering for the next PAGE_SECONDS.

    Returns the number of the team's last push, None while Redis is away. Where no page was known to be open, pushes may
    have been left out for this one: a number is left out as well.
    """
    try:
        was_open = pulse.renew(f"page.{team_id}", PAGE_SECONDS)
        return numbers.last(team_id) if was_open else numbers.leave_out(team_id)
    except redis.RedisError as error:
        log.warning("An open page was not noted while Redis is away: %s", error)
        return None


def watched_teams(team_ids: set[int]) -> set[int]:
    """The teams that have a page open somewhere; none when Redis is away, as pushes travel through it."""
    try:
        return _watched(team_ids)
    except redis.RedisError as error:
        log.warning("Pushes are lost while Redis is away: %s", error)
        return set()


def _watched(team_ids: set[int]) -> set[int]:
    names = {f"page.{team_id}": team_id for team_id in team_ids}
    return {names[name] for name, is_open in pulse.alive(names).items() if is_open}


class Pusher:
    """One thread with one event loop that renders and sends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.pid, self._clock = os.getpid(), clock
        self._lock = threading.Lock()
        self._waiting = Waiting()
        # Teams for which something was lost, and whose pages could not be told yet. The thread's own.
        self._missed: set[int] = set()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        threading.Thread(target=self._run, name="pusher", daemon=True).start()

    def put(self, audience: Audience, key: str, render: Render, pause: float = 0) -> None:
        self._add(audience, key, render, pause)

    def send(self, audience: Audience, message: dict[str, Any]) -> None:
        self._add(audience, repr(sorted(message.items())), message)

    def flush(self, timeout: float) -> None:
        self._idle.wait(timeout)

    def _add(self, audience: Audience, key: str, work: Render | dict[str, Any], pause: float = 0) -> None:
        with self._lock:
            self._waiting.add(audience, key, work, self._clock(), pause)
            self._idle.clear()
            self._wake.set()

    def _take(self) -> list[tuple[Audience, str, Push]]:
        with self._lock:
            self._wake.clear()
            work = self._waiting.take(self._clock(), ROUND)
            self._missed |= self._waiting.left_out
            self._waiting.left_out.clear()
            return work

    def _until_due(self) -> float | None:
        """Seconds until a push that pauses may leave; None while none waits."""
        with self._lock:
            first = self._waiting.first_due()
        due = None if first is None else max(0, first - self._clock())
        if not self._missed:
            return due
        return GAP_SECONDS if due is None else min(due, GAP_SECONDS)

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        while True:
            self._wake.wait(self._until_due())
            try:
                while self._send_due(loop):
                    self._tell_of_gaps(loop)
                self._tell_of_gaps(loop)
            except Exception:
                # Nothing starts this thread again, so no failure may end it.
                log.exception("A round of pushes was lost")
            with self._lock:
                if not self._waiting:
                    self._idle.set()

    def _send_due(self, loop: asyncio.AbstractEventLoop) -> int:
        """Send a round of pushes whose time has come; how many. Raises what Redis or the database raise beside renderings."""
        work = self._take()
        teams = {audience.team_id for audience, _, _ in work if audience.team_id is not None}
        try:
            watched = self._watched(teams) if teams else set()
            for audience, key, push in work:
                if audience.team_id is None or audience.team_id in watched:
                    self._send(loop, audience, key, push.work)
                else:
                    with self._lock:
                        self._waiting.nobody_looks(audience, self._clock())
        finally:
            close_old_connections()
        return len(work)

    def _watched(self, teams: set[int]) -> set[int]:
        try:
            return _watched(teams)
        except redis.RedisError as error:
            log.warning("Pushes are lost while Redis is away: %s", error)
            self._missed |= teams
            return set()

    def _send(
        self, loop: asyncio.AbstractEventLoop, audience: Audience, key: str, work: Render | dict[str, Any]
    ) -> None:
        try:
            message = work if isinstance(work, dict) else _rendered(audience, work)
            loop.run_until_complete(_told(audience.group, message))
        except Exception:
            # The truth is in the database and pages reload it; a page that misses one push must not stop the others.
            log.warning("Push of %s to %s was lost", key, audience.group, exc_info=True)
            if audience.team_id is not None:
                self._missed.add(audience.team_id)

    def _tell_of_gaps(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a number be missing for every team that has lost a push, so that its pages read again what they show."""
        for team_id in sorted(self._missed):
            try:
                message = {"type": "feed.html", "html": "", "number": numbers.leave_out(team_id)}
                loop.run_until_complete(_told(group_of(team_id), message))
            except Exception as error:
                log.warning("Pages are told later that pushes were lost: %s", error)
                return
            self._missed.discard(team_id)


async def _told(group: str, message: dict[str, Any]) -> None:
    """Send a message to a group. Raises TimeoutError where Valkey does not take it in time, and what it raises else."""
    async with asyncio.timeout(SEND_SECONDS):
        await get_channel_layer().group_send(group, message)


def _rendered(audience: Audience, render: Render) -> dict[str, Any]:
    """What the team's pages are sent, an empty rendering too: its number is not missing."""
    assert audience.team_id is not None, "only teams are shown rows"
    number = numbers.take(audience.team_id)
    return {"type": "feed.html", "html": render(), "number": number}


_one: list[Pusher] = []
_one_lock = threading.Lock()


def _pusher() -> Pusher:
    # A forked worker inherits the object but not its thread.
    with _one_lock:
        if not _one or _one[0].pid != os.getpid():
            _one[:] = [Pusher()]
        return _one[0]
