"""Prices of an order: what it asks for, and what it is expected to fill at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from brokers.domain.contracts.ticks import on_tick
from brokers.domain.orders import (
    LIMITED,
    MAY_BE_CAPPED,
    OF_FUTURES,
    STOPS,
    TOUCHED,
    TRAILING,
    WOKEN,
    AssetClass,
    OrderType,
    Side,
    TimeInForce,
)
from brokers.domain.sentences import grouped
from strategies.domain.decide.case import Case
from strategies.domain.decide.hours import good_till
from strategies.domain.numbers import round_to_step, snap
from strategies.domain.plan import combos
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg, Source
from strategies.domain.terms.terms import MarketClosed, MarketPrice

_AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})
_AUCTION_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})
# IBKR works only these outside regular hours.
_OUTSIDE = LIMITED
HUNDRED = Decimal(100)
_FILLS_AT_ONCE = "A market order fills at once and is good till no date. Leave goodTillDate out, or send a limit order."
_LEAST_PERCENT = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How an order works, prices in the contract's currency. `expected` is the price it should fill at, None where nothing tells."""

    type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    outside_rth: bool = False
    # Of the time in force gtd alone.
    good_till: datetime | None = None
    expected: Decimal | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of an OrderIntent."""
        return {
            "type": self.type,
            "time_in_force": self.time_in_force,
            "good_till": self.good_till,
            "limit_price": self.limit_price,
            "stop_price": self.stop_price,
            "trail_amount": self.trail_amount,
            "trail_percent": self.trail_percent,
            "outside_rth": self.outside_rth,
        }


def shape_order(case: Case, side: Side, leg: Leg) -> Shape | Rejection:
    """Type, time in force and prices of the order of one leg, prices on the tick grid; or why it cannot be made."""
    settings = case.settings(leg)
    kind, tif = settings.order_type.value, settings.time_in_force.value
    if not isinstance(tif, TimeInForce):
        return Rejection(
            rule="X02",
            code="not-supported-yet",
            reason=f"IBKR's Web API takes no orders with timeInForce {tif}. Send ioc, or leave it out.",
        )
    extended = settings.extended_hours.value
    if kind is OrderType.MARKET and case.market_is_closed and tif not in _AUCTIONS:
        if extended and case.snapshot.contract.instrument.asset_class is AssetClass.STOCK:
            kind = OrderType.LIMIT
        elif case.terms.market_closed is MarketClosed.REJECT:
            until = f" until {case.opens_at:%A %H:%M} UTC" if case.opens_at else ""
            reason = f"The market is closed{until}, and this subscription sends no market orders then. Send a limit, or wait."
            return Rejection(rule="H01", code="market-closed", reason=reason)
        elif case.terms.market_closed is MarketClosed.OPG:
            tif = TimeInForce.OPG
    if tif in _AUCTIONS and kind not in _AUCTION_TYPES:
        reason = f"A {str(kind).replace('_', ' ')} order cannot join an auction ({tif}). Send market or limit."
        return Rejection(rule="P06", code="invalid-time-in-force", reason=reason)
    end = _end(case, leg, kind) if tif is TimeInForce.GTD else None
    if isinstance(end, Rejection):
        return end
    if tif is TimeInForce.GTD and end is None:
        tif = TimeInForce.DAY
    outside = bool((extended and kind in _OUTSIDE) or _is_stop_of_a_future(case, kind)) and tif not in _AUCTIONS
    # IBKR takes no heed of it for a combo.
    outside = outside and combos.of(case.snapshot) is None
    if kind in TRAILING:
        trailing = _trailing(case, side, leg, tif)
        if kind is OrderType.TRAILING_STOP_LIMIT and isinstance(trailing, Shape):
            trailing = _with_limit(case, side, leg, trailing)
        return trailing if isinstance(trailing, Rejection) else replace(trailing, outside_rth=outside, good_till=end)
    stop = _wakes_at(case, side, leg, kind) if kind in WOKEN else None
    if isinstance(stop, Rejection):
        return stop
    limit = _limit(case, side, leg, stop if kind in TOUCHED else None) if _has_limit(case, leg, kind) else None
    if isinstance(limit, Rejection):
        return limit
    own = None if kind in MAY_BE_CAPPED else next((price for price in (limit, stop) if price is not None), None)
    expected = own or market_price(case, side, leg) or limit
    return Shape(
        type=kind,
        time_in_force=tif,
        limit_price=limit,
        stop_price=stop,
        outside_rth=outside,
        good_till=end,
        expected=expected,
    )


def _end(case: Case, leg: Leg, kind: OrderType) -> datetime | Rejection | None:
    """When an order good till a date ends; None where the terms say that of orders that wait, and it is one of the market."""
    if kind is not OrderType.MARKET:
        return good_till(case, leg)
    if case.settings(leg).time_in_force.source is Source.SIGNAL:
        return Rejection(rule="P08", code="invalid-good-till-date", reason=_FILLS_AT_ONCE)
    return None


def _has_limit(case: Case, leg: Leg, kind: OrderType) -> bool:
    return kind in LIMITED or (kind in MAY_BE_CAPPED and case.settings(leg).limit_price.value is not None)


def _limit(case: Case, side: Side, leg: Leg, touch: Decimal | None) -> Decimal | Rejection:
    """Of a touched order the signal's, else its touch: the market is elsewhere until it is touched."""
    settings = case.settings(leg)
    price = next(
        (p for p in (settings.limit_price.value, touch, case.message.signal_price) if p is not None), None
    ) or quoted_price(case, side, settings.market_price.value)
    if price is None:
        return Rejection(
            rule="P01",
            code="price-required",
            reason=f"Limit orders need a price here: send `limitPrice` (or `price`) in the signal.{case.about_quote}",
        )
    return round_to_tick(case, price, side, "limitPrice", "limit")


