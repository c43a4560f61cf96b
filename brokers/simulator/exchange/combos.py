"""Combos: several contracts bought or sold as one, as `28812380;;;LEG/ratio,LEG/-ratio` names them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.rulebook.fills.combos import Combo, LegFill, combo_fill
from brokers.rulebook.fills.combos import Leg as RuledLeg
from brokers.rulebook.words import OrderType
from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange.matching import ALWAYS, FEED, moment_of, shown
from brokers.simulator.exchange.records import Leg, Order
from brokers.simulator.exchange.rules import asset_class
from brokers.simulator.market.market import Quote

# The number that stands for a spread in dollars; its legs follow it.
SPREAD = 28812380
_MOST_LEGS = 6
_HEAD = f"{SPREAD};;;"
SPREADS = Instrument(
    conid=SPREAD,
    symbol="USD",
    name="SPREAD",
    sec_type="BAG",
    exchange="SMART",
    listing="SMART",
    currency="USD",
    base_price=1.0,
    increment=Decimal("0.01"),
    volatility=0.0,
    kind="",
)


def instrument_of(order: Order) -> Instrument | None:
    """The contract an order is shown with: a combo has one of its own."""
    return SPREADS if order.legs else catalogue.find(order.conid)


def is_combo(conidex: object) -> bool:
    return isinstance(conidex, str) and ";;;" in conidex


def parse(conidex: str) -> tuple[Leg, ...]:
    """The legs a conidex names; ValueError when it names none."""
    if not conidex.startswith(_HEAD):
        raise ValueError("a spread in another currency")
    legs = []
    for part in conidex.removeprefix(_HEAD).split(","):
        conid, _, ratio = part.partition("/")
        legs.append(Leg(int(conid), int(ratio)))
    if not 2 <= len(legs) <= _MOST_LEGS or len({leg.conid for leg in legs}) < len(legs):
        raise ValueError("two to six different legs")
    if any(not 0 < abs(leg.ratio) <= 100 for leg in legs) or math.gcd(*(leg.ratio for leg in legs)) != 1:
        raise ValueError("ratios are in lowest terms")
    return tuple(legs)


def spelled(legs: Sequence[Leg]) -> str:
    """The conidex of a combo."""
    return _HEAD + ",".join(f"{leg.conid}/{leg.ratio}" for leg in legs)


def fills(
    order: Order, instruments: Sequence[Instrument], quotes: Sequence[Quote], now: float
) -> tuple[tuple[LegFill, ...], Decimal] | None:
    """What each leg fills at and the net price, by the rulebook; all legs or none."""
    moment = moment_of(order, now)
    legs = [
        RuledLeg(
            symbol=str(leg.conid),
            asset_class=asset_class(instrument),
            quantity=order.sign * order.remaining * leg.ratio,
            ratio=Decimal(leg.ratio),
            market=shown(quote, moment.now),
        )
        for leg, instrument, quote in zip(order.legs, instruments, quotes, strict=True)
    ]
    combo = Combo(
        type=OrderType.COMBO_LIMIT,
        quantity=order.sign * order.remaining,
        legs=legs,
        ordered_at=moment.ordered_at,
        now=moment.now,
        calendar=ALWAYS,
        # A market order takes any net price: no limit can be worse.
        limit_price=order.limit_price if order.order_type == "LMT" else Decimal("1e12") * order.sign,
        feed=FEED,
    )
    outcome = combo_fill(combo)
    if not outcome.filled and outcome.net_price is not None and outcome.net_price == combo.limit_price:
        # As with single contracts: a net that only reaches the limit is on offer, so it is dealt at.
        legs_at = combo_fill(replace(combo, type=OrderType.COMBO_MARKET))
        return (legs_at.fills, outcome.net_price) if legs_at.filled else None
    return (outcome.fills, outcome.net_price) if outcome.filled and outcome.net_price is not None else None
