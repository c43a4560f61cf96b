"""A walk through signals: what is held is carried from one to the next, with its price and its protection."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.orders import OrderType, Role
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot
from config.tests.samples import samples
from strategies.domain.decide.walkthrough import Holding, Step, TimedSignal, holding_under, next_trading_time, walk
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Message
from strategies.domain.message.symbols import Kind, read
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Hours, Sides, Terms
from strategies.domain.terms.windows import Window
from strategies.tests.domain.cases_of_decide import AAPL, NOW, bracket, drawn, message, quote, snapshot

D = Decimal
SEEN = {AAPL.instrument: snapshot()}


def timed(*messages: Message, every: timedelta = timedelta(minutes=5)) -> list[TimedSignal]:
    return [TimedSignal(message=each, at=NOW + number * every) for number, each in enumerate(messages)]


def walked(terms: Terms, *messages: Message, seen: Snapshot | None = None, **values: Any) -> list[Step]:
    snapshots = {AAPL.instrument: seen} if seen else SEEN
    steps = list(walk(timed(*messages, **values), terms, snapshots))
    assert all(steps)
    return [step for step in steps if step is not None]


def at(action: str, price: str | int, quantity: str | int | None = None, **values: Any) -> Message:
    return message(action, quantity, signal_price=D(price), **values)


def drawn_of(step: Step) -> str:
    assert isinstance(step.answer, Plan), step.answer
    return drawn(step.answer)


def test_positions_and_averages_are_carried_along() -> None:
    steps = walked(Terms(allow_add=True), at("buy", 100, 10), at("buy", 110, 30), at("exit", 120, 15), at("exit", 130))
    assert [(step.after.position, step.after.average) for step in steps] == [
        (D(10), D(100)),
        (D(40), D("107.5")),
        (D(25), D("107.5")),
        (D(0), None),
    ]
    assert steps[1].before == steps[0].after


def test_a_rejection_leaves_everything_as_it_was() -> None:
    steps = walked(Terms(), at("buy", 100, 10), at("buy", 101, 10), at("sell", 90, 10), at("exit", 90))
    codes = [step.answer.code for step in steps if isinstance(step.answer, Rejection)]
    assert codes == ["position-already-open", "nothing-to-exit"]
    assert steps[1].after == steps[0].after


def test_a_flip_ends_on_the_other_side_at_the_signals_price() -> None:
    steps = walked(Terms(allow_swap=True), at("buy", 100, 10), at("sell", 90, 25))
    assert drawn_of(steps[1]) == "exit sell 10 > entry sell 25"
    assert (steps[1].after.position, steps[1].after.average) == (D(-25), D(90))


def test_protection_rests_and_goes_with_its_position() -> None:
    terms = Terms(stop_loss=bracket("percent", 5), take_profit=bracket("amount", 30))
    steps = walked(terms, at("buy", 100, 10), at("exit", 104, 4), at("exit", 104))
    first = {order.role: order for order in steps[0].after.working}
    assert first[Role.STOP_LOSS].stop_price == 95
    assert first[Role.TAKE_PROFIT].limit_price == 130
    assert {order.remaining for order in steps[1].after.working} == {D(6)}
    assert len(steps[1].after.working) == 2
    assert steps[2].after == Holding()


@pytest.mark.parametrize(
    ("price", "role", "next_code"),
    [
        (94, Role.STOP_LOSS, "nothing-to-exit"),
        (95, Role.STOP_LOSS, "nothing-to-exit"),
        (130, Role.TAKE_PROFIT, "nothing-to-exit"),
    ],
)
def test_a_leg_fills_when_a_later_price_has_passed_it(price: int, role: Role, next_code: str) -> None:
    terms = Terms(stop_loss=bracket("percent", 5), take_profit=bracket("amount", 30))
    steps = walked(terms, at("buy", 100, 10), at("exit", price))
    assert [order.role for order in steps[1].protection_filled] == [role]
    assert isinstance(steps[1].answer, Rejection)
    assert steps[1].answer.code == next_code


def test_between_the_legs_nothing_fills() -> None:
    terms = Terms(stop_loss=bracket("percent", 5), take_profit=bracket("amount", 30))
    assert walked(terms, at("buy", 100, 10), at("add", 129, 1))[1].protection_filled == ()
    trailing = Terms(stop_loss=bracket("trailPercent", 5))
    assert walked(trailing, at("buy", 100, 10), at("add", 50, 1))[1].protection_filled == ()
    limited = replace(trailing, stop_loss_type=OrderType.TRAILING_STOP_LIMIT, stop_loss_limit_offset=D(1))
    assert walked(limited, at("buy", 100, 10), at("add", 50, 1))[1].protection_filled == ()


def test_a_signal_without_a_price_is_reckoned_at_todays() -> None:
    seen = snapshot(quote=quote("9.9", "10.1", at=NOW - timedelta(days=3)))
    steps = walked(Terms(), message("buy", 10), seen=seen)
    assert steps[0].after.average == 10
    without = walked(Terms(stop_loss=bracket("percent", 5)), message("buy", 10))
    assert isinstance(without[0].answer, Rejection)
    assert without[0].answer.code == "price-required"


def test_entries_of_the_day_and_its_result_count_for_its_limits() -> None:
    often = Terms(max_trades_per_day=1)
    steps = walked(often, at("buy", 100, 1), at("exit", 100), at("buy", 100, 1), every=timedelta(hours=1))
    assert isinstance(steps[2].answer, Rejection)
    assert steps[2].answer.code == "trades-per-day"
    tomorrow = walked(often, at("buy", 100, 1), at("exit", 100), at("buy", 100, 1), every=timedelta(hours=12))
    assert isinstance(tomorrow[2].answer, Plan)
    lost = walked(Terms(max_daily_loss=D(50)), at("buy", 100, 10), at("exit", 95), at("buy", 96, 10))
    assert isinstance(lost[2].answer, Rejection)
    assert lost[2].answer.code == "daily-loss"


def test_each_signal_is_decided_at_its_own_moment() -> None:
    window = Window(days=(4,), start=time(15), end=time(15, 5), zone="UTC")
    steps = walked(Terms(windows=(window,)), at("buy", 100, 1), at("exit", 101))
    assert isinstance(steps[0].answer, Plan)
    assert isinstance(steps[1].answer, Rejection)
    assert steps[1].answer.code == "outside-trading-window"
    old = TimedSignal(message=at("buy", 100, 1, signal_time=NOW - timedelta(minutes=3)), at=NOW, freshness=Freshness())
    step = next(walk([old], Terms(), SEEN))
    assert step is not None
    assert isinstance(step.answer, Rejection)
    assert step.answer.code == "stale-signal"


def test_an_instrument_that_is_not_shown_has_no_step_and_stops_nothing() -> None:
    other = message("buy", 5, symbol=read("SPY", Kind.STOCK, NOW), signal_price=D(5))
    steps = list(walk(timed(other, at("buy", 100, 1)), Terms(), SEEN))
    assert steps[0] is None
    assert steps[1] is not None
    assert steps[1].after.position == 1


def test_a_position_to_start_from_has_the_protection_of_the_terms() -> None:
    terms = Terms(sides=Sides.BEARISH, close_only=True, stop_loss=bracket("percent", 10), max_quantity=D(1))
    start = holding_under(terms, snapshot(), D(20), D(50), message("buy"))
    assert (start.position, start.average) == (D(20), D(50))
    assert [(order.remaining, order.stop_price) for order in start.working] == [(D(20), D(45))]
    short = holding_under(terms, snapshot(), D(-3), D(50), message("sell"))
    assert [(order.side, order.stop_price) for order in short.working] == [("buy", D(55))]
    assert holding_under(terms, snapshot(), D(0), D(50), message("sell")) == Holding()


def test_terms_trade_next_when_window_and_exchange_let_them() -> None:
    saturday = datetime(2026, 11, 21, 18, 40, tzinfo=UTC)
    seen = snapshot(environment=Environment.PAPER)
    assert next_trading_time(Terms(), seen, NOW) == NOW
    assert next_trading_time(Terms(), seen, saturday) == datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    monday = Window(days=(0,), start=time(12), end=time(13), zone="America/New_York")
    assert next_trading_time(Terms(windows=(monday,)), seen, saturday) == datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
    never = Window(days=(5,), start=time(12), end=time(13), zone="America/New_York")
    assert next_trading_time(Terms(windows=(never,), hours=Hours.REGULAR), seen, saturday) == saturday


steps_of = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "exit", "add", "reverse", "breakeven"]),
        st.integers(50, 150),
        st.none() | st.integers(1, 20),
    ),
    max_size=12,
)


@settings(max_examples=samples(80), deadline=None)
@given(steps_of, st.booleans(), st.booleans(), st.booleans())
def test_protection_never_outgrows_what_is_held(
    steps: list[tuple[str, int, int | None]], swap: bool, add: bool, protected: bool
) -> None:
    terms = Terms(
        allow_swap=swap,
        allow_add=add,
        quantity=D(7),
        stop_loss=bracket("percent", 5) if protected else None,
        take_profit=bracket("percent", 9) if protected else None,
    )
    for step in walked(terms, *(at(action, price, None if action == "exit" else q) for action, price, q in steps)):
        after = step.after
        sizes: dict[str, Decimal] = {}
        for order in after.working:
            assert order.side.sign * after.position < 0
            group = order.parent or order.reference
            sizes[group] = max(sizes.get(group, D(0)), order.remaining)
        assert sum(sizes.values(), D(0)) <= abs(after.position)
        if isinstance(step.answer, Rejection):
            assert step.protection_filled or step.after == step.before
