"""Currency pairs and CFDs: a rate on what the order is worth, with a minimum."""

from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.fees.trade import Trade
from brokers.rulebook.tables.fee_schedules import FeeSchedules, ForexTier
from brokers.rulebook.values import ONE, Instrument

FOREX_CURRENCY = "USD"


def forex_fee(trade: Trade, rate: Decimal) -> Fee:
    """A fee in USD, on a value in the currency that `rate` leads to: Lean mixes USD and account money (decision 0021)."""
    tier = forex_tier(trade.schedules, trade.volume.forex_usd)
    return trade.fee(max(tier.minimum, tier.rate * trade.value(rate)), FOREX_CURRENCY)


def forex_tier(schedules: FeeSchedules, monthly_usd: Decimal) -> ForexTier:
    for tier in schedules.forex_tiers:
        if tier.max_usd is None or monthly_usd <= tier.max_usd:
            return tier
    return schedules.forex_tiers[-1]


def cfd_fee(trade: Trade) -> Fee:
    """A fee in the quote currency, on a value in the account's: the model mixes the two up (decision 0021)."""
    schedules, currency = trade.schedules, trade.instrument.currency
    value = trade.value(trade.fx_rate if trade.rules.policy.fee_value_in_account_currency else ONE)
    minimum = schedules.cfd_minimum.get(currency, schedules.cfd_minimum["*"])
    return trade.fee(max(minimum, (trade.cfd_rate or _cfd_rate(schedules, trade.instrument)) * value), currency)


def _cfd_rate(schedules: FeeSchedules, instrument: Instrument) -> Decimal:
    by_currency = schedules.cfd_kind_rates.get(instrument.cfd_kind or "")
    if by_currency is None:
        return schedules.cfd_rate
    return by_currency.get(instrument.currency, by_currency["*"])
