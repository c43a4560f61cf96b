"""What a fill does to cash and positions, and what an account is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from brokers.simulator.catalogue import Instrument
from brokers.simulator.records import ZERO, Account, CashChanged, Change, Execution, Position

Mark = Callable[[int], Decimal]
Rate = Callable[[str], Decimal]

# What the books keep: memory holds no more digits than the tables, so a restart changes nothing.
STORED = Decimal("0.00000001")
_INITIAL = {"STK": Decimal("0.25"), "FUT": Decimal("0.08"), "CASH": Decimal("0.03")}
_MAINTENANCE = {"STK": Decimal("0.25"), "FUT": Decimal("0.07"), "CASH": Decimal("0.03")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """An account's value in its base currency, part by part."""

    net_liquidation: Decimal
    total_cash: Decimal
    stock_value: Decimal
    futures_pnl: Decimal
    gross_position_value: Decimal
    unrealized: Decimal
    realized: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal

    @property
    def available_funds(self) -> Decimal:
        return self.net_liquidation - self.initial_margin

    @property
    def excess_liquidity(self) -> Decimal:
        return self.net_liquidation - self.maintenance_margin

    @property
    def buying_power(self) -> Decimal:
        return max(self.available_funds, ZERO) * 4


def initial_margin(instrument: Instrument, notional: Decimal) -> Decimal:
    return abs(notional) * _INITIAL[instrument.sec_type]


def apply(account: Account, execution: Execution, instrument: Instrument) -> list[Change]:
    """Book one fill; returns what changed."""
    signed = execution.quantity if execution.side == "BUY" else -execution.quantity
    position = account.positions.get(execution.conid)
    if position is None:
        position = account.positions[execution.conid] = Position(account_id=account.account_id, conid=execution.conid)
    gain = _move(position, signed, execution.price) * instrument.multiplier
    position.realized += gain
    flows = {instrument.currency: ZERO}
    if instrument.sec_type == "FUT":
        # A future costs nothing to open: only what it gained or lost is paid.
        flows[instrument.currency] += gain
    else:
        flows[instrument.currency] -= signed * execution.price
    if instrument.sec_type == "CASH":
        flows[instrument.symbol] = flows.get(instrument.symbol, ZERO) + signed
    flows[account.base] = flows.get(account.base, ZERO) - execution.commission
    changes: list[Change] = [position]
    for currency, amount in flows.items():
        balance = (account.cash.get(currency, ZERO) + amount).quantize(STORED)
        account.cash[currency] = balance
        changes.append(CashChanged(account.account_id, currency, balance))
    return changes


def _move(position: Position, signed: Decimal, price: Decimal) -> Decimal:
    """Change a position; returns what the closed part gained per unit of multiplier."""
    before = position.quantity
    after = before + signed
    if before * signed >= 0:
        spent = before * position.average_price + signed * price
        position.average_price = (spent / after).quantize(STORED)
        position.quantity = after
        return ZERO
    closed = min(abs(signed), abs(before)) * (1 if before > 0 else -1)
    gain = closed * (price - position.average_price)
    if after == 0:
        position.average_price = ZERO
    elif after * before < 0:
        position.average_price = price
    position.quantity = after
    return gain


def unrealized(position: Position, instrument: Instrument, mark: Decimal) -> Decimal:
    return position.quantity * (mark - position.average_price) * instrument.multiplier


def worth(account: Account, find: Callable[[int], Instrument | None], mark: Mark, rate: Rate) -> Worth:
    """The account's value now; `rate` turns one unit of a currency into base currency."""
    cash = sum((amount * rate(currency) for currency, amount in account.cash.items()), ZERO)
    stock = futures = gross = profit = realized = initial = maintenance = ZERO
    for position in account.positions.values():
        instrument = find(position.conid)
        if instrument is None:
            continue
        fx = rate(instrument.currency)
        realized += position.realized * fx
        if not position.quantity:
            continue
        price = mark(position.conid)
        value = position.quantity * price * instrument.multiplier * fx
        gained = unrealized(position, instrument, price) * fx
        profit += gained
        gross += abs(value)
        initial += initial_margin(instrument, value)
        maintenance += abs(value) * _MAINTENANCE[instrument.sec_type]
        if instrument.sec_type == "STK":
            stock += value
        elif instrument.sec_type == "FUT":
            futures += gained
    return Worth(
        net_liquidation=cash + stock + futures,
        total_cash=cash,
        stock_value=stock,
        futures_pnl=futures,
        gross_position_value=gross,
        unrealized=profit,
        realized=realized,
        initial_margin=initial,
        maintenance_margin=maintenance,
    )
