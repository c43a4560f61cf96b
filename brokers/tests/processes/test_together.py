"""Lanes that are woken together take their orders together, and one that cannot go on holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import OrderStatus
from brokers.models import Order, OrderEvent, SubmissionAttempt
from brokers.orders.together.taking import take_of_each
from brokers.postgres.locks import Locks, Space, direct_parameters, try_only_one
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.postgres.threads import TEAM, Threads
from brokers.postgres.together import Together
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)

FEW = 4


@pytest.fixture
def benches(team: Team, gateway: RunningGateway) -> list[lab.Lab]:
    return [lab.make(team, gateway, rows.connection(team)) for _ in range(FEW)]


def transactions(orders: Sequence[Order]) -> set[str]:
    """The transactions in which these orders were written down as leaving."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT xmin::text FROM {OrderEvent._meta.db_table} WHERE new = 'submitted' AND order_id = ANY(%s)",
            [[order.pk for order in orders]],
        )
        return {xmin for (xmin,) in cursor.fetchall()}


def are(status: OrderStatus, orders: Sequence[Order]) -> bool:
    keys = [order.pk for order in orders]
    return Order.objects.filter(pk__in=keys, status=status).count() == len(keys)


def slow(bench: lab.Lab) -> dict[str, str]:
    return {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}


def stop_of(entry: Order) -> Order:
    """A stop that leaves with its entry."""
    how = {"side": "sell", "type": "stop", "stop_price": Decimal("1.00"), "release": "with_parent"}
    return rows.order(entry.ticket, parent=entry, role="stop_loss", quantity=entry.quantity, **how)


def test_orders_of_connections_that_are_woken_together_are_written_down_in_one_transaction(
    benches: list[lab.Lab],
) -> None:
    orders = [bench.order() for bench in benches]
    lab.work()
    assert are(OrderStatus.ACCEPTED, orders)
    assert len(transactions(orders)) == 1
    assert [len(bench.posts()) for bench in benches] == [1] * FEW
    attempts = SubmissionAttempt.objects.filter(order__in=orders)
    assert {(each.kind, each.outcome) for each in attempts} == {("post", "accepted")}
    assert [attempt.request[0]["reference"] for attempt in attempts.order_by("order")] == [o.reference for o in orders]


def test_what_is_taken_together_is_what_each_would_take_by_itself(benches: list[lab.Lab]) -> None:
    entries = [bench.order(role="entry") for bench in benches]
    ways_out = [bench.order(role="exit", side="sell") for bench in benches[1:]]
    legs = [stop_of(entries[0])]
    jobs = take_of_each([bench.connection.pk for bench in benches], timezone.now())
    assert jobs[benches[0].connection.pk].orders == (entries[0], *legs)
    assert [leg.parent_reference for leg in jobs[benches[0].connection.pk].legs] == [None, entries[0].reference]
    assert [jobs[bench.connection.pk].orders for bench in benches[1:]] == [(order,) for order in ways_out]
    assert [jobs[bench.connection.pk].account_id for bench in benches] == [b.account.account_id for b in benches]
    for job in jobs.values():
        attempt = SubmissionAttempt.objects.get(pk=job.attempt_pk)
        assert (attempt.order, attempt.outcome) == (job.orders[0], "")


async def test_a_lane_that_hangs_costs_the_others_of_its_batch_nothing(benches: list[lab.Lab]) -> None:
    hanging, *others = benches
    await asyncio.to_thread(hanging.gateway.fault, action={"delay_ms": 15_000}, match=slow(hanging))
    orders = [await asyncio.to_thread(bench.order) for bench in benches]
    async with lab.working():
        await lab.until(lambda: are(OrderStatus.ACCEPTED, orders[1:]), "the others were answered")
        assert len(await asyncio.to_thread(lab.asked, lambda: transactions(orders))) == 1
        more = [await asyncio.to_thread(bench.order) for bench in others]
        await asyncio.to_thread(lab.asked, lambda: notify(ORDERS_CHANNEL))
        await lab.until(lambda: are(OrderStatus.ACCEPTED, more), "their next orders were answered")
        assert await asyncio.to_thread(lab.holds, lambda: are(OrderStatus.SUBMITTED, orders[:1]))
        await asyncio.to_thread(hanging.gateway.clear_faults)


