"""Several targets of a group's entry at a real gateway: parted in each account, and followed by each account's own stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from brokers.models import Lapse, Order
from brokers.orders import cancels
from brokers.tests import lab
from strategies.models import Decision, Strategy
from strategies.tests.advisors.test_group_legs_walk import signal, working_at_ibkr
from strategies.tests.advisors.test_group_walk import bench, decided, held, numbers, strategy, until

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["bench", "strategy"]
STOP = {"type": "stop", "mode": "stopPrice", "value": "190"}
BREAK_EVEN = {**STOP, "moves": {"after": 1, "to": "break_even", "by": "0.5"}}
HALVES = [{"mode": "limitPrice", "value": price, "percent_of_entry": "50"} for price in ("210", "220")]
PLACE = "/iserver/account/*/orders"


def priced(bench: lab.Lab, price: float) -> bool:
    bench.gateway.quote("AAPL", last=price, bid=price, ask=price)
    return True


def resting(bench: lab.Lab) -> dict[str, list[tuple[str, int, float]]]:
    """The working orders of each account as the gateway lists them: what they are, of how many units, at which price."""
    listed: dict[str, list[tuple[str, int, float]]] = {}
    for number, live in working_at_ibkr(bench).items():
        listed[number] = sorted(
            (row["origOrderType"], int(row["remainingQuantity"]), float(row.get("auxPrice") or row["price"]))
            for row in live
        )
    return listed


def protected(*parts: tuple[int, float], stop: float = 190.0) -> list[tuple[str, int, float]]:
    """What an account has whose targets are of so many units at these prices, each with its part of the stop."""
    return sorted([("LIMIT", units, at) for units, at in parts] + [("STOP", units, stop) for units, _ in parts])


# Ten are divided into four, three and three.
FOUR, THREE = ((2, 210.0), (2, 220.0)), ((1, 210.0), (2, 220.0))


def walked(bench: lab.Lab, strategy: Strategy, *steps: Callable[[], Any], **values: Any) -> None:
    """Ten are bought for the group with two targets; then each step in turn: what says False is waited for, and what gives
    something to wait for is waited for."""

    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(
                lambda: decided(strategy, **signal("buy", "10", **{"stop_loss": STOP, "take_profit": HALVES, **values}))
            )
            await until(entry)
            for step in steps:
                await until(step)

    priced(bench, 200)
    asyncio.run(story())


def signaled(strategy: Strategy, *args: Any, **values: Any) -> Callable[[], bool]:
    """A step that sends a signal once, and is over when that is decided."""
    sent: list[Callable[[], bool]] = []

    def step() -> bool:
        if not sent:
            sent.append(decided(strategy, **signal(*args, **values)))
        return sent[0]()

    return step


def test_each_account_has_its_parts_and_its_stop_follows_the_targets_of_that_account(
    bench: lab.Lab, strategy: Strategy
) -> None:
    first, second, third = numbers(bench)
    at_even = {"stop": 200.5}
    walked(
        bench,
        strategy,
        lambda: resting(bench) == {first: protected(*FOUR), second: protected(*THREE), third: protected(*THREE)},
        # The first target fills in each account, and takes its part of the stop along; the other part goes to break-even.
        lambda: priced(bench, 211),
        lambda: held(bench) == [2, 2, 2],
        lambda: all(each == protected((2, 220.0), **at_even) for each in resting(bench).values()),
        # A signal moves the stop of every account, and one of a part leaves each account protected for the rest.
        signaled(strategy, "modify", stop_loss={"mode": "stopPrice", "value": "205"}),
        lambda: all(each == protected((2, 220.0), stop=205.0) for each in resting(bench).values()),
        signaled(strategy, "exit", "3"),
        lambda: held(bench) == [1, 1, 1],
        lambda: all(each == protected((1, 220.0), stop=205.0) for each in resting(bench).values()),
        lambda: priced(bench, 204),
        lambda: held(bench) == [0, 0, 0] and not any(resting(bench).values()),
        stop_loss=BREAK_EVEN,
    )
    bought = Decision.objects.order_by("pk")[0]
    assert (
        "Targets, rounded in each account: 4 at 210, 6 at 220. Stop and targets follow in each account" in bought.reason
    )
    entry = Order.objects.get(role="entry")
    assert entry.quantity == 10
    # The exit has left one unit of the second target in each account.
    targets = Order.objects.filter(role="take_profit", rung__isnull=False).order_by("account__account_id", "rung")
    assert [(each.account.account_id, each.rung, int(each.quantity)) for each in targets.select_related("account")] == [
        (number, place, units)
        for number, parts in zip(numbers(bench), ((2, 1), (1, 1), (1, 1)), strict=True)
        for place, units in enumerate(parts, 1)
    ]
    assert set(Order.objects.exclude(role__in=["entry", "exit"]).values_list("group_entry", flat=True)) == {entry.pk}


def test_the_stop_closes_all_parts_of_every_account(bench: lab.Lab, strategy: Strategy) -> None:
    walked(
        bench,
        strategy,
        lambda: all(len(each) == 4 for each in resting(bench).values()),
        lambda: priced(bench, 189),
        lambda: held(bench) == [0, 0, 0] and not any(resting(bench).values()),
    )
    assert set(Order.objects.filter(role="take_profit").values_list("status", flat=True)) == {"canceled"}


def test_an_entry_that_fills_in_portions_has_parts_of_each_and_ends_with_those_of_the_whole(
    bench: lab.Lab, strategy: Strategy
) -> None:
    first, second, third = numbers(bench)
    fault = {"user": bench.user, "method": "POST", "path": PLACE}
    bench.gateway.fault(action={"partial_fill": 0.6}, match=fault, times=1)
    portion = protected((1, 210.0), (1, 220.0))

    def is_canceled() -> bool:
        cancels.ask_due(timezone.now() + timedelta(minutes=1))
        return not Order.objects.filter(role="entry", status="partially_filled").exists()

    walked(
        bench,
        strategy,
        # With a limit it may rest so: its first part is protected in the transaction that brings it home.
        lambda: held(bench) == [2, 2, 2],
        lambda: resting(bench) == {first: portion, second: portion, third: portion},
        is_canceled,
        lambda: priced(bench, 211),
        lambda: held(bench) == [1, 1, 1],
        order={"type": "limit", "limit": "201"},
        cancel_after=60,
    )
    assert set(Order.objects.filter(role="stop_loss", status="accepted").values_list("quantity", flat=True)) == {1}


def test_an_account_that_may_have_no_legs_holds_up_no_other(bench: lab.Lab, strategy: Strategy) -> None:
    barred, second, third = numbers(bench)
    bench.gateway.fault(
        action={"status": 400, "body": {"error": "No trading permissions."}},
        match={"user": bench.user, "method": "POST", "path": f"/iserver/account/{barred}/orders"},
        times=None,
    )
    walked(
        bench,
        strategy,
        lambda: resting(bench) == {barred: [], second: protected(*THREE), third: protected(*THREE)},
        lambda: Lapse.objects.filter(account__account_id=barred, ended_at=None).exists(),
    )
    assert not Lapse.objects.exclude(account__account_id=barred).exists()


def test_a_lost_answer_to_the_legs_of_one_account_sends_none_twice(bench: lab.Lab, strategy: Strategy) -> None:
    first, second, third = numbers(bench)
    match = {"user": bench.user, "method": "POST", "path": f"/iserver/account/{first}/orders"}
    bench.gateway.fault(action={"drop_connection": True}, match=match, phase="after", times=1)
    walked(
        bench,
        strategy,
        lambda: resting(bench) == {first: protected(*FOUR), second: protected(*THREE), third: protected(*THREE)},
        lambda: not Order.objects.exclude(role="entry").exclude(status="accepted").exists(),
    )
    assert Order.objects.exclude(role="entry").count() == 12
