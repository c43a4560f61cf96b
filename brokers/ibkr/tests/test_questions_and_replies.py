"""IBKR asks before it places an order; an answer is given once."""

from __future__ import annotations

from typing import Any

import pytest

from brokers.domain.brokerage import Accepted, Ambiguous, Question, Refused
from brokers.domain.sessions import Login
from brokers.ibkr import IbkrBrokerage
from brokers.ibkr.tests.conftest import leg


@pytest.fixture
async def question(gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str) -> Question:
    """The first of two questions about an order."""
    match = {"user": login.username, "method": "POST", "path": "/iserver/account/*/orders"}
    gateway.fault(match=match, action={"question": ["o163", "o354"]})
    asked = await brokerage.submit(account, [leg("hy-1")])
    assert isinstance(asked, Question)
    return asked


async def test_a_question_carries_its_id_and_places_nothing(
    brokerage: IbkrBrokerage, account: str, question: Question
) -> None:
    assert question.message_ids == ("o163",)
    assert "Percentage constraint" in question.text
    assert (await brokerage.orders(account)).orders == []


async def test_a_chain_of_yeses_places_the_order(brokerage: IbkrBrokerage, question: Question) -> None:
    following = await brokerage.reply(question, confirmed=True)
    assert isinstance(following, Question)
    assert following.message_ids == ("o354",)
    outcome = await brokerage.reply(following, confirmed=True)
    assert isinstance(outcome, Accepted)
    assert [ack.reference for ack in outcome.acks] == ["hy-1"]


async def test_a_no_discards_the_order(brokerage: IbkrBrokerage, account: str, question: Question) -> None:
    assert isinstance(await brokerage.reply(question, confirmed=False), Refused)
    assert (await brokerage.orders(account)).orders == []


async def test_a_question_that_is_gone_leaves_the_order_in_doubt(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, account: str, question: Question
) -> None:
    assert isinstance(await brokerage.submit(account, [leg("hy-2")]), Accepted)
    assert isinstance(await brokerage.reply(question, confirmed=True), Ambiguous)


async def test_a_lost_answer_to_a_yes_is_never_given_again(
    gateway: Any, login: Login, brokerage: IbkrBrokerage, question: Question
) -> None:
    match = {"user": login.username, "method": "POST", "path": "/iserver/reply/*"}
    gateway.fault(match=match, phase="after", action={"drop_connection": True})
    assert isinstance(await brokerage.reply(question, confirmed=True), Ambiguous)
    assert len(gateway.journal(login.username, path="/iserver/reply/")) == 1
