"""What must hold of every decision: totality, the promised position under any order of fills, caps, no growing exits."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.market.quotes import Quote
from brokers.domain.orders import OrderIntent, OrderStatus, OrderType, Release, Role, Side, TimeInForce
from brokers.domain.snapshot import Snapshot, WorkingOrder
from config.tests.samples import samples
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import Guards, Halt, Level, LevelGuard
from strategies.domain.message.message import Action, Bracket, Message, OrderShape
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import (
    ExitUnfilled,
    Hours,
    MarketClosed,
    MarketPrice,
    OptionType,
    QuantityType,
    Rounding,
    Sides,
    Terms,
    WorkingEntry,
)
from strategies.domain.terms.windows import Window
from strategies.tests.domain.cases_of_decide import NOW, every_intent, message, snapshot

D = Decimal
POSITIVE = st.decimals("0.01", "5000", places=2)
MAYBE = st.none() | POSITIVE
SECONDS = st.none() | st.integers(1, 3600)
BRACKETS = st.none() | st.builds(
    Bracket,
    mode=st.sampled_from(["percent", "amount", "limitPrice", "stopPrice", "pnlAmount"]),
    value=POSITIVE,
    type=st.sampled_from([None, "stop", "stop_limit"]),
)
TRAILS = st.builds(
    Bracket, mode=st.sampled_from(["trailAmount", "trailPercent"]), value=POSITIVE, type=st.just("trailing_stop")
)
WINDOWS = st.builds(
    Window,
    days=st.lists(st.integers(0, 6), max_size=7, unique=True).map(tuple),
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "UTC", "No/Where"]),
)
MESSAGES = st.builds(
    message,
    action=st.sampled_from([str(each) for each in Action]),
    quantity=st.none() | POSITIVE.map(str),
    sentiment=st.sampled_from([None, "bullish", "bearish", "flat"]),
    quantity_type=st.sampled_from([str(each) for each in QuantityType]),
    target_quantity=st.none() | st.integers(-900, 900).map(D),
    signal_price=MAYBE,
    signal_time=st.none() | st.just(NOW - timedelta(seconds=30)),
    order=st.builds(
        OrderShape,
        type=st.sampled_from([None, "market", "limit", "stop", "stop_limit", "trailing_stop"]),
        limit=MAYBE,
        stop=MAYBE,
        trail_amount=MAYBE,
        tif=st.sampled_from([None, "day", "gtc", "gtd", "opg", "cls", "ioc", "fok"]),
        good_till=st.sampled_from([None, "2026-11-20", "2026-11-23T16:00:00", "2026-12-04T20:30:00Z", "2020-01-01"]),
        extended=st.sampled_from([None, True, False]),
    ),
    take_profit=BRACKETS,
    stop_loss=BRACKETS | TRAILS,
    cancel=st.sampled_from([None, True, False]),
    cancel_order_type=st.sampled_from([None, "limit", "stop"]),
    cancel_after=SECONDS,
    breakeven_offset=MAYBE,
    bid_ask_spread_filter=MAYBE,
    market_price_type=st.sampled_from([None, "ask_bid", "mark", "ask", "bid", "last"]),
    ignore_trading_windows=st.sampled_from([None, True]),
)
TERMS = st.builds(
    Terms,
    sides=st.sampled_from(list(Sides)),
    allow_swap=st.booleans(),
    subtract_exit_quantity=st.booleans(),
    isolate_sides=st.booleans(),
    ignore_exits=st.booleans(),
    close_only=st.booleans(),
    allow_add=st.booleans(),
    allow_overrides=st.booleans(),
    signal_fields=st.sampled_from([(), ("quantity",), ("orderType", "takeProfit")]),
    windows=st.lists(WINDOWS, max_size=2).map(tuple),
    exits_outside_windows=st.booleans(),
    hours=st.sampled_from(list(Hours)),
    market_closed=st.sampled_from(list(MarketClosed)),
    quantity=MAYBE,
    quantity_type=st.sampled_from(list(QuantityType)),
    quantity_multiplier=st.sampled_from([D(1), D("0.5"), D("2.5")]),
    rounding=st.sampled_from(list(Rounding)),
    max_quantity=st.none() | st.integers(1, 2000).map(D),
    max_amount=MAYBE,
    max_position=MAYBE,
    max_position_amount=MAYBE,
    max_trades_per_day=st.none() | st.integers(1, 5),
    cooldown_seconds=SECONDS,
    max_daily_loss=MAYBE,
    collar_percent=MAYBE,
    preview_above=MAYBE,
    option_type=st.none() | st.sampled_from(list(OptionType)),
    option_strikes_away=st.none() | st.integers(-20, 20),
    option_spread_percent=MAYBE,
    index_option_spread_percent=MAYBE,
    close_ending_minutes=st.none() | st.integers(1, 360),
    order_type=st.sampled_from(list(OrderType)),
    time_in_force=st.sampled_from(list(TimeInForce)),
    outside_rth=st.booleans(),
    trail_percent=MAYBE,
    market_price=st.sampled_from(list(MarketPrice)),
    spread_percent=MAYBE,
    exit_order_type=st.none() | st.sampled_from(list(OrderType)),
    cancel_orders=st.booleans(),
    working_entry=st.sampled_from(list(WorkingEntry)),
    exit_unfilled=st.sampled_from(list(ExitUnfilled)),
    take_profit=BRACKETS,
    stop_loss=BRACKETS | TRAILS,
)
QUOTES = st.none() | st.builds(
    Quote, bid=MAYBE, ask=MAYBE, last=MAYBE, as_of=st.sampled_from([NOW, NOW - timedelta(hours=1)])
)
WORKING = st.lists(
    st.builds(
        WorkingOrder,
        reference=st.sampled_from(["a", "b", "c", "d"]),
        role=st.sampled_from(list(Role)),
        side=st.sampled_from(list(Side)),
        type=st.sampled_from(list(OrderType)),
        remaining=st.integers(1, 500).map(D),
        filled=st.sampled_from([D(0), D(3)]),
        status=st.sampled_from([OrderStatus.ACCEPTED, OrderStatus.CREATED, OrderStatus.PENDING_CANCEL]),
        limit_price=POSITIVE,
        stop_price=POSITIVE,
        trail_amount=POSITIVE,
        parent=st.sampled_from(["", "a", "b"]),
        mine=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda order: order.reference,
)
SNAPSHOTS = st.builds(
    lambda position, working, **values: snapshot(position, *working, **values),
    st.integers(-1000, 1000) | st.just(0),
    WORKING,
    average_cost=MAYBE,
    equity=st.none() | st.decimals("-10", "100000", places=2),
    quote=QUOTES,
    mark=MAYBE,
    available_funds=st.none() | st.just(D(10**9)),
    currency=st.sampled_from(["USD", "EUR"]),
    trades_today=st.none() | st.integers(0, 5),
    day_profit=st.none() | st.decimals("-900", "900", places=2),
)
LEVELS = st.builds(
    LevelGuard,
    level=st.sampled_from(list(Level)),
    max_quantity=st.none() | st.integers(1, 500).map(D),
    max_position=MAYBE,
)
GUARDS = st.builds(Guards, halt=st.sampled_from(list(Halt)), levels=st.lists(LEVELS, max_size=3).map(tuple))


def growth(plan: Plan) -> list[OrderIntent]:
    return [each for each in every_intent(plan.intents) if each.role is Role.ENTRY]


@settings(max_examples=samples(120), deadline=None)
@given(asked=MESSAGES, terms=TERMS, book=SNAPSHOTS, guards=GUARDS)
def test_every_input_has_an_answer_that_keeps_its_bounds(
    asked: Message, terms: Terms, book: Snapshot, guards: Guards
) -> None:
    answer = decide(asked, terms, book, NOW, received_at=NOW, guards=guards)
    assert answer.rule
    assert answer.reason.endswith(".")
    if isinstance(answer, Rejection):
        return
    references = {order.reference for order in book.working}
    assert set(answer.cancels) <= references
    for intent in every_intent(answer.intents):
        assert intent.quantity > 0
        for price in (intent.limit_price, intent.stop_price, intent.trail_amount, intent.trail_percent):
            assert price is None or price > 0
    for entry in growth(answer):
        assert entry.quantity == entry.quantity.to_integral_value()
        holders: list[Terms | LevelGuard] = [terms, *guards.levels]
        for holder in holders:
            assert holder.max_quantity is None or entry.quantity <= holder.max_quantity
            assert holder.max_position is None or could_become(entry, answer, book) <= holder.max_position
        assert guards.halt is Halt.NOTHING
        assert not terms.close_only


def could_become(entry: OrderIntent, plan: Plan, book: Snapshot) -> Decimal:
    """The position on the entry's side, when it and every other entry that stays has filled."""
    held = max(entry.side.sign * book.position, D(0))
    stay = [
        o for o in book.working if o.role is Role.ENTRY and o.side is entry.side and o.reference not in plan.cancels
    ]
    return held + entry.quantity + sum((order.remaining for order in stay), D(0))


