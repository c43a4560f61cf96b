"""Builds a message from a person's choices, with marks where the sender fills in. Pure: choices in, fields out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.domain.orders import FOR_AUCTIONS, LIMITED, MAY_BE_CAPPED, TOUCHED, TRAILING, OrderType, TimeInForce
from strategies.domain.message.message import Action, moment
from strategies.domain.numbers import plain
from strategies.reading.fields import number


class Source(StrEnum):
    """The program that sends."""

    TRADINGVIEW = "tradingview"
    TRADINGVIEW_STRATEGY = "tradingview-strategy"
    TRENDSPIDER = "trendspider"
    PINE = "pine"
    PYTHON = "python"
    CURL = "curl"


class Slot(StrEnum):
    """A value that the sender fills in when it sends."""

    TICKER = "TICKER"
    PRICE = "PRICE"
    TIME = "TIME"
    BAR = "BAR"
    INTERVAL = "INTERVAL"
    ACTION = "ACTION"
    CONTRACTS = "CONTRACTS"
    POSITION = "POSITION"
    POSITIONSIZE = "POSITIONSIZE"
    PREVIOUS = "PREVIOUS"
    PREVIOUSSIZE = "PREVIOUSSIZE"
    SIGNEDSIZE = "SIGNEDSIZE"
    ORDERID = "ORDERID"
    UNIQUE = "UNIQUE"


# The sending strategy's own order decides: its side, its size, or the position it wants to hold.
AS_ORDERED = "strategy"
# The size is the position that the strategy holds after its order.
AS_HELD = "position"
_TRADINGVIEW = {
    # With the exchange in front, a listing abroad is refused instead of taken for the US one.
    Slot.TICKER: "{{exchange}}:{{ticker}}",
    Slot.PRICE: "{{close}}",
    Slot.TIME: "{{timenow}}",
    Slot.BAR: "{{time}}",
    Slot.INTERVAL: "{{interval}}",
}
PLACEHOLDERS: dict[Source, dict[Slot, str]] = {
    Source.TRADINGVIEW: _TRADINGVIEW,
    Source.TRADINGVIEW_STRATEGY: {
        **_TRADINGVIEW,
        Slot.ACTION: "{{strategy.order.action}}",
        Slot.CONTRACTS: "{{strategy.order.contracts}}",
        Slot.POSITION: "{{strategy.market_position}}",
        Slot.POSITIONSIZE: "{{strategy.market_position_size}}",
        Slot.PREVIOUS: "{{strategy.prev_market_position}}",
        Slot.PREVIOUSSIZE: "{{strategy.prev_market_position_size}}",
        Slot.SIGNEDSIZE: "{{strategy.position_size}}",
        Slot.ORDERID: "{{strategy.order.id}}",
    },
    Source.TRENDSPIDER: {Slot.TICKER: "%alert_symbol%", Slot.PRICE: "%last_price%"},
    Source.PINE: {
        Slot.TICKER: 'syminfo.prefix + ":" + syminfo.ticker',
        Slot.PRICE: "str.tostring(close)",
        Slot.TIME: 'str.format_time(timenow, "yyyy-MM-dd\'T\'HH:mm:ssZ", "UTC")',
        Slot.BAR: "str.tostring(time)",
        Slot.INTERVAL: "timeframe.period",
    },
    Source.PYTHON: {Slot.TIME: "datetime.now(UTC).isoformat()", Slot.UNIQUE: "str(uuid4())"},
    Source.CURL: {Slot.TIME: "$(date -u +%Y-%m-%dT%H:%M:%SZ)", Slot.UNIQUE: "$(uuidgen)"},
}

# Order types that take a limit price, as signals name them.
LIMIT_PRICED = frozenset(
    {
        *map(str, (LIMITED | MAY_BE_CAPPED) - TRAILING),
        *(name for name, (kind, _) in FOR_AUCTIONS.items() if kind in LIMITED),
    }
)
MARK = re.compile("\ue000([A-Z]+)\ue001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A person's choices. Numbers are text as typed: digits, or a formula that begins with "="."""

    source: Source
    action: str
    ticker: str = ""
    example: str = "SPY"
    sentiment: str = ""
    sizing: str = ""
    quantity: str = ""
    order_type: str = ""
    limit: str = ""
    stop: str = ""
    touch: str = ""
    trail: str = ""
    trail_value: str = ""
    limit_offset: str = ""
    time_in_force: str = ""
    good_till: str = ""
    extended: bool = False
    take_profit: str = ""
    take_profit_value: str = ""
    take_profit_more: str = ""
    take_profit_parts: str = ""
    stop_loss: str = ""
    stop_loss_mode: str = ""
    stop_loss_value: str = ""
    stop_loss_limit: str = ""
    stop_loss_offset: str = ""
    stop_loss_moves: str = ""
    stop_loss_moves_by: str = ""
    stop_loss_moves_after: str = ""
    option_type: str = ""
    expiration: str = ""
    price: bool = False
    time: bool = False
    signal_id: bool = False
    test: bool = False
    sign: bool = False

    def has(self, slot: Slot) -> bool:
        """Whether the sender can fill in this value."""
        return slot in PLACEHOLDERS[self.source]


