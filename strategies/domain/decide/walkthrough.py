"""Signals walked through one after another: what each would have ordered, were every order filled at once.

A market order fills at the signal's price, one with a price of its own at that price. Protection rests until it is
canceled, its position is gone, or a later signal's price has passed it; trailing stops only rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from brokers.domain.orders import Instrument, OrderIntent, OrderStatus, Role, Side
from brokers.domain.snapshot import Quote, Snapshot, WorkingOrder
from strategies.domain.decide.case import Case
from strategies.domain.decide.decide import decide
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Action, Message
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms

# A trading day begins at midnight where most of it happens.
ZONE = ZoneInfo("America/New_York")
NOTHING = Decimal(0)
QUARTER = timedelta(minutes=15)
LOOK_AHEAD = 8 * 24 * 4
_WAYS = {Role.ENTRY, Role.EXIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A signal and the moment it counts from."""

    message: Message
    at: datetime
    freshness: Freshness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What is held of one instrument between two signals."""

    position: Decimal = NOTHING
    average: Decimal | None = None
    working: tuple[WorkingOrder, ...] = ()
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one signal met, what was made of it, and what was held then. `met`: protection that filled before it."""

    told: Told
    before: Holding
    met: tuple[WorkingOrder, ...]
    answer: Plan | Rejection
    after: Holding


@dataclass(slots=True)
class _Day:
    """Entries and results of the day that is being walked through."""

    starts: datetime | None = None
    entries: int = 0
    last_entry: datetime | None = None
    result: Decimal = NOTHING

    def begin(self, at: datetime) -> None:
        starts = at.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        if starts != self.starts:
            self.starts, self.entries, self.result = starts, 0, NOTHING


@dataclass(slots=True)
class _Walk:
    """One subscription on its way: holdings by instrument, and the day."""

    terms: Terms
    snapshots: Mapping[Instrument, Snapshot]
    holdings: dict[Instrument, Holding]
    day: _Day = field(default_factory=_Day)
    orders: int = 0

    def step(self, told: Told) -> Step | None:
        instrument = told.message.instrument
        if instrument is None or instrument not in self.snapshots:
            return None
        self.day.begin(told.at)
        before = self.holdings.get(instrument, Holding())
        shown = self.snapshots[instrument]
        ready, met = self._protected(before, told.message.signal_price, shown)
        seen = _seen(shown, ready, told, self.day)
        answer = decide(
            told.message,
            self.terms,
            seen,
            told.at,
            received_at=told.at,
            freshness=told.freshness,
        )
        after = self._filled(ready, answer, told, seen) if isinstance(answer, Plan) else ready
        self.holdings[instrument] = after
        return Step(told=told, before=before, met=met, answer=answer, after=after)

    def _protected(
        self, holding: Holding, price: Decimal | None, shown: Snapshot
    ) -> tuple[Holding, tuple[WorkingOrder, ...]]:
        """The holding after those legs have filled which the price has passed; of a group, the first cancels the rest."""
        met: list[WorkingOrder] = []
        while price is not None and holding.position:
            hit = next((order for order in holding.working if _passed(order, price)), None)
            if hit is None:
                break
            at = hit.stop_price if hit.role is Role.STOP_LOSS else hit.limit_price
            rest = tuple(o for o in holding.working if (o.parent or o.reference) != (hit.parent or hit.reference))
            quantity = min(hit.remaining, abs(holding.position))
            holding = self._traded(replace(holding, working=rest), hit.side, quantity, at, shown)
            met.append(hit)
        return holding, tuple(met)

    def _filled(self, holding: Holding, plan: Plan, told: Told, seen: Snapshot) -> Holding:
        """The holding once all of a plan is filled."""
        gone, sizes = set(plan.cancels), {each.reference: each.quantity for each in plan.resizes}
        holding = replace(
            holding,
            working=tuple(
                replace(order, remaining=sizes.get(order.reference, order.remaining))
                for order in holding.working
                if order.reference not in gone and order.parent not in gone
            ),
        )
        for intent in plan.intents:
            holding = self._worked(holding, intent, "", told, seen)
        return holding

    def _worked(self, holding: Holding, intent: OrderIntent, parent: str, told: Told, seen: Snapshot) -> Holding:
        self.orders += 1
        reference = f"step-{self.orders}"
        if intent.role in _WAYS:
            price = _price(intent, told.message.signal_price, seen)
            holding = self._traded(holding, intent.side, intent.quantity, price, seen)
            if intent.role is Role.ENTRY:
                self.day.entries += 1
                self.day.last_entry = told.at
                holding = replace(holding, opened_at=told.message.signal_time)
        else:
            holding = replace(holding, working=(*holding.working, _resting(intent, reference, parent)))
        group = reference if intent.role in _WAYS else parent or reference
        for child in intent.then:
            holding = self._worked(holding, child, group, told, seen)
        return holding

    def _traded(
        self, holding: Holding, side: Side, quantity: Decimal, price: Decimal | None, shown: Snapshot
    ) -> Holding:
        """The holding after a fill, and its result in the day's."""
        held, change = holding.position, side.sign * quantity
        after = held + change
        if held * change < 0 and price is not None and holding.average is not None:
            closed = min(abs(held), quantity) * (1 if held > 0 else -1)
            if shown.contract.currency == shown.currency:
                self.day.result += (price - holding.average) * closed * shown.contract.multiplier
        if after == 0:
            return replace(holding, position=NOTHING, average=None, working=())
        return replace(holding, position=after, average=_average(holding, change, price))


