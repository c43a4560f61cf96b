"""Futures and their options: broker, exchange and clearing, per contract, by product and market."""

from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.errors import UnsupportedAssetClass, UnsupportedCurrency, UnsupportedMarket
from brokers.rulebook.tables.fee_schedules import FeeSchedules
from brokers.rulebook.values import Instrument, Order, Quote
from brokers.rulebook.words import AssetClass


def future_fee(instrument: Instrument, order: Order, quote: Quote, schedules: FeeSchedules, *, market: str) -> Fee:
    if market in schedules.us_markets:
        each = Fee(us_per_contract(schedules, instrument.asset_class, instrument.product), "USD")
    elif market == "hkfe":
        each = _hong_kong(schedules, instrument)
    elif market == "eurex":
        each = _eurex(schedules, instrument)
    elif market == "krx":
        each = Fee(schedules.krx_rate * quote.price * instrument.multiplier, instrument.currency)
    else:
        raise UnsupportedMarket(market)
    return Fee(abs(order.quantity) * each.amount, each.currency)


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
