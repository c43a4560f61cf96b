"""Pushes to open pages. A push is the page's own partial, rendered from the committed row.

Rendering and sending happen on a background thread per process, off the path that money takes, and what costs more than a
row on a second one. The first change of a row leaves at once. Those that follow while the thread is busy, or before the row
has been shown for a moment, are rendered once, with the last state. Teams take turns (`feed.waiting`).

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
from accounts.feed.waiting import Audience, Push, Render, Taken, Waiting

log = logging.getLogger(__name__)

# A Redis that takes a message takes it at once; one that hangs must not hold all later pushes.
SEND_SECONDS = 5
# An open page says so every 20 seconds.
PAGE_SECONDS = 60
# So long a team that has a page open is believed to have one.
WATCHED_SECONDS = 1.0
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
    """Two threads, each with an event loop, that render and send: rows and messages, and what costs more than a row.

    A row that is rendered beside something dearer shares the interpreter with it, and waits for none of it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.pid, self._clock = os.getpid(), clock
        self._lock = threading.Lock()
        self._waiting = Waiting()
        self._under_way = 0
        # Teams for which something was lost, and whose pages could not be told yet.
        self._missed: set[int] = set()
        # Until when it is believed that a page of the team is open.
        self._watched: dict[int, float] = {}
        self._idle = threading.Event()
        self._idle.set()
        self._wake, self._wake_costly = threading.Event(), threading.Event()
        self._costly: threading.Thread | None = None
        threading.Thread(target=self._run, args=(self._wake, False), name="pusher", daemon=True).start()

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
            if pause:
                self._wake_costly.set()
                if self._costly is None:
                    # Most processes never push any.
                    of = (self._wake_costly, True)
                    self._costly = threading.Thread(target=self._run, args=of, name="costly", daemon=True)
                    self._costly.start()

    def _take(self, costly: bool) -> Taken | None:
        with self._lock:
            now = self._clock()
            taken = self._waiting.take_costly(now) if costly else self._waiting.take(now)
            self._missed |= self._waiting.left_out
            self._waiting.left_out.clear()
            self._under_way += taken is not None
            return taken

    def _until_due(self, costly: bool) -> float | None:
        """Seconds until a push that pauses may leave; None while none waits."""
        with self._lock:
            now = self._clock()
            first = self._waiting.first_costly(now) if costly else self._waiting.first_due()
            has_missed = bool(self._missed) and not costly
        due = None if first is None else max(0, first - now)
        if not has_missed:
            return due
        return GAP_SECONDS if due is None else min(due, GAP_SECONDS)

    def _run(self, wake: threading.Event, costly: bool) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        while True:
            wake.wait(self._until_due(costly))
            wake.clear()
            try:
                self._send_due(loop, costly)
            except Exception:
                # Nothing starts this thread again, so no failure may end it.
                log.exception("A round of pushes was lost")
            with self._lock:
                if costly and self._missed:
                    self._wake.set()
                elif not costly and self._waiting.first_costly(self._clock()) is not None:
                    # It gave way to rows.
                    self._wake_costly.set()
                if not self._waiting and not self._under_way:
                    self._idle.set()

    def _send_due(self, loop: asyncio.AbstractEventLoop, costly: bool) -> None:
        """Send pushes whose time has come, one by one: who comes meanwhile has its turn behind the one under way.

        Raises what the database raises beside renderings.
        """
        try:
            while (taken := self._take(costly)) is not None:
                try:
                    if self._is_watched(taken.audience):
                        self._send(loop, *taken)
                    else:
                        with self._lock:
                            self._waiting.nobody_looks(taken.audience, self._clock())
                finally:
                    with self._lock:
                        self._under_way -= 1
                if not costly:
                    self._tell_of_gaps(loop)
        finally:
            close_old_connections()
        if not costly:
            self._tell_of_gaps(loop)

    def _is_watched(self, audience: Audience) -> bool:
        """Whether somebody hears it; asked of Valkey once a second for each team with an open page."""
        team, now = audience.team_id, self._clock()
        if team is None or self._watched.get(team, now) > now:
            return True
        try:
            is_watched = team in _watched({team})
        except redis.RedisError as error:
            log.warning("Pushes are lost while Redis is away: %s", error)
            with self._lock:
                self._missed.add(team)
            return False
        if is_watched:
            self._watched = {each: until for each, until in self._watched.items() if until > now}
            self._watched[team] = now + WATCHED_SECONDS
        return is_watched

    def _send(self, loop: asyncio.AbstractEventLoop, audience: Audience, key: str, push: Push) -> None:
        try:
            message = push.work if isinstance(push.work, dict) else _rendered(audience, push.work)
            loop.run_until_complete(_told(audience.group, message))
        except Exception:
            # The truth is in the database and pages reload it; a page that misses one push must not stop the others.
            log.warning("Push of %s to %s was lost", key, audience.group, exc_info=True)
            if audience.team_id is not None:
                with self._lock:
                    self._missed.add(audience.team_id)
            # The next one begins with a connection that lives.
            close_old_connections()

    def _tell_of_gaps(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a number be missing for every team that has lost a push, so that its pages read again what they show."""
        with self._lock:
            missed = sorted(self._missed)
        for team_id in missed:
            try:
                message = {"type": "feed.html", "html": "", "number": numbers.leave_out(team_id)}
                loop.run_until_complete(_told(group_of(team_id), message))
            except Exception as error:
                log.warning("Pages are told later that pushes were lost: %s", error)
                return
            with self._lock:
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
