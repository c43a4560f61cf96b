"""One door to the fee of an order: the asset class chooses the schedule, the ruleset its figures."""

from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook import rulesets
from brokers.rulebook.accounting import Fee
from brokers.rulebook.capabilities import default_market
from brokers.rulebook.errors import UnsupportedAssetClass, UnsupportedOrderType
from brokers.rulebook.fees.currencies import cfd_fee, forex_fee
from brokers.rulebook.fees.equities import equity_fee
from brokers.rulebook.fees.futures import future_fee
from brokers.rulebook.fees.options import option_fee
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import ONE, ZERO, Instrument, Order, Quote
from brokers.rulebook.words import AssetClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What an account traded this month; tiers go by it."""

    shares: Decimal = ZERO
    option_contracts: Decimal = ZERO
    forex_usd: Decimal = ZERO


NO_VOLUME = Volume()


def estimate_fee(
    instrument: Instrument,
    order: Order,
    quote: Quote,
    *,
    rules: Ruleset | None = None,
    fx_rate: Decimal = ONE,
    usd_rate: Decimal | None = None,
    volume: Volume = NO_VOLUME,
    plan: str | None = None,
    cfd_rate: Decimal | None = None,
) -> Fee:
    """The commission of the whole order; an unknown class, market, product currency or plan is refused by name.

    `fx_rate` turns the quote currency into the account's, `usd_rate` turns it into USD.
    """
    rules = rules or rulesets.load()
    found = _charged(
        instrument, order, quote, rules, fx_rate=fx_rate, usd_rate=usd_rate, volume=volume, plan=plan, cfd_rate=cfd_rate
    )
    return Fee(found.amount, found.currency, rules.provenance)


def _charged(
    instrument: Instrument,
    order: Order,
    quote: Quote,
    rules: Ruleset,
    *,
    fx_rate: Decimal,
    usd_rate: Decimal | None,
    volume: Volume,
    plan: str | None,
    cfd_rate: Decimal | None,
) -> Fee:
    schedules = rules.fees
    if order.type not in rules.order_types:
        raise UnsupportedOrderType(order.type)
    asset_class = instrument.asset_class
    market = instrument.market or default_market(asset_class)
    if asset_class == AssetClass.EQUITY:
        return equity_fee(
            instrument,
            order,
            quote,
            schedules,
            market=market,
            fx_rate=fx_rate,
            monthly_shares=volume.shares,
            plan_name=plan,
        )
    if asset_class in (AssetClass.OPTION, AssetClass.INDEX_OPTION):
        return option_fee(instrument, order, quote, schedules, market=market, monthly_contracts=volume.option_contracts)
    if asset_class in (AssetClass.FUTURE, AssetClass.FUTURE_OPTION):
        return future_fee(instrument, order, quote, schedules, market=market)
    in_account = rules.policy.fee_value_in_account_currency
    if asset_class == AssetClass.FOREX:
        rate = fx_rate if in_account or usd_rate is None else usd_rate
        return forex_fee(instrument, order, quote, schedules, rate=rate, monthly_usd=volume.forex_usd)
    if asset_class == AssetClass.CFD:
        if instrument.cfd_kind in schedules.cfd_kinds_like_forex:
            return forex_fee(
                instrument, order, quote, schedules, rate=usd_rate or fx_rate, monthly_usd=volume.forex_usd
            )
        return cfd_fee(instrument, order, quote, schedules, fx_rate=fx_rate if in_account else ONE, rate=cfd_rate)
    raise UnsupportedAssetClass(asset_class)
