"""The websocket: first messages, heartbeats, and the topics a client subscribes to."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSMsgType, web

from brokers.simulator import catalogue, shapes_accounts, topics
from brokers.simulator.records import Execution, Order
from brokers.simulator.shapes_orders import order_row, trade_row

if TYPE_CHECKING:
    from brokers.simulator.gateway import Gateway, User

log = logging.getLogger(__name__)
_BACKLOG = 20_000


async def serve_socket(gateway: Gateway, user: User, request: web.Request) -> web.StreamResponse:
    """Serve one websocket until it closes."""
    if "upgrade" not in request.headers.get("Connection", "").lower():
        return web.json_response({"error": "Bad Request: upgrade required", "statusCode": 400}, status=400)
    response = web.WebSocketResponse(max_msg_size=64 * 1024)
    await response.prepare(request)
    socket = Socket(gateway, user, response)
    cookie = request.cookies.get("api", "") + request.headers.get("Cookie", "")
    socket.known = not gateway.behaviour.ws_cookie_required or user.session.token in cookie
    user.sockets.add(socket)
    tasks = [asyncio.create_task(socket.write_forever()), asyncio.create_task(socket.beat_forever())]
    socket.greet()
    try:
        async for message in response:
            if message.type is WSMsgType.TEXT:
                socket.receive(message.data)
    finally:
        user.sockets.discard(socket)
        for task in tasks:
            task.cancel()
    return response


class Socket:
    """One connection and what it subscribed to."""

    def __init__(self, gateway: Gateway, user: User, response: web.WebSocketResponse) -> None:
        self.gateway = gateway
        self.user = user
        self.response = response
        self.outbox: asyncio.Queue[bytes] = asyncio.Queue(maxsize=_BACKLOG)
        self.topics: set[str] = set()
        self.known = True
        self.greeted = False
        self.orders_seen: dict[int, dict[str, Any]] = {}
        self.quotes: dict[int, tuple[list[str], float]] = {}
        self.quotes_seen: dict[int, dict[str, str]] = {}
        self.summary_keys: dict[str, set[str] | None] = {}
        self.next_quotes = 0.0
        self.next_summary = 0.0

    # -- out -----------------------------------------------------------------------------------------------------

    def send(self, message: dict[str, Any]) -> None:
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
                await self.response.send_str((await self.outbox.get()).decode())
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

    def greet(self) -> None:
        """The first messages, or that there is no session yet."""
        session = self.user.session
        if not self.known or session.stage(self.gateway.clock()) != "established":
            self.send({"message": "waiting for session"})
            return
        self.greeted = True
        name = self.user.name
        self.send({"topic": "system", "success": name, "isFT": False, "isPaper": True})
        args = shapes_accounts.accounts(self.user.account_ids, session.selected_account, session.token)
        self.send({"topic": "act", "args": args})
        self.status_changed()

    def status_changed(self) -> None:
        status = self.user.session.status(self.gateway.clock())
        args = {
            "authenticated": status["authenticated"],
            "competing": status["competing"],
            "connected": status["connected"],
            "message": "",
            "fail": "",
            "serverName": status["serverInfo"]["serverName"],
            "serverVersion": status["serverInfo"]["serverVersion"],
            "username": self.user.name,
        }
        self.send({"topic": "sts", "args": args})

    # -- in ------------------------------------------------------------------------------------------------------

    def receive(self, text: str) -> None:
        """Take one line such as `sor+{}` or `smd+265598+{"fields":["31"]}`."""
        topic, _, rest = text.strip().partition("+")
        if topic not in topics.TOPICS:
            self.send({"topic": "error", "error": f"unknown topic {topic[:32]}"})
            return
        try:
            topics.TOPICS[topic](self, rest)
        except (ValueError, TypeError, AttributeError):
            self.send({"topic": "error", "error": f"cannot read {text[:64]}"})

    # -- news ----------------------------------------------------------------------------------------------------

    def order_changed(self, order: Order) -> None:
        """After the first image only what changed is told."""
        if "sor" not in self.topics:
            return
        instrument = catalogue.find(order.conid)
        assert instrument is not None
        filters = self.user.session.filters
        if filters and order.status.lower() not in filters:
            return
        row = order_row(order, instrument, show_reference=self.gateway.behaviour.children_show_reference)
        before = self.orders_seen.get(order.order_id)
        self.orders_seen[order.order_id] = row
        if before is not None:
            changed = {k: v for k, v in row.items() if before.get(k) != v}
            if not changed:
                return
            row = {"acct": row["acct"], "orderId": row["orderId"]} | changed
        self.send_durable({"topic": "sor", "args": [row]})

    def executed(self, execution: Execution) -> None:
        if "str" not in self.topics:
            return
        instrument = catalogue.find(execution.conid)
        assert instrument is not None
        self.send_durable({"topic": "str", "args": [trade_row(execution, instrument, submitter=self.user.name)]})

    def tick(self) -> None:
        """What is sent because time passes."""
        now = self.gateway.clock()
        if not self.greeted:
            if self.known and self.user.session.stage(now) == "established":
                self.greet()
            return
        if self.quotes and now >= self.next_quotes:
            self.next_quotes = now + 0.5
            for conid in [c for c, (_, until) in self.quotes.items() if now >= until]:
                del self.quotes[conid]
            for conid in list(self.quotes):
                topics.send_quote(self, conid)
        if self.topics and now >= self.next_summary:
            self.next_summary = now + self.gateway.behaviour.summary_s
            for account in self.gateway.accounts_of(self.user):
                if f"sld+{account.account_id}" in self.topics:
                    topics.send_ledger(self, account)
                if f"ssd+{account.account_id}" in self.topics:
                    topics.send_summary(self, account)
            if "spl" in self.topics:
                topics.send_pnl(self)
