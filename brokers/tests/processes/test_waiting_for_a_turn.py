"""Orders that wait for their turn at IBKR's limit of requests: what is true when it comes decides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.ibkr.pace.limits import Limit
from brokers.ibkr.pacing import Pacing
from brokers.models import Order
from brokers.orders import cancels
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)

# Of five orders within ten minutes four may be entries, and the fifth is kept for a way out.
ENTRIES = 4
PACING = Pacing(per_second=1000, endpoints={"iserver/account/{account}/orders": Limit(5, 600)}, families={})


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


async def entries(bench: lab.Lab) -> Order:
    """As many entries as may leave and one more, which has to wait, with its target; returns that one."""

    def made() -> Order:
        for _ in range(ENTRIES):
            bench.order()
        last = bench.order()
        target = {"role": "take_profit", "side": "sell", "type": "limit", "limit_price": Decimal(900)}
        rows.order(last.ticket, **target, parent=last, release="with_parent")
        return last

    return await asyncio.to_thread(lab.asked, made)


def has(order: Order, status: str) -> Callable[[], bool]:
    return Order.objects.filter(pk=order.pk, status=status).exists


def moves(order: Order) -> list[str]:
    return list(order.events.order_by("pk").values_list("new", flat=True))


async def test_an_order_whose_turn_does_not_come_in_time_is_not_sent(bench: lab.Lab) -> None:
    ahead = timedelta()

    def clock() -> datetime:
        return timezone.now() + ahead

    late = await entries(bench)
    async with lab.working(pacing=PACING, clock=clock):
        await lab.until(has(late, "submitted"), "it waits for its turn")
        ahead = timedelta(minutes=2)
        await lab.until(has(late, "expired"), "it has ended")
    await asyncio.to_thread(lab.asked, lambda: shows_that_nothing_left(bench, late))


def shows_that_nothing_left(bench: lab.Lab, late: Order) -> None:
    late.refresh_from_db()
    assert late.reason_code == "turn-too-late"
    assert late.reason == (
        "Not sent: its turn at IBKR's limit of requests did not come within 60 seconds of its signal. "
        "Nothing reached IBKR; send the signal again if it is still wanted."
    )
    assert moves(late) == ["created", "submitted", "created", "expired"]
    assert late.submitted_at is None
    assert [attempt.outcome for attempt in late.attempts.all()] == ["not_sent"]
    target = late.children.get()
    assert (target.status, target.reason) == ("canceled", "Its parent order was never sent.")
    assert late.ticket.worked_at is not None
    assert len(bench.posts()) == ENTRIES


async def test_a_way_out_goes_before_an_entry_that_waits_for_its_turn(bench: lab.Lab) -> None:
    entry = await entries(bench)

    def exits() -> Order:
        made = bench.order(role="exit", side="sell")
        notify(ORDERS_CHANNEL, str(bench.connection.pk))
        return made

    async with lab.working(pacing=PACING):
        await lab.until(has(entry, "submitted"), "the entry waits for its turn")
        way_out = await asyncio.to_thread(lab.asked, exits)
        await lab.until(lambda: way_out.attempts.filter(outcome="accepted").exists(), "the way out has left")
        again = ["created", "submitted", "created", "submitted"]
        await lab.until(lambda: moves(entry) == again, "the entry waits again")
        posts = await asyncio.to_thread(bench.posts)
        sides = [json.loads(post["body"])["orders"][0]["side"] for post in posts]
        assert sides == ["BUY"] * ENTRIES + ["SELL"]


async def test_what_waits_for_its_turn_is_left_to_the_next_worker(bench: lab.Lab) -> None:
    entry = await entries(bench)
    async with lab.working(pacing=PACING):
        await lab.until(has(entry, "submitted"), "it waits for its turn")
    assert await asyncio.to_thread(lab.asked, lambda: moves(entry)) == ["created", "submitted", "created"]
    async with lab.working():
        await lab.until(lambda: entry.attempts.filter(outcome="accepted").exists(), "the next worker has sent it")
    assert len(await asyncio.to_thread(bench.posts)) == ENTRIES + 1


async def test_what_is_canceled_while_it_waits_for_its_turn_never_leaves(bench: lab.Lab) -> None:
    entry = await entries(bench)

    def cancel() -> int:
        mine = Order.objects.filter(pk=entry.pk)
        return cancels.cancel_all(mine, actor=None, cause="Trading was stopped.", now=timezone.now())

    async with lab.working(pacing=PACING):
        await lab.until(has(entry, "submitted"), "it waits for its turn")
        assert await asyncio.to_thread(lab.asked, cancel) == 1
        await lab.until(has(entry, "canceled"), "it has ended")
    assert len(await asyncio.to_thread(bench.posts)) == ENTRIES
