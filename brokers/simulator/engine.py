"""The exchange and its books: places, fills, cancels and changes orders. Pure: the clock and the quotes are given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal

from brokers.simulator import accounting
from brokers.simulator.catalogue import Instrument
from brokers.simulator.market import Quote
from brokers.simulator.matching import price_for
from brokers.simulator.records import ZERO, Account, Change, Execution, Order, Ticket

Find = Callable[[int], Instrument | None]
Fee = Callable[[Instrument, Decimal, Decimal, Decimal], Decimal]
Rate = Callable[[str], Decimal]


class Engine:
    """All accounts and orders of one gateway; `changes` collects what happened since it was last taken."""

    def __init__(self, find: Find, fee: Fee, rate: Rate, *, order_id: int = 0, execution_number: int = 0) -> None:
        self.find = find
        self.rate = rate
        self.fee = fee
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        self.by_account: dict[str, dict[int, Order]] = defaultdict(dict)
        self.executions: dict[str, list[Execution]] = defaultdict(list)
        self.working: dict[int, dict[int, Order]] = defaultdict(dict)
        self.children: dict[int, list[Order]] = defaultdict(list)
        self.groups: dict[str, list[Order]] = defaultdict(list)
        self.changes: list[Change] = []
        self.last_order_id = order_id
        self.last_execution = execution_number

    # -- books ---------------------------------------------------------------------------------------------------

    def open_account(self, account: Account) -> None:
        self.accounts[account.account_id] = account

    def restore(self, orders: Iterable[Order], executions: Iterable[Execution]) -> None:
        """Put stored orders and executions back on the books."""
        for order in orders:
            self._index(order)
        for execution in executions:
            self.executions[execution.account_id].append(execution)

    def forget(self, account_id: str) -> None:
        """Take every order, fill and holding of an account off the books."""
        for order in list(self.by_account[account_id].values()):
            self.drop(order)
        self.executions.pop(account_id, None)
        self.accounts[account_id].positions.clear()
        self.accounts[account_id].cash.clear()

    def drop(self, order: Order) -> None:
        """Take one order out of memory."""
        self.orders.pop(order.order_id, None)
        self.by_account[order.account_id].pop(order.order_id, None)
        self.children.pop(order.order_id, None)
        self.groups.pop(order.oca_group, None)
        self._rest(order)

    def _index(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self.by_account[order.account_id][order.order_id] = order
        if order.working:
            self.working[order.conid][order.order_id] = order
        if order.parent_id is not None:
            self.children[order.parent_id].append(order)
        if order.oca_group:
            self.groups[order.oca_group].append(order)

    def _rest(self, order: Order) -> None:
        book = self.working.get(order.conid)
        if book is not None and book.pop(order.order_id, None) is not None and not book:
            del self.working[order.conid]

    # -- orders --------------------------------------------------------------------------------------------------

    def place(
        self, username: str, ticket: Ticket, now: float, *, parent: Order | None = None, oca_group: str = ""
    ) -> Order:
        """Accept a ticket: it works from now on, or is held until its parent has filled."""
        # Numbers follow the clock, so that an emptied database never gives a number out twice.
        self.last_order_id = max(self.last_order_id + 1, int((now - 1_735_689_600) * 10))
        held = parent is not None and parent.status != "Filled"
        order = Order(
            order_id=self.last_order_id,
            username=username,
            account_id=ticket.account_id,
            conid=ticket.conid,
            side=ticket.side,
            order_type=ticket.order_type,
            quantity=ticket.quantity,
            tif=ticket.tif,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
            trailing_type=ticket.trailing_type,
            trailing_amount=ticket.trailing_amount,
            reference=ticket.reference,
            parent_id=parent.order_id if parent else None,
            oca_group=oca_group,
            outside_rth=ticket.outside_rth,
            status="PreSubmitted" if held or ticket.order_type in {"STP", "STOP_LIMIT", "TRAIL"} else "Submitted",
            held=held,
            created_at=now,
            updated_at=now,
        )
        self._index(order)
        self.changes.append(order)
        return order

    def set_status(self, order: Order, status: str, now: float, reason: str = "") -> None:
        """Move an order, and let its children and its group follow."""
        order.status = status
        order.updated_at = now
        order.reason = reason or order.reason
        self.changes.append(order)
        if order.working:
            return
        self._rest(order)
        if status == "Filled":
            self._after_fill(order, now)
        else:
            for child in self.children.get(order.order_id, ()):
                if child.working:
                    self.set_status(child, "Cancelled", now, "The parent order was cancelled.")

    def _after_fill(self, order: Order, now: float) -> None:
        for child in self.children.get(order.order_id, ()):
            if child.held and child.working:
                child.held = False
                status = "Submitted" if child.order_type in {"LMT", "MKT"} else "PreSubmitted"
                self.set_status(child, status, now)

    def cancel(self, order: Order, now: float, reason: str = "") -> bool:
        """Cancel a working order; False when it is too late."""
        if not order.working:
            return False
        self.set_status(order, "Cancelled", now, reason)
        return True

    def change(self, order: Order, ticket: Ticket, now: float) -> None:
        """Give a working order new prices, quantity and time in force."""
        order.quantity = ticket.quantity
        order.limit_price = ticket.limit_price
        order.stop_price = ticket.stop_price
        order.order_type = ticket.order_type
        order.tif = ticket.tif
        order.outside_rth = ticket.outside_rth
        if order.filled >= order.quantity:
            self.set_status(order, "Filled", now)
        else:
            self.set_status(order, order.status, now)

    # -- fills ---------------------------------------------------------------------------------------------------

    def match(self, quote: Quote, now: float, *, slice_size: Decimal | None = None) -> None:
        """Fill whatever this quote fills."""
        for order in list(self.working.get(quote.conid, {}).values()):
            self.try_fill(order, quote, now, slice_size=slice_size)

    def try_fill(self, order: Order, quote: Quote, now: float, *, slice_size: Decimal | None = None) -> None:
        if not order.working or order.held or now < order.not_before:
            return
        stop, triggered = order.stop_price, order.triggered
        price = price_for(order, quote)
        quantity = order.remaining if slice_size is None else min(order.remaining, slice_size)
        if order.fill_cap is not None:
            quantity = min(quantity, order.fill_cap - order.filled)
        if price is not None and quantity > 0:
            self._fill(order, quantity, price, now)
        elif order.triggered != triggered or order.stop_price != stop:
            self.set_status(order, "Submitted" if order.triggered else order.status, now)
        if order.tif == "IOC" and order.working:
            self.set_status(order, "Cancelled", now, "Immediate or cancel: the rest found no counterparty.")

    def _fill(self, order: Order, quantity: Decimal, price: Decimal, now: float) -> None:
        instrument = self.find(order.conid)
        assert instrument is not None
        account = self.accounts[order.account_id]
        self.last_execution = max(self.last_execution + 1, int(now * 1_000_000))
        fee = self._fee(order, instrument, quantity, price)
        execution = Execution(
            number=self.last_execution,
            order_id=order.order_id,
            account_id=order.account_id,
            username=order.username,
            conid=order.conid,
            side=order.side,
            quantity=quantity,
            price=price,
            commission=fee,
            net_amount=quantity * price * instrument.multiplier,
            exchange=instrument.exchange,
            reference=order.reference,
            executed_at=now,
        )
        spent = order.average_price * order.filled + price * quantity
        order.filled += quantity
        order.average_price = (spent / order.filled).quantize(accounting.STORED)
        self.executions[order.account_id].append(execution)
        self.changes.append(execution)
        self.changes.extend(accounting.apply(account, execution, instrument, self.rate))
        self.set_status(order, "Filled" if order.remaining == 0 else "Submitted", now)
        self._shrink_group(order, quantity, now)

    def _fee(self, order: Order, instrument: Instrument, quantity: Decimal, price: Decimal) -> Decimal:
        """The order's fee so far less what earlier fills paid: the minimum is charged once an order."""
        rate = self.rate(instrument.currency)
        before = self.fee(instrument, order.filled, order.average_price, rate) if order.filled else ZERO
        return max(self.fee(instrument, order.filled + quantity, price, rate) - before, ZERO)

    def _shrink_group(self, order: Order, quantity: Decimal, now: float) -> None:
        """One cancels the other: what one order fills, the others no longer may."""
        if not order.oca_group:
            return
        for other in self.groups[order.oca_group]:
            if other is order or not other.working:
                continue
            if order.status == "Filled" or other.remaining <= quantity:
                self.set_status(other, "Cancelled", now, "Another order of its group was filled.")
            else:
                other.quantity -= quantity
                self.set_status(other, other.status, now)
