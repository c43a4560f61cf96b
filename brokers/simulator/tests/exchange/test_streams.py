"""Ten thousand random streams of orders: whatever happens, the books are right."""

from __future__ import annotations

import os
from collections import defaultdict
from decimal import Decimal

import pytest

from brokers.simulator.catalogue.hours import is_open
from brokers.simulator.exchange.records import Account, Execution, Order
from brokers.simulator.tests.exchange.exchange import AAPL, D
from brokers.simulator.tests.exchange.streams import Stream, find
from config.tests.samples import samples

STREAMS = int(os.environ.get("SIM_STREAMS", "0")) or samples(10_000)
BATCHES = 20
STEPS = 6
# Averages are kept to eight digits, so that a large holding may be off by a fraction of a cent.
NEARLY = D("0.01")


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_stream_of_orders_upsets_the_books(batch: int) -> None:
    each = STREAMS // BATCHES
    traded = 0
    for number in range(batch * each, (batch + 1) * each):
        stream = Stream(number)
        stream.run(STEPS)
        stream.exchange.expire(stream.now)
        check(stream)
        traded += sum(map(len, stream.exchange.executions.values()))
    # A proof about streams in which nothing happens would be none.
    assert traded > each / 2


def check(stream: Stream) -> None:
    by_order: dict[int, list[Execution]] = defaultdict(list)
    for fills in stream.exchange.executions.values():
        for fill in fills:
            by_order[fill.order_id].append(fill)
    for order in stream.orders:
        check_order(stream, order, by_order[order.order_id])
    for asked, group in stream.groups:
        check_group(stream, asked, group)
    for account in stream.exchange.accounts.values():
        check_account(stream, account)


def check_order(stream: Stream, order: Order, fills: list[Execution]) -> None:
    where = f"stream {stream.number}, order {order}"
    filled = sum((f.quantity for f in fills), D(0))
    assert filled == order.filled <= order.quantity, where
    assert (order.order_id in stream.exchange.working.get(order.conid, {})) is order.working, where
    assert (order.status == "Filled") is (order.remaining == 0), where
    if order.expires_at is not None:
        assert not order.working or stream.now < order.expires_at, where
        assert all(f.executed_at < order.expires_at for f in fills), where
    if order.tif in {"IOC", "FOK"} and not order.held:
        assert not order.working or order.created_at == stream.now, where
    if order.tif == "FOK":
        assert order.filled in {0, order.quantity}, where
    if order.fa_group:
        assert sum(order.shares.values(), D(0)) == order.quantity or order.status == "Inactive", where
        assert sum(order.dealt.values(), D(0)) == order.filled, where
    elif order.conid == AAPL and fills:
        # Half a cent a share and at least a dollar, once an order however many parts it fills in.
        charged = sum((f.commission for f in fills), D(0))
        lite = stream.exchange.accounts[order.account_id].kind == "lite"
        assert charged == (D(0) if lite else max(D(1), order.filled * D("0.005")).quantize(D("0.01"))), where
    for fill in fills:
        check_fill(stream, order, fill, where)


def check_fill(stream: Stream, order: Order, fill: Execution, where: str) -> None:
    instrument = find(fill.conid)
    assert instrument is not None
    assert fill.side == order.side, where
    if order.limit_price is not None and not order.trailing_amount and order.order_id not in stream.changed:
        assert fill.price <= order.limit_price if fill.side == "BUY" else fill.price >= order.limit_price, where
    if not stream.exchange.always_open() and not order.auction:
        assert is_open(instrument, fill.executed_at, extended=order.outside_rth), where
    if order.fa_group:
        assert order.dealt[fill.account_id] <= order.shares[fill.account_id], where


def check_group(stream: Stream, asked: Decimal, group: list[Order]) -> None:
    """One cancels the other: never both whole, and together never more than the larger of them asked for."""
    assert sum(o.status == "Filled" for o in group) <= 1, f"stream {stream.number}"
    assert sum((o.filled for o in group), D(0)) <= asked, f"stream {stream.number}"


def check_account(stream: Stream, account: Account) -> None:
    """Cash and positions hold what was there at first and what was dealt, less the fees."""
    where = f"stream {stream.number}, account {account.account_id} ({account.kind})"
    expected: dict[str, Decimal] = defaultdict(lambda: D(0), stream.opening[account.account_id])
    held: dict[int, Decimal] = defaultdict(lambda: D(0))
    kinds = set()
    for fill in stream.exchange.executions[account.account_id]:
        instrument = find(fill.conid)
        assert instrument is not None
        kinds.add(instrument.sec_type)
        held[fill.conid] += fill.signed
        expected[instrument.currency] -= fill.signed * fill.price * instrument.multiplier
        expected[fill.currency] -= fill.commission
        if instrument.sec_type == "CASH":
            expected[instrument.symbol] += fill.signed
    cash: dict[str, Decimal] = defaultdict(lambda: D(0), account.cash)
    for entry in account.proceeds.values():
        cash[entry.currency] += entry.amount
    for conid, position in account.positions.items():
        instrument = find(conid)
        assert instrument is not None
        assert position.quantity == held[conid], where
        if instrument.sec_type == "FUT":
            # What a future is worth at a price of nothing: its cost is still to be paid, less what was settled daily.
            cost = position.quantity * position.average_price * instrument.multiplier
            cash[instrument.currency] -= cost + position.settled_profit
    for currency in cash.keys() | expected.keys():
        assert abs(cash[currency] - expected[currency]) < NEARLY, f"{where}: {currency}"
    if account.kind == "cash" and kinds <= {"STK", "CASH"} and stream.exchange.checks_margin():
        assert all(balance >= 0 for balance in account.cash.values()), f"{where}: {account.cash}"
        assert all(q >= 0 for conid, q in held.items() if conid == AAPL), where
