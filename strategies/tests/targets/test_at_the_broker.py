"""An entry with several targets at a real gateway: its parts, and that no more is ever closed than is held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import Order, OrderModification, Position
from brokers.orders import cancels
from brokers.orders.modifications import by_rule
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)
TEN = {"value": "10", "type": "fixed_quantity"}
STOP = {"type": "stop", "mode": "stopPrice", "value": "190"}
PRICES = ("210", "220", "230")
TARGETS = [
    {"mode": "limitPrice", "value": price, "percent_of_entry": part}
    for price, part in zip(PRICES, ("30", "30", "40"), strict=True)
]


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    made = lab.make(team, gateway)
    priced(made, 200)
    yield made
    gateway.clear_faults()
    gateway.clear_quotes()


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    made = rows.strategy(team, timezone.now())
    rows.subscription(made, bench.account, timezone.now())
    return made


def priced(bench: lab.Lab, price: float) -> None:
    bench.gateway.quote("AAPL", last=price, bid=price, ask=price)


def decided(strategy: Strategy, **values: Any) -> Callable[[], bool]:
    signal = rows.signal(strategy, timezone.now(), reading={**reading("buy"), **values})

    def settled() -> bool:
        settle.settle_waiting(timezone.now())
        return Decision.objects.filter(signal=signal).exclude(status="pending").exists()

    return settled


def held(bench: lab.Lab) -> Decimal:
    return sum(Position.objects.filter(account=bench.account).values_list("quantity", flat=True), Decimal(0))


def at_broker(bench: lab.Lab) -> Decimal:
    """What the gateway itself holds."""
    rows_held = bench.gateway.call(bench.user, "GET", f"/portfolio/{bench.account.account_id}/positions/0")[1]
    return sum((Decimal(str(row["position"])) for row in rows_held), Decimal(0))


def legs(bench: lab.Lab) -> list[tuple[str, float]]:
    resting = {"Submitted", "PreSubmitted"}
    return sorted((row["origOrderType"], row["totalSize"]) for row in bench.at_broker() if row["status"] in resting)


def entered(bench: lab.Lab, strategy: Strategy, *steps: Callable[[], object], **values: Any) -> None:
    """Ten are bought with three targets; then each step in turn: one that says False is waited for."""

    async def story() -> None:
        async with lab.watching(), lab.working():
            entry = await asyncio.to_thread(
                lambda: decided(strategy, **{"quantity": TEN, "stop_loss": STOP, "take_profit": TARGETS, **values})
            )
            await lab.until(entry, "the signal is decided")
            for place, step in enumerate(steps, 1):
                await lab.until(lambda step=step: step() is not False, f"step {place}", within=60)  # type: ignore[misc]

    asyncio.run(story())


def all_in(bench: lab.Lab) -> Callable[[], bool]:
    expected = [("LIMIT", 3.0), ("LIMIT", 3.0), ("LIMIT", 4.0), ("STOP", 3.0), ("STOP", 3.0), ("STOP", 4.0)]
    return lambda: held(bench) == 10 and legs(bench) == expected


def test_each_target_that_fills_takes_its_part_of_the_stop_along(bench: lab.Lab, strategy: Strategy) -> None:
    entered(
        bench,
        strategy,
        all_in(bench),
        lambda: priced(bench, 211),
        lambda: held(bench) == 7,
        lambda: legs(bench) == [("LIMIT", 3.0), ("LIMIT", 4.0), ("STOP", 3.0), ("STOP", 4.0)],
        lambda: priced(bench, 221),
        lambda: held(bench) == 4 and legs(bench) == [("LIMIT", 4.0), ("STOP", 4.0)],
        lambda: priced(bench, 189),
        lambda: held(bench) == 0 and legs(bench) == [],
    )
    assert at_broker(bench) == 0
    assert Decision.objects.get().reason.endswith("It leaves as 3 orders, each with its part of the stop.")
    filled = Order.objects.filter(status="filled").exclude(role="entry").order_by("filled_at")
    assert [(order.role, int(order.quantity)) for order in filled] == [
        ("take_profit", 3),
        ("take_profit", 3),
        ("stop_loss", 4),
    ]


def test_a_jump_past_two_targets_and_back_past_the_stop_closes_what_is_held(bench: lab.Lab, strategy: Strategy) -> None:
    def jump() -> None:
        priced(bench, 225)
        priced(bench, 189)

    entered(bench, strategy, all_in(bench), jump, lambda: held(bench) == 0 and legs(bench) == [])
    assert at_broker(bench) == 0


def test_the_stop_ends_all_the_targets(bench: lab.Lab, strategy: Strategy) -> None:
    entered(
        bench,
        strategy,
        all_in(bench),
        lambda: priced(bench, 189),
        lambda: held(bench) == 0 and legs(bench) == [],
    )
    roles = Order.objects.filter(role="take_profit").values_list("status", flat=True)
    assert list(roles) == 3 * ["canceled"]


def test_a_part_that_fills_in_part_has_legs_of_what_filled(bench: lab.Lab, strategy: Strategy) -> None:
    """One of the first three; what is left of them is canceled by the signal's own time, and IBKR makes its legs as small."""
    place = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}
    bench.gateway.fault(action={"partial_fill": 0.34}, match=place, times=1)
    expected = [("LIMIT", 1.0), ("LIMIT", 3.0), ("LIMIT", 4.0), ("STOP", 1.0), ("STOP", 3.0), ("STOP", 4.0)]

    def part_is_canceled() -> bool:
        cancels.ask_due(timezone.now() + timedelta(minutes=1))
        return held(bench) == 8 and legs(bench) == expected

    entered(
        bench,
        strategy,
        lambda: held(bench) == 8,
        part_is_canceled,
        lambda: priced(bench, 189),
        lambda: held(bench) == 0 and legs(bench) == [],
        cancel_after=60,
    )
    assert at_broker(bench) == 0


