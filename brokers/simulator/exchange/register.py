"""Every account, order and fill in memory, and where to find it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from brokers.simulator.exchange.fills import Fills
from brokers.simulator.exchange.records import Account, Change, Execution, Order

# What is remembered of an account beside what works: as many orders as IBKR's list shows, and fills of the days that can
# be asked for, so many at the most. Rows stay in the books.
MOST_FINISHED = 1_000
MOST_FILLS = 10_000
_FINISHED_S, _FILLS_S = 2 * 86_400.0, 8 * 86_400.0


class Register:
    """The indexes of one gateway; `changes` collects what happened since it was last taken."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        self.by_account: dict[str, dict[int, Order]] = defaultdict(dict)
        self.executions: dict[str, Fills] = defaultdict(Fills)
        self._working_of: dict[str, dict[int, Order]] = defaultdict(dict)
        self.working: dict[int, dict[int, Order]] = defaultdict(dict)
        self.children: dict[int, list[Order]] = defaultdict(list)
        self.groups: dict[str, list[Order]] = defaultdict(list)
        self.changes: list[Change] = []
        # How many shares of a contract can be borrowed; of those that are not named, as many as anybody wants.
        self.shortable: dict[int, Decimal] = {}

    def open_account(self, account: Account) -> None:
        self.accounts[account.account_id] = account

    def restore(self, orders: Iterable[Order], executions: Iterable[Execution]) -> None:
        """Put stored orders and executions back on the books."""
        for order in orders:
            self.index(order)
        for execution in executions:
            self.executions[execution.account_id].append(execution)

    def forget(self, account_id: str) -> None:
        """Take every order, fill and holding of an account off the books."""
        for order in list(self.by_account[account_id].values()):
            self.drop(order)
        self.executions.pop(account_id, None)
        account = self.accounts[account_id]
        account.positions.clear()
        account.proceeds.clear()
        account.cash.clear()

    def shorten(self, now: float) -> None:
        """Take out of memory what nobody can ask for any more, so that it does not grow with the orders of a lifetime."""
        for account_id in list(self.by_account):
            orders = self.by_account[account_id].values()
            finished = [order for order in orders if not order.working and not self._has_working_child(order)]
            surplus = finished[: max(0, len(finished) - MOST_FINISHED)]
            for order in [*surplus, *(order for order in finished if now - order.updated_at > _FINISHED_S)]:
                self.drop(order)
        for fills in self.executions.values():
            fills.shorten(MOST_FILLS, now - _FILLS_S)

    def is_crowded(self) -> bool:
        """Whether an account has so many orders that it is to be shortened before the time."""
        return any(len(orders) > 2 * MOST_FINISHED for orders in self.by_account.values())

    def _has_working_child(self, order: Order) -> bool:
        return any(child.working for child in self.children.get(order.order_id, ()))

    def drop(self, order: Order) -> None:
        """Take one order out of memory."""
        self.orders.pop(order.order_id, None)
        self.by_account[order.account_id].pop(order.order_id, None)
        self.children.pop(order.order_id, None)
        if not any(o.working and o is not order for o in self.groups.get(order.oca_group, ())):
            self.groups.pop(order.oca_group, None)
        self.rest(order)

    def index(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self.by_account[order.account_id][order.order_id] = order
        if order.working:
            self.working[order.conid][order.order_id] = order
            self._working_of[order.account_id][order.order_id] = order
        if order.parent_id is not None:
            self.children[order.parent_id].append(order)
        if order.oca_group:
            self.groups[order.oca_group].append(order)

    def rest(self, order: Order) -> None:
        """An order that no longer works meets no quotes."""
        mine = self._working_of.get(order.account_id)
        if mine is not None and mine.pop(order.order_id, None) is not None and not mine:
            del self._working_of[order.account_id]
        book = self.working.get(order.conid)
        if book is not None and book.pop(order.order_id, None) is not None and not book:
            del self.working[order.conid]

    def working_of(self, account_id: str) -> list[Order]:
        """Its orders that work, in the order in which they were placed."""
        return list(self._working_of.get(account_id, {}).values())
