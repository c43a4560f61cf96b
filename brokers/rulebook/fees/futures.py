"""Futures and their options: broker, exchange and clearing, per contract, by product and market."""

from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.errors import UnsupportedAssetClass, UnsupportedCurrency, UnsupportedMarket
from brokers.rulebook.fees.trade import Trade
from brokers.rulebook.tables.fee_schedules import FeeSchedules
from brokers.rulebook.values import Instrument
from brokers.rulebook.words import AssetClass


def future_fee(trade: Trade) -> Fee:
    """Contracts times the fee of one; UnsupportedMarket, or UnsupportedCurrency in Hong Kong, where no row covers it."""
    schedules, instrument = trade.schedules, trade.instrument
    if trade.market in schedules.us_markets:
        each = Fee(us_per_contract(schedules, instrument.asset_class, instrument.product), "USD")
    elif trade.market == "hkfe":
        each = _hong_kong(schedules, instrument)
    elif trade.market == "eurex":
        each = _eurex(schedules, instrument)
    elif trade.market == "krx":
        each = Fee(schedules.krx_rate * trade.quote.price * instrument.multiplier, instrument.currency)
    else:
        raise UnsupportedMarket(trade.market)
    return trade.fee(trade.size * each.amount, each.currency)


def us_per_contract(schedules: FeeSchedules, asset_class: str, product: str) -> Decimal:
    table = schedules.us_tables[asset_class]
    broker = table.broker.get(product, schedules.us_default_broker)
    return broker + table.exchange.get(product, schedules.us_default_exchange) + schedules.us_clearing


def _hong_kong(schedules: FeeSchedules, instrument: Instrument) -> Fee:
    if instrument.product == "HSI":
        return Fee(schedules.hkfe_hsi, "HKD")
    each = schedules.hkfe_other.get(instrument.currency)
    if each is None:
        raise UnsupportedCurrency(instrument.currency)
    return Fee(each * schedules.hkfe_multiplier, instrument.currency)


def _eurex(schedules: FeeSchedules, instrument: Instrument) -> Fee:
    if instrument.asset_class != AssetClass.FUTURE:
        raise UnsupportedAssetClass(instrument.asset_class)
    return Fee(schedules.eurex_per_contract, schedules.eurex_currency)
