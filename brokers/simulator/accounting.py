"""What a fill does to cash and positions, and what an account is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook.accounting import Book, Fee, apply_fill
from brokers.rulebook.accounting import Execution as Fill
from brokers.rulebook.values import Position as Held
from brokers.simulator.catalogue import Instrument
from brokers.simulator.records import ZERO, Account, CashChanged, Change, Execution, Position
from brokers.simulator.rules import LEVERAGE, as_ruled, margins

Mark = Callable[[int], Decimal]
Rate = Callable[[str], Decimal]

# What the books keep: memory holds no more digits than the tables, so a restart changes nothing.
STORED = Decimal("0.00000001")


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
        return max(self.available_funds, ZERO) * LEVERAGE


def apply(account: Account, execution: Execution, instrument: Instrument, rate: Rate) -> list[Change]:
    """Book one fill by the rulebook; returns what changed."""
    position = account.positions.get(execution.conid)
    if position is None:
        position = account.positions[execution.conid] = Position(account_id=account.account_id, conid=execution.conid)
    before = Book(
        currency=account.base,
        cash=account.cash,
        rates={instrument.currency: rate(instrument.currency)},
        position=Held(quantity=position.quantity, average_price=position.average_price),
    )
    signed = execution.quantity if execution.side == "BUY" else -execution.quantity
    fee = Fee(execution.commission, account.base)
    after = apply_fill(before, as_ruled(instrument), Fill(quantity=signed, price=execution.price, fee=fee))
    position.quantity = after.position.quantity
    position.average_price = after.position.average_price.quantize(STORED)
    position.realized = (position.realized + after.realised_profit).quantize(STORED)
    changes: list[Change] = [position]
    for currency, balance in after.cash.items():
        if account.cash.get(currency) != balance:
            account.cash[currency] = balance.quantize(STORED)
            changes.append(CashChanged(account.account_id, currency, account.cash[currency]))
    return changes


def unrealized(position: Position, instrument: Instrument, mark: Decimal) -> Decimal:
    return position.quantity * (mark - position.average_price) * instrument.multiplier


def worth(account: Account, find: Callable[[int], Instrument | None], mark: Mark, rate: Rate, at: float) -> Worth:
    """The account's value now; `rate` turns one unit of a currency into base currency."""
    cash = sum((amount * rate(currency) for currency, amount in account.cash.items()), ZERO)
    stock = futures = gross = profit = realized = initial = maintenance = ZERO
    for position in account.positions.values():
        instrument = find(position.conid)
        if instrument is None:
            continue
        fx = rate(instrument.currency)
        realized += position.realized
        if not position.quantity:
            continue
        price = mark(position.conid)
        value = position.quantity * price * instrument.multiplier * fx
        gained = unrealized(position, instrument, price) * fx
        profit += gained
        gross += abs(value)
        needed, kept = margins(instrument, position.quantity, price, fx, at)
        initial += needed
        maintenance += kept
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
