"""The gateway itself: users, their sessions, the engine, the market, and the order in which changes become known."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path

from brokers.simulator.behaviour import Behaviour
from brokers.simulator.books import numbers
from brokers.simulator.books.load import Books
from brokers.simulator.books.store import Store
from brokers.simulator.catalogue import catalogue, relisted
from brokers.simulator.catalogue.relisted import Split
from brokers.simulator.exchange.accounting import STORED, Worth, worth
from brokers.simulator.exchange.alerts import Alert
from brokers.simulator.exchange.engine import Engine, Switches
from brokers.simulator.exchange.lifetimes import day_of
from brokers.simulator.exchange.records import Account, Advisor, CashChanged, Execution, Order
from brokers.simulator.faults.faults import Faults
from brokers.simulator.gateway import nights
from brokers.simulator.gateway.kept_numbers import KeptNumbers
from brokers.simulator.gateway.users import User
from brokers.simulator.market.market import Market, Quote
from brokers.simulator.oauth.oauth import OAuth

OPENING_CASH = Decimal(1_000_000)


class Gateway:
    """Everything one gateway process knows."""

    def __init__(
        self,
        behaviour: Behaviour,
        store: Store,
        books: Books,
        *,
        seed: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.behaviour = behaviour
        self.store = store
        self._clock = clock
        self.ahead_s = 0.0
        self._ticked_at = self.clock()
        self.feeds_folder: Path | None = None
        self.market = Market(seed, catalogue.find, lambda: self.behaviour.market_always_open)
        self.engine = Engine(
            catalogue.find,
            self.quote,
            self.rate,
            Switches(
                always_open=lambda: self.behaviour.market_always_open,
                checks_margin=lambda: self.behaviour.margin_check,
                days_end=lambda: self.behaviour.day_orders_expire,
                legs_wake_early=lambda: self.behaviour.legs_wake_early,
                legs_sleep_at_night=lambda: self.behaviour.legs_sleep_at_night,
            ),
        )
        self.engine.last_order_id = books.order_id
        self.engine.last_execution = books.execution_number
        self.faults = Faults()
        self.oauth = OAuth(books.consumers, books.tokens)
        self.alerts: dict[int, Alert] = {a.alert_id: a for a in books.alerts}
        # Whether requests and messages are remembered: only where a control plane can read them.
        self.keeps_journal = False
        self.advisors: dict[str, Advisor] = {a.username: a for a in books.advisors}
        self.unknown: Counter[str] = Counter()
        self.splits: list[Split] = list(books.splits)
        # Until the gateway ends.
        self.kept_numbers = KeptNumbers()
        self.users: dict[str, User] = {}
        self.taken_ids: set[str] = set()
        self.next_clearing = 0.0
        self._restore(books)

    def _restore(self, books: Books) -> None:
        for split in books.splits:
            relisted.apply(split)
        for name in books.users:
            self.users[name] = User.named(name)
        for account in books.accounts:
            self.engine.open_account(account)
            self.taken_ids.add(account.account_id)
            self.users[account.username].account_ids.append(account.account_id)
        self.engine.restore(books.orders, books.executions)
        for order in books.orders:
            if order.reference:
                self.users[order.username].references.register(order.reference, order.created_at)
        for quote, until in books.quotes:
            self.market.post(quote, until)
        for user in self.users.values():
            user.session.selected_account = user.account_ids[0] if user.account_ids else ""

    def clock(self) -> float:
        """Now, in epoch seconds; a control request may have moved it ahead."""
        return self._clock() + self.ahead_s

    # -- users ---------------------------------------------------------------------------------------------------

    def user(self, name: str) -> User:
        """The user with this name; a new name gets an account with a million dollars."""
        if (known := self.users.get(name)) is not None:
            return known
        user = self.users[name] = User.named(name)
        now = self.clock()
        account = Account(account_id=self.account_id(name), username=name, opened_at=now)
        user.account_ids.append(account.account_id)
        user.session.selected_account = account.account_id
        self.engine.open_account(account)
        self.store.save([name])
        self.fund(account, {account.base: OPENING_CASH})
        return user

    def fund(self, account: Account, cash: Mapping[str, Decimal]) -> None:
        """Give an account its opening cash; the day's profit counts from there."""
        account.cash.update(cash)
        account.day, account.day_realized = day_of(self.clock()), Decimal(0)
        account.day_equity = self.worth(account).net_liquidation.quantize(STORED)
        self.store.save([account, *(CashChanged(account.account_id, c, b) for c, b in account.cash.items())])

    def account_id(self, name: str) -> str:
        """The number of a new account; a number that is taken is skipped."""
        numbered = (numbers.account_id(name, skip) for skip in count())
        account_id = next(number for number in numbered if number not in self.taken_ids)
        self.taken_ids.add(account_id)
        return account_id

    def reset(self, user: User) -> None:
        """Give a user's accounts a fresh start: no orders, no holdings, a million dollars."""
        for account_id in user.account_ids:
            account = self.engine.accounts[account_id]
            self.empty(account)
            self.fund(account, {account.base: OPENING_CASH})
        user.start_over()

    def empty(self, account: Account) -> None:
        """Take everything out of an account."""
        self.engine.forget(account.account_id)
        self._forget_alerts(account.account_id)
        self.store.delete_account(account.account_id, self.engine.last_order_id, self.engine.last_execution)

    def _forget_alerts(self, account_id: str) -> None:
        for alert in [a for a in self.alerts.values() if a.account_id == account_id]:
            alert.deleted = True
            del self.alerts[alert.alert_id]
            self.store.save([alert])

    def accounts_of(self, user: User) -> list[Account]:
        return [self.engine.accounts[i] for i in user.account_ids]

    # -- prices --------------------------------------------------------------------------------------------------

    def today(self) -> date:
        return day_of(self.clock())

    def quote(self, conid: int) -> Quote | None:
        return self.market.quote(conid, self.clock())

    def mark(self, conid: int) -> Decimal:
        quote = self.quote(conid)
        return quote.last if quote is not None else Decimal(0)

    def _last(self, conid: int) -> Decimal | None:
        quote = self.quote(conid)
        return quote.last if quote is not None else None

    def rate(self, currency: str, base: str = "USD") -> Decimal:
        """What one unit of a currency is worth in another."""
        if currency == base:
            return Decimal(1)
        if (pair := catalogue.pair(currency, base)) is not None:
            return self.mark(pair.conid)
        if (pair := catalogue.pair(base, currency)) is not None:
            return 1 / self.mark(pair.conid)
        if "USD" in (currency, base):
            return Decimal(1)
        return self.rate(currency, "USD") * self.rate("USD", base)

    def worth(self, account: Account) -> Worth:
        return worth(account, self.engine.world(self.clock()))

    def is_open(self, order: Order) -> bool:
        """Whether an order may trade now."""
        return self.engine.may_trade(order, self.clock())

    # -- changes -------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Hand what changed to the books, and to those who listen once it is durable."""
        changes, self.engine.changes = self.engine.changes, []
        if not changes:
            return
        self.store.save(changes)
        for change in changes:
            if isinstance(change, Order):
                for socket in self.users[change.username].sockets:
                    socket.order_changed(change)
            elif isinstance(change, Execution):
                for socket in self.users[change.username].sockets:
                    socket.executed(change)

    def try_fill(self, order: Order) -> None:
        """Let one order meet the market now."""
        if not self.behaviour.fills:
            return
        size, pause = self.behaviour.fill_slice, self.behaviour.fill_delay_ms / 1000
        self.engine.try_fill(order, self.clock(), slice_size=Decimal(size) if size else None, pause_s=pause)

    def settle_new(self, orders: list[Order]) -> None:
        """Fill fresh orders: at once, or after the time an exchange takes."""
        delay = self.behaviour.fill_delay_ms / 1000
        now = self.clock()
        for order in orders:
            if not delay:
                self.try_fill(order)
            else:
                order.not_before = now + delay
                asyncio.get_running_loop().call_later(delay + 0.001, self._late_fill, order)
        self.commit()

    def _late_fill(self, order: Order) -> None:
        self.try_fill(order)
        self.commit()

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Match the orders of every contract that has working orders, then quote to those who subscribed."""
        since, self._ticked_at = self._ticked_at, self.clock()
        for conid in list(self.engine.working):
            # A recording that is replayed fast shows prices between two ticks; orders must not miss them.
            for quote in self.market.passed(conid, since, self._ticked_at):
                with self.market.showing(quote):
                    self._meet(conid, since)
            self._meet(conid, self._ticked_at)
        self.commit()
        for user in self.users.values():
            for socket in user.sockets:
                socket.tick()

    def _meet(self, conid: int, since: float) -> None:
        """Let the orders that were there by then meet the market."""
        for order in list(self.engine.working.get(conid, {}).values()):
            if order.created_at <= since:
                self.try_fill(order)

    def housekeep(self) -> None:
        """Expire sessions, questions and day orders."""
        now = self.clock()
        for user in self.users.values():
            before = user.session.stage(now)
            user.session.expire(now, self.behaviour)
            if user.session.stage(now) != before:
                user.tell_status()
        for alert in self.alerts.values():
            alert.look(self._last)
        self.begin_nights()
        self.faults.tidy(now)
        self._end_of_day(now)
        self.commit()

    def begin_nights(self) -> None:
        """Close the gateway for the users whose night has come."""
        if self.faults.conditions:
            person = self.behaviour.person_signs_in
            nights.begin(self.faults.conditions, list(self.users.values()), self.clock(), person_signs_in=person)

    def expire_lst(self, user: User) -> None:
        """End what the session stands on: the login at a gateway, the live session token with OAuth."""
        self.oauth.expire(user.name)
        user.session.lose()
        user.session.signed_in = False
        user.session.person_needed = self.behaviour.person_signs_in
        user.tell_status()

    def _end_of_day(self, now: float) -> None:
        """Expire orders, settle what is due, and forget what nobody can ask for any more."""
        self.engine.expire(now)
        for book in list(self.engine.working.values()):
            for order in list(book.values()):
                if order.status == "PendingCancel" and now - order.updated_at > 2.0:
                    # Its timer went down with a process before this one.
                    self.engine.cancel(order, now)
        if self.engine.is_crowded():
            self.engine.shorten(now)
        if now >= self.next_clearing:
            self.next_clearing = now + 60
            self.engine.pass_time(now)
            self.engine.shorten(now)
            for user in self.users.values():
                user.references.forget(now - self.behaviour.reference_ttl_s)

    @staticmethod
    def moment(at: float) -> str:
        return datetime.fromtimestamp(at, UTC).isoformat()
