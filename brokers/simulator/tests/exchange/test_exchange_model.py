"""The exchange against models of it: fills against a plain reading of the rules, books against the rulebook's ledgers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brokers.rulebook.accounting import Book, Fee, apply_fill, release
from brokers.rulebook.accounting import Execution as Fill
from brokers.rulebook.settlement import FutureLedger, settlement_rule, settles_at
from brokers.rulebook.values import Position as Held
from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.hours import calendar_of, local_day
from brokers.simulator.exchange.records import Order
from brokers.simulator.exchange.rules import RULES, as_ruled
from brokers.simulator.tests.exchange.exchange import AAPL, NOW, D, Exchange
from brokers.simulator.tests.exchange.streams import TODAY
from config.tests.samples import samples

CENTS = st.integers(9_500, 10_500).map(lambda cents: D(cents) / 100)
SIDES = st.sampled_from(["BUY", "SELL"])
UNITS = st.integers(1, 50).map(D)


@dataclass
class Expected:
    """What a plain reading of the rules expects of one order."""

    order: Order
    stop: Decimal | None
    triggered: bool = False
    price: Decimal | None = None

    def meet(self, bid: Decimal, ask: Decimal, last: Decimal) -> None:
        if self.price is not None or not self.order.working:
            return
        buys, limit, kind = self.order.side == "BUY", self.order.limit_price, self.order.order_type
        touch = ask if buys else bid
        if kind in {"STP", "STOP_LIMIT", "TRAIL"} and not self.triggered:
            if self.stop is not None:
                self.triggered = last >= self.stop if buys else last <= self.stop
            if not self.triggered:
                self._follow(buys, last)
                return
        if kind in {"LMT", "STOP_LIMIT"}:
            assert limit is not None
            self.price = touch if (touch <= limit if buys else touch >= limit) else None
        else:
            self.price = touch

    def _follow(self, buys: bool, last: Decimal) -> None:
        if self.order.trailing_amount is not None:
            stop = last + self.order.trailing_amount if buys else last - self.order.trailing_amount
            if self.stop is None or (stop < self.stop if buys else stop > self.stop):
                self.stop = stop


class Fills(RuleBasedStateMachine):
    """Orders of every continuous type against a moving market that is always open."""

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange(checks_margin=False)
        self.exchange.open()
        self.expected: list[Expected] = []
        self.canceled: list[Expected] = []
        self.now = NOW

    @rule(
        side=SIDES,
        units=UNITS,
        kind=st.sampled_from(["MKT", "LMT", "STP", "STOP_LIMIT", "TRAIL"]),
        at=CENTS,
        limit=CENTS,
        trail=st.integers(1, 300),
    )
    def place(self, side: str, units: Decimal, kind: str, at: Decimal, limit: Decimal, trail: int) -> None:
        trails = kind == "TRAIL"
        order = self.exchange.order(
            kind,
            now=self.now,
            side=side,
            quantity=units,
            limit_price=limit if kind in {"LMT", "STOP_LIMIT"} else None,
            stop_price=at if kind in {"STP", "STOP_LIMIT"} else None,
            trailing_type="amt" if trails else "",
            trailing_amount=D(trail) / 100 if trails else None,
        )
        self.expected.append(Expected(order, order.stop_price))

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.expected))
        worked = chosen.price is None and chosen not in self.canceled
        assert self.exchange.cancel(chosen.order, self.now) is worked
        self.canceled.append(chosen)

    @rule(bid=CENTS, spread=st.integers(0, 40), trade=st.sampled_from(["bid", "ask"]))
    def quote(self, bid: Decimal, spread: int, trade: str) -> None:
        ask = bid + D(spread) / 100
        last = bid if trade == "bid" else ask
        self.now += 1
        for each in self.expected:
            each.meet(bid, ask, last)
        self.exchange.match(str(bid), str(ask), str(last), now=self.now)

    @invariant()
    def every_order_is_where_the_rules_put_it(self) -> None:
        for each in self.expected:
            if each.price is not None:
                assert (each.order.status, each.order.average_price) == ("Filled", each.price)
            else:
                assert each.order.filled == 0
                assert each.order.triggered is each.triggered
                assert each.order.stop_price == each.stop


class Books(RuleBasedStateMachine):
    """A cash account and a margin account against the rulebook's own ledgers, over days."""

    @initialize()
    def begin(self) -> None:
        self.exchange = Exchange(checks_margin=False)
        self.future = catalogue.futures("MES", TODAY)[0]
        self.now = datetime(2025, 7, 17, 15, tzinfo=UTC).timestamp()
        self.books: dict[tuple[str, int], Book] = {}
        for account_id, kind in (("SIM1", "cash"), ("SIM2", "margin")):
            self.exchange.open(account_id, kind=kind)
            self.books[account_id, AAPL] = Book(currency="USD", cash={"USD": D(1_000_000)})
        self.ledger = FutureLedger(cash=D(0), multiplier=self.future.multiplier)
        self.marked = local_day(self.future, self.now)
        self.fees = D(0)

    @rule(account_id=st.sampled_from(["SIM1", "SIM2"]), side=SIDES, units=UNITS, price=CENTS)
    def deal_shares(self, account_id: str, side: str, units: Decimal, price: Decimal) -> None:
        self.exchange.order(account_id=account_id, side=side, quantity=units, now=self.now)
        self.exchange.match(str(price), str(price), now=self.now)
        [*_, dealt] = self.exchange.executions[account_id]
        share = catalogue.find(AAPL)
        assert share is not None
        kind = self.exchange.accounts[account_id].rule_kind
        settlement = settlement_rule("equity", kind, RULES)
        when = settles_at(settlement, datetime.fromtimestamp(self.now, UTC), calendar_of(share), RULES)
        fill = Fill(
            quantity=dealt.signed,
            price=price,
            fee=Fee(dealt.commission, "USD"),
            delayed=settlement.time_of_day is not None,
            settles_at=when,
        )
        self.books[account_id, AAPL] = apply_fill(self.books[account_id, AAPL], as_ruled(share), fill)

    @rule(side=SIDES, units=st.integers(1, 5).map(D), ticks=st.integers(0, 400))
    def deal_futures(self, side: str, units: Decimal, ticks: int) -> None:
        price = D(6000) + ticks * self.future.increment
        self.exchange.order(account_id="SIM2", conid=self.future.conid, side=side, quantity=units, now=self.now)
        self.exchange.match(str(price), str(price), conid=self.future.conid, now=self.now)
        [*_, dealt] = self.exchange.executions["SIM2"]
        if not self.ledger.position.quantity:
            self.marked = local_day(self.future, self.now)
        self.ledger = self.ledger.fill(dealt.signed, price)
        self.fees += dealt.commission

    @rule(hours=st.integers(1, 40))
    def wait(self, hours: int) -> None:
        self.now += hours * 3600
        self.exchange.pass_time(self.now)
        moment = datetime.fromtimestamp(self.now, UTC)
        self.books = {where: release(book, moment) for where, book in self.books.items()}
        today = local_day(self.future, self.now)
        if self.ledger.position.quantity and today != self.marked:
            self.ledger = self.ledger.settle(self.exchange.mark(self.future.conid))
            self.marked = today

    @invariant()
    def the_books_are_the_rulebooks(self) -> None:
        for (account_id, conid), book in self.books.items():
            account = self.exchange.accounts[account_id]
            extra = self.ledger.cash - self.fees if account_id == "SIM2" else D(0)
            assert abs(account.cash["USD"] - book.cash["USD"] - extra) < D("0.0001")
            assert account.unsettled("USD") == sum((e.amount for e in book.unsettled), D(0))
            held = account.positions.get(conid)
            if held is not None:
                assert held.quantity == book.position.quantity
                assert abs(held.average_price - book.position.average_price) < D("0.0001")

    @invariant()
    def futures_are_settled_as_the_rulebook_settles_them(self) -> None:
        held = self.exchange.accounts["SIM2"].positions.get(self.future.conid)
        if held is not None:
            expected: Held = self.ledger.position
            assert held.quantity == expected.quantity
            assert abs(held.settled_profit - self.ledger.settled_profit) < D("0.0001")
            assert held.settled_quantity == self.ledger.settled_quantity


TestFills = Fills.TestCase
TestFills.settings = settings(max_examples=samples(60), stateful_step_count=25, deadline=None)
TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=samples(60), stateful_step_count=25, deadline=None)