def walk(
    told: Iterable[Told],
    terms: Terms,
    snapshots: Mapping[Instrument, Snapshot],
    holdings: Mapping[Instrument, Holding] | None = None,
) -> Iterator[Step | None]:
    """A step for each signal in the order given; None for one whose instrument no snapshot shows.

    `snapshots` say what the account and the contracts are; positions and prices come from the walk itself.
    """
    under_way = _Walk(terms=terms, snapshots=snapshots, holdings=dict(holdings or {}))
    return (under_way.step(each) for each in told)


def _seen(shown: Snapshot, holding: Holding, told: Told, day: _Day) -> Snapshot:
    """The account as the signal would have met it: the price is the signal's, else today's."""
    price, quote = told.message.signal_price, shown.quote
    if price is not None and price > 0:
        quote = Quote(bid=price, ask=price, last=price, as_of=told.at, source="signal")
    elif quote is not None:
        quote = replace(quote, as_of=told.at)
    return replace(
        shown,
        position=holding.position,
        average_cost=holding.average,
        working=holding.working,
        quote=quote,
        mark=price if price is not None else shown.mark,
        as_of=told.at,
        trades_today=day.entries,
        last_trade_at=day.last_entry,
        day_profit=day.result,
        opened_at=holding.opened_at,
    )


def _price(intent: OrderIntent, said: Decimal | None, seen: Snapshot) -> Decimal | None:
    own = (intent.limit_price, intent.stop_price, said, seen.quote.mid if seen.quote else None, seen.mark)
    return next((price for price in own if price is not None), None)


def _average(holding: Holding, change: Decimal, price: Decimal | None) -> Decimal | None:
    held = holding.position
    if held * change < 0:
        return holding.average if abs(change) < abs(held) else price
    if held == 0 or price is None or holding.average is None:
        return price if held == 0 else None
    return (abs(held) * holding.average + abs(change) * price) / (abs(held) + abs(change))


def _passed(order: WorkingOrder, price: Decimal) -> bool:
    """Whether a price has gone to a leg's own or beyond."""
    if order.role is Role.STOP_LOSS and order.stop_price is not None:
        return (price - order.stop_price) * order.side.sign >= 0
    if order.role is Role.TAKE_PROFIT and order.limit_price is not None:
        return (order.limit_price - price) * order.side.sign >= 0
    return False


def _resting(intent: OrderIntent, reference: str, parent: str) -> WorkingOrder:
    return WorkingOrder(
        reference=reference,
        role=intent.role,
        side=intent.side,
        type=intent.type,
        remaining=intent.quantity,
        status=OrderStatus.ACCEPTED,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        trail_amount=intent.trail_amount,
        trail_percent=intent.trail_percent,
        time_in_force=intent.time_in_force,
        outside_rth=intent.outside_rth,
        parent=parent,
    )


def held_under(terms: Terms, shown: Snapshot, position: Decimal, price: Decimal | None, message: Message) -> Holding:
    """A position as these terms would have left it, with the protection they give an entry.

    `message`: a buy or a sell of as many; what the terms would hold back at the moment does not matter for it.
    """
    if not position:
        return Holding()
    open_to_all = replace(
        Terms(), stop_loss=terms.stop_loss, take_profit=terms.take_profit, stop_loss_type=terms.stop_loss_type
    )
    flat = replace(shown, available_funds=None, buying_power=None, permitted=None)
    told = Told(message=replace(message, quantity=abs(position), signal_price=price), at=shown.as_of)
    instrument = message.instrument
    step = _Walk(open_to_all, {instrument: flat}, {}).step(told) if instrument is not None else None
    if step is None or step.after.position != position:
        return Holding(position=position, average=price)
    return replace(step.after, average=price, opened_at=None)


def trades_next(terms: Terms, shown: Snapshot, now: datetime) -> datetime:
    """The next moment at which the windows and the exchange let these terms trade; now, if they do or never will."""
    message = Message(action=Action.BUY, symbol=Symbol(Kind.STOCK, "", "", {}))
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    for number in range(LOOK_AHEAD):
        at = now if number == 0 else quarter + number * QUARTER
        in_window = not terms.windows or any(window.holds(at) for window in terms.windows)
        if in_window and Case(message, terms, shown, at).market_is_closed is False:
            return at
    return now
