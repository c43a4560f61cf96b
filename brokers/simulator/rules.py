"""The rulebook, asked in the gateway's terms: what a fill costs, and when a contract trades."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

from brokers.rulebook import rulesets
from brokers.rulebook import values as book
from brokers.rulebook.capabilities import leverage
from brokers.rulebook.errors import MissingMarginData
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.margin import buying_power, order_margin
from brokers.rulebook.margin.futures import MarginRow, future_margin, margin_rows
from brokers.rulebook.words import AssetClass, OrderType
from brokers.simulator.catalogue import Instrument

_CLASSES = {"STK": AssetClass.EQUITY, "FUT": AssetClass.FUTURE, "CASH": AssetClass.FOREX}
_CENT = Decimal("0.01")
_RULES = rulesets.load()
_MARGIN = book.Account(type="margin")
# Futures that the rulebook has no margin for: parts of what a contract is worth, in this market only.
_INITIAL_PART, _MAINTENANCE_PART = Decimal("0.08"), Decimal("0.07")
# Buying power is what one could hold in shares.
LEVERAGE = leverage(AssetClass.EQUITY, "margin", _RULES)


@cache
def as_ruled(instrument: Instrument) -> book.Instrument:
    """A contract of the catalogue as the rulebook knows it."""
    forex = instrument.sec_type == "CASH"
    return book.Instrument(
        asset_class=_CLASSES[instrument.sec_type],
        symbol=f"{instrument.symbol}{instrument.currency}" if forex else instrument.symbol,
        market=None if forex else "usa" if instrument.sec_type == "STK" else instrument.exchange.lower(),
        currency=instrument.currency,
        base_currency=instrument.symbol if forex else None,
        product=instrument.symbol,
        multiplier=instrument.multiplier,
        expiry=instrument.expiry,
    )


def commission(instrument: Instrument, quantity: Decimal, price: Decimal, rate: Decimal = Decimal(1)) -> Decimal:
    """The commission of an order filled so far, in dollars; `rate` turns the contract's currency into dollars."""
    order = book.Order(type=OrderType.MARKET, quantity=quantity)
    fee = estimate_fee(as_ruled(instrument), order, book.Quote(price=price), rules=_RULES, fx_rate=rate, usd_rate=rate)
    return fee.amount.quantize(_CENT)


def margins(
    instrument: Instrument, quantity: Decimal, price: Decimal, rate: Decimal, at: float
) -> tuple[Decimal, Decimal]:
    """Initial and maintenance margin of so much of a contract, in dollars."""
    if instrument.sec_type == "FUT":
        found = future_margin(_rows(instrument, price), quantity, _day(at), fx_rate=rate)
        return abs(found.initial), found.maintenance
    each = order_margin(
        as_ruled(instrument), quantity, book.Quote(price=price), _MARGIN, rules=_RULES, fx_rate=rate
    )  # fmt: skip
    return abs(each), abs(each)


def lacks_margin(
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal,
    rate: Decimal,
    at: float,
    *,
    held: Decimal,
    available: Decimal,
) -> bool:
    """Whether an account cannot carry an order, its fee included; quantities are signed, the market's price counts."""
    found = buying_power(
        as_ruled(instrument),
        book.Order(type=OrderType.MARKET, quantity=quantity),
        book.Quote(price=price),
        book.Account(type="margin", available=available),
        position=book.Position(quantity=held),
        fee=commission(instrument, quantity, price, rate),
        rules=_RULES,
        fx_rate=rate,
        today=_day(at),
        future_rows=_rows(instrument, price) if instrument.sec_type == "FUT" else None,
    )
    return not found.sufficient


def _rows(instrument: Instrument, price: Decimal) -> tuple[MarginRow, ...]:
    try:
        return margin_rows(instrument.symbol)
    except MissingMarginData:
        worth = price * instrument.multiplier
        return (MarginRow(date.min, worth * _INITIAL_PART, worth * _MAINTENANCE_PART),)


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()
