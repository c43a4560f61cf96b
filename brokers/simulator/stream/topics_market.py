"""Charts and books on the websocket."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.market.walk import mix
from brokers.simulator.shapes.charts import ChartRequest, chart
from brokers.simulator.stream.connection import Connection

_MOST_CHARTS = 5
_LEVELS = 5
_TOO_MANY = "Too many history charts requests, please try again later."
_LETTERS = {"%o": "o", "%c": "c", "%h": "h", "%l": "l", "%v": "v"}


def subscribe_chart(socket: Connection, rest: str) -> None:
    """One chart, once; it stays open, and counts, until it is unsubscribed from."""
    number, _, text = rest.partition("+")
    instrument, options = catalogue.find(int(number.split("@")[0])), json.loads(text) if text else {}
    topic = f"smh+{number}"
    if instrument is None or not isinstance(options, dict):
        raise ValueError("a chart is of a contract, with options that are an object")
    if len(socket.charts) >= _MOST_CHARTS:
        socket.send({"topic": topic, "error": _TOO_MANY})
        return
    request = ChartRequest(
        period=str(options.get("period", "1d")),
        bar=str(options.get("bar", "1min")),
        until=str(options.get("startTime") or ""),
        outside=options.get("outsideRth") is True,
    )
    socket.charts_opened += 1
    server = str(20_477 + socket.charts_opened)
    body = chart(socket.gateway, instrument, request, server=server)
    if body is None:
        raise ValueError("period and bar are lengths of time")
    socket.charts.add(server)
    socket.send(_with_letters(body, str(options.get("format") or "")) | {"topic": topic})


def _with_letters(body: dict[str, Any], format_: str) -> dict[str, Any]:
    """The bars with the figures that the format names, and always with their time."""
    letters = {_LETTERS[part] for part in format_.split("/") if part in _LETTERS}
    if not letters:
        return body
    return body | {"data": [{k: v for k, v in bar.items() if k in letters or k == "t"} for bar in body["data"]]}


def unsubscribe_chart(socket: Connection, rest: str) -> None:
    socket.charts.discard(rest.strip())


def subscribe_book(socket: Connection, rest: str) -> None:
    """The book of one contract; a user sees one at a time."""
    account, number = (*rest.split("+"), "")[:2]
    instrument = catalogue.find(int(number))
    if account not in socket.user.account_ids or instrument is None:
        raise ValueError("a book is of an account and a contract")
    socket.books[account] = instrument.conid
    socket.books_seen.pop(account, None)
    send_book(socket, account)


def unsubscribe_book(socket: Connection, rest: str) -> None:
    account = rest.split("+", maxsplit=1)[0]
    socket.books.pop(account, None)
    socket.books_seen.pop(account, None)


def send_book(socket: Connection, account: str) -> None:
    """The book, when it is another than before."""
    instrument = catalogue.find(socket.books[account])
    rows = [] if instrument is None else _levels(socket, instrument)
    if instrument is None or socket.books_seen.get(account) == rows:
        return
    socket.books_seen[account] = rows
    socket.send({"topic": f"sbd+{account}+{instrument.conid}", "data": rows})


def _levels(socket: Connection, instrument: Instrument) -> list[dict[str, Any]]:
    """The sizes at the touch and behind it, offers from the highest down to bids at the lowest."""
    quote = socket.gateway.quote(instrument.conid)
    if quote is None or instrument.sec_type == "IND":
        return []
    asks = [(quote.ask + level * instrument.tick(quote.ask), quote.ask_size) for level in range(_LEVELS)]
    bids = [(quote.bid - level * instrument.tick(quote.bid), quote.bid_size) for level in range(_LEVELS)]
    sides = [("ask", *row) for row in reversed(asks)] + [("bid", *row) for row in bids]
    return [
        {"row": row, "focus": int(row == _LEVELS), "price": f"{price:.{instrument.digits}f}", "bid": "", "ask": ""}
        | {side: str(_size(instrument, price, size, quote))}
        for row, (side, price, size) in enumerate(sides)
        if price > 0
    ]


def _size(instrument: Instrument, price: Decimal, size: int, quote: Any) -> int:
    """At the touch the quote's own size; further away more is waiting."""
    if price in (quote.bid, quote.ask):
        return size
    return size + mix(instrument.conid, int(price / instrument.increment)) % (10 * max(size, 1))
