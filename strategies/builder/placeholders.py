"""Messages to paste into the programs that send signals, each in its own placeholders."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

MASK = "•" * 12


@dataclass(frozen=True, slots=True)
class Alert:
    """One message to paste. `steps` say where, in the words of the sender's program."""

    key: str
    sender: str
    steps: tuple[str, ...]
    body: str


# What tells one order of a TradingView strategy from the next, a close from a reversal, and what a reversal opens from what
# it closes. TradingView's quantity of a reversal includes the exit.
TRADINGVIEW_ORDER = {
    "orderId": "{{strategy.order.id}}",
    "marketPositionSize": "{{strategy.market_position_size}}",
    "prevMarketPosition": "{{strategy.prev_market_position}}",
    "prevMarketPositionSize": "{{strategy.prev_market_position_size}}",
}

_TRADINGVIEW_STRATEGY = (
    "Open the strategy's chart and choose Create alert; the condition is the strategy itself.",
    "Paste this into the message, all of it. TradingView fills in each order, its name, and the position before and after.",
    "Under Notifications, tick Webhook URL and paste the URL above.",
)
_TRADINGVIEW_INDICATOR = (
    "An indicator knows no side: make one alert that buys and another with sell or exit.",
    "Set the trigger to Once per bar close, so that an unfinished bar is not traded.",
    "Paste this into the message and the URL above under Webhook URL.",
)
_TRENDSPIDER = (
    "In the alert, choose Webhook and paste the URL above.",
    "Paste this into the alert's note; TrendSpider then says that it is valid JSON.",
    "Make one alert that buys and another with sell or exit.",
)
_PROGRAM = (
    "Send a POST whose body is this object. Numbers may be numbers or text.",
    "Add a signalId of your own: the same one twice trades once, whenever it comes.",
)


def alerts(example: str = "SPY") -> list[Alert]:
    """One for each sender we know; `example` is a ticker of the strategy for senders without placeholders."""
    buy_one = {"action": "buy", "quantity": 1}
    bar = {"price": "{{close}}", "time": "{{timenow}}"}
    # With the exchange in front, a listing abroad is refused instead of taken for the US one.
    chart = {"ticker": "{{exchange}}:{{ticker}}"}
    from_strategy = {
        **chart,
        "action": "{{strategy.order.action}}",
        "sentiment": "{{strategy.market_position}}",
        "quantity": "{{strategy.order.contracts}}",
        **bar,
        **TRADINGVIEW_ORDER,
    }
    from_indicator = {**chart, **buy_one, **bar}
    from_trendspider = {"ticker": "%alert_symbol%", **buy_one, "price": "%last_price%"}
    from_program = {"ticker": example, "action": "buy", "quantity": 1, "signalId": "order-2041"}
    return [
        Alert("tradingview-strategy", "TradingView strategy", _TRADINGVIEW_STRATEGY, _json(from_strategy)),
        Alert("tradingview-indicator", "TradingView indicator", _TRADINGVIEW_INDICATOR, _json(from_indicator)),
        Alert("trendspider", "TrendSpider", _TRENDSPIDER, _json(from_trendspider)),
        Alert("program", "Your own program", _PROGRAM, _json(from_program)),
    ]


def curl(url: str, example: str = "SPY") -> str:
    """One line to paste into a terminal."""
    body = json.dumps({"ticker": example, "action": "buy", "quantity": 1})
    return f"curl -H 'Content-Type: application/json' -d {shlex.quote(body)} {shlex.quote(url)}"


def masked(url: str) -> str:
    """A webhook URL with its password covered."""
    return f"{url.rpartition('/')[0]}/{MASK}"


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(values, indent=2)
