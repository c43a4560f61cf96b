"""The choices of the template builder, and which of them go together. Pure."""

from __future__ import annotations

from brokers.domain.orders import TRAILING, OrderType, TimeInForce
from strategies.builder.message import AS_HELD, AS_ORDERED, Source
from strategies.display.labels import SIGNAL_ORDER_TYPES
from strategies.domain.message.message import Action
from strategies.domain.message.symbols import Kind

Choices = list[tuple[str, str]]

SOURCES: Choices = [
    (Source.TRADINGVIEW, "TradingView alert"),
    (Source.TRADINGVIEW_STRATEGY, "TradingView strategy"),
    (Source.TRENDSPIDER, "TrendSpider"),
    (Source.PINE, "Pine script"),
    (Source.PYTHON, "Python"),
    (Source.CURL, "curl"),
]
AS_SUBSCRIBED = ("", "As the subscription says")
ENTRIES = {Action.BUY, Action.SELL, Action.ADD, Action.REVERSE, AS_ORDERED}
_SIDED = {Action.BUY, Action.SELL, AS_ORDERED}
_SIZINGS = {
    "fixed_quantity": "Shares or contracts",
    "dollar_amount": "An amount of money",
    "notional_dollar_amount": "An amount of money, options at their strike",
    "percent_of_equity": "Percent of the account",
    "risk_dollar_amount": "Risk: an amount",
    "risk_percent": "Risk: percent of account",
    "percent_of_position": "Percent of the position",
}
_TIMES_IN_FORCE: Choices = [(word, word.upper()) for word in ("day", "gtc", "gtd", "opg", "cls", "ioc", "fok")]
TAKE_PROFITS: Choices = [
    ("", "None"),
    ("percent", "Percent from the entry"),
    ("amount", "Amount from the entry"),
    ("limitPrice", "At a price"),
    ("pnlAmount", "At a profit in money"),
]
STOP_TYPES: Choices = [
    ("", "None"),
    ("stop", "Stop"),
    ("stop_limit", "Stop limit"),
    ("trailing_stop", "Trailing stop"),
    ("trailing_stop_limit", "Trailing stop limit"),
]
# The last two are of a stop that has no limit.
STOP_MOVES: Choices = [
    ("", "Stays"),
    ("break_even", "Goes to break-even"),
    ("trail_amount", "Trails by an amount"),
    ("trail_percent", "Trails by percent"),
]
STOP_MODES: Choices = [
    ("percent", "Percent from the entry"),
    ("amount", "Amount from the entry"),
    ("stopPrice", "At a price"),
    ("pnlAmount", "At a loss in money"),
]
# Of what works already: the first is what a sender who modifies mostly wants.
MOVED_STOPS: Choices = [
    ("stop", "Move it"),
    ("trailing_stop", "Another trail"),
    ("trailing_stop_limit", "Another trail and limit"),
    ("", "As it is"),
]
MOVED_TAKE_PROFITS: Choices = [("", "As it is"), *TAKE_PROFITS[1:]]
MOVED_STOP_MODES: Choices = [("stopPrice", "To a price"), *(mode for mode in STOP_MODES if mode[0] != "stopPrice")]
TRAILS: Choices = [("trailPercent", "Percent"), ("trailAmount", "Amount")]
OPTION_TYPES: Choices = [("", "As settled"), ("call", "Calls"), ("put", "Puts"), ("both", "By side")]


def actions(*, strategy_orders: bool) -> Choices:
    """`strategy_orders`: the sender is a strategy that can fill in its own order."""
    as_ordered = [(AS_ORDERED, "As the strategy orders")] if strategy_orders else []
    return [*as_ordered, *((action, action.capitalize()) for action in Action)]


def sentiments(action: str) -> Choices:
    if action not in _SIDED:
        return []
    position = [(AS_ORDERED, "The strategy's market position")] if action == AS_ORDERED else []
    return [*position, ("", "Not said"), ("bullish", "Bullish: long"), ("bearish", "Bearish: short"), ("flat", "Flat")]


def sizings(action: str, kind: Kind) -> Choices:
    if action in {Action.CANCEL, Action.BREAKEVEN, Action.MODIFY}:
        return []
    own_size = (
        [(AS_ORDERED, "The strategy's own order size"), (AS_HELD, "The position the strategy holds")]
        if action == AS_ORDERED
        else []
    )
    offered = [(name, label) for name, label in _SIZINGS.items() if _sizes(name, action, kind)]
    return [AS_SUBSCRIBED, *own_size, *offered]


def _sizes(name: str, action: str, kind: Kind) -> bool:
    """Whether the webhook takes this sizing with this action."""
    if name.startswith("risk_") and action not in {*_SIDED, Action.ADD}:
        return False
    if name == "percent_of_position" and action not in {*_SIDED, Action.EXIT}:
        return False
    return kind is not Kind.FUTURE or name in {"fixed_quantity", "percent_of_position"}


def times_in_force(order_type: str) -> Choices:
    """A market order has no date to wait for."""
    left_out = TimeInForce.GTD if order_type == OrderType.MARKET else ""
    return [AS_SUBSCRIBED, *(each for each in _TIMES_IN_FORCE if each[0] != left_out)]


# When an entry or an exit that works ends, by modify.
MOVED_ENDS: Choices = [
    ("", "Its end stays"),
    (str(TimeInForce.GTD), "Till a date"),
    (str(TimeInForce.GTC), "Till it is canceled"),
]


def order_types(action: str) -> Choices:
    if action in {Action.CANCEL, Action.MODIFY}:
        return []
    names = ["stop", "stop_limit"] if action == Action.BREAKEVEN else list(SIGNAL_ORDER_TYPES)
    if action == Action.ADD:
        names = [name for name in names if name not in TRAILING]
    return [AS_SUBSCRIBED, *((name, SIGNAL_ORDER_TYPES[name]) for name in names)]