@settings(max_examples=samples(100), deadline=None)
@given(asked=MESSAGES, terms=TERMS, book=SNAPSHOTS)
def test_no_way_out_makes_a_position_larger(asked: Message, terms: Terms, book: Snapshot) -> None:
    """Exits, cancels, flat and breakeven, and everything of a subscription that only closes."""
    leaves = asked.action in {Action.EXIT, Action.CANCEL, Action.BREAKEVEN} or (
        asked.sentiment == "flat" and asked.action in {Action.BUY, Action.SELL} and asked.target_quantity is None
    )
    answer = decide(asked, terms if leaves else replace(terms, close_only=True), book, NOW)
    if isinstance(answer, Plan):
        assert growth(answer) == []
        for intent in every_intent(answer.intents):
            assert intent.side.sign * book.position < 0
        assert out_at_once(answer, book) <= abs(book.position)


def out_at_once(plan: Plan, book: Snapshot) -> Decimal:
    """The most that can leave: exits at work and planned, and of each group of legs the larger one."""
    side = Side.SELL if book.position > 0 else Side.BUY
    kept = [o for o in book.working if o.role is Role.EXIT and o.side is side and o.reference not in plan.cancels]
    planned = [each for each in plan.intents if each.role in {Role.EXIT, Role.STOP_LOSS, Role.TAKE_PROFIT}]
    worst = sum((each.quantity for each in planned), D(0))
    groups = [max([each.quantity, *(child.quantity for child in each.then)]) for each in planned]
    assert worst <= sum(groups, D(0))
    already = min(sum((o.remaining for o in kept), D(0)), abs(book.position))
    return sum(groups, D(0)) + (already if planned else D(0))


