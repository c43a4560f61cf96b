"""The rulebook, asked in the gateway's terms: what a fill costs, and what a holding needs as margin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

from brokers.rulebook import rulesets
from brokers.rulebook import values as book
from brokers.rulebook.accounting import Fee
from brokers.rulebook.capabilities import leverage
from brokers.rulebook.errors import MissingMarginData
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.margin import order_margin
from brokers.rulebook.margin.futures import MarginRow, future_margin, is_current, margin_rows, row_on
from brokers.rulebook.margin.options import option_maintenance_margin
from brokers.rulebook.words import AssetClass, OrderType
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.listed import METAL
from brokers.simulator.exchange.records import ZERO, Kind

CLASSES = {
    "STK": AssetClass.EQUITY,
    "OPT": AssetClass.OPTION,
    "FUT": AssetClass.FUTURE,
    "FOP": AssetClass.FUTURE_OPTION,
    "CASH": AssetClass.FOREX,
    "CFD": AssetClass.CFD,
    "IND": AssetClass.INDEX,
}
RULES = rulesets.load()
_CENT = Decimal("0.01")
_RIGHTS = {"C": "call", "P": "put"}
_CFD_KINDS = {"STK": "share", "IND": "index", "CASH": "forex", METAL: "metal"}
_HAS_A_RATE = frozenset({"FUT", "FOP"})
# Exchanges the fee schedules know by another name.
_MARKETS = {"nybot": "ice"}
# Futures that the rulebook has no margin of today for: parts of what a contract is worth, in this market only.
_INITIAL_PART, _MAINTENANCE_PART = Decimal("0.08"), Decimal("0.07")
# Shares abroad: what is charged of what is dealt, and at least, in this market only.
_ABROAD_PART, _ABROAD_USUALLY = Decimal("0.0005"), Decimal(3)
_ABROAD_LEAST = {"JPY": Decimal(80), "HKD": Decimal(18), "AUD": Decimal(6), "CAD": Decimal(1), "SGD": Decimal("2.5")}
_ACCOUNTS = {kind: book.Account(type=kind) for kind in ("margin", "cash")}
_BUYING_POWER = {kind: leverage(AssetClass.EQUITY, kind, RULES) for kind in ("margin", "cash")}


def asset_class(instrument: Instrument) -> str:
    """The rulebook's word for what kind of contract this is."""
    if instrument.sec_type == "OPT" and instrument.underlying_type == "IND":
        return AssetClass.INDEX_OPTION
    return CLASSES[instrument.sec_type]


def has_auction(instrument: Instrument, order_type: str) -> bool:
    """Whether the contract is traded in an auction: `order_type` is market on open or on close."""
    return (order_type, asset_class(instrument)) in RULES.cells


@cache
def as_ruled(instrument: Instrument) -> book.Instrument:
    """A contract of the catalogue as the rulebook knows it."""
    forex = instrument.sec_type == "CASH"
    return book.Instrument(
        asset_class=asset_class(instrument),
        symbol=f"{instrument.symbol}{instrument.currency}" if forex else instrument.symbol,
        market=_market(instrument),
        currency=instrument.currency,
        base_currency=instrument.symbol if forex else None,
        # Fees go by the exchange's own root: BTC, not BRR.
        product=instrument.trading_class if instrument.sec_type == "FUT" else instrument.symbol,
        multiplier=instrument.multiplier,
        lot_size=Decimal(1),
        right=_RIGHTS.get(instrument.right),
        strike=instrument.strike if instrument.is_option else None,
        style=instrument.style,
        settlement=instrument.settlement,
        expiry=instrument.expiry,
        cfd_kind=_CFD_KINDS.get(instrument.underlying_type) if instrument.sec_type == "CFD" else None,
    )


def _market(instrument: Instrument) -> str | None:
    if instrument.sec_type in {"CASH", "CFD"}:
        return None
    if instrument.sec_type not in _HAS_A_RATE:
        return "usa"
    exchange = instrument.exchange.lower()
    return _MARKETS.get(exchange, exchange)


