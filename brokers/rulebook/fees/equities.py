"""Shares: so much a share, a minimum, and a cap at a part of what the order is worth."""

from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.errors import UnknownWord, UnsupportedMarket
from brokers.rulebook.fees.trade import Trade
from brokers.rulebook.tables.fee_schedules import EquityPlan, FeeSchedules


def equity_fee(trade: Trade) -> Fee:
    """In the currency of the market's plan."""
    plan = _plan(trade.schedules, trade.market, trade.plan)
    amount = per_share(plan, trade.volume.shares) * trade.size
    if amount < plan.minimum:
        amount = plan.minimum
        if not plan.cap_limits_minimum:
            # The model never caps its minimum, so a tiny order may cost more than the cap (decision 0021).
            return trade.fee(amount, plan.currency)
    return trade.fee(min(amount, plan.cap_rate * trade.value(trade.fx_rate)), plan.currency)


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
