"""Decisions for tests, taken the whole way: from a signal through the book to a proposal or an order."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import Team
from brokers.models import BrokerageAccount
from brokers.tests import rows as broker
from strategies.deciding import settle
from strategies.domain.message.message import Bracket
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

STOP = Bracket(mode="amount", value=Decimal(2))
GOAL = Bracket(mode="amount", value=Decimal(4))


def account(team: Team, now: datetime, **values: Any) -> BrokerageAccount:
    """An account whose book is fresh, with money, and whose connection knows AAPL."""
    money = {"equity": Decimal(25000), "available_funds": Decimal(25000), "buying_power": Decimal(100000)}
    account_row = broker.account(team, book_as_of=now, **{**money, **values})
    knows(account_row.connection, now)
    return account_row


def asking(
    team: Team, now: datetime, *, of: BrokerageAccount | None = None, name: str = "Trend", **terms: Any
) -> Strategy:
    """A strategy that one account follows, and asks before it sends; its entries carry a take profit and a stop."""
    strategy = rows.strategy(team, now, name)
    settings = {"auto_submit": False, "approval_seconds": 300, "stop_loss": STOP, "take_profit": GOAL, **terms}
    rows.subscription(strategy, of or account(team, now), now, **settings)
    return strategy


def decided(
    strategy: Strategy, now: datetime, action: str = "buy", quantity: str | None = "10", **fields: Any
) -> Decision:
    """What the strategy's one subscription makes of a signal at 100."""
    message = {**reading(action, quantity=quantity), "signal_price": "100", **fields}
    signal = rows.signal(strategy, now, reading=message)
    settle.settle_waiting(now)
    return signal.decisions.select_related("signal", "subscription", "terms").get()
