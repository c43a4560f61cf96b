"""A plan as people read it: a small tree of cancels and orders, each in words, with its costs and the order made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from brokers.domain.contracts.changes import with_end
from brokers.domain.contracts.from_fill import in_words as distance_in_words
from brokers.domain.orders import MODIFIABLE, Modification, OrderIntent, Release, Role, Side
from brokers.domain.sentences import grouped
from brokers.domain.snapshot import Snapshot, WorkingOrder
from brokers.models import Order
from brokers.orders.fills.account_legs import legs_of
from strategies.domain.message.good_till import moment_in_utc
from strategies.domain.plan.estimate import Estimate
from strategies.domain.plan.plan import Plan, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One order of a plan: what was wanted, what it was expected to cost, and the order made of it."""

    intent: OrderIntent
    how: str
    estimate: Estimate | None = None
    order: Order | None = None
    then: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A plan in its own order: cancels, smaller legs, changes in place, then the orders and what follows each of them."""

    cancels: tuple[str, ...] = ()
    resizes: tuple[str, ...] = ()
    modifications: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    # Of an entry for a group: who is expected to get how many.
    shares: tuple[Share, ...] = ()

    @property
    def made(self) -> set[int]:
        """The orders that stand in it, by their keys."""
        return set(_made(self.nodes))


def _made(nodes: Sequence[Node]) -> Iterator[int]:
    for node in nodes:
        if node.order is not None:
            yield node.order.pk
        yield from _made(node.then)


def tree(plan: Plan, orders: Sequence[Order] = (), snapshot: Snapshot | None = None) -> Tree:
    """A plan with the orders made of it; `snapshot` tells what the orders to be canceled were."""
    working = {each.reference: each for each in snapshot.working} if snapshot else {}
    cancels = tuple(_working(working[name]) if name in working else name for name in plan.cancels)
    resizes = tuple(
        f"{_working(working[each.reference]) if each.reference in working else each.reference}: now {grouped(each.quantity)}"
        for each in plan.resizes
    )
    modifications = tuple(
        f"{_working(working[each.reference]) if each.reference in working else each.reference}: now {changed(each)}"
        for each in plan.modifications
    )
    estimates = iter(plan.estimates)
    roots = [order for order in orders if order.parent_id is None]
    nodes = tuple(_nodes(plan.intents, roots, list(orders), estimates))
    return Tree(cancels=cancels, resizes=resizes, modifications=modifications, nodes=nodes, shares=plan.shares)


def _nodes(
    intents: Sequence[OrderIntent], here: Sequence[Order], orders: Sequence[Order], estimates: Iterator[Estimate]
) -> Iterator[Node]:
    """Orders were saved in the order of their plan, parents before their children."""
    for intent, order in zip_longest(intents, here[: len(intents)]):
        assert intent is not None
        estimate = next(estimates, None)
        below = [each for each in orders if order is not None and each.parent_id == order.pk]
        yield Node(
            intent=intent,
            how=how(intent),
            estimate=estimate,
            order=order,
            then=tuple(_nodes(intent.then, below, orders, estimates)),
        )


def _working(order: WorkingOrder) -> str:
    prices = " / ".join(grouped(price) for price in (order.stop_price, order.limit_price) if price is not None)
    shape = f"{_words(order.type)} {prices}".strip()
    return f"{_words(order.role)}: {order.side} {grouped(order.remaining)}, {shape}"


def changed(modification: Modification) -> str:
    """What a change changes: "stop 95 and size 4"."""
    values = {name: value for name in MODIFIABLE if (value := getattr(modification, name)) is not None}
    return with_end(values, modification.lifetime)


def how(order: OrderIntent | Order) -> str:
    """How an order is worked, as traders say it: "stop limit 99 / 100, day"."""
    prices = " / ".join(grouped(price) for price in (order.stop_price, order.limit_price) if price is not None)
    trail = ""
    if order.trail_percent is not None:
        trail = f"by {grouped(order.trail_percent)}%"
    elif order.trail_amount is not None:
        trail = f"by {grouped(order.trail_amount)}"
    shape = " ".join(part for part in (_words(order.type), trail, prices) if part)
    time = f"good till {moment_in_utc(order.good_till)}" if order.good_till else order.time_in_force
    outside = ", also outside regular hours" if order.outside_rth else ""
    return f"{shape}, {time}{outside}{_counted_again(order)}"


def _counted_again(order: OrderIntent | Order) -> str:
    distance = order.from_fill
    if distance is None:
        return ""
    return f", counted again when its entry fills: {distance_in_words(distance, Role(order.role), Side(order.side))}"


def lines(intents: Sequence[OrderIntent]) -> Iterator[str]:
    """Every order of a plan in one line, parents before their children, to be held against those of another plan."""
    for intent in intents:
        yield _line(intent, intent.instrument.ticker)
        yield from lines(intent.then)


def ordered(orders: Sequence[Order], parent: int | None = None) -> Iterator[str]:
    """The same of the orders that a plan became."""
    for order in orders:
        if order.parent_id == parent:
            yield _line(order, order.ticker)
            for leg in legs_of(order):
                yield _line(leg, order.ticker)
            yield from ordered(orders, order.pk)


def _line(order: OrderIntent | Order, ticker: str) -> str:
    release = "" if order.release == Release.AT_ONCE else f", {_words(order.release)}"
    return f"{_words(order.role)}: {order.side} {grouped(order.quantity)} {ticker} {how(order)}{release}"


def _words(word: str) -> str:
    return str(word).replace("_", " ")
