"""IBKR's prompts by the live stream, by the answer to the order, or both ways: answered as the team says, and once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.feed import needs
from accounts.feed.needs import Need
from accounts.models import Team, User
from brokers.api.orders import OrderSerializer
from brokers.api.rest import whole_orders
from brokers.domain.brokerage import Prompt
from brokers.models import Notice, Order, OrderPrompt, SubmissionAttempt
from brokers.notices import telling
from brokers.orders import questions
from brokers.orders.prompts import prompts
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.sessions.watched import watched

pytestmark = pytest.mark.django_db(transaction=True)
THREE = ["Use on this order", "Always use", "Do not use"]


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def meet(bench: lab.Lab, **prompt: Any) -> None:
    match = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}
    bench.gateway.fault(action={"server_prompt": prompt}, match=match)


def said(bench: lab.Lab) -> list[str]:
    entries = bench.gateway.journal(bench.user, path="/iserver/notification")
    return [json.loads(entry["body"])["text"] for entry in entries]


def needs_of(team: Team) -> list[Need]:
    return [need for need in needs.needs_of(team, timezone.now()).rows if need.key.startswith("prompt-")]


def judged() -> OrderPrompt | None:
    return OrderPrompt.objects.exclude(verdict="").first()


def told(bench: lab.Lab, until: Callable[[], object], **values: Any) -> Order:
    """An order that leaves while the stream is watched, until something is true of what was said."""
    orders: list[Order] = []

    async def story() -> None:
        async with lab.working():
            orders.append(await asyncio.to_thread(lab.asked, lambda: bench.order(**values)))
            await lab.until(until, "the prompt is dealt with")

    watched(bench.connection, story)
    orders[0].refresh_from_db()
    return orders[0]


def prompt(order: Order, request_id: str = "1", **values: Any) -> Prompt:
    fields = {"message_id": "p12", "text": "Sure?", "options": ("Use on this order", "Do not use"), **values}
    return Prompt(broker_order_id=order.broker_order_id, request_id=request_id, **fields)


def working_order(bench: lab.Lab) -> Order:
    order = bench.order(type="limit", limit_price=1)
    lab.work()
    order.refresh_from_db()
    assert order.status == "accepted", order.reason
    return order


@pytest.mark.parametrize("by", ["stream", "both", "answer"])
def test_it_is_declined_once_whichever_way_it_comes(bench: lab.Lab, by: str) -> None:
    meet(bench, by=by)
    order = told(bench, lambda: Order.objects.filter(status="filled").exists() and judged())
    assert said(bench) == ["Do not use"]
    row = OrderPrompt.objects.get()
    assert (row.verdict, row.order, row.message_id) == ("answered", order, "p12")
    assert row.attempt is not None
    assert (row.attempt.kind, row.attempt.request["option"]) == ("reply", "Do not use")
    assert SubmissionAttempt.objects.filter(kind="reply").count() == 1
    assert len(bench.posts()) == 1


def test_a_prompt_that_is_heard_again_and_again_is_answered_once(bench: lab.Lab) -> None:
    order = working_order(bench)
    for _ in range(3):
        prompts.heard(bench.connection, [prompt(order)] * 2, timezone.now())
        lab.work()
    assert said(bench) == ["Do not use"]
    # Nor by the way of the order's answer.
    assert prompts.claim(order, prompt(order), False, "Do not use", timezone.now()) is None


def test_an_unknown_one_is_declined_and_reported(bench: lab.Lab, team: Team) -> None:
    meet(bench, by="stream", messageId="p77", text="Is this what you want?", options=["Yes", "No"])
    told(bench, judged)
    assert said(bench) == ["No"]
    row = questions.row_of(team, "p77", timezone.now())
    assert row.asked is not None
    assert (row.asked.times, row.asked.text, row.known) == (1, "Is this what you want?", False)


def test_a_teams_yes_is_for_this_order_only(bench: lab.Lab, team: Team) -> None:
    questions.choose(team=team, message_id="p12", choice="yes", actor=None, now=timezone.now())
    meet(bench, by="stream", options=THREE)
    told(bench, judged)
    assert said(bench) == ["Use on this order"]


def test_whether_to_cancel_all_orders_is_a_no(bench: lab.Lab, team: Team) -> None:
    questions.choose(team=team, message_id="p99", choice="yes", actor=None, now=timezone.now())
    text = "Would you like to cancel all open orders?"
    meet(bench, by="stream", messageId="p99", text=text, options=["Yes", "No"])
    told(bench, judged)
    assert said(bench) == ["No"]


def test_one_about_an_order_of_somebody_else_is_not_answered(bench: lab.Lab) -> None:
    order = working_order(bench)
    order.broker_order_id = "999999"
    prompts.heard(bench.connection, [prompt(order)], timezone.now())
    lab.work()
    assert (said(bench), OrderPrompt.objects.get().verdict) == ([], "")
    # It is forgotten after a day.
    prompts.heard(bench.connection, [], timezone.now() + prompts.KEPT_FOR + timedelta(seconds=1))
    assert not OrderPrompt.objects.exists()


def test_one_that_comes_before_its_orders_number_is_answered_once_that_is_known(bench: lab.Lab) -> None:
    order = working_order(bench)
    number = order.broker_order_id
    Order.objects.filter(pk=order.pk).update(broker_order_id="")
    prompts.heard(bench.connection, [prompt(order)], timezone.now())
    lab.work()
    assert said(bench) == []
    Order.objects.filter(pk=order.pk).update(broker_order_id=number)
    lab.work()
    assert said(bench) == ["Do not use"]


@pytest.mark.parametrize(
    "action", [{"hang": True, "hang_s": 1}, {"drop_connection": True}, {"status": 503, "body": ""}]
)
def test_an_answer_that_is_lost_is_not_said_again(bench: lab.Lab, action: dict[str, Any]) -> None:
    order = working_order(bench)
    match = {"user": bench.user, "path": "/iserver/notification"}
    bench.gateway.fault(action=action, match=match, times=None)
    prompts.heard(bench.connection, [prompt(order)], timezone.now())
    for _ in range(2):
        lab.work()
    assert len(said(bench)) == 1
    order.refresh_from_db()
    assert order.status == "accepted"


def test_one_without_a_plain_no_is_left_to_a_person_who_reads_so(
    bench: lab.Lab, client: Client, team: Team, alice: User
) -> None:
    order = working_order(bench)
    prompts.heard(bench.connection, [prompt(order, text="Which?", options=("A", "B"))], timezone.now())
    lab.work()
    assert (said(bench), OrderPrompt.objects.get().verdict) == ([], "left")
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/orders/{order.code}/").text
    assert "IBKR asks “Which?”" in page
    assert "Answer it in TWS." in page
    [need] = needs_of(team)
    assert (need.title, need.text) == (
        f"IBKR asks about an order for {order.ticker} in {bench.account.account_id}, and Halyard did not answer",
        "“Which?”. Answer it in TWS: the order may wait for it.",
    )
    assert need.href == f"/teams/{team.code}/orders/{order.code}/"
    # Of another team nobody is told, nor of an order that is over.
    assert needs_of(Team.objects.create(name="Other")) == []
    Order.objects.filter(pk=order.pk).update(status="canceled")
    assert needs_of(team) == []


def test_a_gateway_that_asks_without_end_fills_no_table_and_gets_few_answers(bench: lab.Lab) -> None:
    order = working_order(bench)
    many = [prompt(order, str(n)) for n in range(500)]
    prompts.heard(bench.connection, many, timezone.now())
    assert OrderPrompt.objects.count() == prompts.MOST_OPEN
    lab.work()
    assert len(said(bench)) == prompts.MOST_OF_AN_ORDER
    assert OrderPrompt.objects.filter(verdict="left").count() == prompts.MOST_OPEN - prompts.MOST_OF_AN_ORDER


def test_a_late_one_is_not_answered_and_left_to_a_person_who_is_told(bench: lab.Lab, team: Team) -> None:
    order = working_order(bench)
    prompts.heard(bench.connection, [prompt(order)], timezone.now() - prompts.WITHIN)
    lab.work()
    assert said(bench) == []
    assert prompts.leave_late(timezone.now()) == 1
    row = OrderPrompt.objects.get()
    assert (row.verdict, row.order) == ("left", order)
    assert [need.href for need in needs_of(team)] == [f"/teams/{team.code}/orders/{order.code}/"]
    assert (telling.tell_of_prompts(timezone.now()), telling.tell_of_prompts(timezone.now())) == (1, 0)
    notice = Notice.objects.get()
    assert notice.why == (
        f"IBKR asks “Sure?” about the order for AAPL in {bench.account.account_id}. Its options: “Use on this order”, "
        "“Do not use”. Answer it in TWS: the order may wait for it."
    )
    dispatch = notice.dispatches.get()
    subject, text = telling.letter(notice, dispatch, timezone.now())
    assert "IBKR asks about an order of" in subject
    assert f"/teams/{team.code}/orders/{order.code}/" in text


@pytest.mark.parametrize("change", [{"status": "canceled"}, {"broker_order_id": "999999"}])
def test_a_late_one_about_an_order_that_is_over_or_somebody_elses_is_nobodys(
    bench: lab.Lab, change: dict[str, str]
) -> None:
    order = working_order(bench)
    prompts.heard(bench.connection, [prompt(order)], timezone.now() - prompts.WITHIN)
    Order.objects.filter(pk=order.pk).update(**change)
    assert prompts.leave_late(timezone.now()) == 0


def test_a_program_reads_what_is_left(bench: lab.Lab, team: Team, alice: User) -> None:
    order = working_order(bench)
    prompts.heard(bench.connection, [prompt(order)], timezone.now() - prompts.WITHIN)
    prompts.leave_late(timezone.now())
    [row] = whole_orders().filter(pk=order.pk)
    [left] = OrderSerializer(row).data["prompts_left"]
    assert (left["message_id"], left["text"], left["options"]) == ("p12", "Sure?", ["Use on this order", "Do not use"])
