"""What a fill does to cash and positions, and what an account is worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from brokers.rulebook.accounting import PAYS_NOTIONAL, Book, Fee, apply_fill
from brokers.rulebook.accounting import Execution as Fill
from brokers.rulebook.settlement import FutureLedger, settlement_rule, settles_at
from brokers.rulebook.values import Position as Held
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.hours import calendar_of, local_day
from brokers.simulator.exchange.records import ZERO, Account, CashChanged, Change, Execution, Position, Proceeds
from brokers.simulator.exchange.rules import RULES, Prices, as_ruled, asset_class, buying_power_leverage, margins

Find = Callable[[int], Instrument | None]
Mark = Callable[[int], Decimal]
Rate = Callable[[str, str], Decimal]

# What the books keep: memory holds no more digits than the tables, so a restart changes nothing.
STORED = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class World:
    """What an account's value depends on beside the account: contracts, prices and exchange rates of a moment."""

    find: Find
    mark: Mark
    rate: Rate
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """An account's value in its base currency, part by part."""

    net_liquidation: Decimal
    total_cash: Decimal
    unsettled_cash: Decimal
    stock_value: Decimal
    option_value: Decimal
    future_option_value: Decimal
    futures_pnl: Decimal
    cfd_pnl: Decimal
    gross_position_value: Decimal
    unrealized: Decimal
    realized: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    leverage: Decimal
    # By currency and class, and by currency, in that currency: what is held, and its open profit.
    held: Mapping[tuple[str, str], Decimal]
    profits: Mapping[str, Decimal]

    @property
    def settled_cash(self) -> Decimal:
        return self.total_cash - self.unsettled_cash

    @property
    def available_funds(self) -> Decimal:
        """What new positions may use: money that is still on its way does not count."""
        return self.net_liquidation - self.unsettled_cash - self.initial_margin

    @property
    def excess_liquidity(self) -> Decimal:
        return self.net_liquidation - self.unsettled_cash - self.maintenance_margin

    @property
    def buying_power(self) -> Decimal:
        return max(self.available_funds, ZERO) * self.leverage


def apply(account: Account, execution: Execution, instrument: Instrument, rate: Rate) -> list[Change]:
    """Book one fill by the rulebook; returns what changed."""
    position = account.positions.get(execution.conid)
    if position is None:
        position = account.positions[execution.conid] = Position(account_id=account.account_id, conid=execution.conid)
    currencies = {instrument.currency, execution.currency}
    before = Book(
        currency=account.base,
        cash=account.cash,
        rates={currency: rate(currency, account.base) for currency in currencies},
        position=Held(quantity=position.quantity, average_price=position.average_price),
    )
    settles = _settles_at(account, execution, instrument)
    fill = Fill(
        quantity=execution.signed,
        price=execution.price,
        fee=Fee(execution.commission, execution.currency),
        delayed=settles is not None,
        settles_at=settles,
    )
    after = apply_fill(before, as_ruled(instrument), fill)
    cash = dict(after.cash)
    if instrument.sec_type == "FUT":
        paid = _close_settled(position, execution, instrument)
        cash[instrument.currency] = cash.get(instrument.currency, ZERO) - paid
    position.quantity = after.position.quantity
    position.average_price = after.position.average_price.quantize(STORED)
    position.realized = (position.realized + after.realised_profit).quantize(STORED)
    changes: list[Change] = [position]
    if after.realised_profit:
        account.day_realized = (account.day_realized + after.realised_profit).quantize(STORED)
        changes.append(account)
    if after.unsettled and settles is not None:
        # One fill has one such amount, so the fill's number serves for both.
        amount = after.unsettled[0].amount.quantize(STORED)
        waiting = Proceeds(
            number=execution.number,
            account_id=account.account_id,
            currency=instrument.currency,
            amount=amount,
            settles_at=settles.timestamp(),
        )
        account.proceeds[waiting.number] = waiting
        changes.append(waiting)
    return changes + _move_cash(account, cash)


def _settles_at(account: Account, execution: Execution, instrument: Instrument) -> datetime | None:
    """When the money of a sale counts as settled, where that is later."""
    kind = asset_class(instrument)
    if account.kind != "cash" or execution.side == "BUY" or kind not in PAYS_NOTIONAL:
        return None
    rule = settlement_rule(kind, account.rule_kind, RULES)
    if rule.time_of_day is None:
        return None
    return settles_at(rule, datetime.fromtimestamp(execution.executed_at, UTC), calendar_of(instrument), RULES)