def values(choice: Choice) -> dict[str, Any]:
    """The fields of the message, with marks where the sender fills in."""
    fields: dict[str, Any] = {"ticker": _ticker(choice), "action": _ordered(choice.action, Slot.ACTION)}
    if choice.sentiment and choice.sizing != AS_HELD:
        fields["sentiment"] = _ordered(choice.sentiment, Slot.POSITION)
    if choice.sizing == AS_ORDERED:
        fields["quantity"] = _mark(Slot.CONTRACTS)
    elif choice.sizing == AS_HELD:
        fields["targetQuantity"] = _mark(Slot.SIGNEDSIZE)
    elif choice.sizing:
        fields["quantity"] = _number(choice.quantity)
        if choice.sizing != "fixed_quantity":
            fields["quantityType"] = choice.sizing
    fields |= _order(choice) | _brackets(choice)
    for name, text in (("optionType", choice.option_type), ("expiration", choice.expiration)):
        if text:
            fields[name] = text
    if choice.price and choice.has(Slot.PRICE):
        fields["price"] = _mark(Slot.PRICE)
    if choice.time and choice.has(Slot.TIME):
        fields["time"] = _mark(Slot.TIME)
    fields |= _sending_order(choice)
    if choice.signal_id and (identity := _identity(choice)):
        fields["signalId"] = identity
    if choice.test:
        fields["test"] = True
    return fields


def _ticker(choice: Choice) -> str:
    if choice.ticker:
        return choice.ticker
    return _mark(Slot.TICKER) if choice.has(Slot.TICKER) else choice.example


def _ordered(word: str, slot: Slot) -> str:
    return _mark(slot) if word == AS_ORDERED else word


def _order(choice: Choice) -> dict[str, Any]:
    order: dict[str, Any] = {}
    if choice.order_type:
        order["orderType"] = choice.order_type
    if choice.limit and choice.order_type in LIMIT_PRICED:
        order["limitPrice"] = _number(choice.limit)
    if choice.stop and choice.order_type in {"stop", "stop_limit"}:
        order["stopPrice"] = _number(choice.stop)
    if choice.touch and choice.order_type in TOUCHED:
        order["touchPrice"] = _number(choice.touch)
    if choice.order_type in TRAILING:
        order[choice.trail or "trailPercent"] = _number(choice.trail_value)
    if choice.limit_offset and choice.order_type == OrderType.TRAILING_STOP_LIMIT:
        order["limitOffset"] = _number(choice.limit_offset)
    if choice.time_in_force:
        order["timeInForce"] = choice.time_in_force
    if choice.time_in_force == TimeInForce.GTD:
        order["goodTillDate"] = choice.good_till
    if choice.extended:
        order["extendedHours"] = True
    return order


def _brackets(choice: Choice) -> dict[str, Any]:
    brackets: dict[str, Any] = {}
    if choice.take_profit:
        brackets["takeProfit"] = _targets(choice)
    if choice.stop_loss:
        stop: dict[str, Any] = {choice.stop_loss_mode: _number(choice.stop_loss_value)}
        if choice.stop_loss == OrderType.TRAILING_STOP_LIMIT:
            stop["limitOffset"] = _number(choice.stop_loss_offset)
        if choice.action != Action.MODIFY or choice.stop_loss in TRAILING:
            # A stop that is moved keeps its type, whichever that is.
            stop = {"type": choice.stop_loss, **stop}
        if choice.stop_loss == "stop_limit" and choice.stop_loss_limit:
            stop["limitPrice"] = _number(choice.stop_loss_limit)
        brackets["stopLoss"] = stop | _move(choice)
    return brackets


_MOVES_BY = {"break_even": "moveOffset", "trail_amount": "moveTrailAmount", "trail_percent": "moveTrailPercent"}


