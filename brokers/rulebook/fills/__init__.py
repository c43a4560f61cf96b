"""Fills: which model serves a class, and which rule of it an order type."""

from collections.abc import Callable, Mapping

from brokers.rulebook.capabilities import model_for
from brokers.rulebook.errors import BadInput, UnsupportedOrderType
from brokers.rulebook.fills import auctions, base, equity, futures
from brokers.rulebook.fills.market import Outcome, Scan, waits
from brokers.rulebook.fills.trailing import trailing_stop
from brokers.rulebook.words import OrderType

__all__ = ["Rule", "fill"]

Rule = Callable[[Scan], Outcome]

_BASE: dict[str, Rule] = {
    OrderType.MARKET: base.market,
    OrderType.LIMIT: base.limit,
    OrderType.LIMIT_IF_TOUCHED: base.limit_if_touched,
    OrderType.STOP_MARKET: base.stop_market,
    OrderType.STOP_LIMIT: base.stop_limit,
    OrderType.TRAILING_STOP: trailing_stop,
    OrderType.MARKET_ON_OPEN: auctions.base_open,
    OrderType.MARKET_ON_CLOSE: auctions.base_close,
}
_FUTURE: dict[str, Rule] = {**_BASE, OrderType.MARKET: futures.market, OrderType.STOP_MARKET: futures.stop_market}
_EQUITY: dict[str, Rule] = {
    **_BASE,
    OrderType.MARKET: equity.market,
    OrderType.LIMIT: equity.limit,
    OrderType.LIMIT_IF_TOUCHED: equity.limit_if_touched,
    OrderType.STOP_MARKET: equity.stop_market,
    OrderType.MARKET_ON_OPEN: auctions.equity_open,
    OrderType.MARKET_ON_CLOSE: auctions.equity_close,
}
MODELS: Mapping[str, Mapping[str, Rule]] = {
    "EquityFillModel": _EQUITY,
    "FutureFillModel": _FUTURE,
    "FutureOptionFillModel": _FUTURE,
    "ImmediateFillModel": _BASE,
}


def fill(asset_class: str, scan: Scan) -> Outcome:
    """One look at one order: filled whole, or the order as it now stands, with a moved stop or a touched trigger.

    Only a market order may fill at the instant it was placed. UnsupportedOrderType for a type the model has no rule for,
    BadInput for a quantity of zero or a missing price.
    """
    rule = MODELS[model_for("fill", asset_class)].get(scan.order.type)
    if rule is None:
        raise UnsupportedOrderType(scan.order.type)
    if scan.order.quantity == 0:
        raise BadInput("quantity", problem="an order for nothing cannot be filled")
    if scan.now < scan.ordered_at or (scan.now == scan.ordered_at and scan.order.type != OrderType.MARKET):
        return waits(scan)
    return rule(scan)
