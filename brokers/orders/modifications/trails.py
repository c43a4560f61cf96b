"""A trailing stop limit before all of it is sent again: our row has at least what the market has made of it since.

IBKR's lists may not name the prices to which it has moved such an order. Sent again as they were at the start, they would
set the stop of a position in profit back by all that it has trailed.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from brokers.domain.contracts.trails import Trail, tightened
from brokers.domain.orders import OPTIONS, OrderType, Side
from brokers.models import ContractLookup, Order, Position


def follow_market(order: Order, now: datetime) -> None:
    """Give our row the prices at which the order stands at the least, by a price of the market since it began to work.

    Call it inside a transaction, before the order is described to IBKR.
    """
    if order.type != OrderType.TRAILING_STOP_LIMIT or order.stop_price is None or order.limit_price is None:
        return
    lookup = ContractLookup.objects.filter(
        connection=order.connection_id, asset_class=order.asset_class, ticker=order.ticker, conid=order.conid
    ).first()
    market = None if lookup is None else _market(order, lookup, now)
    if lookup is None or market is None:
        return
    trail = Trail(
        side=Side(order.side),
        stop=order.stop_price,
        limit=order.limit_price,
        amount=order.trail_amount,
        percent=order.trail_percent,
    )
    prices = tightened(trail, market, lookup.value().tick_at)
    if prices is None:
        return
    stop, limit = prices
    known = Order.objects.filter(pk=order.pk, stop_price=order.stop_price, limit_price=order.limit_price)
    if known.update(stop_price=stop, limit_price=limit):
        order.stop_price, order.limit_price = stop, limit


def _market(order: Order, lookup: ContractLookup, now: datetime) -> Decimal | None:
    """The price of a live quote that lies furthest from the stop's tight side; else the holding's mark, newer than the order.

    The mark of an option may lie far from what it trades at.
    """
    quote = lookup.quote()
    live = None if quote is None else quote.live(now)
    since = order.acknowledged_at
    if quote is not None and live is not None and since is not None and quote.as_of > since:
        is_sell = Side(order.side) is Side.SELL
        near = live.bid if is_sell else live.ask
        prices = [price for price in (near, live.last) if price is not None and price > 0]
        if near is not None and prices:
            return min(prices) if is_sell else max(prices)
    if since is None or order.asset_class in OPTIONS:
        return None
    position = Position.objects.filter(account=order.account_id, conid=order.conid, as_of__gt=since).first()
    return None if position is None else position.market_price