def commission(
    instrument: Instrument, quantity: Decimal, price: Decimal, rate: Decimal = Decimal(1), *, kind: Kind = "margin"
) -> Fee:
    """The commission of an order filled so far; `rate` turns the contract's currency into dollars."""
    if instrument.sec_type == "STK" and instrument.currency != "USD":
        return _abroad_fee(instrument, quantity, price)
    if kind == "lite" and instrument.sec_type == "STK":
        return Fee(ZERO, "USD")
    order = book.Order(type=OrderType.MARKET, quantity=quantity)
    shown = book.Quote(price=price, bid=price, ask=price)
    fee = estimate_fee(as_ruled(instrument), order, shown, rules=RULES, fx_rate=rate, usd_rate=rate)
    return Fee(fee.amount.quantize(_CENT), fee.currency)


def _abroad_fee(instrument: Instrument, quantity: Decimal, price: Decimal) -> Fee:
    """On shares abroad, of which the rulebook has no schedule: a part of what is dealt, in their own currency."""
    worth = abs(quantity) * price * instrument.multiplier
    fee = max(worth * _ABROAD_PART, _ABROAD_LEAST.get(instrument.currency, _ABROAD_USUALLY))
    return Fee(fee.quantize(_CENT), instrument.currency)


@dataclass(frozen=True, slots=True)
class Prices:
    """What a margin follows, at a moment in epoch seconds; `rate` turns the contract's currency into the account's.

    `underlying` is the price of what an option is on, `basis` what a written option brought.
    """

    price: Decimal
    rate: Decimal
    at: float
    underlying: Decimal = ZERO
    basis: Decimal | None = None


def margins(
    instrument: Instrument, quantity: Decimal, prices: Prices, *, kind: str = "margin"
) -> tuple[Decimal, Decimal]:
    """Initial and maintenance margin of so much of a contract, in the account's currency."""
    price, underlying, today = prices.price, prices.underlying, day_of(prices.at)
    if instrument.sec_type == "CASH" and kind == "cash":
        # A cash account owns both currencies whole: nothing is borrowed that would need a margin.
        return ZERO, ZERO
    if instrument.sec_type == "FUT":
        required = future_margin(_rows(instrument, price, today), quantity, today, fx_rate=prices.rate)
        return abs(required.initial), required.maintenance
    ruled = as_ruled(instrument)
    each = order_margin(
        ruled,
        quantity,
        book.Quote(price=price),
        _ACCOUNTS[kind],
        rules=RULES,
        fx_rate=prices.rate,
        today=today,
        underlying_price=underlying,
        future_rows=future_rows(instrument, underlying, today),
    )
    if instrument.sec_type == "OPT":
        basis = price if prices.basis is None else prices.basis
        kept = option_maintenance_margin(ruled, quantity, underlying, basis, fx_rate=prices.rate)
        return abs(each), kept
    return abs(each), abs(each)


def buying_power_leverage(kind: str) -> Decimal:
    """How often its funds an account may hold shares for."""
    return _BUYING_POWER[kind]


def future_rows(instrument: Instrument, price: Decimal, today: date) -> tuple[MarginRow, ...] | None:
    """The margin of a future, or of the future an option is on; our own figures where the rulebook has none of today."""
    return _rows(instrument, price, today) if instrument.sec_type in _HAS_A_RATE else None


def _rows(instrument: Instrument, price: Decimal, today: date) -> tuple[MarginRow, ...]:
    try:
        rows = margin_rows(instrument.symbol)
    except MissingMarginData:
        return _house_rows(instrument, price)
    # What was published years ago is less than the broker asks today.
    return rows if is_current(row_on(rows, today), today) else _house_rows(instrument, price)


def _house_rows(instrument: Instrument, price: Decimal) -> tuple[MarginRow, ...]:
    worth = price * instrument.multiplier
    return (MarginRow(date.min, worth * _INITIAL_PART, worth * _MAINTENANCE_PART),)


def day_of(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()
