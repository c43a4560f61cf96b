"""One websocket of a user: what it subscribed to, and the messages that leave on it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from aiohttp import web

from brokers.simulator.effects.messages import Disturbance
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import Entry, Listener, User

_BACKLOG = 20_000


class Connection(Listener):
    """A connection's subscriptions and its way out."""

    def __init__(self, gateway: Gateway, user: User, response: web.WebSocketResponse) -> None:
        self.gateway = gateway
        self.user = user
        self.response = response
        self.outbox: asyncio.Queue[bytes] = asyncio.Queue(maxsize=_BACKLOG)
        self.topics: set[str] = set()
        self.known = True
        self.greeted = False
        self.closing: set[asyncio.Task[bool]] = set()
        # What was last said of each order that works; one that is over and changes again is said whole again.
        self.orders_seen: dict[int, dict[str, Any]] = {}
        self.quotes: dict[int, tuple[list[str], float]] = {}
        self.quotes_seen: dict[int, dict[str, str]] = {}
        self.charts: set[str] = set()
        self.charts_opened = 0
        # The contract whose book each account sees, and what it was shown last.
        self.books: dict[str, int] = {}
        self.books_seen: dict[str, list[dict[str, Any]]] = {}
        self.summary_keys: dict[str, set[str] | None] = {}
        self.next_quotes = 0.0
        self.next_summary = self.next_profit = 0.0
        self.disturbance = Disturbance(gateway, user)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, or what the faults in force make of it."""
        for leaving in self.disturbance.of(message):
            self.put(leaving)

    def put(self, message: dict[str, Any]) -> None:
        """Send a message as it is."""
        if self.gateway.keeps_journal:
            event = Entry({"kind": "event", "arrived": time.monotonic(), "message": message})
            event.seal()
            self.user.events.append(event)
        try:
            self.outbox.put_nowait(msgspec.json.encode(message))
        except asyncio.QueueFull:
            # A client that does not read is cut off; it asks again for what it missed.
            self.drop()

    def send_durable(self, message: dict[str, Any]) -> None:
        """Send what tells of a change, once the change is safe."""
        self.gateway.store.after_commit(lambda: self.send(message))

    async def write_forever(self) -> None:
        try:
            while True:
                await self.response.send_str(self.gateway.kept_numbers.outward((await self.outbox.get()).decode()))
        except (ConnectionError, RuntimeError):
            self.drop()

    async def beat_forever(self) -> None:
        while True:
            await asyncio.sleep(self.gateway.behaviour.heartbeat_s)
            if self.greeted:
                self.send({"topic": "system", "hb": int(self.gateway.clock() * 1000)})

    def drop(self) -> None:
        """Close without ceremony."""
        self.user.sockets.discard(self)
        transport = self.response._req.transport if self.response._req is not None else None
        if transport is not None:
            transport.abort()

    def close(self, code: int) -> None:
        """Say goodbye with a code."""
        self.user.sockets.discard(self)
        task = asyncio.get_running_loop().create_task(self.response.close(code=code))
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)
