"""What happens to the books because time passes: proceeds settle, futures are marked to market, days end."""

from __future__ import annotations

from decimal import Decimal

from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.hours import local_day
from brokers.simulator.exchange.accounting import STORED, World, credit, future_ledger, worth
from brokers.simulator.exchange.lifetimes import day_of
from brokers.simulator.exchange.records import Account, Change, Position


def release(account: Account, now: float) -> list[Change]:
    """Turn proceeds that are due into settled cash, each once."""
    changes: list[Change] = []
    for entry in [p for p in account.proceeds.values() if p.settles_at <= now]:
        del account.proceeds[entry.number]
        entry.settled = True
        changes.append(entry)
        changes += credit(account, entry.currency, entry.amount)
    return changes


def mark_futures(account: Account, world: World) -> list[Change]:
    """The first look on a new day of the exchange pays what the day before brought."""
    changes: list[Change] = []
    for position in account.positions.values():
        if not position.quantity:
            continue
        instrument = world.find(position.conid)
        if instrument is not None and instrument.sec_type == "FUT":
            changes += _mark(account, position, instrument, world)
    return changes


def _mark(account: Account, position: Position, instrument: Instrument, world: World) -> list[Change]:
    today = local_day(instrument, world.now)
    price = world.mark(position.conid)
    if position.settled_on == today or not price:
        return []
    settled = future_ledger(position, instrument).settle(price)
    position.settled_profit = settled.settled_profit.quantize(STORED)
    position.settled_quantity = settled.settled_quantity
    position.settled_on = today
    return [position, *credit(account, instrument.currency, settled.cash)]


def begin_day(account: Account, world: World) -> list[Change]:
    """Note what an account is worth as the broker's day begins; the profit of the day counts from there."""
    today = day_of(world.now)
    if account.day == today:
        return []
    account.day = today
    account.day_equity = worth(account, world).net_liquidation.quantize(STORED)
    account.day_realized = Decimal(0)
    return [account]


def pass_time(account: Account, world: World) -> list[Change]:
    """Everything that is due for an account."""
    return [*release(account, world.now), *mark_futures(account, world), *begin_day(account, world)]
