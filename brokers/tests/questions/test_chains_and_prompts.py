"""IBKR's chains of questions and its prompts, at a real gateway: answered as the team says, and no longer than they may."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import Order, SubmissionAttempt
from brokers.orders import questions
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
CANCEL_ALL = {
    "text": "Would you like to cancel all open orders and then place new closing order?",
    "options": ["Yes", "No"],
    "messageId": "p99",
}


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def meet(bench: lab.Lab, **action: Any) -> None:
    match = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}
    bench.gateway.fault(action=action, match=match)


def sent(bench: lab.Lab, **values: Any) -> Order:
    order = bench.order(**values)
    lab.work()
    order.refresh_from_db()
    return order


def said(bench: lab.Lab) -> list[Any]:
    """What was answered to IBKR's questions, in order."""
    return [json.loads(entry["body"]) for entry in bench.gateway.journal(bench.user, path="/iserver/reply/")]


def options_said(bench: lab.Lab) -> list[Any]:
    return [
        json.loads(entry["body"])["text"] for entry in bench.gateway.journal(bench.user, path="/iserver/notification")
    ]


def replies() -> list[dict[str, Any]]:
    return list(SubmissionAttempt.objects.filter(kind="reply").order_by("pk").values_list("request", flat=True))


def test_a_chain_without_end_is_declined_after_so_many_answers(bench: lab.Lab, settings: Any) -> None:
    settings.IBKR_QUESTIONS = 3
    meet(bench, question=["o354"] * 60)
    order = sent(bench)
    assert (order.status, order.reason_code) == ("rejected", "asked-too-often")
    assert order.reason.startswith("Not confirmed: IBKR asked more than 3 questions about it")
    assert [body["confirmed"] for body in said(bench)] == [True, True, True, False]
    assert [each["confirmed"] for each in replies()] == [True, True, True, False]
    assert bench.gateway.books(bench.user) == {}
    # The connection goes on with the next order.
    assert sent(bench).status == "accepted"


def test_a_chain_that_may_be_as_long_is_answered_to_its_end(bench: lab.Lab, settings: Any) -> None:
    settings.IBKR_QUESTIONS = 3
    meet(bench, question=["o354", "o10151", "o10153"])
    assert sent(bench).status == "accepted"


def test_a_chain_that_takes_too_long_is_declined(bench: lab.Lab, settings: Any) -> None:
    settings.IBKR_QUESTION_SECONDS = 0.3
    meet(bench, question=["o354"] * 60)
    bench.gateway.fault(action={"delay_ms": 400}, match={"user": bench.user, "path": "/iserver/reply/*"}, times=1)
    order = sent(bench)
    assert (order.status, order.reason_code) == ("rejected", "asked-too-long")
    assert [body["confirmed"] for body in said(bench)] == [True, False]
    assert bench.gateway.books(bench.user) == {}


def test_a_prompt_is_answered_with_no_where_nobody_chose(bench: lab.Lab) -> None:
    meet(bench, server_prompt=True)
    order = sent(bench)
    assert order.status == "filled"
    assert options_said(bench) == ["Do not use"]
    assert (replies()[0]["option"], replies()[0]["messages"]) == ("Do not use", ["p12"])
    # Found by its reference, and never sent again.
    assert len(bench.posts()) == 1


def test_a_team_may_say_yes_to_a_prompt(bench: lab.Lab, team: Team) -> None:
    questions.choose(team=team, message_id="p12", choice="yes", actor=None, now=timezone.now())
    meet(bench, server_prompt=True)
    assert sent(bench).status == "filled"
    assert options_said(bench) == ["Use on this order"]


def test_whether_to_cancel_all_orders_is_a_no_whatever_a_team_chose(bench: lab.Lab, team: Team) -> None:
    questions.choose(team=team, message_id="p99", choice="yes", actor=None, now=timezone.now())
    meet(bench, server_prompt=CANCEL_ALL)
    sent(bench, role="exit", side="sell")
    assert options_said(bench) == ["No"]


@pytest.mark.parametrize(
    "options", [[], ["Use on this order"], ["Do not use", "Do not ask"], ["A", "B"], "Use", [5, None], ["x" * 500]]
)
def test_a_prompt_without_a_plain_no_is_left_to_a_person(bench: lab.Lab, options: Any) -> None:
    meet(bench, server_prompt={"options": options})
    sent(bench)
    assert options_said(bench) == []
    prompts = SubmissionAttempt.objects.filter(kind="post", outcome="ambiguous")
    assert prompts.exists()
    assert not SubmissionAttempt.objects.filter(kind="reply").exists()


@pytest.mark.parametrize(
    "action", [{"hang": True, "hang_s": 1}, {"drop_connection": True}, {"status": 503, "body": ""}, {"html_body": True}]
)
def test_an_answer_to_a_prompt_leaves_once_whatever_becomes_of_it(bench: lab.Lab, action: dict[str, Any]) -> None:
    meet(bench, server_prompt=True)
    match = {"user": bench.user, "path": "/iserver/notification"}
    bench.gateway.fault(action=action, match=match, times=None, phase="after")
    order = sent(bench)
    assert order.status == "filled"
    assert len(options_said(bench)) == 1
    assert len(bench.posts()) == 1
