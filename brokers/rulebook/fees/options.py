"""Equity and index options: per contract, by premium and by contracts traded this month."""

from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.errors import UnsupportedMarket
from brokers.rulebook.fees.trade import Trade
from brokers.rulebook.pricing import own_price
from brokers.rulebook.tables.fee_schedules import FeeSchedules
from brokers.rulebook.values import ZERO, Order, Quote
from brokers.rulebook.words import AssetClass, OrderType

CURRENCY = "USD"


def option_fee(trade: Trade) -> Fee:
    """In USD; exercising an equity option is free. UnsupportedMarket outside the US."""
    if trade.order.type == OrderType.OPTION_EXERCISE and trade.instrument.asset_class == AssetClass.OPTION:
        return trade.fee(ZERO, CURRENCY)
    if trade.market != "usa":
        raise UnsupportedMarket(trade.market)
    each = per_contract(trade.schedules, premium(trade.order, trade.quote), trade.volume.option_contracts)
    return trade.fee(max(trade.size * each, trade.schedules.option_minimum), CURRENCY)


def premium(order: Order, quote: Quote) -> Decimal:
    """The premium that chooses the tier: the order's own price, else the far side of the quote."""
    own = own_price(order)
    if own is not None:
        return own
    if order.type == OrderType.OPTION_EXERCISE:
        return ZERO
    # The model reads the bid for buys and the ask for sells, the opposite of what the trade will pay (decision 0021).
    return quote.bid if order.quantity > 0 else quote.ask


def per_contract(schedules: FeeSchedules, premium_paid: Decimal, monthly_contracts: Decimal) -> Decimal:
    for tier in schedules.option_tiers:
        if tier.max_contracts is None or monthly_contracts <= tier.max_contracts:
            return next(fee for from_premium, fee in tier.steps if premium_paid >= from_premium)
    raise UnsupportedMarket("usa")
