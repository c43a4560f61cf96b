"""The message to paste for what somebody wants to send, in each sender's own placeholders. Pure: choices in, texts out."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from strategies.domain.message import moment
from strategies.domain.numbers import plain
from strategies.fields import number
from strategies.senders import SIGNATURE_HEADER


class Source(StrEnum):
    """Who sends."""

    TRADINGVIEW = "tradingview"
    TRADINGVIEW_STRATEGY = "tradingview-strategy"
    TRENDSPIDER = "trendspider"
    PINE = "pine"
    PYTHON = "python"
    CURL = "curl"


class Slot(StrEnum):
    """What the sender fills in at the moment it sends."""

    TICKER = "TICKER"
    PRICE = "PRICE"
    TIME = "TIME"
    BAR = "BAR"
    INTERVAL = "INTERVAL"
    ACTION = "ACTION"
    CONTRACTS = "CONTRACTS"
    POSITION = "POSITION"
    UNIQUE = "UNIQUE"


# The strategy's own order decides: its side, its size, the position it wants to be in.
AS_ORDERED = "strategy"
_TRADINGVIEW = {
    Slot.TICKER: "{{ticker}}",
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
    },
    Source.TRENDSPIDER: {Slot.TICKER: "%alert_symbol%", Slot.PRICE: "%last_price%"},
    Source.PINE: {
        Slot.TICKER: "syminfo.ticker",
        Slot.PRICE: "str.tostring(close)",
        Slot.TIME: 'str.format_time(timenow, "yyyy-MM-dd\'T\'HH:mm:ssZ", "UTC")',
        Slot.BAR: "str.tostring(time)",
        Slot.INTERVAL: "timeframe.period",
    },
    Source.PYTHON: {Slot.TIME: "datetime.now(UTC).isoformat()", Slot.UNIQUE: "str(uuid4())"},
    Source.CURL: {Slot.TIME: "$(date -u +%Y-%m-%dT%H:%M:%SZ)", Slot.UNIQUE: "$(uuidgen)"},
}

_MARK = re.compile("\ue000([A-Z]+)\ue001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What somebody wants to send. Numbers are text as typed: digits, or a formula that begins with "="."""

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
    trail: str = ""
    trail_value: str = ""
    time_in_force: str = ""
    extended: bool = False
    take_profit: str = ""
    take_profit_value: str = ""
    stop_loss: str = ""
    stop_loss_mode: str = ""
    stop_loss_value: str = ""
    stop_loss_limit: str = ""
    option_type: str = ""
    expiration: str = ""
    price: bool = False
    time: bool = False
    signal_id: bool = False
    test: bool = False
    sign: bool = False

    def has(self, slot: Slot) -> bool:
        """Whether the sender can fill this in."""
        return slot in PLACEHOLDERS[self.source]


def values(choice: Choice) -> dict[str, Any]:
    """The message as fields, with marks where the sender fills in."""
    found: dict[str, Any] = {"ticker": _ticker(choice), "action": _ordered(choice.action, Slot.ACTION)}
    if choice.sentiment:
        found["sentiment"] = _ordered(choice.sentiment, Slot.POSITION)
    if choice.sizing == AS_ORDERED:
        found["quantity"] = _mark(Slot.CONTRACTS)
    elif choice.sizing:
        found["quantity"] = _number(choice.quantity)
        if choice.sizing != "fixed_quantity":
            found["quantityType"] = choice.sizing
    found |= _order(choice) | _brackets(choice)
    for name, text in (("optionType", choice.option_type), ("expiration", choice.expiration)):
        if text:
            found[name] = text
    if choice.price and choice.has(Slot.PRICE):
        found["price"] = _mark(Slot.PRICE)
    if choice.time and choice.has(Slot.TIME):
        found["time"] = _mark(Slot.TIME)
    if choice.signal_id and (identity := _identity(choice)):
        found["signalId"] = identity
    if choice.test:
        found["test"] = True
    return found


def _ticker(choice: Choice) -> str:
    if choice.ticker:
        return choice.ticker
    return _mark(Slot.TICKER) if choice.has(Slot.TICKER) else choice.example


def _ordered(word: str, slot: Slot) -> str:
    return _mark(slot) if word == AS_ORDERED else word