def filled(plan: Plan, position: Decimal, order: list[int]) -> Decimal:
    """The position after all exits and entries of a plan filled, in an order the releases allow."""
    waiting = [each for each in plan.intents if each.role in {Role.EXIT, Role.ENTRY}]
    for turn in order + [0] * 20:
        if not waiting:
            break
        intent = waiting.pop(turn % len(waiting))
        position += intent.side.sign * intent.quantity
        waiting += [child for child in intent.then if child.release is Release.AFTER_PARENT_FILLS]
    assert not waiting
    return position


@settings(max_examples=samples(300), deadline=None)
@given(
    position=st.integers(-50, 50),
    quantity=st.none() | st.integers(1, 80),
    buys=st.booleans(),
    sentiment=st.sampled_from([None, "bullish", "bearish", "flat"]),
    swap=st.booleans(),
    subtract=st.booleans(),
    adds=st.booleans(),
    sides=st.sampled_from(list(Sides)),
    size=st.integers(1, 9),
    order=st.lists(st.integers(0, 5), max_size=6),
)
def test_the_position_after_any_order_of_fills_is_what_the_table_promises(
    position: int,
    quantity: int | None,
    buys: bool,
    sentiment: str | None,
    swap: bool,
    subtract: bool,
    adds: bool,
    sides: Sides,
    size: int,
    order: list[int],
) -> None:
    terms = Terms(allow_swap=swap, subtract_exit_quantity=subtract, allow_add=adds, sides=sides, quantity=D(size))
    asked = message("buy" if buys else "sell", quantity, sentiment=sentiment)
    answer = decide(asked, terms, snapshot(position), NOW)
    after = filled(answer, D(position), order) if isinstance(answer, Plan) else D(position)
    assert after == promised(position, quantity, buys, sentiment, swap, subtract, adds, sides, size)


def promised(
    position: int,
    quantity: int | None,
    buys: bool,
    sentiment: str | None,
    swap: bool,
    subtract: bool,
    adds: bool,
    sides: Sides,
    size: int,
) -> int:
    """The table's promise, written a second time and from the long side: P is the position as a buyer sees it."""
    sign = 1 if buys else -1
    held, wish = position * sign, {None: "none", "flat": "flat"}.get(sentiment, "")
    wish = wish or ("with" if (sentiment == "bullish") == buys else "against")
    may_enter = sides is Sides.BOTH or ((sides is Sides.BULLISH) == buys and sides is not Sides.NONE)
    enters = quantity or size
    if held == 0:
        return sign * enters if wish in {"none", "with"} and may_enter else 0
    if held > 0:
        if wish == "flat":
            return 0
        grows = wish in {"none", "with"} and adds and may_enter
        return sign * (held + enters) if grows else position
    short = -held
    if wish == "flat":
        return 0
    part = quantity is not None and quantity < short
    if part and wish in {"none", "against"}:
        assert quantity is not None
        return sign * (quantity - short)
    if wish == "against" or not swap or not may_enter:
        return 0
    if subtract and quantity is not None:
        return sign * max(quantity - short, 0)
    return sign * enters


@settings(max_examples=samples(60), deadline=None)
@given(asked=MESSAGES, terms=TERMS, book=SNAPSHOTS)
def test_a_decision_is_the_same_from_what_was_written_down(asked: Message, terms: Terms, book: Snapshot) -> None:
    text = json.dumps(
        {"message": asked.reading(), "terms": terms.to_json(), "snapshot": _plain(asdict(book)), "now": NOW.isoformat()}
    )
    read = json.loads(text)
    again = decide(
        Message.from_reading(read["message"]),
        Terms.from_json(read["terms"]),
        msgspec.convert(read["snapshot"], Snapshot, strict=False),
        datetime.fromisoformat(read["now"]),
    )
    first = decide(asked, terms, book, NOW)
    if isinstance(first, Rejection):
        assert (first.rule, first.code, first.reason) == (again.rule, getattr(again, "code", ""), again.reason)
    else:
        assert first == again


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, (bool, int)) else str(value)


@settings(max_examples=samples(50), deadline=None)
@given(terms=TERMS)
def test_terms_survive_their_way_through_json(terms: Terms) -> None:
    assert Terms.from_json(json.loads(json.dumps(terms.to_json()))) == terms
