"""The websocket: first messages, heartbeats, and the topics a client subscribes to."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSMsgType, web

from brokers.simulator import catalogue, shapes_accounts
from brokers.simulator.reads import day_of, quote_fields, trade_rows
from brokers.simulator.records import Account, Execution, Order
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
        self.greeted = False
        self.orders_seen: dict[int, dict[str, Any]] = {}
        self.quotes: dict[int, tuple[list[str], float]] = {}
        self.quotes_seen: dict[int, dict[str, str]] = {}
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
        if session.stage(self.gateway.clock()) != "established":
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
        session = self.user.session
        session.last_request_at = self.gateway.clock()
        if topic not in _TOPICS:
            self.send({"topic": "error", "error": f"unknown topic {topic[:32]}"})
            return
        try:
            _TOPICS[topic](self, rest)
        except (ValueError, TypeError, AttributeError):
            self.send({"topic": "error", "error": f"cannot read {text[:64]}"})

    def subscribe_orders(self, rest: str) -> None:
        self.topics.add("sor")
        self.orders_seen.clear()
        show = self.gateway.behaviour.children_show_reference
        rows = []
        today = day_of(self.gateway.clock())
        for account_id in self.user.account_ids:
            for order in self.gateway.engine.by_account[account_id].values():
                instrument = catalogue.find(order.conid)
                if instrument is not None and (order.working or day_of(order.updated_at) == today):
                    row = order_row(order, instrument, show_reference=show)
                    self.orders_seen[order.order_id] = row
                    rows.append(row)
        self.send_durable({"topic": "sor", "args": rows})

    def subscribe_trades(self, rest: str) -> None:
        options = _options(rest)
        self.topics.add("str")
        only_new = options.get("realtimeUpdatesOnly", False)
        rows = []
        if only_new is not True:
            days = int(options.get("days", 1))
            for account_id in self.user.account_ids:
                rows += trade_rows(self.gateway, account_id, days, self.user.name)
        self.send_durable({"topic": "str", "args": rows})

    def subscribe_pnl(self, rest: str) -> None:
        self.topics.add("spl")
        self.user.session.pnl_wanted = True
        self.send_pnl()

    def send_pnl(self) -> None:
        args: dict[str, Any] = {}
        for account in self.gateway.accounts_of(self.user):
            args |= shapes_accounts.pnl(account, self.gateway.worth(account), websocket=True)
        self.send({"topic": "spl", "args": args})

    def subscribe_quotes(self, rest: str) -> None:
        number, _, options = rest.partition("+")
        conid = int(number.split("@")[0])
        fields = [str(f) for f in _options(options).get("fields", ["31", "84", "86"])]
        if catalogue.find(conid) is None:
            return
        self.quotes[conid] = (fields, self.gateway.clock() + self.gateway.behaviour.quotes_ttl_s)
        self.quotes_seen.pop(conid, None)
        self.user.session.snapshots.add(conid)
        self.send_quote(conid)

    def send_quote(self, conid: int) -> None:
        """The fields that changed since the last message about this contract."""
        instrument = catalogue.find(conid)
        if instrument is None:
            return
        now = self.gateway.clock()
        current = quote_fields(self.gateway, instrument, self.quotes[conid][0])
        before = self.quotes_seen.get(conid)
        changed = current if before is None else {k: v for k, v in current.items() if before.get(k) != v}
        self.quotes_seen[conid] = current
        if not changed:
            return
        head = {"server_id": "q0", "conidEx": str(conid), "conid": conid, "_updated": int(now * 1000), "6119": "q0"}
        self.send(head | changed | {"topic": f"smd+{conid}"})

    def subscribe_summary(self, rest: str) -> None:
        account = self._account(rest)
        if account is not None:
            self.topics.add(f"ssd+{account.account_id}")
            self.send_summary(account)

    def send_summary(self, account: Account) -> None:
        stamp = int(self.gateway.clock())
        head = {"severity": 0, "timestamp": stamp}
        rows: list[dict[str, Any]] = [{"key": "AccountCode", "value": account.account_id, **head}]
        for tag, amount in shapes_accounts.figures(account, self.gateway.worth(account)).items():
            if tag == "AccountType":
                continue
            rows.append({"key": tag, "currency": account.base, "monetaryValue": float(round(amount, 4)), **head})
        self.send({"result": rows, "topic": f"ssd+{account.account_id}"})

    def subscribe_ledger(self, rest: str) -> None:
        account = self._account(rest)
        if account is not None:
            self.topics.add(f"sld+{account.account_id}")
            self.send_ledger(account)

    def send_ledger(self, account: Account) -> None:
        value, now = self.gateway.worth(account), self.gateway.clock()
        rows = []
        for currency in ("BASE", *sorted(account.cash)):
            rate = self.gateway.rate(account.base if currency == "BASE" else currency)
            row = shapes_accounts.ledger_row(account, currency, value, rate, now)
            row["key"] = f"LedgerList{currency}"
            rows.append(row | {"acctCode": account.account_id})
        self.send({"result": rows, "topic": f"sld+{account.account_id}"})

    def _account(self, rest: str) -> Account | None:
        account_id = rest.split("+", maxsplit=1)[0]
        return self.gateway.engine.accounts[account_id] if account_id in self.user.account_ids else None

    def unsubscribe(self, *topics: str) -> None:
        self.topics.difference_update(topics)

    def unsubscribe_quotes(self, rest: str) -> None:
        self.quotes.pop(int(rest.split("+", maxsplit=1)[0].split("@", maxsplit=1)[0]), None)

    def unsubscribe_account(self, topic: str, rest: str, text: str) -> None:
        self.topics.discard(f"{topic}+{rest.split('+', maxsplit=1)[0]}")
        self.send({"result": f"unsubscribed from {text}"})

    def tic(self, rest: str) -> None:
        session = self.user.session
        stamp = int(self.gateway.clock() * 1000)
        self.send({"topic": "tic", "alive": True, "id": session.token, "lastAccessed": stamp})

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
            if self.user.session.stage(now) == "established":
                self.greet()
            return
        if self.quotes and now >= self.next_quotes:
            self.next_quotes = now + 0.5
            for conid in [c for c, (_, until) in self.quotes.items() if now >= until]:
                del self.quotes[conid]
            for conid in list(self.quotes):
                self.send_quote(conid)
        if self.topics and now >= self.next_summary:
            self.next_summary = now + self.gateway.behaviour.summary_s
            for account in self.gateway.accounts_of(self.user):
                if f"sld+{account.account_id}" in self.topics:
                    self.send_ledger(account)
                if f"ssd+{account.account_id}" in self.topics:
                    self.send_summary(account)
            if "spl" in self.topics:
                self.send_pnl()


def _options(text: str) -> dict[str, Any]:
    found = json.loads(text) if text else {}
    if not isinstance(found, dict):
        raise TypeError("options are an object")
    return found


_TOPICS: dict[str, Callable[[Socket, str], None]] = {
    "sor": Socket.subscribe_orders,
    "str": Socket.subscribe_trades,
    "spl": Socket.subscribe_pnl,
    "smd": Socket.subscribe_quotes,
    "ssd": Socket.subscribe_summary,
    "sld": Socket.subscribe_ledger,
    "tic": Socket.tic,
    "ech": lambda socket, rest: socket.send({"topic": "ech", "args": rest}),
    "uor": lambda socket, rest: socket.unsubscribe("sor"),
    "utr": lambda socket, rest: socket.unsubscribe("str"),
    "upl": lambda socket, rest: socket.unsubscribe("spl"),
    "umd": Socket.unsubscribe_quotes,
    "usd": lambda socket, rest: socket.unsubscribe_account("ssd", rest, "summary"),
    "uld": lambda socket, rest: socket.unsubscribe_account("sld", rest, "ledger"),
}
