"""Answers that come to lanes at the same moment are written down together, and one that is not usual holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from brokers.domain.brokerage import Accepted, Ack, Refused, SubmissionOutcome
from brokers.domain.orders import OrderStatus
from brokers.models import Order, OrderEvent, SubmissionAttempt, Ticket
from brokers.orders import execution
from brokers.orders.execution import Answer, Job
from brokers.orders.together.answering import Came, acknowledge_each
from brokers.orders.together.taking import take_of_each
from brokers.postgres.locks import direct_parameters
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)

FEW = 4


@pytest.fixture
def orders(team: Team) -> list[Order]:
    """An order of each of some connections."""
    active = {"session_status": "active", "last_kept_at": timezone.now()}
    return [rows.order(rows.account(team, rows.connection(team, **active))) for _ in range(FEW)]


@pytest.fixture
def jobs(orders: list[Order]) -> list[Job]:
    """The same, written down as leaving."""
    taken = take_of_each([order.connection_id for order in orders], timezone.now())
    return [taken[order.connection_id] for order in orders]


def accepted(job: Job, **raw: Any) -> Accepted:
    ack = Ack(reference=job.legs[0].reference, broker_order_id=f"b{job.orders[0].pk}", status=OrderStatus.ACCEPTED)
    return Accepted(acks=(ack,), raw=[{"order_id": f"b{job.orders[0].pk}", **raw}])


def came(job: Job, outcome: SubmissionOutcome | None = None) -> Came:
    answer = Answer(outcome=accepted(job) if outcome is None else outcome, attempt_pk=job.attempt_pk)
    return Came(job, answer, timezone.now())


def transactions(orders: Sequence[Order]) -> set[str]:
    """The transactions in which these answers were written down."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT xmin::text FROM {OrderEvent._meta.db_table} WHERE new = 'accepted' AND order_id = ANY(%s)",
            [[order.pk for order in orders]],
        )
        return {xmin for (xmin,) in cursor.fetchall()}


def written(order: Order) -> dict[str, Any]:
    """What an answer leaves in the rows, without moments and keys."""
    row, attempt = Order.objects.get(pk=order.pk), SubmissionAttempt.objects.get(order=order)
    assert row.acknowledged_at is None or row.acknowledged_at == attempt.answered_at
    return {
        "order": (row.status, row.broker_order_id.removesuffix(str(order.pk)), row.acknowledged_at is not None),
        "events": list(row.events.order_by("pk").values_list("old", "new", "cause")),
        "attempt": (attempt.outcome, list(attempt.answer[0]) if attempt.answer else None),
        "worked": Ticket.objects.get(pk=order.ticket_id).worked_at is not None,
    }


def test_answers_written_together_are_what_each_is_by_itself(orders: list[Order], jobs: list[Job]) -> None:
    *together, alone = jobs
    assert acknowledge_each([came(job) for job in together]) == [False] * (FEW - 1)
    execution.finish(alone, came(alone).answer, timezone.now())
    assert len(transactions(orders[:-1])) == 1
    [expected] = [written(orders[-1])]
    assert expected["order"] == ("accepted", "b", True)
    assert [written(order) for order in orders[:-1]] == [expected] * (FEW - 1)


def test_it_says_of_which_connection_more_waits(orders: list[Order], jobs: list[Job]) -> None:
    rows.order(orders[1].account)
    rows.order(orders[2].account, release="with_parent", parent=orders[2])
    assert acknowledge_each([came(job) for job in jobs]) == [False, True, False, False]


def test_each_keeps_the_moment_at_which_it_came(orders: list[Order], jobs: list[Job]) -> None:
    answers = [came(job) for job in jobs]
    acknowledge_each(list(reversed(answers)))
    for order, each in zip(orders, answers, strict=True):
        order.refresh_from_db()
        assert order.acknowledged_at == order.changed_at == each.at


