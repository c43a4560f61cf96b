"""A group's position from its first stop to its last unit: protected, moved, left in part and closed, account by account."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from brokers.advisors import reading as groups
from brokers.models import AccountGroup, Order
from brokers.tests import lab, rows
from strategies.control.halt import halt, reach
from strategies.domain.decide.guards import Halt
from strategies.models import Decision, Strategy
from strategies.tests.advisors.test_group_walk import GROUP, bench, decided, held, numbers, strategy, until
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["bench", "strategy"]
STOP, TARGET = {"mode": "stopPrice", "value": "0.5"}, {"mode": "limitPrice", "value": "900"}


def signal(action: str, quantity: str | None = None, **values: Any) -> dict[str, Any]:
    return {**reading(action, quantity=quantity), **values}


def working(role: str) -> list[tuple[int, Decimal | None]]:
    """The legs that IBKR has accepted, by the number of their account: what remains of each, and its price."""
    rows = Order.objects.filter(role=role, status="accepted").order_by("account__account_id", "pk")
    return [(int(order.remaining), order.stop_price or order.limit_price) for order in rows]


def working_at_ibkr(bench: lab.Lab) -> dict[str, list[dict[str, Any]]]:
    """The working orders of each account as the gateway lists them."""
    listed: dict[str, list[dict[str, Any]]] = {}
    for number in numbers(bench):
        # The first list of a session may be empty.
        for _ in range(2):
            answer = bench.gateway.call(bench.user, "GET", f"/iserver/account/orders?accountId={number}")[1]
        assert answer["snapshot"]
        listed[number] = [row for row in answer["orders"] if row["status"] in {"Submitted", "PreSubmitted"}]
    return listed


def test_a_groups_position_is_protected_moved_left_in_part_and_closed(bench: lab.Lab, strategy: Strategy) -> None:
    half, stop, target = Decimal("0.5"), Decimal("0.6"), Decimal(900)

    async def tell(**values: Any) -> Any:
        return await asyncio.to_thread(lambda: decided(strategy, **values))

    async def story() -> None:
        async with lab.watching():
            entry = await tell(**signal("buy", "10", stop_loss=STOP, take_profit=TARGET))
            await until(entry, lambda: held(bench) == [4, 3, 3])
            await until(lambda: working("stop_loss") == [(4, half), (3, half), (3, half)])
            await until(lambda: working("take_profit") == [(4, target), (3, target), (3, target)])
            await until(lambda: [len(rows) for rows in working_at_ibkr(bench).values()] == [2, 2, 2])
            moved = await tell(**signal("modify", stop_loss={"mode": "stopPrice", "value": "0.6"}))
            await until(moved, lambda: working("stop_loss") == [(4, stop), (3, stop), (3, stop)])
            part = await tell(**signal("exit", "5"))
            await until(part, lambda: held(bench) == [2, 1, 2])
            await until(lambda: working("stop_loss") == [(2, stop), (1, stop), (2, stop)])
            await until(lambda: working("take_profit") == [(2, target), (1, target), (2, target)])
            everything = await tell(**signal("exit"))
            await until(everything, lambda: held(bench) == [0, 0, 0])
            await until(lambda: not working("stop_loss") and not working("take_profit"))

    asyncio.run(story())
    assert working_at_ibkr(bench) == {number: [] for number in numbers(bench)}
    bought, moved, sold, _ = Decision.objects.order_by("pk")
    assert bought.reason.endswith("Stop and target follow in each account for what it got, once its fills are here.")
    assert (moved.rule, sold.rule) == ("M01", "D25")
    entry = Order.objects.get(role="entry")
    assert entry.legs_by_account is not None
    placed = {number: int(Decimal(units)) for number, units in entry.legs_by_account["placed"].items()}
    assert placed == dict(zip(numbers(bench), (4, 3, 3), strict=True))
    # The legs were each account's own, at IBKR too.
    posted = {each["path"].rsplit("/", 2)[1] for each in bench.posts()}
    assert posted == {"family", *numbers(bench)}


def test_a_group_that_is_removed_and_an_account_that_left_it_keep_their_legs_and_their_way_out(
    bench: lab.Lab, strategy: Strategy
) -> None:
    members = numbers(bench)

    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(
                lambda: decided(strategy, **signal("buy", "10", stop_loss=STOP, take_profit=TARGET))
            )
            await until(entry, lambda: len(working("stop_loss")) == 3, lambda: len(working("take_profit")) == 3)
            # The last account leaves the group, then IBKR shows no group at all.
            left = [{"name": number} for number in members[:2]]
            body = {"name": "family", "accounts": left, "default_method": "E", "prev_name": "family"}
            assert bench.gateway.call(bench.user, "PUT", GROUP, body)[1] == {"success": True}
            await asyncio.to_thread(lambda: groups.want(bench.connection, timezone.now()))
            await until(lambda: AccountGroup.objects.get().former == members[2:])
            bench.gateway.call(bench.user, "POST", f"{GROUP}/delete", {"name": "family"})
            await asyncio.to_thread(lambda: groups.want(bench.connection, timezone.now()))
            await until(lambda: AccountGroup.objects.get().gone_at is not None)
            again = await asyncio.to_thread(lambda: decided(strategy, **signal("add", "10")))
            await until(again)
            everything = await asyncio.to_thread(lambda: decided(strategy, **signal("exit")))
            await until(everything, lambda: held(bench) == [0, 0, 0])
            await until(lambda: not working("stop_loss") and not working("take_profit"))

    asyncio.run(story())
    _, refused, _ = Decision.objects.order_by("pk")
    assert (refused.status, refused.reason_code) == ("rejected", "group-gone")
    assert set(Order.objects.filter(role="stop_loss").values_list("status", flat=True)) == {"canceled"}


def test_a_stop_of_everything_reaches_the_legs_of_every_account(bench: lab.Lab, strategy: Strategy) -> None:
    subscription = strategy.subscriptions.get()

    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(
                lambda: decided(strategy, **signal("buy", "10", stop_loss=STOP, take_profit=TARGET))
            )
            await until(entry, lambda: len(working("stop_loss")) == 3, lambda: len(working("take_profit")) == 3)

    asyncio.run(story())
    legs = Order.objects.filter(role__in=["stop_loss", "take_profit"])
    for level in (subscription, strategy):
        assert set(reach(strategy.team, level).orders) == set(legs)
    own = rows.order(legs[0].account, role="stop_loss", side="sell", type="stop", stop_price=Decimal(1))
    assert own not in reach(strategy.team, subscription).orders
    done = halt(
        team=strategy.team,
        target=subscription,
        how=Halt.EVERYTHING,
        reason="News",
        actor=None,
        now=timezone.now(),
    )
    assert done.canceled == 6


def test_targets_that_fill_leave_each_account_flat_and_no_stop_behind(bench: lab.Lab, strategy: Strategy) -> None:
    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(
                lambda: decided(strategy, **signal("buy", "10", stop_loss=STOP, take_profit=TARGET))
            )
            await until(entry, lambda: len(working("stop_loss")) == 3, lambda: len(working("take_profit")) == 3)
            bench.gateway.quote("AAPL", bid=901, ask=902, last=901)
            await until(lambda: held(bench) == [0, 0, 0], lambda: not working("stop_loss"))

    asyncio.run(story())
    assert set(Order.objects.filter(role="take_profit").values_list("status", flat=True)) == {"filled"}
    assert set(Order.objects.filter(role="stop_loss").values_list("status", flat=True)) == {"canceled"}
