"""The gateway itself: users, their sessions, the engine, the market, and the order in which changes become known."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brokers.simulator.behaviour import Behaviour
from brokers.simulator.books import numbers
from brokers.simulator.books.store import Books, Store
from brokers.simulator.catalogue import catalogue
from brokers.simulator.exchange.accounting import STORED, Worth, worth
from brokers.simulator.exchange.alerts import Alert
from brokers.simulator.exchange.engine import Engine
from brokers.simulator.exchange.lifetimes import day_of
from brokers.simulator.exchange.records import Account, Advisor, CashChanged, Execution, Order
from brokers.simulator.faults import nights
from brokers.simulator.faults.faults import Faults
from brokers.simulator.market.market import TICK_S, Market, Quote
from brokers.simulator.oauth.oauth import OAuth
from brokers.simulator.orders.questions import Pending
from brokers.simulator.session import Session
from brokers.simulator.shapes import accounts

if TYPE_CHECKING:
    from brokers.simulator.stream.ws import Socket

log = logging.getLogger(__name__)
OPENING_CASH = Decimal(1_000_000)


@dataclass(slots=True, kw_only=True)
class User:
    """One username: its session, its accounts and who listens."""

    name: str
    session: Session
    account_ids: list[str] = field(default_factory=list)
    references: dict[str, float] = field(default_factory=dict)
    pending: Pending | None = None
    sockets: set[Socket] = field(default_factory=set)
    journal: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=20_000))
    tripped: dict[str, int] = field(default_factory=dict)
    # What faults did: orders nobody may see yet, fills that were corrected, and when the night emptied the list.
    hidden: dict[int, float] = field(default_factory=dict)
    corrected: set[str] = field(default_factory=set)
    day_began_at: float = 0.0
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=20_000))


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
            order_id=books.order_id,
            execution_number=books.execution_number,
            always_open=lambda: self.behaviour.market_always_open,
            checks_margin=lambda: self.behaviour.margin_check,
            days_end=lambda: self.behaviour.day_orders_expire,
        )
        self.faults = Faults()
        self.oauth = OAuth(books.consumers, books.tokens)
        self.alerts: dict[int, Alert] = {a.alert_id: a for a in books.alerts}
        # Only where somebody may read it: what every user asked for and was told.
        self.keeps_journal = False
        self.advisors: dict[str, Advisor] = {a.username: a for a in books.advisors}
        self.unknown: Counter[str] = Counter()
        self.users: dict[str, User] = {}
        self.taken_ids: set[str] = set()
        self.next_clearing = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._restore(books)

    def _restore(self, books: Books) -> None:
        for name in books.users:
            self.users[name] = self._new_user(name)
        for account in books.accounts:
            self.engine.open_account(account)
            self.taken_ids.add(account.account_id)
            self.users[account.username].account_ids.append(account.account_id)
        self.engine.restore(books.orders, books.executions)
        for order in books.orders:
            if order.reference:
                self.users[order.username].references[order.reference] = order.created_at
        for quote, until in books.quotes:
            self.market.post(quote, until)
        for user in self.users.values():
            user.session.selected_account = user.account_ids[0] if user.account_ids else ""

    def clock(self) -> float:
        """Now, in epoch seconds; a control request may have moved it ahead."""
        return self._clock() + self.ahead_s

    # -- users ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _new_user(name: str) -> User:
        # A username keeps its token over restarts: clients compare it before and after they connect.
        token = hashlib.sha256(f"session {name}".encode()).hexdigest()[:32]
        return User(name=name, session=Session(username=name, token=token))

    def user(self, name: str) -> User:
        """The user with this name; a new name gets an account with a million dollars."""
        if (known := self.users.get(name)) is not None:
            return known
        user = self.users[name] = self._new_user(name)
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
        found = next(each for skip in count() if (each := numbers.account_id(name, skip)) not in self.taken_ids)
        self.taken_ids.add(found)
        return found

    def reset(self, user: User) -> None:
        """Give a user's accounts a fresh start: no orders, no holdings, a million dollars."""
        for account_id in user.account_ids:
            account = self.engine.accounts[account_id]
            self.empty(account)
            self.fund(account, {account.base: OPENING_CASH})
        self.start_over(user)

    def empty(self, account: Account) -> None:
        """Take everything out of an account."""
        self.engine.forget(account.account_id)
        self._forget_alerts(account.account_id)
        self.store.delete_account(account.account_id, self.engine.last_order_id, self.engine.last_execution)

    @staticmethod
    def start_over(user: User) -> None:
        """Forget what a user did, its session included."""
        user.references.clear()
        user.pending = None
        user.session.lose()
        user.session.ever_initiated = False
        user.session.competing = False
        user.journal.clear()
        user.events.clear()
        user.hidden.clear()
        user.corrected.clear()

    def _forget_alerts(self, account_id: str) -> None:
        for alert in [a for a in self.alerts.values() if a.account_id == account_id]:
            alert.deleted = True
            del self.alerts[alert.alert_id]
            self.store.save([alert])

    def accounts_of(self, user: User) -> list[Account]:
        return [self.engine.accounts[i] for i in user.account_ids]

    def accounts_body(self, user: User) -> dict[str, Any]:
        """A user's accounts as /iserver/accounts and the websocket show them."""
        advisor = self.advisors.get(user.name)
        groups = advisor.groups if advisor is not None else {}
        session = user.session
        return accounts.accounts(self.accounts_of(user), session.selected_account, session.token, groups)

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

    def start(self) -> None:
        """Begin to tick."""
        for loop in (self._tick_forever(), self._housekeep_forever()):
            task = asyncio.get_running_loop().create_task(loop)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.store.close()

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._survive(self.tick)

    async def _housekeep_forever(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._survive(self.housekeep)

    @staticmethod
    def _survive(step: Callable[[], None]) -> None:
        # One bad moment must not stop the market for everybody.
        try:
            step()
        except Exception:
            log.exception("A step of the market failed.")

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
                self.tell_status(user)
        for alert in self.alerts.values():
            alert.look(self._last)
        nights.advance(self)
        self.faults.tidy(now)
        self._end_of_day(now)
        self.commit()

    def expire_lst(self, user: User) -> None:
        """End what the session stands on: the login at a gateway, the live session token with OAuth."""
        self.oauth.expire(user.name)
        user.session.lose()
        user.session.signed_in = False
        self.tell_status(user)

    def tell_status(self, user: User) -> None:
        for socket in user.sockets:
            socket.status_changed()

    def _end_of_day(self, now: float) -> None:
        """Expire orders, settle what is due, and forget orders that ended before yesterday."""
        self.engine.expire(now)
        for book in list(self.engine.working.values()):
            for order in list(book.values()):
                if order.status == "PendingCancel" and now - order.updated_at > 2.0:
                    # Its timer went down with a process before this one.
                    self.engine.cancel(order, now)
        if now >= self.next_clearing:
            self.next_clearing = now + 60
            self.engine.pass_time(now)
            for order in list(self.engine.orders.values()):
                if not order.working and now - order.updated_at > 2 * 86_400:
                    self.engine.drop(order)

    @staticmethod
    def moment(at: float) -> str:
        return datetime.fromtimestamp(at, UTC).isoformat()
