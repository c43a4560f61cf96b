"""Plans carried out by an adversary: cancels that fail or come too late, fills in any order and in parts.

The rules of the lanes are written here a second time: nothing of a plan leaves before what it cancels is over and has
filled no more than the plan knew, a child leaves when its parent has filled whole, and orders of one group reduce one
another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.orders import OrderIntent, Release, Role, Side
from brokers.domain.snapshot import Snapshot, WorkingOrder
from config.tests.samples import samples
from strategies.domain.decide.decide import decide
from strategies.domain.message.message import Action, Bracket, Message
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, message, shape, snapshot, working

D = Decimal
STOP = Bracket(mode="percent", value=D(10))


@dataclass
class Live:
    """An order that may fill. `group`: those that reduce one another; `after`: what has to fill whole before it leaves."""

    reference: str
    role: Role
    side: Side
    remaining: Decimal
    group: str = ""
    after: str = ""


@dataclass
class Market:
    """The orders at work and the position they make of what was held."""

    position: Decimal
    orders: list[Live] = field(default_factory=list)
    sizes: list[Decimal] = field(default_factory=list)

    def fill(self, order: Live, quantity: Decimal) -> None:
        self.position += order.side.sign * quantity
        self.sizes.append(abs(self.position))
        for other in list(self.orders):
            if other is order or (order.group and other.group == order.group):
                other.remaining -= quantity
        if order.remaining <= 0:
            for child in self.orders:
                child.after = "" if child.after == order.reference else child.after
        self.orders = [each for each in self.orders if each.remaining > 0]

    @property
    def guarded(self) -> Decimal:
        return sum((each.remaining for each in self.orders if each.role is Role.STOP_LOSS and not each.after), D(0))


@st.composite
def books(draw: st.DrawFn) -> Snapshot:
    """A position with brackets over some of it and perhaps an exit that waits for a price: never more than is held."""
    held = draw(st.integers(1, 20))
    side = draw(st.sampled_from([1, -1]))
    back = "sell" if side > 0 else "buy"
    left, orders = held, []
    for number in range(draw(st.integers(0, 3))):
        size = draw(st.integers(0, left))
        if not size:
            break
        left -= size
        parent, keeps = f"e{number}", draw(st.booleans())
        price = D(100 - 10 * side)
        orders.append(
            working(
                "stop_loss", back, size, f"s{number}", "stop", stop_price=price, parent=parent, keeps_its_size=keeps
            )
        )
        if draw(st.booleans()):
            price = D(100 + 10 * side)
            orders.append(
                working("take_profit", back, size, f"p{number}", limit_price=price, parent=parent, keeps_its_size=keeps)
            )
    if left and draw(st.booleans()):
        orders.append(working("exit", back, draw(st.integers(1, left)), "x", limit_price=D(100 + 5 * side)))
    return snapshot(held * side, *orders, average_cost=D(100), mark=D(100 + 3 * side))


QUANTITIES = st.none() | st.integers(1, 25)
WAYS_OUT = st.one_of(
    st.builds(message, st.just("exit"), QUANTITIES, order=st.sampled_from([shape(), shape("limit", limit="100")])),
    st.builds(message, st.just("exit"), st.integers(1, 100), quantity_type=st.just("percent_of_position")),
    st.builds(message, st.sampled_from(["buy", "sell"]), QUANTITIES, sentiment=st.just("flat")),
    st.builds(message, st.just("cancel"), cancel_order_type=st.sampled_from([None, "stop", "limit"])),
    st.builds(message, st.just("breakeven"), order=st.just(shape("stop"))),
)
ANY = WAYS_OUT | st.builds(
    message, st.sampled_from(["buy", "sell", "add", "reverse"]), QUANTITIES, cancel=st.sampled_from([None, True])
)
TERMS = st.builds(
    Terms,
    allow_swap=st.booleans(),
    subtract_exit_quantity=st.booleans(),
    allow_add=st.booleans(),
    cancel_orders=st.booleans(),
    quantity=st.integers(1, 9).map(D),
    stop_loss=st.sampled_from([None, STOP]),
)


def carried_out(plan: Plan, book: Snapshot, data: st.DataObject, *, kindly: bool = False) -> Market:
    """What becomes of the plan's orders until nothing more fills; `kindly`: every cancel is in time, all exits fill."""
    market = Market(book.position, [_live(order) for order in book.working])
    changes = {each.reference: each.quantity for each in plan.resizes}
    fits = True
    for order in list(market.orders):
        if order.reference in plan.cancels or order.reference in changes:
            fits &= _ended(market, order, changes.get(order.reference), "clean" if kindly else data.draw(FATES))
    if fits:
        market.orders += [each for intent in plan.intents for each in _of(intent)]
    _filled(market, data, kindly=kindly)
    return market