def _wakes_at(case: Case, side: Side, leg: Leg, kind: OrderType) -> Decimal | Rejection:
    return _touch(case, side, leg) if kind in TOUCHED else _stop(case, side, leg)


def _touch(case: Case, side: Side, leg: Leg) -> Decimal | Rejection:
    """Below the market for a buy, above it for a sell; taken as it is where no price of the market is known."""
    sent = case.settings(leg).touch_price.value
    if sent is None:
        reason = "An order that waits to be touched needs its price: send `touchPrice` in the signal."
        return Rejection(rule="P01", code="price-required", reason=reason)
    touch = round_to_tick(case, sent, side, "touchPrice", "touch")
    market = market_price(case, side, leg)
    if isinstance(touch, Rejection) or market is None or (market - touch) * side.sign > 0:
        return touch
    better, worse = ("below", "above") if side is Side.BUY else ("above", "below")
    reason = (
        f"A {side} waits for a touch {better} the market, and {grouped(touch)} is not {better} {grouped(market)}: it would "
        f"fill at once. Check `touchPrice`, or send a stop to {side} {worse} the market."
    )
    return Rejection(rule="P07", code="touch-on-wrong-side", reason=reason)


def _stop(case: Case, side: Side, leg: Leg) -> Decimal | Rejection:
    settings = case.settings(leg)
    price = settings.stop_price.value or quoted_price(case, side, settings.market_price.value)
    if price is None:
        reason = f"Stop orders need a price here: send `stopPrice` in the signal.{case.about_quote}"
        return Rejection(rule="P01", code="price-required", reason=reason)
    return round_to_tick(case, price, side, "stopPrice", "stop")


def _trailing(case: Case, side: Side, leg: Leg, tif: TimeInForce) -> Shape | Rejection:
    settings = case.settings(leg)
    amount, percent = settings.trail_amount.value, settings.trail_percent.value
    if (amount is None) == (percent is None):
        reason = "A trailing stop needs one distance: send `trailAmount` or `trailPercent`, or set one in the terms."
        return Rejection(rule="P04", code="trail-required", reason=reason)
    expected = market_price(case, side, leg)
    return Shape(
        type=OrderType.TRAILING_STOP,
        time_in_force=tif,
        trail_amount=None if amount is None else trail_distance(case, amount, expected),
        trail_percent=None if percent is None else trail_share(percent),
        expected=expected,
    )