def test_a_lost_answer_to_a_part_sends_nothing_twice(bench: lab.Lab, strategy: Strategy) -> None:
    place = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}
    bench.gateway.fault(action={"drop_connection": True}, match=place, phase="after", times=1)
    entered(bench, strategy, all_in(bench))
    assert at_broker(bench) == 10
    assert len(bench.posts()) == 3


def test_a_refused_part_leaves_the_others_with_their_stops(bench: lab.Lab, strategy: Strategy) -> None:
    place = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders", "nth": 2}
    bench.gateway.fault(action={"reject": "We cannot accept this order."}, match=place, times=1)
    entered(
        bench,
        strategy,
        lambda: held(bench) == 7 and legs(bench) == [("LIMIT", 3.0), ("LIMIT", 4.0), ("STOP", 3.0), ("STOP", 4.0)],
    )
    assert at_broker(bench) == 7


BREAK_EVEN = {**STOP, "moves": {"after": 1, "to": "break_even", "by": "0.5"}}


def stops(bench: lab.Lab) -> list[tuple[str, float, str]]:
    """The stops that rest at the gateway: type, size and price."""
    resting = [row for row in bench.at_broker() if row["status"] in {"Submitted", "PreSubmitted"}]
    return sorted(
        (row["origOrderType"], row["totalSize"], str(row.get("auxPrice") or row.get("price")))
        for row in resting
        if row["origOrderType"] != "LIMIT"
    )


def stand_at(bench: lab.Lab, *expected: tuple[float, float]) -> Callable[[], bool]:
    """Whether the stops at the gateway have these sizes and prices."""
    return lambda: [(size, float(price)) for _, size, price in stops(bench)] == [*expected]


def test_the_stops_that_are_left_go_to_break_even_once(bench: lab.Lab, strategy: Strategy) -> None:
    def sweeps() -> None:
        for _ in range(3):
            by_rule.follow_what_waits(timezone.now())

    entered(
        bench,
        strategy,
        all_in(bench),
        lambda: priced(bench, 211),
        stand_at(bench, (3.0, 200.5), (4.0, 200.5)),
        sweeps,
        lambda: priced(bench, 221),
        lambda: held(bench) == 4,
        stand_at(bench, (4.0, 200.5)),
        lambda: priced(bench, 200),
        lambda: held(bench) == 0 and legs(bench) == [],
        stop_loss=BREAK_EVEN,
    )
    assert at_broker(bench) == 0
    changed = OrderModification.objects.order_by("order")
    assert [(each.status, each.by_rule, each.stop_price) for each in changed] == 2 * [("made", True, Decimal("200.5"))]
    assert Decision.objects.get().reason.endswith("the stop goes 0.5 beyond break-even.")
    stop = changed[0].order
    causes = list(stop.events.values_list("cause", flat=True))
    assert (
        "The target at 210 has filled, so the stop goes 0.5 beyond break-even; the entry's average price is 200"
        in causes
    )


def test_the_stops_that_are_left_begin_to_trail_after_the_second_target(bench: lab.Lab, strategy: Strategy) -> None:
    entered(
        bench,
        strategy,
        all_in(bench),
        lambda: priced(bench, 211),
        stand_at(bench, (3.0, 190), (4.0, 190)),
        lambda: priced(bench, 221),
        lambda: [(kind, size) for kind, size, _ in stops(bench)] == [("TRAIL", 4.0)],
        lambda: Order.objects.filter(type="trailing_stop", status="accepted", trail_amount=3).exists(),
        lambda: priced(bench, 225),
        lambda: priced(bench, 221),
        lambda: held(bench) == 0 and legs(bench) == [],
        stop_loss={**STOP, "moves": {"after": 2, "to": "trail_amount", "by": "3"}},
    )
    assert at_broker(bench) == 0


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("to", ["break_even", "trail_percent"])
def test_a_lost_answer_to_the_move_is_read_back(bench: lab.Lab, strategy: Strategy, phase: str, to: str) -> None:
    change = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/order/*"}

    def moved() -> bool:
        return OrderModification.objects.filter(status="made").count() == 2

    entered(
        bench,
        strategy,
        all_in(bench),
        lambda: bench.gateway.fault(action={"drop_connection": True}, match=change, phase=phase),
        lambda: priced(bench, 211),
        moved,
        stop_loss={**STOP, "moves": {"after": 1, "to": to, "by": "1"}},
    )
    assert at_broker(bench) == 7
    assert sum(size for _, size, _ in stops(bench)) == 7


def test_a_stop_that_fills_while_its_move_is_on_its_way_closes_what_is_held(bench: lab.Lab, strategy: Strategy) -> None:
    change = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/order/*"}
    entered(
        bench,
        strategy,
        all_in(bench),
        lambda: bench.gateway.fault(action={"delay_ms": 400}, match=change, phase="before", times=2),
        lambda: priced(bench, 211),
        lambda: OrderModification.objects.filter(status="leaving").exists(),
        lambda: priced(bench, 189),
        lambda: held(bench) == 0 and legs(bench) == [],
        lambda: not OrderModification.objects.filter(status__in=["waiting", "leaving"]).exists(),
        stop_loss=BREAK_EVEN,
    )
    assert at_broker(bench) == 0
