"""Walks through signals one after another, as if every order filled at once: what each would have ordered.

A market order fills at the signal's price, one with a price of its own at that price. Protection rests until it is
canceled, its position is gone, or a later signal's price has passed it; trailing stops only rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from brokers.domain.market.quotes import Availability, Quote
from brokers.domain.orders import TRAILING, Instrument, OrderIntent, OrderStatus, Role, Side
from brokers.domain.snapshot import Snapshot, WorkingOrder, modified
from strategies.domain.decide.case import Case
from strategies.domain.decide.decide import decide
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Action, Message
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.plan.ladders.ladder import as_sent
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms

# A trading day begins at midnight where most of it happens.
ZONE = ZoneInfo("America/New_York")
NOTHING = Decimal(0)
QUARTER = timedelta(minutes=15)
LOOK_AHEAD = 8 * 24 * 4
_WAYS = {Role.ENTRY, Role.EXIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedSignal:
    """A signal and the moment it counts from."""

    message: Message
    at: datetime
    freshness: Freshness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The position in one instrument between two signals; `average` is its price per unit in the contract's currency."""

    position: Decimal = NOTHING
    average: Decimal | None = None
    working: tuple[WorkingOrder, ...] = ()
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One signal: the holding before it, the legs that filled before it, the answer, and the holding after it."""

    signal: TimedSignal
    before: Holding
    protection_filled: tuple[WorkingOrder, ...]
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

    def step(self, signal: TimedSignal) -> Step | None:
        instrument = signal.message.instrument
        if instrument is None or instrument not in self.snapshots:
            return None
        self.day.begin(signal.at)
        before = self.holdings.get(instrument, Holding())
        account = self.snapshots[instrument]
        ready, protection_filled = self._after_price(before, signal.message.signal_price, account)
        snapshot = _snapshot_at(account, ready, signal, self.day)
        answer = decide(
            signal.message,
            self.terms,
            snapshot,
            signal.at,
            received_at=signal.at,
            freshness=signal.freshness,
        )
        after = self._after_plan(ready, answer, signal, snapshot) if isinstance(answer, Plan) else ready
        self.holdings[instrument] = after
        return Step(signal=signal, before=before, protection_filled=protection_filled, answer=answer, after=after)

    def _after_price(
        self, holding: Holding, price: Decimal | None, snapshot: Snapshot
    ) -> tuple[Holding, tuple[WorkingOrder, ...]]:
        """The holding after the price has filled legs that it passed, and those legs; the first of a group cancels the rest."""
        protection_filled: list[WorkingOrder] = []
        while price is not None and holding.position:
            leg = next((order for order in holding.working if _is_passed(order, price)), None)
            if leg is None:
                break
            at = leg.stop_price if leg.role is Role.STOP_LOSS else leg.limit_price
            rest = tuple(o for o in holding.working if (o.parent or o.reference) != (leg.parent or leg.reference))
            quantity = min(leg.remaining, abs(holding.position))
            holding = self._after_fill(replace(holding, working=rest), leg.side, quantity, at, snapshot)
            protection_filled.append(leg)
        return holding, tuple(protection_filled)

    def _after_plan(self, holding: Holding, plan: Plan, signal: TimedSignal, snapshot: Snapshot) -> Holding:
        """The holding once all of a plan is filled."""
        gone, sizes = set(plan.cancels), {each.reference: each.quantity for each in plan.resizes}
        holding = replace(
            holding,
            working=tuple(
                _modified(replace(order, remaining=sizes.get(order.reference, order.remaining)), plan)
                for order in holding.working
                if order.reference not in gone and order.parent not in gone
            ),
        )
        for intent in as_sent(plan.intents):
            holding = self._after_order(holding, intent, "", signal, snapshot)
        return holding

    def _after_order(
        self, holding: Holding, intent: OrderIntent, parent: str, signal: TimedSignal, snapshot: Snapshot
    ) -> Holding:
        self.orders += 1
        reference = f"step-{self.orders}"
        if intent.role in _WAYS:
            price = _price(intent, signal.message.signal_price, snapshot)
            holding = self._after_fill(holding, intent.side, intent.quantity, price, snapshot)
            if intent.role is Role.ENTRY:
                self.day.entries += 1
                self.day.last_entry = signal.at
                holding = replace(holding, opened_at=signal.message.signal_time)
        else:
            holding = replace(holding, working=(*holding.working, _resting_leg(intent, reference, parent)))
        group = reference if intent.role in _WAYS else parent or reference
        for child in intent.then:
            holding = self._after_order(holding, child, group, signal, snapshot)
        return holding

    def _after_fill(
        self, holding: Holding, side: Side, quantity: Decimal, price: Decimal | None, snapshot: Snapshot
    ) -> Holding:
        """The holding after a fill; adds its profit to the day's result."""
        held, change = holding.position, side.sign * quantity
        after = held + change
        if held * change < 0 and price is not None and holding.average is not None:
            closed = min(abs(held), quantity) * (1 if held > 0 else -1)
            if snapshot.contract.currency == snapshot.currency:
                self.day.result += (price - holding.average) * closed * snapshot.contract.multiplier
        if after == 0:
            return replace(holding, position=NOTHING, average=None, working=())
        return replace(holding, position=after, average=_average(holding, change, price))


