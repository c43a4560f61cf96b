"""At what price, if any, an order trades against a quote: the rulebook's fill rules, fed with one quote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from brokers.rulebook import values as book
from brokers.rulebook.calendars import Calendar, calendar
from brokers.rulebook.fills import fill
from brokers.rulebook.fills.base import touched
from brokers.rulebook.fills.market import Feed, Market, Scan, Tick
from brokers.rulebook.fills.trailing import initial_stop, moved_stop
from brokers.rulebook.words import AssetClass, OrderType
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.hours import calendar_of
from brokers.simulator.exchange.records import Order
from brokers.simulator.exchange.rules import asset_class
from brokers.simulator.market.market import Quote

STOPS = frozenset({"STP", "STOP_LIMIT", "TRAIL", "TRAILLMT"})
TOUCHES = frozenset({"MIT", "LIT"})
LIMITED = frozenset({"LMT", "LOC", "STOP_LIMIT", "TRAILLMT", "LIT"})
# Whether a session is open is asked before; what is asked here is the price alone.
ALWAYS = calendar("always")
FEED = Feed(subscriptions=frozenset({"tick"}), resolution="tick", extended_hours=True)
_STORED = Decimal("0.00000001")
_INSTANT = timedelta(microseconds=1)
_AUCTIONS = {"open": OrderType.MARKET_ON_OPEN, "close": OrderType.MARKET_ON_CLOSE}


@dataclass(frozen=True, slots=True)
class Moment:
    """When an order was placed, and when it is looked at: a quote in force always counts as newer than the order."""

    ordered_at: datetime
    now: datetime


def moment_of(order: Order, now: float) -> Moment:
    ordered_at = datetime.fromtimestamp(order.created_at, UTC)
    return Moment(ordered_at, max(datetime.fromtimestamp(now, UTC), ordered_at + _INSTANT))


def shown(quote: Quote, at: datetime) -> Market:
    """A quote as the rulebook reads it: the last trade, and who bids and asks now."""
    return Market(
        ticks=(
            Tick(at=at, kind="trade", price=quote.last),
            Tick(at=at, kind="quote", bid=quote.bid, ask=quote.ask),
        )
    )


def price_for(order: Order, instrument: Instrument, quote: Quote, now: float) -> Decimal | None:
    """The fill price of a working order, or nothing when it has to wait. Marks a stop as triggered."""
    moment = moment_of(order, now)
    market = shown(quote, moment.now)
    if order.order_type in STOPS and not order.triggered:
        order.triggered = _triggers(order, quote.last, moment, market)
    elif order.order_type in TOUCHES and not order.triggered:
        order.triggered = touched(_scan(order, OrderType.LIMIT_IF_TOUCHED, moment, market)) is not None
    if order.order_type in STOPS | TOUCHES and not order.triggered:
        return None
    if order.order_type == "MIDPRICE":
        return within(order, quote.mid)
    if order.order_type in LIMITED:
        return _limited(order, quote, moment, market)
    return _filled_at(asset_class(instrument), _scan(order, OrderType.MARKET, moment, market))


def auction_price(order: Order, instrument: Instrument, quote: Quote, now: float) -> Decimal | None:
    """What an opening or closing auction pays, once it is held; the exchange's own calendar says when."""
    moment = moment_of(order, now)
    scan = _scan(order, _AUCTIONS[order.auction], moment, shown(quote, moment.now), calendar_of(instrument))
    return _filled_at(asset_class(instrument), scan)


def within(order: Order, price: Decimal) -> Decimal | None:
    """A price, if the order's limit allows it."""
    if order.limit_price is None:
        return price
    allowed = price <= order.limit_price if order.side == "BUY" else price >= order.limit_price
    return price if allowed else None


def _limited(order: Order, quote: Quote, moment: Moment, market: Market) -> Decimal | None:
    # Here a quote that only reaches the limit fills, as somebody offers to deal at it; the rule wants it passed.
    touch = quote.ask if order.side == "BUY" else quote.bid
    if touch and touch == order.limit_price:
        return touch
    return _filled_at(AssetClass.FOREX, _scan(order, OrderType.LIMIT, moment, market))


def _triggers(order: Order, last: Decimal, moment: Moment, market: Market) -> bool:
    """Whether the last price has reached the stop; a trailing stop that it has not reached follows it."""
    # Shares' rule for every class: the last trade triggers, and reaching the stop is enough.
    scan = _scan(order, OrderType.STOP_MARKET, moment, market)
    if order.stop_price is not None and fill(AssetClass.EQUITY, scan).fill is not None:
        return True
    if order.trailing_amount is not None:
        _trail(order, last, order.trailing_amount)
    return False


def _trail(order: Order, last: Decimal, amount: Decimal) -> None:
    """Drag the stop behind the market, never away from it; the limit of a stop limit keeps its distance."""
    percentage, buy = order.trailing_type == "%", order.side == "BUY"
    amount = amount / 100 if percentage else amount
    if order.stop_price is None:
        order.stop_price = initial_stop(last, amount, as_percentage=percentage, buy=buy).quantize(_STORED)
        return
    moved = moved_stop(order.stop_price, last, amount, as_percentage=percentage, buy=buy)
    if moved is None:
        return
    moved = moved.quantize(_STORED)
    if order.limit_price is not None:
        order.limit_price += moved - order.stop_price
    order.stop_price = moved


def _filled_at(kind: str, scan: Scan) -> Decimal | None:
    outcome = fill(kind, scan)
    return None if outcome.fill is None else outcome.fill.price


def _scan(order: Order, kind: str, moment: Moment, market: Market, days: Calendar = ALWAYS) -> Scan:
    book_order = book.Order(
        type=kind,
        quantity=order.quantity * order.sign,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trigger_price=order.stop_price,
    )
    return Scan(order=book_order, ordered_at=moment.ordered_at, market=market, now=moment.now, calendar=days, feed=FEED)