def _close_settled(position: Position, execution: Execution, instrument: Instrument) -> Decimal:
    """How much of a closing fill's profit daily settlement has paid before."""
    ledger = future_ledger(position, instrument).fill(execution.signed, execution.price)
    paid = position.settled_profit - ledger.settled_profit
    position.settled_profit = ledger.settled_profit.quantize(STORED)
    position.settled_quantity = ledger.settled_quantity.quantize(STORED)
    if position.settled_on is None or not position.quantity:
        position.settled_on = local_day(instrument, execution.executed_at)
    return paid


def future_ledger(position: Position, instrument: Instrument) -> FutureLedger:
    """A futures holding as the rulebook settles it."""
    return FutureLedger(
        cash=ZERO,
        multiplier=instrument.multiplier,
        position=Held(quantity=position.quantity, average_price=position.average_price),
        settled_quantity=position.settled_quantity,
        settled_profit=position.settled_profit,
    )


def _move_cash(account: Account, cash: dict[str, Decimal]) -> list[Change]:
    changes: list[Change] = []
    for currency, balance in cash.items():
        if account.cash.get(currency, ZERO) != balance:
            account.cash[currency] = balance.quantize(STORED)
            changes.append(CashChanged(account.account_id, currency, account.cash[currency]))
    return changes


def credit(account: Account, currency: str, amount: Decimal) -> list[Change]:
    """Add to the settled cash of one currency."""
    return _move_cash(account, {currency: account.cash.get(currency, ZERO) + amount})


def unrealized(position: Position, instrument: Instrument, mark: Decimal) -> Decimal:
    return position.quantity * (mark - position.average_price) * instrument.multiplier


def worth(account: Account, world: World) -> Worth:
    """The account's value now, in its base currency."""
    parts: dict[str, Decimal] = defaultdict(lambda: ZERO)
    held: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    profits: dict[str, Decimal] = defaultdict(lambda: ZERO)
    gross = profit = initial = maintenance = ZERO
    for position in account.positions.values():
        instrument = world.find(position.conid) if position.quantity else None
        if instrument is None:
            continue
        fx, price = world.rate(instrument.currency, account.base), world.mark(position.conid)
        value = position.quantity * price * instrument.multiplier
        gained = unrealized(position, instrument, price)
        needed, kept = position_margins(account, position.quantity, instrument, world, basis=position.average_price)
        profit, gross = profit + gained * fx, gross + abs(value) * fx
        initial, maintenance = initial + needed, maintenance + kept
        counted = _counted(position, instrument, value, gained)
        parts[instrument.sec_type] += counted * fx
        held[instrument.currency, instrument.sec_type] += counted
        profits[instrument.currency] += gained
    settled = sum((amount * world.rate(currency, account.base) for currency, amount in account.cash.items()), ZERO)
    waiting = sum((p.amount * world.rate(p.currency, account.base) for p in account.proceeds.values()), ZERO)
    return Worth(
        net_liquidation=settled + waiting + sum(parts.values(), ZERO),
        total_cash=settled + waiting,
        unsettled_cash=waiting,
        stock_value=parts["STK"],
        option_value=parts["OPT"],
        future_option_value=parts["FOP"],
        futures_pnl=parts["FUT"],
        cfd_pnl=parts["CFD"],
        gross_position_value=gross,
        unrealized=profit,
        realized=account.day_realized,
        initial_margin=initial,
        maintenance_margin=maintenance,
        leverage=buying_power_leverage(account.rule_kind),
        held=held,
        profits=profits,
    )


def _counted(position: Position, instrument: Instrument, value: Decimal, gained: Decimal) -> Decimal:
    """What a holding adds to the account beside cash: currencies are cash already, futures what is not settled yet."""
    if instrument.sec_type == "FUT":
        return gained - position.settled_profit
    if instrument.sec_type == "CFD":
        return gained
    return ZERO if instrument.sec_type == "CASH" else value


def position_margins(
    account: Account, quantity: Decimal, instrument: Instrument, world: World, *, basis: Decimal | None = None
) -> tuple[Decimal, Decimal]:
    """What so much of a contract needs in this account, initially and to be kept."""
    prices = Prices(
        price=world.mark(instrument.conid),
        rate=world.rate(instrument.currency, account.base),
        at=world.now,
        underlying=world.mark(instrument.underlying_conid) * instrument.units if instrument.is_option else ZERO,
        basis=basis,
    )
    return margins(instrument, quantity, prices, kind=account.rule_kind)