FATES = st.sampled_from(["clean", "clean", "clean", "refused", "fills"])


def _ended(market: Market, order: Live, size: Decimal | None, fate: str) -> bool:
    """Whether the order is over, or smaller, as the plan wanted it."""
    if order not in market.orders or fate == "refused":
        return False
    if fate == "fills":
        market.fill(order, D(1))
        return False
    if size is None:
        market.orders.remove(order)
    else:
        order.remaining = size
    return True


def _filled(market: Market, data: st.DataObject, *, kindly: bool) -> None:
    for _ in range(40):
        ready = [each for each in market.orders if not each.after]
        if kindly:
            ready = [each for each in ready if each.role in {Role.EXIT, Role.ENTRY}]
        if not ready or (not kindly and data.draw(st.integers(0, 4)) == 0):
            return
        order = ready[0] if kindly else data.draw(st.sampled_from(ready))
        whole = kindly or data.draw(st.booleans())
        market.fill(order, order.remaining if whole else D(1))


def _live(order: WorkingOrder) -> Live:
    return Live(order.reference, order.role, order.side, order.remaining, group=order.parent)


def _of(intent: OrderIntent, after: str = "", group: str = "") -> Iterable[Live]:
    """The orders of an intent: legs wait for their parent, and cancel one another as those of a group do at once."""
    own = intent.reference or f"{intent.role}-{id(intent)}"
    grouped = any(child.release is Release.IN_GROUP for child in intent.then)
    yield Live(own, intent.role, intent.side, intent.quantity, group=group or (own if grouped else ""), after=after)
    for child in intent.then:
        waits = "" if child.release is Release.IN_GROUP else own
        legs = own if child.release in {Release.IN_GROUP, Release.WITH_PARENT} else ""
        yield from _of(child, waits, legs)


@settings(max_examples=samples(300), deadline=None)
@given(book=books(), asked=WAYS_OUT, terms=TERMS, data=st.data())
def test_a_way_out_never_makes_a_position_larger_nor_another_one(
    book: Snapshot, asked: Message, terms: Terms, data: st.DataObject
) -> None:
    plan = decide(asked, terms, book, NOW)
    if not isinstance(plan, Plan):
        return
    market = carried_out(plan, book, data)
    assert market.position * book.position >= 0, "through zero"
    assert market.sizes == sorted(market.sizes, reverse=True), "it grew on the way"


@settings(max_examples=samples(200), deadline=None)
@given(book=books(), asked=ANY, terms=TERMS, data=st.data())
def test_no_plan_of_a_subscription_that_only_closes_makes_a_position_larger(
    book: Snapshot, asked: Message, terms: Terms, data: st.DataObject
) -> None:
    closing = Terms.from_json({**terms.to_json(), "close_only": True})
    plan = decide(asked, closing, book, NOW)
    if isinstance(plan, Plan):
        market = carried_out(plan, book, data)
        assert market.position * book.position >= 0
        assert market.sizes == sorted(market.sizes, reverse=True)


@settings(max_examples=samples(200), deadline=None)
@given(book=books(), asked=ANY, terms=TERMS, data=st.data())
def test_what_remains_keeps_the_stop_it_had(book: Snapshot, asked: Message, terms: Terms, data: st.DataObject) -> None:
    """After a plan that went well, as much of the rest has a stop as had one before; a cancel is a cancel."""
    plan = decide(asked, terms, book, NOW)
    if not isinstance(plan, Plan) or asked.action is Action.CANCEL:
        return
    before = Market(book.position, [_live(order) for order in book.working]).guarded
    after = carried_out(plan, book, data, kindly=True)
    if after.position * book.position > 0:
        added = sum((leg.quantity for each in plan.intents if each.role is Role.ENTRY for leg in each.then), D(0))
        assert after.guarded >= min(before, abs(after.position)) or added > 0
    assert after.guarded <= abs(after.position), "a stop for more than is held"


@settings(max_examples=samples(200), deadline=None)
@given(book=books(), asked=ANY, terms=TERMS, most=st.integers(1, 25), data=st.data())
def test_no_order_of_fills_passes_the_largest_position(
    book: Snapshot, asked: Message, terms: Terms, most: int, data: st.DataObject
) -> None:
    capped = Terms.from_json({**terms.to_json(), "max_position": str(most)})
    plan = decide(asked, capped, book, NOW)
    if isinstance(plan, Plan):
        market = carried_out(plan, book, data)
        assert max(market.sizes, default=D(0)) <= max(abs(book.position), D(most))
