"""One account in the model test: its signals sent, its book settled, and three tellings of it compared.

What the broker's books say, what our tables say and what the reference believes must be one story after every step.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import Max
from django.utils import timezone

from brokers.domain.orders import WORKING, Role, Side
from brokers.models import BrokerageAccount, Connection, Execution, Order, Position
from brokers.postgres.threads import Threads
from brokers.simulator.testing.gateway import RunningGateway
from strategies.domain.message import symbols
from strategies.domain.message.message import Action, Bracket, Message, OrderShape
from strategies.domain.terms.terms import Sides
from strategies.models import Decision, Signal, Strategy
from strategies.tests import rows
from strategies.tests.deciding.model_reference import Believed, Follower, SentSignal

T = TypeVar("T")
AT_WORK = {"Submitted", "PreSubmitted", "PendingSubmit"}
PRICE, DIP, PEAK, CRASH, SOAR = "100", "94", "106", "70", "130"
SETTLES_WITHIN = 30.0


@dataclass
class World:
    """A brokerage account with the subscriptions on it, each of a strategy of its own."""

    gateway: RunningGateway
    threads: Threads
    connection: Connection
    account: BrokerageAccount
    ticker: str
    followers: list[tuple[Follower, Strategy]]
    believed: Believed = field(default_factory=Believed)
    story: list[str] = field(default_factory=list)

    async def db(self, function: Callable[..., T], *args: Any) -> T:
        return await self.threads.run(function, *args)

    async def signal(self, sent: SentSignal, number: int) -> None:
        """The signal comes in for one of the strategies."""
        follower, strategy = self.followers[number]
        self.story.append(f"{follower.name}: {sent}")
        await self.db(_store, strategy, message(sent, self.ticker))

    async def market(self, price: str) -> None:
        """The market goes there, and everybody's orders with it."""
        self.story.append(f"market at {price}")
        middle = Decimal(price)
        cent = Decimal("0.01")
        await asyncio.to_thread(
            self.gateway.quote,
            self.ticker,
            bid=middle - cent,
            ask=middle + cent,
            last=middle,
        )

    async def fault(self, **fault: Any) -> None:
        """Something goes wrong for this user alone."""
        self.story.append(f"fault {fault}")
        body = {"times": 1, "ttl_s": 30, "match": {}, **fault}
        await asyncio.to_thread(self.gateway.control, "POST", f"/{self.connection.username}/faults", body)

    async def well_again(self) -> None:
        await asyncio.to_thread(self.gateway.control, "DELETE", f"/{self.connection.username}/faults")

    async def books(self) -> dict[str, dict[str, Any]]:
        return await asyncio.to_thread(self.gateway.books, self.connection.username)

    async def settled(self, within: float = SETTLES_WITHIN) -> dict[str, dict[str, Any]]:
        """Wait until nothing is under way and both tell the same twice in a row; fails with what still differs."""
        give_up = asyncio.get_running_loop().time() + within
        calm = 0
        while True:
            books = await self.books()
            restless = await self.db(under_way, self.account.pk, books)
            calm = 0 if restless else calm + 1
            if calm == 2:
                return books
            if asyncio.get_running_loop().time() > give_up:
                raise AssertionError(f"It does not settle: {restless}\n{await self.db(self.report)}")
            await asyncio.sleep(0.05)

    async def check(self, books: dict[str, dict[str, Any]], *, exactly: bool = True) -> None:
        """All that has to hold once it has settled; not `exactly` after what may have kept a plan from leaving."""
        reality = await self.db(compare, self.account.pk, books)
        if not exactly and not reality.wrong:
            self.believed.position, self.believed.guarded = reality.position, reality.stops
            self.believed.leaving = reality.leaving
        if reality.position != self.believed.position:
            reality.wrong.append(f"the position is {reality.position}, and the table promises {self.believed.position}")
        if reality.stops != self.believed.guarded:
            reality.wrong.append(f"{reality.stops} have a stop, and {self.believed.guarded} should")
        if reality.leaving != self.believed.leaving:
            reality.wrong.append(f"{reality.leaving} are leaving, and {self.believed.leaving} should")
        if reality.wrong:
            raise AssertionError("; ".join(reality.wrong) + "\n" + await self.db(self.report))

    def report(self) -> str:
        """The story so far, with the last decisions and orders."""
        lines = [f"{self.ticker} of {self.connection.username}", *(str(each[0]) for each in self.followers)]
        lines += ["", *self.story[-25:], ""]
        decisions = Decision.objects.filter(subscription__account=self.account).order_by("-pk")[:12]
        lines += [f"{d.pk} {d.status} {d.rule} {d.reason} {d.waiting_for}" for d in reversed(decisions)]
        orders = Order.objects.filter(account=self.account).order_by("-pk")[:25]
        lines += [
            f"{o.pk} t{o.ticket_id} {o.role} {o.side} {o.quantity:f} {o.type} {o.limit_price or ''} {o.stop_price or ''}"
            f" {o.status} filled {o.filled_quantity:f} parent {o.parent_id} {o.reason} {o.reference[:8]}"
            for o in reversed(orders)
        ]
        return "\n".join(lines)


def message(sent: SentSignal, ticker: str) -> Message:
    """A stream's signal as it would have been read from a webhook."""
    shape = OrderShape() if sent.limit is None else OrderShape(type="limit", limit=Decimal(sent.limit))
    values: dict[str, Any] = {}
    if sent.quantity is not None:
        values["quantity"] = Decimal(sent.quantity)
    if sent.percent is not None:
        values |= {"quantity": Decimal(sent.percent), "quantity_type": "percent_of_position"}
    if sent.target is not None:
        values["target_quantity"] = Decimal(sent.target)
    return Message(
        action=Action(sent.action),
        symbol=symbols.read(ticker, symbols.Kind.STOCK, timezone.now()),
        sentiment=sent.sentiment,
        signal_price=Decimal(PRICE),
        order=shape,
        **values,
    )


