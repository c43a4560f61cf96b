"""An exchange in a test: the real engine, with quotes and a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange.accounting import Worth, worth
from brokers.simulator.exchange.engine import Engine, Switches
from brokers.simulator.exchange.lifetimes import day_of
from brokers.simulator.exchange.records import Account, Order, Ticket
from brokers.simulator.market.market import Quote

D = Decimal
NOW = 1_795_262_400.0
AAPL, EURUSD = 265598, 12087792


class Exchange(Engine):
    """The engine with a board of quotes; a contract without one is not quoted."""

    def __init__(
        self,
        *,
        find: Callable[[int], Instrument | None] = catalogue.find,
        rates: dict[str, Decimal] | None = None,
        always_open: bool = True,
        checks_margin: bool = True,
    ) -> None:
        self.board: dict[int, Quote] = {}
        self.rates = rates or {}
        super().__init__(
            find,
            self.board.get,
            lambda currency, base: self.rates.get(currency, D(1)) / self.rates.get(base, D(1)),
            Switches(always_open=lambda: always_open, checks_margin=lambda: checks_margin),
        )

    def open(self, account_id: str = "SIM1", cash: str = "1000000", **changes: Any) -> Account:
        """An account with cash in its own currency."""
        account = Account(account_id=account_id, username="alice", opened_at=NOW, **changes)
        account.cash[account.base] = account.day_equity = D(cash)
        account.day = day_of(NOW)
        self.open_account(account)
        return account

    def show(self, bid: str, ask: str, last: str | None = None, conid: int = AAPL) -> None:
        """Quote a contract, without letting any order see it yet."""
        self.board[conid] = Quote(conid, D(bid), D(ask), D(last or ask), 100, 100, NOW)

    def match(
        self, bid: str, ask: str, last: str | None = None, *, conid: int = AAPL, now: float = NOW, slices: int = 0
    ) -> None:
        """Quote a contract, and let every order meet the market."""
        self.show(bid, ask, last, conid)
        self.scan(now, slice_size=D(slices) if slices else None)

    def order(self, order_type: str = "MKT", *, now: float = NOW, checked: bool = False, **changes: Any) -> Order:
        """Place an order to buy ten shares, with changes; checked as the gateway checks it when that is asked."""
        parent, group = changes.pop("parent", None), changes.pop("oca_group", "")
        base: dict[str, Any] = {"account_id": "SIM1", "conid": AAPL, "side": "BUY", "quantity": D(10), "tif": "DAY"}
        ticket = Ticket(order_type=order_type, **(base | changes))
        placed = self.place("alice", ticket, now, parent=parent, oca_group=group)
        if checked and (reason := self.refusal(placed, now)):
            self.set_status(placed, "Inactive", now, reason)
        return placed

    def prices(self, account_id: str = "SIM1") -> list[tuple[Decimal, Decimal]]:
        return [(e.quantity, e.price) for e in self.executions[account_id]]

    def value(self, account_id: str = "SIM1", now: float = NOW) -> Worth:
        return worth(self.accounts[account_id], self.world(now))
