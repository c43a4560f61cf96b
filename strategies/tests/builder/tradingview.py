"""A TradingView strategy for tests: it fills in a text's placeholders for one order after another, as TradingView does."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any


class Chart:
    """A strategy on a chart with its own position, in units of `ticker`."""

    def __init__(self, text: str, at: datetime, *, ticker: str = "AAPL", position: int = 0) -> None:
        self.text, self.at, self.ticker, self.position = text, at, ticker, Decimal(position)

    def order(self, action: str, contracts: int, name: str, *, at: datetime | None = None) -> str:
        """The body that TradingView sends when this order has filled on the chart."""
        before = self.position
        self.position += contracts if action == "buy" else -contracts
        values: dict[str, Any] = {
            "exchange": "NASDAQ",
            "ticker": self.ticker,
            "close": "200.5",
            "timenow": f"{at or self.at:%Y-%m-%dT%H:%M:%SZ}",
            "interval": "5",
            "strategy.order.action": action,
            "strategy.order.contracts": contracts,
            "strategy.order.id": name,
            "strategy.position_size": self.position,
            "strategy.market_position": _side(self.position),
            "strategy.market_position_size": abs(self.position),
            "strategy.prev_market_position": _side(before),
            "strategy.prev_market_position_size": abs(before),
        }
        body = self.text
        for name_of_value, value in values.items():
            body = body.replace("{{" + name_of_value + "}}", str(value))
        return body


def _side(position: Decimal) -> str:
    return "long" if position > 0 else "short" if position < 0 else "flat"
