"""One door to the fee of an order: the asset class chooses the schedule, the ruleset its figures."""

from decimal import Decimal

from brokers.rulebook import rulesets
from brokers.rulebook.accounting import Fee
from brokers.rulebook.capabilities import default_market
from brokers.rulebook.errors import UnsupportedAssetClass, UnsupportedOrderType
from brokers.rulebook.fees.currencies import cfd_fee, forex_fee
from brokers.rulebook.fees.equities import equity_fee
from brokers.rulebook.fees.futures import future_fee
from brokers.rulebook.fees.options import option_fee
from brokers.rulebook.fees.trade import NO_VOLUME, Trade, Volume
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import ONE, Instrument, Order, Quote
from brokers.rulebook.words import AssetClass


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
    """The commission of the whole order, in the currency of its schedule; regulatory and exchange extras are not in it.

    `fx_rate` turns the quote currency into the account's, `usd_rate` into USD. Raises UnsupportedAssetClass,
    UnsupportedOrderType, UnsupportedMarket, UnsupportedCurrency or UnknownWord (the plan) where no schedule covers it.
    """
    rules = rules or rulesets.load()
    if order.type not in rules.order_types:
        raise UnsupportedOrderType(order.type)
    return _charge(
        Trade(
            instrument=instrument,
            order=order,
            quote=quote,
            rules=rules,
            market=instrument.market or default_market(instrument.asset_class),
            fx_rate=fx_rate,
            usd_rate=usd_rate,
            volume=volume,
            plan=plan,
            cfd_rate=cfd_rate,
        )
    )


def _charge(trade: Trade) -> Fee:
    asset_class = trade.instrument.asset_class
    if asset_class == AssetClass.EQUITY:
        return equity_fee(trade)
    if asset_class in (AssetClass.OPTION, AssetClass.INDEX_OPTION):
        return option_fee(trade)
    if asset_class in (AssetClass.FUTURE, AssetClass.FUTURE_OPTION):
        return future_fee(trade)
    if asset_class == AssetClass.FOREX:
        in_account = trade.rules.policy.fee_value_in_account_currency
        return forex_fee(trade, trade.fx_rate if in_account or trade.usd_rate is None else trade.usd_rate)
    if asset_class == AssetClass.CFD:
        if trade.instrument.cfd_kind in trade.schedules.cfd_kinds_like_forex:
            return forex_fee(trade, trade.usd_rate or trade.fx_rate)
        return cfd_fee(trade)
    raise UnsupportedAssetClass(asset_class)
