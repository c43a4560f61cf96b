"""The websocket: first messages, heartbeats, and the topics a client subscribes to."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import WSMsgType, web

from brokers.simulator.calls import Call
from brokers.simulator.catalogue import catalogue
from brokers.simulator.effects import actions, nonsense
from brokers.simulator.exchange.combos import instrument_of
from brokers.simulator.exchange.records import Execution, Order
from brokers.simulator.faults.faults import Fault
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import User
from brokers.simulator.shapes.accounts import accounts_of
from brokers.simulator.shapes.orders import order_row, trade_row
from brokers.simulator.stream import topics, topics_market
from brokers.simulator.stream.connection import Connection
from brokers.simulator.wire import Answer


async def serve_socket(gateway: Gateway, user: User, request: web.Request) -> web.StreamResponse:
    """Serve one websocket until it closes."""
    now = gateway.clock()
    call = Call(
        gateway=gateway,
        user=user,
        method="GET",
        path="/ws",
        query=request.query,
        raw=b"",
        now=now,
        address=request.remote or "",
    )
    faults = gateway.faults.pick(user=user.name, method="GET", path="/ws", body=b"", now=now)
    if (refused := await _refused(call, faults, request)) is not None:
        return refused
    if "upgrade" not in request.headers.get("Connection", "").lower():
        return web.json_response({"error": "Bad Request: upgrade required", "statusCode": 400}, status=400)
    # Uncompressed: frames are small, and a frame that is being compressed when the client leaves would be lost noisily.
    response = web.WebSocketResponse(max_msg_size=64 * 1024, compress=False)
    await response.prepare(request)
    socket = Socket(gateway, user, response)
    if not gateway.behaviour.session_machine:
        user.session.open_at_once(gateway.clock())
    cookie = request.cookies.get("api", "") + request.headers.get("Cookie", "")
    socket.known = not gateway.behaviour.ws_cookie_required or user.session.token in cookie
    user.sockets.add(socket)
    tasks = [asyncio.create_task(socket.write_forever()), asyncio.create_task(socket.beat_forever())]
    socket.greet()
    for fault in faults:
        if kind := fault.action.get("frames"):
            for frame in nonsense.frames(str(kind)):
                await response.send_str(frame)
    await actions.after(call, faults, Answer())
    try:
        async for message in response:
            if message.type is WSMsgType.TEXT:
                socket.receive(gateway.kept_numbers.inward(message.data))
            elif message.type is WSMsgType.BINARY:
                socket.receive(gateway.kept_numbers.inward(message.data.decode("utf-8", "replace")))
    finally:
        user.sockets.discard(socket)
        for task in tasks:
            task.cancel()
    return response


async def _refused(call: Call, faults: list[Fault], request: web.Request) -> web.StreamResponse | None:
    """What a fault answers to the handshake, if it does not let it be."""
    try:
        answer = await actions.before(call, faults)
    except actions.Dropped:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    if answer is None:
        return None
    if answer.raw is not None:
        return web.Response(body=answer.raw, status=answer.status, headers=answer.headers)
    if answer.text is not None:
        return web.Response(text=answer.text, status=answer.status, headers=answer.headers)
    return web.json_response(answer.body, status=answer.status, headers=answer.headers)


class Socket(Connection):
    """A connection that understands its client, and hears what happens at the gateway."""

    def greet(self) -> None:
        """The first messages, or that there is no session yet."""
        session = self.user.session
        if not self.known or session.stage(self.gateway.clock()) != "established":
            self.send({"message": "waiting for session"})
            return
        self.greeted = True
        name = self.user.name
        args = accounts_of(self.gateway, self.user)
        self.send({"topic": "system", "success": name, "isFT": False, "isPaper": args["isPaper"]})
        self.send({"topic": "act", "args": args})
        self.status_changed()

    def prompted(self, prompt: dict[str, Any]) -> None:
        self.send({"topic": "ntf", "args": [prompt]})

    def says(self, topic: str, args: dict[str, Any]) -> None:
        self.send({"topic": topic, "args": args})

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
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
            self.send({"topic": "error", "error": f"cannot read {text[:64]}"})

    # -- news ----------------------------------------------------------------------------------------------------

    def order_changed(self, order: Order) -> None:
        """Send the order: whole the first time, afterwards only the fields that changed."""
        if "sor" not in self.topics:
            return
        instrument = instrument_of(order)
        assert instrument is not None
        filters = self.user.session.filters
        if filters and order.status.lower() not in filters:
            return
        behaviour = self.gateway.behaviour
        row = order_row(
            order,
            instrument,
            show_reference=behaviour.children_show_reference,
            show_trail=behaviour.trails_show_prices,
        )
        before = self.orders_seen.pop(order.order_id, None)
        if order.working:
            self.orders_seen[order.order_id] = row
        if before is not None and self.gateway.behaviour.only_changes:
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
        for message in self.disturbance.overdue(now):
            self.put(message)
        if not self.greeted:
            if self.known and self.user.session.stage(now) == "established":
                self.greet()
            return
        if (self.quotes or self.books) and now >= self.next_quotes:
            self.next_quotes = now + 0.5
            self._tell_prices(now)
        if "spl" in self.topics and now >= self.next_profit:
            self.next_profit = now + self.gateway.behaviour.profit_s
            topics.send_pnl(self)
        if self.topics and now >= self.next_summary:
            self.next_summary = now + self.gateway.behaviour.summary_s
            for account in self.gateway.accounts_of(self.user):
                if f"sld+{account.account_id}" in self.topics:
                    topics.send_ledger(self, account)
                if f"ssd+{account.account_id}" in self.topics:
                    topics.send_summary(self, account)

    def _tell_prices(self, now: float) -> None:
        for conid in [c for c, (_, until) in self.quotes.items() if now >= until]:
            del self.quotes[conid]
        for conid in list(self.quotes):
            topics.send_quote(self, conid)
        for account_id in self.books:
            topics_market.send_book(self, account_id)
