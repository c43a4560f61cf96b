"""The text to paste into a sender's program, in its placeholders or its language, and the steps. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from strategies.builder.message import MARK, PLACEHOLDERS, Choice, Slot, Source, flat, values, written
from strategies.webhook.senders import SIGNATURE_HEADER


def text(choice: Choice, url: str, key: str) -> str:
    """The text to paste. Programs hold the `url` and the signing `key`; a message holds neither."""
    fields, slots = values(choice), PLACEHOLDERS[choice.source]
    match choice.source:
        case Source.PINE:
            return _pine(fields, slots)
        case Source.PYTHON:
            return _python(fields, slots, url, key if choice.sign else "")
        case Source.CURL:
            return _curl(fields, slots, url, key if choice.sign else "")
    return MARK.sub(lambda match: slots[Slot(match[1])], written(fields))


def _spliced(written: str, quote: Callable[[str], str], slots: Mapping[Slot, str], join: str) -> str:
    """A text with marks as an expression: quoted pieces joined with the expressions of the marks."""
    pieces = MARK.split(written)
    return join.join(quote(piece) if n % 2 == 0 else slots[Slot(piece)] for n, piece in enumerate(pieces))


def _pine(fields: dict[str, Any], slots: Mapping[Slot, str]) -> str:
    lines = [f"{json.dumps(name)}: {flat(value)}" for name, value in fields.items()]
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


def _pine_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _python(fields: dict[str, Any], slots: Mapping[Slot, str], url: str, key: str) -> str:
    message = written(fields, "", ("True", "False"))
    # A field is either written out or filled in as a whole.
    message = re.sub('"\ue000([A-Z]+)\ue001"', lambda match: slots[Slot(match[1])], message)
    imports = ["hashlib", "hmac", "json", "time", "urllib.error", "urllib.request"]
    lines = [f"import {name}" for name in imports if key or name not in {"hashlib", "hmac", "time"}]
    lines += ["from datetime import UTC, datetime"] * ("datetime.now" in message)
    lines += ["from uuid import uuid4"] * ("uuid4" in message)
    lines += ["", f"URL = {written(url)}"] + [f"KEY = {written(key)}"] * bool(key)
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


def _curl(fields: dict[str, Any], slots: Mapping[Slot, str], url: str, key: str) -> str:
    quoted = {slot: f'"{expression}"' for slot, expression in slots.items()}
    body = _spliced(flat(fields), shlex.quote, quoted, "")
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


_SENDS_JSON = "Paste the message as it is: TradingView fills in what stands in {{double braces}}."
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
    """Where to paste it, in the words of the sender's program."""
    return _STEPS[choice.source]