def overtaken(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(status="filled", filled_quantity=order.quantity)


def test_an_order_that_the_stream_has_filled_meanwhile_keeps_that(orders: list[Order], jobs: list[Job]) -> None:
    overtaken(orders[0])
    assert acknowledge_each([came(job) for job in jobs]) == [False] * FEW
    filled = Order.objects.get(pk=orders[0].pk)
    assert (filled.status, filled.broker_order_id) == ("filled", f"b{filled.pk}")
    assert filled.acknowledged_at is not None
    assert "accepted" not in filled.events.values_list("new", flat=True)


def test_an_attempt_that_has_its_answer_keeps_it(orders: list[Order], jobs: list[Job]) -> None:
    SubmissionAttempt.objects.filter(order=orders[0]).update(outcome="question", answered_at=timezone.now())
    acknowledge_each([came(job) for job in jobs])
    outcomes = SubmissionAttempt.objects.order_by("order").values_list("outcome", flat=True)
    assert list(outcomes) == ["question", *["accepted"] * (FEW - 1)]


def doubted(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(status="unknown")


def refused(job: Job) -> SubmissionOutcome:
    return Refused(reason="No.", code="no")


def held(job: Job) -> SubmissionOutcome:
    return Accepted(acks=(replace(accepted(job).acks[0], held="It waits."),))


def unfit(job: Job) -> SubmissionOutcome:
    return accepted(job, text="a\0b")


def half(job: Job) -> SubmissionOutcome:
    return accepted(job, text="a\ud800b")


@pytest.mark.parametrize("outcome", [refused, held, unfit, half])
def test_an_answer_that_is_not_usual_is_left_to_be_written_by_itself(
    orders: list[Order], jobs: list[Job], outcome: Callable[[Job], SubmissionOutcome]
) -> None:
    answers = [came(jobs[0], outcome(jobs[0])), *(came(job) for job in jobs[1:])]
    assert acknowledge_each(answers) == [None, *[False] * (FEW - 1)]
    assert written(orders[0])["order"] == ("submitted", "", False)
    assert {written(order)["order"][0] for order in orders[1:]} == {"accepted"}


def test_an_order_in_doubt_is_left_as_well(orders: list[Order], jobs: list[Job]) -> None:
    doubted(orders[0])
    assert acknowledge_each([came(job) for job in jobs]) == [None, *[False] * (FEW - 1)]
    assert Order.objects.get(pk=orders[0].pk).status == "unknown"
    assert SubmissionAttempt.objects.get(order=orders[0]).outcome == ""


@pytest.mark.parametrize("table", ["brokers_order", "brokers_ticket"])
async def test_a_row_that_somebody_holds_keeps_back_no_other(orders: list[Order], jobs: list[Job], table: str) -> None:
    key = orders[0].pk if table == "brokers_order" else orders[0].ticket_id
    answers = [came(job) for job in jobs]
    async with await psycopg.AsyncConnection.connect(**{**direct_parameters(), "autocommit": False}) as session:
        await session.execute(f"SELECT FROM {table} WHERE id = %s FOR UPDATE", [key])
        said = await asyncio.to_thread(lab.asked, lambda: acknowledge_each(answers))
        # A held order is passed by; for what else is held nobody waits long, and each goes by itself.
        assert said == ([None, *[False] * (FEW - 1)] if table == "brokers_order" else [None] * FEW)
        await session.rollback()
    assert await asyncio.to_thread(lab.asked, lambda: written(orders[0])["order"][0]) == "submitted"


@pytest.fixture
def refusing(orders: list[Order]) -> Iterator[Order]:
    """An order whose answer Postgres does not take."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;"
            "CREATE TRIGGER refuse_it BEFORE UPDATE ON brokers_order FOR EACH ROW"
            f" WHEN (NEW.id = {orders[0].pk} AND NEW.status = 'accepted') EXECUTE FUNCTION refuse_it()"
        )
    yield orders[0]
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse_it ON brokers_order; DROP FUNCTION refuse_it()")


def test_what_postgres_refuses_leaves_all_of_them_unwritten(
    orders: list[Order], jobs: list[Job], refusing: Order
) -> None:
    assert acknowledge_each([came(job) for job in jobs]) == [None] * FEW
    assert {written(order)["order"] for order in orders} == {("submitted", "", False)}
    for job in jobs[1:]:
        assert execution.finish(job, came(job).answer, timezone.now()) is False


async def test_lanes_write_down_together_what_comes_at_the_same_moment(team: Team, gateway: RunningGateway) -> None:
    def made() -> list[lab.Lab]:
        return [lab.make(team, gateway, rows.connection(team)) for _ in range(12)]

    benches = await asyncio.to_thread(lab.asked, made)
    match = {"method": "POST", "path": "/iserver/account/*/orders"}
    await asyncio.to_thread(gateway.fault, action={"delay_ms": 400}, match=match, times=None, ttl_s=600)
    orders = [await asyncio.to_thread(bench.order, quantity=Decimal(1)) for bench in benches]
    waiting = Order.objects.filter(pk__in=[order.pk for order in orders]).exclude(acknowledged_at__isnull=False)
    async with lab.working():
        await lab.until(lambda: not waiting.exists(), "all were answered")
    assert len(await asyncio.to_thread(lab.asked, lambda: transactions(orders))) < len(orders)
    assert [len(await asyncio.to_thread(bench.posts)) for bench in benches] == [1] * len(benches)
