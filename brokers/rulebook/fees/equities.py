"""Shares: so much a share, a minimum, and a cap at a part of what the order is worth."""

from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.errors import UnknownWord, UnsupportedMarket
from brokers.rulebook.pricing import order_value
from brokers.rulebook.tables.fee_schedules import EquityPlan, FeeSchedules
from brokers.rulebook.values import Instrument, Order, Quote


def equity_fee(
    instrument: Instrument,
    order: Order,
    quote: Quote,
    schedules: FeeSchedules,
    *,
    market: str,
    fx_rate: Decimal,
    monthly_shares: Decimal,
    plan_name: str | None,
) -> Fee:
    plan = _plan(schedules, market, plan_name)
    amount = per_share(plan, monthly_shares) * abs(order.quantity)
    if amount < plan.minimum:
        amount = plan.minimum
        if not plan.cap_limits_minimum:
            # The model never caps its minimum, so a tiny order may cost more than the cap.
            return Fee(amount, plan.currency)
    cap = plan.cap_rate * abs(order_value(order, quote.price, multiplier=instrument.multiplier, fx_rate=fx_rate))
    return Fee(min(amount, cap), plan.currency)


def per_share(plan: EquityPlan, monthly_shares: Decimal) -> Decimal:
    for limit, rate in plan.tiers:
        if limit is None or monthly_shares <= limit:
            return rate
    return plan.tiers[-1][1]


def _plan(schedules: FeeSchedules, market: str, plan_name: str | None) -> EquityPlan:
    row = schedules.equity.get(market)
    if row is None:
        raise UnsupportedMarket(market)
    name = plan_name or row.default_plan
    plan = row.plans.get(name)
    if plan is None:
        raise UnknownWord(name, kind="commission plan", known=", ".join(row.plans))
    return plan