def _move(choice: Choice) -> dict[str, object]:
    """What becomes of the stop once targets have filled."""
    if not choice.stop_loss_moves:
        return {}
    move: dict[str, object] = {"moveTo": "breakeven" if choice.stop_loss_moves == "break_even" else "trail"}
    if choice.stop_loss_moves_after:
        move["moveAfter"] = _number(choice.stop_loss_moves_after)
    if choice.stop_loss_moves_by:
        move[_MOVES_BY[choice.stop_loss_moves]] = _number(choice.stop_loss_moves_by)
    return move


def _targets(choice: Choice) -> object:
    """One take profit, or a list of them with their parts."""
    values = [_number(text) for text in (choice.take_profit_value, *listed(choice.take_profit_more))]
    parts = listed(choice.take_profit_parts)
    if len(values) == 1 and not parts:
        return {choice.take_profit: values[0]}
    rungs: list[dict[str, object]] = [{choice.take_profit: value} for value in values]
    for rung, part in zip(rungs, parts, strict=False):
        rung["quantityPercent" if part.endswith("%") else "quantity"] = _number(part.removesuffix("%"))
    return rungs


def listed(text: str) -> list[str]:
    """The entries of a list in one field: formulas hold spaces, and are separated by semicolons."""
    entries = text.split(";") if ";" in text else text.split()
    return [entry.strip() for entry in entries if entry.strip()]


def _sending_order(choice: Choice) -> dict[str, Any]:
    """Which order of the sending strategy it is, and the position around it; so two of its orders never look alike."""
    if choice.action != AS_ORDERED or not choice.has(Slot.ORDERID):
        return {}
    order = {"orderId": _mark(Slot.ORDERID), "marketPositionSize": _mark(Slot.POSITIONSIZE)}
    before = {"prevMarketPosition": _mark(Slot.PREVIOUS), "prevMarketPositionSize": _mark(Slot.PREVIOUSSIZE)}
    # A target is the whole position, so where it came from does not matter.
    return order if choice.sizing == AS_HELD else order | before


def _identity(choice: Choice) -> str:
    """A signalId that differs for each call, or else for each bar and action; empty when the sender can fill in neither."""
    if choice.has(Slot.UNIQUE):
        return _mark(Slot.UNIQUE)
    # A strategy orders several times in a bar: the body tells its orders apart, and an identity by bar would not.
    if not choice.has(Slot.BAR) or choice.has(Slot.ORDERID):
        return ""
    ticker = _mark(Slot.TICKER) if not choice.ticker else choice.ticker
    return f"{ticker} {_mark(Slot.INTERVAL)} {_mark(Slot.BAR)} {_ordered(choice.action, Slot.ACTION)}"


def _mark(slot: Slot) -> str:
    return f"\ue000{slot}\ue001"


def _number(text: str) -> object:
    """Digits as a number; any other text, such as a formula, stripped."""
    decimal = number(text)
    return text.strip() if decimal is None else decimal


def filled(choice: Choice, now: datetime) -> str:
    """The message as text, as it would arrive: with examples where the sender fills in."""
    samples = {
        Slot.TICKER: choice.example,
        Slot.PRICE: "100",
        Slot.TIME: moment(now),
        Slot.BAR: moment(now.replace(second=0, microsecond=0)),
        Slot.INTERVAL: "5",
        Slot.ACTION: "buy",
        Slot.CONTRACTS: "1",
        Slot.POSITION: "long",
        Slot.POSITIONSIZE: "1",
        Slot.PREVIOUS: "flat",
        Slot.PREVIOUSSIZE: "0",
        Slot.SIGNEDSIZE: "1",
        Slot.ORDERID: "Long",
        Slot.UNIQUE: "9f6c1b54-0c5e-4f0e-9f43-6a7f6f1f7d11",
    }
    return MARK.sub(lambda match: samples[Slot(match[1])], written(values(choice)))


def written(value: object, indent: str = "", literals: tuple[str, str] = ("true", "false")) -> str:
    """JSON over several lines, decimals as they were typed. With the literals of Python, a Python dict."""
    if isinstance(value, dict):
        deeper = indent + "  " if literals[0] == "true" else indent + "    "
        lines = [f"{deeper}{json.dumps(name)}: {written(inner, deeper, literals)}" for name, inner in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list):
        deeper = indent + "  " if literals[0] == "true" else indent + "    "
        # A line for each: they are compared with one another.
        return "[\n" + ",\n".join(f"{deeper}{flat(inner)}" for inner in value) + f"\n{indent}]"
    if isinstance(value, bool):
        return literals[0] if value else literals[1]
    if isinstance(value, Decimal):
        return plain(value)
    return json.dumps(value, ensure_ascii=False)


def flat(value: object) -> str:
    """JSON on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {flat(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flat, value)) + "]"
    return written(value)
