"""What companies and the broker do to accounts without an order: splits, dividends, interest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook import splits
from brokers.rulebook.values import Order as Ruled
from brokers.rulebook.values import Position as Held
from brokers.rulebook.words import AssetClass, OrderType
from brokers.simulator.catalogue.adjusted import Adjustment
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.listed import cfd_on
from brokers.simulator.catalogue.relisted import Split
from brokers.simulator.exchange.accounting import STORED, credit
from brokers.simulator.exchange.engine import Engine
from brokers.simulator.exchange.records import ZERO, Account, Change, Order, Position

# As IBKR words it when it takes an order back for a split.
CANCELED = "Order cancelled: stock split of the underlying"
NOTHING_LEFT = "Order cancelled: the split leaves nothing of it"
_TYPES = {
    "LMT": OrderType.LIMIT,
    "STP": OrderType.STOP_MARKET,
    "STOP_LIMIT": OrderType.STOP_LIMIT,
    "TRAIL": OrderType.TRAILING_STOP,
    "LIT": OrderType.LIMIT_IF_TOUCHED,
}


@dataclass(frozen=True, slots=True)
class Paid:
    """Money that came or went without an order: how much, in which currency, of which account."""

    account_id: str
    currency: str
    amount: Decimal


def split(engine: Engine, change: Split, share: Instrument, *, adjusts: bool, price: Decimal) -> list[Paid]:
    """Split a share, and the CFD on it, in every account; returns what fractions were paid with. `share`: as it is listed since.

    `adjusts`: working orders get the size and the prices that the rulebook gives them, instead of being canceled.
    `price`: the last price before the split.
    """
    paid = []
    cfd = cfd_on(share)
    for conid, contract in ((change.conid, share), *(() if cfd is None else ((cfd.conid, cfd),))):
        for account in engine.accounts.values():
            if (held := account.positions.get(conid)) is None or not held.quantity:
                continue
            # Of a fraction of a CFD only its profit is paid.
            worth = price if contract is share else price - held.average_price
            in_lieu = _split_holding(engine, account, held, change, worth)
            if in_lieu:
                engine.changes.extend(credit(account, share.currency, in_lieu))
                paid.append(Paid(account.account_id, share.currency, in_lieu))
        for order in list(engine.working.get(conid, {}).values()):
            if adjusts and not order.legs:
                _split_order(engine, order, change, contract)
            else:
                engine.cancel(order, change.at, CANCELED)
    return paid


def split_options(engine: Engine, options: Adjustment, at: float) -> list[tuple[int, int]]:
    """Give every account the contracts that its options on a share have become, and cancel what works in those of before. Returns
    the numbers of before and of now.

    IBKR cancels orders that are good till canceled once a corporate action splits the security (its page "Time in Force").
    """
    for order in [each for orders in engine.working.values() for each in orders.values()]:
        if any(options.becomes(conid) is not None for conid in (order.conid, *(leg.conid for leg in order.legs))):
            engine.cancel(order, at, CANCELED)
    renumbered = []
    for account in engine.accounts.values():
        for held in [each for each in account.positions.values() if each.quantity]:
            if (becomes := options.becomes(held.conid)) is not None:
                _become(engine, account, held, becomes, options.contracts)
                renumbered.append((held.conid, becomes))
    return renumbered


def _become(engine: Engine, account: Account, held: Position, becomes: int, contracts: int) -> None:
    listed = account.positions.setdefault(becomes, Position(account_id=account.account_id, conid=becomes))
    listed.quantity = held.quantity * contracts
    listed.average_price = (held.average_price / contracts).quantize(STORED)
    held.quantity = ZERO
    engine.changes.extend([held, listed])


def _split_holding(engine: Engine, account: Account, held: Position, change: Split, price: Decimal) -> Decimal:
    before = Held(quantity=held.quantity, average_price=held.average_price)
    after = splits.split_holding(AssetClass.EQUITY, before, change.factor, price)
    listed = held
    if change.is_renumbered and held.conid == change.conid:
        held.quantity = ZERO
        engine.changes.append(held)
        listed = account.positions.setdefault(
            change.becomes, Position(account_id=account.account_id, conid=change.becomes)
        )
    listed.quantity = after.position.quantity
    listed.average_price = after.position.average_price.quantize(STORED)
    engine.changes.append(listed)
    return after.cash_in_lieu.quantize(STORED)


def _split_order(engine: Engine, order: Order, change: Split, contract: Instrument) -> None:
    """Give an order its size and its prices of after the split, on the tick."""
    ruled = Ruled(
        type=_TYPES.get(order.order_type, OrderType.MARKET),
        quantity=order.quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trailing_amount=order.trailing_amount,
        trailing_as_percentage=order.trailing_type == "%",
    )
    after = splits.split_order(ruled, change.factor)
    if after.canceled or order.filled:
        engine.cancel(order, change.at, NOTHING_LEFT if after.canceled else CANCELED)
        return
    engine.rest(order)
    order.conid, order.quantity = contract.conid, after.order.quantity
    order.limit_price = _on_tick(after.order.limit_price, contract)
    order.stop_price = _on_tick(after.order.stop_price, contract)
    order.trailing_amount = after.order.trailing_amount
    engine.index(order)
    engine.set_status(order, order.status, change.at)


def _on_tick(price: Decimal | None, share: Instrument) -> Decimal | None:
    if price is None:
        return None
    tick = share.tick(price)
    return max((price / tick).to_integral_value() * tick, tick)


def dividend(accounts: Iterable[Account], share: Instrument, per_share: Decimal) -> tuple[list[Paid], list[Change]]:
    """Pay so much for each share that is held, and for each CFD on it; who is short pays it."""
    paid, changes = [], []
    cfd = cfd_on(share)
    bearing = [share.conid] if cfd is None else [share.conid, cfd.conid]
    for account in accounts:
        held = sum((account.positions[conid].quantity for conid in bearing if conid in account.positions), ZERO)
        if not held:
            continue
        amount = (held * per_share).quantize(STORED)
        changes.extend(credit(account, share.currency, amount))
        paid.append(Paid(account.account_id, share.currency, amount))
    return paid, changes