def _order(choice: Choice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if choice.order_type:
        found["orderType"] = choice.order_type
    if choice.limit and choice.order_type in {"limit", "stop_limit"}:
        found["limitPrice"] = _number(choice.limit)
    if choice.stop and choice.order_type in {"stop", "stop_limit"}:
        found["stopPrice"] = _number(choice.stop)
    if choice.order_type == "trailing_stop":
        found[choice.trail or "trailPercent"] = _number(choice.trail_value)
    if choice.time_in_force:
        found["timeInForce"] = choice.time_in_force
    if choice.extended:
        found["extendedHours"] = True
    return found


def _brackets(choice: Choice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if choice.take_profit:
        found["takeProfit"] = {choice.take_profit: _number(choice.take_profit_value)}
    if choice.stop_loss:
        stop: dict[str, Any] = {"type": choice.stop_loss, choice.stop_loss_mode: _number(choice.stop_loss_value)}
        if choice.stop_loss == "stop_limit" and choice.stop_loss_limit:
            stop["limitPrice"] = _number(choice.stop_loss_limit)
        found["stopLoss"] = stop
    return found


def _identity(choice: Choice) -> str:
    """An id of the sender's own: one for each bar and action, or one for each call."""
    if choice.has(Slot.UNIQUE):
        return _mark(Slot.UNIQUE)
    if not choice.has(Slot.BAR):
        return ""
    ticker = _mark(Slot.TICKER) if not choice.ticker else choice.ticker
    return f"{ticker} {_mark(Slot.INTERVAL)} {_mark(Slot.BAR)} {_ordered(choice.action, Slot.ACTION)}"


def _mark(slot: Slot) -> str:
    return f"\ue000{slot}\ue001"


def _number(text: str) -> object:
    """Digits as a number; a formula, and what is neither, as the text it is."""
    found = number(text)
    return text.strip() if found is None else found


# Texts ----------------------------------------------------------------------------------------------------------------


def filled(choice: Choice, now: datetime) -> str:
    """The message as it arrives, with examples where the sender fills in."""
    samples = {
        Slot.TICKER: choice.example,
        Slot.PRICE: "100",
        Slot.TIME: moment(now),
        Slot.BAR: moment(now.replace(second=0, microsecond=0)),
        Slot.INTERVAL: "5",
        Slot.ACTION: "buy",
        Slot.CONTRACTS: "1",
        Slot.POSITION: "long",
        Slot.UNIQUE: "9f6c1b54-0c5e-4f0e-9f43-6a7f6f1f7d11",
    }
    return _MARK.sub(lambda match: samples[Slot(match[1])], _written(values(choice)))


def text(choice: Choice, url: str, key: str) -> str:
    """What to paste. `url` and `key` stand in programs; a message to paste holds neither."""
    found, slots = values(choice), PLACEHOLDERS[choice.source]
    match choice.source:
        case Source.PINE:
            return _pine(found, slots)
        case Source.PYTHON:
            return _python(found, slots, url, key if choice.sign else "")
        case Source.CURL:
            return _curl(found, slots, url, key if choice.sign else "")
    return _MARK.sub(lambda match: slots[Slot(match[1])], _written(found))


def _written(value: object, indent: str = "", literals: tuple[str, str] = ("true", "false")) -> str:
    """JSON over several lines, decimals as they were typed; with other literals, a Python dict."""
    if isinstance(value, dict):
        inner = indent + "  " if literals[0] == "true" else indent + "    "
        lines = [f"{inner}{json.dumps(name)}: {_written(each, inner, literals)}" for name, each in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, bool):
        return literals[0] if value else literals[1]
    if isinstance(value, Decimal):
        return plain(value)
    return json.dumps(value, ensure_ascii=False)


def _spliced(written: str, quote: Callable[[str], str], slots: Mapping[Slot, str], join: str) -> str:
    """A text with marks as quoted pieces and expressions in turn."""
    pieces = _MARK.split(written)
    found = [quote(piece) if n % 2 == 0 else slots[Slot(piece)] for n, piece in enumerate(pieces)]
    return join.join(found)


def _pine(found: dict[str, Any], slots: Mapping[Slot, str]) -> str:
    lines = [f"{json.dumps(name)}: {_flat(value)}" for name, value in found.items()]
    ends = ["{" * (n == 0) + line + (", " if n < len(lines) - 1 else "}") for n, line in enumerate(lines)]
    message = " +\n     ".join(_spliced(line, _pine_quoted, slots, " + ") for line in ends)
    return (
        "//@version=6\n"
        'indicator("Halyard alert", overlay = true)\n\n'
        "// When to send: put your own condition here.\n"
        "when = ta.crossover(ta.ema(close, 9), ta.ema(close, 21))\n\n"
        "// The message, written anew for each alert.\n"
        f"message = {message}\n\n"
        "if when\n"
        "    alert(message, alert.freq_once_per_bar_close)"
    )


def _flat(value: object) -> str:
    """JSON on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_flat(each)}" for name, each in value.items()) + "}"
    return _written(value)


def _pine_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _python(found: dict[str, Any], slots: Mapping[Slot, str], url: str, key: str) -> str:
    message = _written(found, "", ("True", "False"))
    # A field is either written out or filled in as a whole.
    message = re.sub('"\ue000([A-Z]+)\ue001"', lambda match: slots[Slot(match[1])], message)
    imports = ["hashlib", "hmac", "json", "time", "urllib.error", "urllib.request"]
    lines = [f"import {name}" for name in imports if key or name not in {"hashlib", "hmac", "time"}]
    lines += ["from datetime import UTC, datetime"] * ("datetime.now" in message)
    lines += ["from uuid import uuid4"] * ("uuid4" in message)
    lines += ["", f"URL = {_written(url)}"] + [f"KEY = {_written(key)}"] * bool(key)
    lines += ["", "", "def send(message):", "    body = json.dumps(message).encode()"]
    lines += ['    headers = {"Content-Type": "application/json"}']
    if key:
        lines += [
            "    seconds = str(int(time.time()))",
            '    signed = seconds.encode() + b"." + body',
            "    signature = hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()",
            f'    headers["{SIGNATURE_HEADER}"] = f"t={{seconds}},v1={{signature}}"',
        ]
    lines += [
        "    request = urllib.request.Request(URL, body, headers)",
        "    try:",
        "        with urllib.request.urlopen(request, timeout=10) as answer:",
        "            return json.load(answer)",
        "    except urllib.error.HTTPError as refused:",
        "        return json.load(refused)",
        "",
        "",
        f"message = {message}",
        "print(send(message))",
    ]
    return "\n".join(lines)


def _curl(found: dict[str, Any], slots: Mapping[Slot, str], url: str, key: str) -> str:
    quoted = {slot: f'"{expression}"' for slot, expression in slots.items()}
    body = _spliced(_flat(found), shlex.quote, quoted, "")
    json_type = "-H 'Content-Type: application/json'"
    if not key:
        return f"curl {json_type} \\\n  -d {body} \\\n  {shlex.quote(url)}"
    return "\n".join(
        [
            f"body={body}",
            f"key={shlex.quote(key)}",
            "seconds=$(date +%s)",
            'signature=$(printf \'%s.%s\' "$seconds" "$body" | openssl dgst -sha256 -hmac "$key" | sed \'s/^.* //\')',
            f'curl {json_type} -H "{SIGNATURE_HEADER}: t=$seconds,v1=$signature" \\',
            f'  --data-binary "$body" \\\n  {shlex.quote(url)}',
        ]
    )


_SENDS_JSON = "Paste the message as it is: what stands in {{double braces}} TradingView fills in."
_STEPS: dict[Source, tuple[str, ...]] = {
    Source.TRADINGVIEW: (
        "Open the chart, choose Create alert and set your condition, once per bar close.",
        _SENDS_JSON,
        "Under Notifications tick Webhook URL and paste the URL.",
        "An indicator knows no side: make one alert for each action.",
    ),
    Source.TRADINGVIEW_STRATEGY: (
        "Open the strategy's chart and choose Create alert; the condition is the strategy itself.",
        _SENDS_JSON,
        "Under Notifications tick Webhook URL and paste the URL. One alert sends every order of the strategy.",
    ),
    Source.TRENDSPIDER: (
        "In your account's notification settings choose Webhook and paste the URL.",
        "Paste the message into the alert's note; TrendSpider then shows that it is valid JSON.",
        "Make one alert for each action.",
    ),
    Source.PINE: (
        "Paste the script into the Pine editor, put your own condition behind when, and add it to the chart.",
        "Choose Create alert with the script as the condition and Any alert() function call.",
        "Under Notifications tick Webhook URL and paste the URL; the message comes from the script.",
    ),
    Source.PYTHON: (
        "Save it as a file and run it with Python 3.11 or newer; it needs nothing installed.",
        "Copy puts your webhook's URL into it. Keep the file to yourself: whoever has the URL can send signals.",
    ),
    Source.CURL: (
        "Paste it into a terminal.",
        "Copy puts your webhook's URL into it, and the terminal keeps it in its history.",
    ),
}


def steps(choice: Choice) -> tuple[str, ...]:
    """Where it goes, in the sender's words."""
    return _STEPS[choice.source]
