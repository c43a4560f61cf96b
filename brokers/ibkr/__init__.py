"""The adapter that knows Interactive Brokers' Web API, and alone knows it: `connect` to trade, `listen` to watch."""

from brokers.ibkr.brokerage import IbkrBrokerage, connect
from brokers.ibkr.lines.wire import new_http
from brokers.ibkr.pacing import EGRESS
from brokers.ibkr.stream import IbkrFeed, listen

__all__ = ["EGRESS", "IbkrBrokerage", "IbkrFeed", "connect", "listen", "new_http"]