def _with_limit(case: Case, side: Side, leg: Leg, trailing: Shape) -> Shape | Rejection:
    """A trailing stop that becomes a limit order: where its stop stands as it is sent, and the limit `limitOffset` beyond.

    IBKR moves both behind the market and keeps the distance between them.
    """
    market = trailing.expected
    if market is None:
        reason = f"A trailing stop limit begins at the market's price: send `price` in the signal.{case.about_quote}"
        return Rejection(rule="P01", code="price-required", reason=reason)
    percent = trailing.trail_percent
    distance = trailing.trail_amount if percent is None else market * percent / HUNDRED
    stop = round_to_tick(case, market + side.sign * (distance or Decimal(0)), side, "trailAmount", "stop")
    if isinstance(stop, Rejection):
        return stop
    offset = case.settings(leg).limit_offset.value or Decimal(0)
    limit = round_to_tick(case, stop + side.sign * offset, side, "limitOffset", "limit")
    if isinstance(limit, Rejection):
        return limit
    return replace(trailing, type=OrderType.TRAILING_STOP_LIMIT, stop_price=stop, limit_price=limit)


def _is_stop_of_a_future(case: Case, kind: OrderType) -> bool:
    """Whether it is a stop that would sleep while the price of its future moves all night."""
    return kind in STOPS and works_outside(case, kind) and _is_future(case)


def _is_future(case: Case) -> bool:
    return case.snapshot.contract.instrument.asset_class in OF_FUTURES


def works_outside(case: Case, kind: OrderType) -> bool:
    """Whether a leg works outside regular hours: as the terms say; else of a future always, since its price moves all
    night, and of a share where the entry may. IBKR takes no order at the market for those hours."""
    if kind is OrderType.MARKET:
        return False
    chosen = case.terms.legs_outside_rth
    if chosen is not None:
        return chosen
    if _is_future(case):
        return True
    return bool(case.settings(Leg.ENTRY).extended_hours.value)


def trail_distance(case: Case, amount: Decimal, price: Decimal | None) -> Decimal:
    """How far a trailing stop follows: the nearest tick of the band it follows in, and at least one."""
    tick = case.snapshot.contract.tick_at(price or amount)
    return amount if tick <= 0 else max(round_to_step(amount, ROUND_HALF_EVEN, tick), tick)


def trail_share(percent: Decimal) -> Decimal:
    """A trailing percentage without noise."""
    return snap(percent, _LEAST_PERCENT)


def round_to_tick(case: Case, price: Decimal, side: Side, field: str, kind: str) -> Decimal | Rejection:
    """The price on the tick grid, a sell rounded up and a buy down; P02 where it falls below one tick.

    `field` is the message's name of the price, `kind` completes the code `invalid-...-price`.
    """
    contract = case.snapshot.contract
    rounded = on_tick(contract, price, side)
    if rounded <= 0:
        tick = grouped(contract.tick_at(price))
        return Rejection(
            rule="P02",
            code=f"invalid-{kind}-price",
            reason=f"A {kind} of {grouped(price)} is below one tick of {tick}. Check `{field}`.",
        )
    return rounded


def quoted_price(case: Case, side: Side, kind: MarketPrice) -> Decimal | None:
    """The price of a live quote by its kind, else its middle; None where neither is above zero."""
    quote = case.quote
    if quote is None:
        return None
    near, middle = (quote.ask if side is Side.BUY else quote.bid), quote.mid
    chosen = {
        MarketPrice.MARK: middle,
        MarketPrice.ASK_BID: near,
        MarketPrice.ASK: quote.ask,
        MarketPrice.BID: quote.bid,
        MarketPrice.LAST: quote.last,
    }[kind]
    return next((price for price in (chosen, middle) if price is not None and price > 0), None)


def market_price(case: Case, side: Side, leg: Leg) -> Decimal | None:
    """The market price: a live quote's, else the signal's, else the holding's; None where none is above zero."""
    candidates = (
        quoted_price(case, side, case.settings(leg).market_price.value),
        case.message.signal_price,
        case.snapshot.mark,
    )
    price = next((price for price in candidates if price is not None and price > 0), None)
    return None if price is None else without_noise(case, price)


def without_noise(case: Case, price: Decimal) -> Decimal:
    """The price, and exactly the tick that it is meant to be; a price between two ticks stays there."""
    tick = case.snapshot.contract.tick_at(price)
    return snap(price, tick) if tick > 0 else price
