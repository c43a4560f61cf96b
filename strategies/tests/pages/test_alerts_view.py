"""The messages offered for pasting are messages we take."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime

import pytest

from strategies.builder import placeholders
from strategies.domain.message.symbols import Kind
from strategies.reading import parse

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
FILLED = {
    "{{exchange}}": "AMEX",
    "{{ticker}}": "SPY",
    "{{strategy.order.action}}": "sell",
    "{{strategy.order.contracts}}": "12",
    "{{close}}": "661.42",
    "{{strategy.market_position}}": "short",
    "{{strategy.market_position_size}}": "4",
    "{{strategy.prev_market_position}}": "long",
    "{{strategy.prev_market_position_size}}": "8",
    "{{strategy.order.id}}": "Short",
    "{{timenow}}": "2026-11-20T15:00:00Z",
    "%alert_symbol%": "SPY",
    "%last_price%": "661.42",
}


@pytest.mark.parametrize("alert", placeholders.alerts(), ids=lambda alert: alert.key)
def test_it_reads_without_a_warning_once_the_sender_has_filled_it(alert: placeholders.Alert) -> None:
    body = alert.body
    for placeholder, value in FILLED.items():
        body = body.replace(placeholder, value)
    assert not re.search(r"\{\{|%\w+%", body)
    reading = parse.parse(body.encode(), kind=Kind.STOCK, now=NOW)
    assert reading.message.symbol.name == "SPY"
    assert reading.message.quantity is not None
    assert reading.warnings == ()


def test_the_curl_line_is_one_a_shell_reads() -> None:
    words = shlex.split(placeholders.curl("http://localhost/trading/webhook/x/y", "BRK.B"))
    assert words[-1] == "http://localhost/trading/webhook/x/y"
    assert json.loads(words[words.index("-d") + 1]) == {"ticker": "BRK.B", "action": "buy", "quantity": 1}


def test_it_covers_the_password_and_nothing_else() -> None:
    covered = placeholders.masked("http://localhost/trading/webhook/x/secret")
    assert covered == f"http://localhost/trading/webhook/x/{placeholders.MASK}"
