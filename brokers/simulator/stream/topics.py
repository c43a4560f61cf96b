"""The topics of the websocket: what a client subscribes to, and the messages it gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from brokers.simulator.catalogue import catalogue
from brokers.simulator.exchange.combos import instrument_of
from brokers.simulator.exchange.records import Account
from brokers.simulator.orders.reads import day_of, trade_rows
from brokers.simulator.shapes import accounts, positions
from brokers.simulator.shapes.orders import order_row
from brokers.simulator.shapes.quotes import quote_fields
from brokers.simulator.stream import topics_market
from brokers.simulator.stream.connection import Connection


def subscribe_orders(socket: Connection, rest: str) -> None:
    socket.topics.add("sor")
    socket.orders_seen.clear()
    show = socket.gateway.behaviour.children_show_reference
    trails = socket.gateway.behaviour.trails_show_prices
    rows = []
    today = day_of(socket.gateway.clock())
    for account_id in socket.user.account_ids:
        for order in socket.gateway.engine.by_account[account_id].values():
            instrument = instrument_of(order)
            if instrument is not None and (order.working or day_of(order.updated_at) == today):
                row = order_row(order, instrument, show_reference=show, show_trail=trails)
                if order.working:
                    socket.orders_seen[order.order_id] = row
                rows.append(row)
    socket.send_durable({"topic": "sor", "args": rows})


def subscribe_trades(socket: Connection, rest: str) -> None:
    options = _options(rest)
    socket.topics.add("str")
    only_new = options.get("realtimeUpdatesOnly", False)
    rows = []
    if only_new is not True and socket.gateway.behaviour.replay_trades:
        days = int(options.get("days", 1))
        for account_id in socket.user.account_ids:
            rows += trade_rows(socket.gateway, account_id, days, socket.user.name)
    socket.send_durable({"topic": "str", "args": rows})


def subscribe_pnl(socket: Connection, rest: str) -> None:
    socket.topics.add("spl")
    socket.user.session.pnl_wanted = True
    send_pnl(socket)


def send_pnl(socket: Connection) -> None:
    args: dict[str, Any] = {}
    for account in socket.gateway.accounts_of(socket.user):
        args |= positions.pnl(account, socket.gateway.worth(account), websocket=True)
    socket.send_durable({"topic": "spl", "args": args})


def subscribe_quotes(socket: Connection, rest: str) -> None:
    number, _, options = rest.partition("+")
    conid = int(number.split("@")[0])
    fields = [str(f) for f in _options(options).get("fields", ["31", "84", "86"])]
    if catalogue.find(conid) is None:
        return
    socket.quotes[conid] = (fields, socket.gateway.clock() + socket.gateway.behaviour.quotes_ttl_s)
    socket.quotes_seen.pop(conid, None)
    socket.user.session.snapshots.add(conid)
    send_quote(socket, conid)


def send_quote(socket: Connection, conid: int) -> None:
    """The fields that changed since the last message about this contract."""
    instrument = catalogue.find(conid)
    if instrument is None:
        return
    now = socket.gateway.clock()
    current = quote_fields(socket.gateway, instrument, socket.quotes[conid][0])
    before = socket.quotes_seen.get(conid)
    changed = current if before is None else {k: v for k, v in current.items() if before.get(k) != v}
    socket.quotes_seen[conid] = current
    if not changed:
        return
    head = {"server_id": "q0", "conidEx": str(conid), "conid": conid, "_updated": int(now * 1000), "6119": "q0"}
    socket.send(head | changed | {"topic": f"smd+{conid}"})


def subscribe_summary(socket: Connection, rest: str) -> None:
    account = _account(socket, rest)
    if account is not None:
        keys = _options(rest.partition("+")[2]).get("keys")
        socket.summary_keys[account.account_id] = set(keys) if keys else None
        socket.topics.add(f"ssd+{account.account_id}")
        send_summary(socket, account)


def send_summary(socket: Connection, account: Account) -> None:
    stamp = int(socket.gateway.clock())
    head = {"severity": 0, "timestamp": stamp}
    rows: list[dict[str, Any]] = [{"key": "AccountCode", "value": account.account_id, **head}]
    for tag, amount in accounts.figures(account, socket.gateway.worth(account)).items():
        if tag == "AccountType":
            continue
        rows.append({"key": tag, "currency": account.base, "monetaryValue": float(round(amount, 4)), **head})
    left = accounts.day_trades_left(account, socket.gateway.behaviour.day_trades_left)
    rows.append({"key": "DayTradesRemaining", "value": str(left), **head})
    keys = socket.summary_keys.get(account.account_id)
    shown = rows if keys is None else [row for row in rows if row["key"] in keys]
    socket.send_durable({"result": shown, "topic": f"ssd+{account.account_id}"})


def subscribe_ledger(socket: Connection, rest: str) -> None:
    account = _account(socket, rest)
    if account is not None:
        socket.topics.add(f"sld+{account.account_id}")
        send_ledger(socket, account)


def send_ledger(socket: Connection, account: Account) -> None:
    value, now = socket.gateway.worth(account), socket.gateway.clock()
    rows = []
    for currency in ("BASE", *sorted(account.cash.keys() | value.profits.keys())):
        rate = socket.gateway.rate(account.base if currency == "BASE" else currency, account.base)
        row = positions.ledger_row(account, currency, value, rate, now)
        row["key"] = f"LedgerList{currency}"
        rows.append(row | {"acctCode": account.account_id})
    socket.send_durable({"result": rows, "topic": f"sld+{account.account_id}"})


def _account(socket: Connection, rest: str) -> Account | None:
    account_id = rest.split("+", maxsplit=1)[0]
    return socket.gateway.engine.accounts[account_id] if account_id in socket.user.account_ids else None


def unsubscribe(socket: Connection, *topics: str) -> None:
    socket.topics.difference_update(topics)
    _confirm(socket, *topics)


def _confirm(socket: Connection, *topics: str) -> None:
    """Unsubscriptions of these topics are not answered, unless somebody wants to see them answered."""
    if socket.gateway.behaviour.answers_unsubscribing:
        socket.send({"result": f"unsubscribed from {' '.join(topics)}"})


def unsubscribe_quotes(socket: Connection, rest: str) -> None:
    socket.quotes.pop(int(rest.split("+", maxsplit=1)[0].split("@", maxsplit=1)[0]), None)
    _confirm(socket, "smd")


def unsubscribe_account(socket: Connection, topic: str, rest: str, text: str) -> None:
    socket.topics.discard(f"{topic}+{rest.split('+', maxsplit=1)[0]}")
    socket.send({"result": f"unsubscribed from {text}"})


def tic(socket: Connection, rest: str) -> None:
    session = socket.user.session
    stamp = int(socket.gateway.clock() * 1000)
    socket.send({"topic": "tic", "alive": True, "id": session.token, "lastAccessed": stamp})


def _options(text: str) -> dict[str, Any]:
    settings = json.loads(text) if text else {}
    if not isinstance(settings, dict):
        raise TypeError("options are an object")
    return settings


TOPICS: dict[str, Callable[[Connection, str], None]] = {
    "sor": subscribe_orders,
    "str": subscribe_trades,
    "spl": subscribe_pnl,
    "smd": subscribe_quotes,
    "ssd": subscribe_summary,
    "sld": subscribe_ledger,
    "tic": tic,
    "ech": lambda socket, rest: socket.send({"topic": "ech", "args": rest}),
    "uor": lambda socket, rest: unsubscribe(socket, "sor"),
    "utr": lambda socket, rest: unsubscribe(socket, "str"),
    "upl": lambda socket, rest: unsubscribe(socket, "spl"),
    "umd": unsubscribe_quotes,
    "smh": topics_market.subscribe_chart,
    "umh": topics_market.unsubscribe_chart,
    "sbd": topics_market.subscribe_book,
    "ubd": topics_market.unsubscribe_book,
    "usd": lambda socket, rest: unsubscribe_account(socket, "ssd", rest, "summary"),
    "uld": lambda socket, rest: unsubscribe_account(socket, "sld", rest, "ledger"),
}