def walk(
    signals: Iterable[TimedSignal],
    terms: Terms,
    snapshots: Mapping[Instrument, Snapshot],
    holdings: Mapping[Instrument, Holding] | None = None,
) -> Iterator[Step | None]:
    """A step for each signal, in their order; None where no snapshot shows the signal's instrument.

    Account and contracts come from `snapshots`, positions and prices from the walk itself.
    """
    walkthrough = _Walk(terms=terms, snapshots=snapshots, holdings=dict(holdings or {}))
    return (walkthrough.step(each) for each in signals)


def _snapshot_at(account: Snapshot, holding: Holding, signal: TimedSignal, day: _Day) -> Snapshot:
    """The account as the signal would have met it; the price is the signal's, else the one of `account`."""
    price, quote = signal.message.signal_price, account.quote
    if price is not None and price > 0:
        quote = Quote(bid=price, ask=price, last=price, as_of=signal.at, source="signal")
    elif quote is not None:
        # A market that is closed now was open then; prices that are never live would not have been traded by either.
        was_open = quote.availability is Availability.FROZEN
        quote = replace(quote, as_of=signal.at, flags="R" if was_open else quote.flags)
    return replace(
        account,
        position=holding.position,
        average_cost=holding.average,
        working=holding.working,
        quote=quote,
        mark=price if price is not None else account.mark,
        as_of=signal.at,
        trades_today=day.entries,
        last_trade_at=day.last_entry,
        day_profit=day.result,
        opened_at=holding.opened_at,
    )


def _price(intent: OrderIntent, signal_price: Decimal | None, snapshot: Snapshot) -> Decimal | None:
    own = (
        intent.limit_price,
        intent.stop_price,
        signal_price,
        snapshot.quote.mid if snapshot.quote else None,
        snapshot.mark,
    )
    return next((price for price in own if price is not None), None)


def _average(holding: Holding, change: Decimal, price: Decimal | None) -> Decimal | None:
    held = holding.position
    if held * change < 0:
        return holding.average if abs(change) < abs(held) else price
    if held == 0 or price is None or holding.average is None:
        return price if held == 0 else None
    return (abs(held) * holding.average + abs(change) * price) / (abs(held) + abs(change))


def _is_passed(order: WorkingOrder, price: Decimal) -> bool:
    """Whether a price has gone to a leg's own or beyond."""
    if order.type in TRAILING:
        # Where its stop is by then nobody knows here.
        return False
    if order.role is Role.STOP_LOSS and order.stop_price is not None:
        return (price - order.stop_price) * order.side.sign >= 0
    if order.role is Role.TAKE_PROFIT and order.limit_price is not None:
        return (order.limit_price - price) * order.side.sign >= 0
    return False


def _modified(order: WorkingOrder, plan: Plan) -> WorkingOrder:
    """The order with what a plan changes of it."""
    change = next((each for each in plan.modifications if each.reference == order.reference), None)
    return order if change is None else modified(order, change)


def _resting_leg(intent: OrderIntent, reference: str, parent: str) -> WorkingOrder:
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


def holding_under(
    terms: Terms, snapshot: Snapshot, position: Decimal, price: Decimal | None, message: Message
) -> Holding:
    """A position as these terms would have left it, with the protection they give an entry.

    `message`: a buy or a sell, by the side of the position. Guards, windows and filters of the terms do not apply to it.
    """
    if not position:
        return Holding()
    open_to_all = replace(
        Terms(), stop_loss=terms.stop_loss, take_profit=terms.take_profit, stop_loss_type=terms.stop_loss_type
    )
    flat = replace(snapshot, available_funds=None, buying_power=None, permitted=None)
    signal = TimedSignal(message=replace(message, quantity=abs(position), signal_price=price), at=snapshot.as_of)
    instrument = message.instrument
    step = _Walk(open_to_all, {instrument: flat}, {}).step(signal) if instrument is not None else None
    if step is None or step.after.position != position:
        return Holding(position=position, average=price)
    return replace(step.after, average=price, opened_at=None)


def next_trading_time(terms: Terms, snapshot: Snapshot, now: datetime) -> datetime:
    """The next moment at which windows and exchange let these terms trade, within eight days; `now` if there is none."""
    message = Message(action=Action.BUY, symbol=Symbol(Kind.STOCK, "", "", {}))
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    for number in range(LOOK_AHEAD):
        at = now if number == 0 else quarter + number * QUARTER
        in_window = not terms.windows or any(window.holds(at) for window in terms.windows)
        if in_window and Case(message, terms, snapshot, at).market_is_closed is False:
            return at
    return now