async def test_an_order_whose_leg_somebody_holds_keeps_back_no_other(benches: list[lab.Lab]) -> None:
    def made() -> tuple[Order, list[Order]]:
        entry = benches[0].order(role="entry")
        stop_of(entry)
        return entry, [bench.order() for bench in benches[1:]]

    entry, others = await asyncio.to_thread(lab.asked, made)
    async with await psycopg.AsyncConnection.connect(**{**direct_parameters(), "autocommit": False}) as session:
        await session.execute("SELECT FROM brokers_order WHERE parent_id = %s FOR UPDATE", [entry.pk])
        async with lab.working():
            await lab.until(lambda: are(OrderStatus.ACCEPTED, others), "the others have left")
            assert await asyncio.to_thread(lab.holds, lambda: are(OrderStatus.CREATED, [entry]))
            await session.rollback()
            await lab.until(lambda: are(OrderStatus.ACCEPTED, [entry]), "it has left, too")


@pytest.fixture
def refused(benches: list[lab.Lab]) -> Iterator[Order]:
    """An order that Postgres does not let leave."""
    order = benches[0].order()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;"
            "CREATE TRIGGER refuse_it BEFORE UPDATE ON brokers_order FOR EACH ROW"
            f" WHEN (NEW.id = {order.pk} AND NEW.status = 'submitted') EXECUTE FUNCTION refuse_it()"
        )
    yield order
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse_it ON brokers_order; DROP FUNCTION refuse_it()")


async def test_an_order_that_postgres_refuses_keeps_back_no_other(benches: list[lab.Lab], refused: Order) -> None:
    others = [await asyncio.to_thread(bench.order) for bench in benches[1:]]
    async with lab.working():
        await lab.until(lambda: are(OrderStatus.ACCEPTED, others), "the others have left")
    assert await asyncio.to_thread(lab.holds, lambda: are(OrderStatus.CREATED, [refused]))
    assert await asyncio.to_thread(benches[0].posts) == []


async def test_who_waits_when_a_batch_is_full_is_served_by_teams_in_turn() -> None:
    threads, batches = Threads(), []

    def work(items: Sequence[str]) -> Sequence[str]:
        batches.append(list(items))
        return [item.upper() for item in items]

    async def ask(team: int, item: str) -> str:
        TEAM.set(team)
        return await together.ask(item)

    together = Together(threads, work, most=3, alone="")
    asked = [(1, "a"), (1, "b"), (1, "c"), (1, "d"), (2, "x")]
    try:
        assert await asyncio.gather(*(ask(*each) for each in asked)) == ["A", "B", "C", "D", "X"]
    finally:
        threads.close()
    assert batches == [["a", "x", "b"], ["c", "d"]]


async def test_what_fails_fails_for_its_batch_alone_and_who_has_gone_is_not_asked_for() -> None:
    threads, batches = Threads(), []

    def work(items: Sequence[str]) -> Sequence[str]:
        batches.append(list(items))
        if "bad" in items:
            raise ValueError("bad")
        return items

    together = Together(threads, work, most=2, alone="alone")
    try:
        tasks = [asyncio.create_task(together.ask(item)) for item in ("bad", "with it", "gone", "good")]
        await asyncio.sleep(0)
        tasks[2].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        threads.close()
    assert [type(end) for end in ends] == [ValueError, ValueError, asyncio.CancelledError, str]
    # The last one was without company.
    assert ends[-1] == "alone"
    assert batches == [["bad", "with it"]]


async def test_a_lock_whose_asker_has_gone_is_free_again() -> None:
    async with Locks.opened() as locks:
        tasks = [asyncio.create_task(locks.take(Space.CONNECTION, key)) for key in (1, 2, 3)]
        # All three are asked for in one statement, which is under way.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[1].cancel()
        assert all(await asyncio.gather(tasks[0], tasks[2]))
        # What is asked for afterwards comes after it was freed.
        assert await locks.take(Space.CONNECTION, 4)

        def is_free(key: int) -> bool:
            with try_only_one(Space.CONNECTION, key) as held:
                return held is not None

        assert [await asyncio.to_thread(is_free, key) for key in (1, 2, 3)] == [False, True, False]


async def test_a_lock_whose_asker_goes_at_the_moment_of_the_answer_is_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = psycopg.AsyncCursor.fetchall

    async def read_and_end(cursor: psycopg.AsyncCursor[Any]) -> list[Any]:
        rows = await read(cursor)
        # The task is told to end before it has its turn with the answer.
        asyncio.get_running_loop().call_soon(task.cancel)
        return rows

    async with Locks.opened() as locks:
        monkeypatch.setattr(psycopg.AsyncCursor, "fetchall", read_and_end)
        task = asyncio.create_task(locks.take(Space.CONNECTION, 5))
        with pytest.raises(asyncio.CancelledError):
            await task
        monkeypatch.undo()
        assert await locks.take(Space.CONNECTION, 6)

        def is_free(key: int) -> bool:
            with try_only_one(Space.CONNECTION, key) as held:
                return held is not None

        assert [await asyncio.to_thread(is_free, key) for key in (5, 6)] == [True, False]
