"""Messages ready to paste into the programs that send signals, in each one's own placeholders."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

MASK = "•" * 12


@dataclass(frozen=True, slots=True)
class Alert:
    """One message to paste. `steps` say where, in the sender's words."""

    key: str
    sender: str
    steps: tuple[str, ...]
    body: str


def alerts(example: str = "SPY") -> list[Alert]:
    """Every sender we know; `example` is a ticker of the strategy for senders without placeholders."""
    return [
        Alert(
            "tradingview-strategy",
            "TradingView strategy",
            (
                "Open the strategy's chart and choose Create alert; the condition is the strategy itself.",
                "Paste this into the message. TradingView fills in the side and the size of each order.",
                "Under Notifications, tick Webhook URL and paste the URL above.",
            ),
            _json(
                {
                    "ticker": "{{ticker}}",
                    "action": "{{strategy.order.action}}",
                    "quantity": "{{strategy.order.contracts}}",
                    "price": "{{close}}",
                    "time": "{{timenow}}",
                }
            ),
        ),
        Alert(
            "tradingview-indicator",
            "TradingView indicator",
            (
                "An indicator knows no side: make one alert that buys and another with sell or exit.",
                "Set the trigger to Once per bar close, so that a bar that changes its mind is not traded.",
                "Paste this into the message and the URL above under Webhook URL.",
            ),
            _json(
                {"ticker": "{{ticker}}", "action": "buy", "quantity": "1", "price": "{{close}}", "time": "{{timenow}}"}
            ),
        ),
        Alert(
            "trendspider",
            "TrendSpider",
            (
                "In the alert, choose Webhook and paste the URL above.",
                "Paste this into the alert's note; TrendSpider then says that it is valid JSON.",
                "Make one alert that buys and another with sell or exit.",
            ),
            _json({"ticker": "%alert_symbol%", "action": "buy", "quantity": "1", "price": "%last_price%"}),
        ),
        Alert(
            "program",
            "Your own program",
            (
                "Send a POST whose body is this object. Numbers may be numbers or text.",
                "Add a signalId of your own: the same one twice trades once, whenever it comes.",
            ),
            _json({"ticker": example, "action": "buy", "quantity": 1, "signalId": "order-2041"}),
        ),
    ]


def curl(url: str, example: str = "SPY") -> str:
    """One line to paste into a terminal."""
    body = json.dumps({"ticker": example, "action": "buy", "quantity": 1})
    return f"curl -H 'Content-Type: application/json' -d {shlex.quote(body)} {shlex.quote(url)}"


def masked(url: str) -> str:
    """A webhook URL with its password covered."""
    return f"{url.rpartition('/')[0]}/{MASK}"


def _json(values: dict[str, object]) -> str:
    return json.dumps(values, indent=2)