def terms(follower: Follower) -> dict[str, Any]:
    """The settings of a follower as the product knows them; short lives, so that what is held back ends soon."""
    stop, profit = Bracket(mode="percent", value=Decimal(10)), Bracket(mode="percent", value=Decimal(20))
    return {
        "quantity": Decimal(follower.size),
        "sides": Sides(follower.sides),
        "allow_swap": follower.swap,
        "subtract_exit_quantity": follower.subtract,
        "allow_add": follower.adds,
        "stop_loss": stop if follower.protects else None,
        "take_profit": profit if follower.protects else None,
        "entry_time_to_live_seconds": 10,
        "exit_time_to_live_seconds": 10,
        "cancel_wait_seconds": 3,
        "exit_wait_seconds": 3,
    }


def _store(strategy: Strategy, message: Message) -> Signal:
    return rows.signal(strategy, timezone.now(), reading=message.reading())


def under_way(account_pk: int, books: dict[str, dict[str, Any]]) -> str:
    """What has not come to rest yet; nothing when all has."""
    strategies = Strategy.objects.filter(subscriptions__account=account_pk)
    if Signal.objects.filter(strategy__in=strategies, dispatched_at__isnull=True).exists():
        return "a signal waits"
    pending = Decision.objects.filter(subscription__account=account_pk, status="pending").first()
    if pending is not None:
        return f"a decision waits for {pending.waiting_for}"
    orders = list(Order.objects.filter(account=account_pk))
    resting = {str(each) for each in WORKING} - {"pending_cancel"}
    over = {"filled", "canceled", "expired", "rejected", "denied"}
    if moving := [o for o in orders if o.status not in resting | over or (o.status in resting and o.type == "market")]:
        return f"order {moving[0].pk} is {moving[0].status}"
    ours = {o.reference: o.filled_quantity for o in orders if o.status in resting}
    theirs = {r: Decimal(o["filled"]) for r, o in books.items() if o["status"] in AT_WORK}
    if ours != theirs:
        return f"at work are {ours} here and {theirs} there"
    filled = sum((Decimal(o["filled"]) * (1 if o["side"] == "BUY" else -1) for o in books.values()), Decimal(0))
    fills = Execution.objects.filter(account=account_pk)
    known = sum((Side(side).sign * quantity for side, quantity in fills.values_list("side", "quantity")), Decimal(0))
    if filled != known:
        return f"the broker filled {filled}, and {known} came home"
    last = fills.aggregate(last=Max("seen_at"))["last"]
    read = BrokerageAccount.objects.values_list("book_as_of", flat=True).get(pk=account_pk)
    return "" if last is None or (read is not None and read > last) else "the positions are older than the last fill"


@dataclass
class Found:
    """What is true of an account at rest, and what should not be."""

    position: int
    stops: int
    leaving: int
    wrong: list[str]


def compare(account_pk: int, books: dict[str, dict[str, Any]]) -> Found:
    """The broker's books against our rows, order by order."""
    wrong: list[str] = []
    position = sum((Decimal(o["filled"]) * (1 if o["side"] == "BUY" else -1) for o in books.values()), Decimal(0))
    held = sum(Position.objects.filter(account=account_pk).values_list("quantity", flat=True), Decimal(0))
    if held != position:
        wrong.append(f"our position is {held}, the broker's {position}")
    orders = list(Order.objects.filter(account=account_pk).select_related("parent"))
    for reference, count in Counter(o["reference"] for o in books.values()).items():
        if count > 1:
            wrong.append(f"{reference} is at the broker {count} times")
    sent = {o.reference for o in orders if o.broker_order_id}
    if strangers := set(books) - {o.reference for o in orders}:
        wrong.append(f"the broker has orders that we do not know: {strangers}")
    if lost := sent - set(books):
        wrong.append(f"the broker does not know {lost}")
    resting = [o for o in orders if o.status in {str(each) for each in WORKING}]
    # Beside a working entry or exit a stop does not count: the one wakes it, the other ends with it.
    waking = {o.reference for o in resting if o.role in {Role.ENTRY, Role.EXIT}}
    stops = [o for o in resting if o.role == Role.STOP_LOSS and (o.parent is None or o.parent.reference not in waking)]
    total = sum((o.remaining for o in stops), Decimal(0))
    leaving = sum((o.remaining for o in resting if o.role == Role.EXIT), Decimal(0))
    if total + leaving > abs(position):
        wrong.append(f"stops of {total} and exits of {leaving} for a position of {position}")
    if any(Side(o.side).sign * position > 0 for o in stops):
        wrong.append("a stop is on the side of the position")
    wrong += crossing(account_pk)
    return Found(position=int(position), stops=int(total), leaving=int(leaving), wrong=wrong)


def crossing(account_pk: int) -> list[str]:
    """Fills of ways out that made a position larger, or went through zero."""
    faults: list[str] = []
    position = Decimal(0)
    for fill in Execution.objects.filter(account=account_pk).select_related("order").order_by("executed_at", "pk"):
        change = Side(fill.side).sign * fill.quantity
        leaves = fill.order is not None and fill.order.role != Role.ENTRY
        if leaves and (position * change >= 0 or abs(change) > abs(position)):
            faults.append(f"an order to leave ({fill.order}) made {position} into {position + change}")
        position += change
    return faults
