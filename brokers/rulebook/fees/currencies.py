"""Currency pairs and CFDs: a rate on what the order is worth, with a minimum."""

from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.pricing import order_value
from brokers.rulebook.tables.fee_schedules import FeeSchedules, ForexTier
from brokers.rulebook.values import Instrument, Order, Quote

FOREX_CURRENCY = "USD"


def forex_fee(
    instrument: Instrument,
    order: Order,
    quote: Quote,
    schedules: FeeSchedules,
    *,
    rate: Decimal,
    monthly_usd: Decimal,
) -> Fee:
    tier = forex_tier(schedules, monthly_usd)
    value = abs(order_value(order, quote.price, multiplier=instrument.multiplier, fx_rate=rate))
    return Fee(max(tier.minimum, tier.rate * value), FOREX_CURRENCY)


def forex_tier(schedules: FeeSchedules, monthly_usd: Decimal) -> ForexTier:
    for tier in schedules.forex_tiers:
        if tier.max_usd is None or monthly_usd <= tier.max_usd:
            return tier
    return schedules.forex_tiers[-1]


def cfd_fee(
    instrument: Instrument,
    order: Order,
    quote: Quote,
    schedules: FeeSchedules,
    *,
    fx_rate: Decimal,
    rate: Decimal | None,
) -> Fee:
    currency = instrument.currency
    value = abs(order_value(order, quote.price, multiplier=instrument.multiplier, fx_rate=fx_rate))
    minimum = schedules.cfd_minimum.get(currency, schedules.cfd_minimum["*"])
    return Fee(max(minimum, (rate or _cfd_rate(schedules, instrument)) * value), currency)


def _cfd_rate(schedules: FeeSchedules, instrument: Instrument) -> Decimal:
    by_currency = schedules.cfd_kind_rates.get(instrument.cfd_kind or "")
    if by_currency is None:
        return schedules.cfd_rate
    return by_currency.get(instrument.currency, by_currency["*"])
