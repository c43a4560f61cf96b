"""What an answer to an order means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brokers.domain.brokerage import (
    Accepted,
    AlreadyRegistered,
    Ambiguous,
    NotSent,
    PartlyAccepted,
    Prompt,
    Question,
    Refused,
)
from brokers.domain.orders import OrderStatus
from brokers.ibkr.decoding import NOT_JSON, WRITE, decode
from brokers.ibkr.outcomes import classify
from brokers.ibkr.texts.explained import explained

FAILURES = [json.loads(line) for line in (Path(__file__).parent / "data" / "failures.jsonl").read_text().splitlines()]
ORDER_SCOPES = {"orders.post", "reply", "any"}
NOT_PLACED = (Refused, NotSent, Question)
# We are more careful than the list: see docs/decisions/0041.
MORE_CAREFUL = {
    "not_authenticated_401",
    "access_token_expired",
    "daily_reset_regional",
    "weekend_maintenance",
}
# Two rows for one bracket; one row for a parent and a child.
LEGS = {"bracket_parent_not_recognised": ("x-1", "raw-probe-1"), "fewer_rows_than_tickets": ("x-1", "x-2")}


def failures() -> list[Any]:
    """Every listed answer to an order; those without a status are about the connection, and tested on the wire."""
    listed = (f for f in FAILURES if f["channel"] == "rest" and f["scope"] in ORDER_SCOPES and f["http_status"])
    return [pytest.param(failure, id=failure["id"]) for failure in listed]


def answer_to(failure: dict[str, Any]) -> Any:
    body = failure["body"]
    parsed = decode((body or "").encode(), WRITE, exact=False) if isinstance(body, str | None) else body
    references = LEGS.get(failure["id"], ("x-1",))
    return classify(failure["http_status"], parsed, references=references, retry_after=600.0)


@pytest.mark.parametrize("failure", failures())
def test_it_never_calls_an_order_absent_that_may_be_placed(failure: dict[str, Any]) -> None:
    outcome = answer_to(failure)
    if failure["order_placed"] in {"maybe", "yes"}:
        assert not isinstance(outcome, NOT_PLACED)


@pytest.mark.parametrize("failure", failures())
def test_it_agrees_with_the_list_of_failures(failure: dict[str, Any]) -> None:
    outcome = answer_to(failure)
    placed, texts = failure["order_placed"], failure["body"] is not None
    if failure["id"] in MORE_CAREFUL:
        assert isinstance(outcome, Ambiguous)
    elif failure["id"] == "order_fractional_not_allowed":
        assert not texts  # The list knows no body, so there is nothing to recognise.
        assert isinstance(outcome, Ambiguous)
    elif placed == "maybe":
        assert isinstance(outcome, Ambiguous | PartlyAccepted | Prompt)
    elif placed == "yes":
        assert isinstance(outcome, AlreadyRegistered | Accepted)
    else:
        assert isinstance(outcome, NOT_PLACED)


def test_it_reads_an_acknowledgement_with_its_reference() -> None:
    body = [{"order_id": "987654", "local_order_id": "hy-1", "order_status": "Submitted", "encrypt_message": "1"}]
    outcome = classify(200, body, references=("hy-1",))
    assert isinstance(outcome, Accepted)
    [ack] = outcome.acks
    assert (ack.reference, ack.broker_order_id, ack.status) == ("hy-1", "987654", OrderStatus.ACCEPTED)


def test_it_takes_a_lone_row_for_the_lone_order_it_answers() -> None:
    outcome = classify(200, [{"order_id": 5, "order_status": "PreSubmitted"}], references=("hy-1",))
    assert isinstance(outcome, Accepted)
    assert outcome.acks[0].reference == "hy-1"


def test_it_never_matches_rows_by_their_position() -> None:
    rows = [{"order_id": 5, "order_status": "Submitted"}, {"order_id": 6, "order_status": "PreSubmitted"}]
    outcome = classify(200, rows, references=("hy-1", "hy-2"))
    assert isinstance(outcome, Accepted)
    assert [ack.reference for ack in outcome.acks] == [None, None]


def test_it_finds_the_failed_leg_of_a_bracket() -> None:
    rows = [
        {"order_id": "5", "local_order_id": "hy-P", "order_status": "Submitted"},
        {"order_id": "-1", "local_order_id": "hy-S", "order_status": "Failed", "text": "No such price."},
    ]
    outcome = classify(200, rows, references=("hy-P", "hy-S"))
    assert isinstance(outcome, PartlyAccepted)
    assert [ack.reference for ack in outcome.acks] == ["hy-P"]
    assert [(ack.reference, ack.status, ack.text) for ack in outcome.failures] == [
        ("hy-S", OrderStatus.REJECTED, explained("No such price.").in_full())
    ]


def test_it_treats_an_inactive_leg_beside_a_live_one_as_a_failure() -> None:
    rows = [
        {"order_id": "5", "local_order_id": "hy-P", "order_status": "Submitted"},
        {"order_id": "6", "local_order_id": "hy-S", "order_status": "Inactive"},
    ]
    outcome = classify(200, rows, references=("hy-P", "hy-S"))
    assert isinstance(outcome, PartlyAccepted)
    assert [ack.broker_order_id for ack in outcome.failures] == ["6"]


def test_it_keeps_a_question_with_its_ids_and_its_text_on_one_line() -> None:
    body = [{"id": "q-1", "message": ["Price exceeds \nthe limit.<br/>Sure?"], "messageIds": ["o163"]}]
    outcome = classify(200, body, references=("hy-1",))
    assert isinstance(outcome, Question)
    assert (outcome.question_id, outcome.message_ids) == ("q-1", ("o163",))
    assert outcome.text == "Price exceeds the limit. Sure?"


def test_it_does_not_read_an_answer_that_mixes_questions_and_orders() -> None:
    body = [{"id": "q-1", "message": ["Sure?"]}, {"order_id": "5", "order_status": "Submitted"}]
    assert isinstance(classify(200, body, references=("hy-1", "hy-2")), Ambiguous)


@pytest.mark.parametrize("body", [NOT_JSON, [], {}, None, "Success", 7, [1, 2], {"orders": []}])
def test_it_calls_everything_it_does_not_know_ambiguous(body: Any) -> None:
    assert isinstance(classify(200, body, references=("hy-1",)), Ambiguous)


@pytest.mark.parametrize("status", [302, 401, 404, 408, 409, 500, 502, 503, 504])
def test_it_calls_every_other_status_ambiguous(status: int) -> None:
    assert isinstance(classify(status, NOT_JSON, references=("hy-1",)), Ambiguous)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "Bad Request: no bridge"),
        (401, "no bridge"),
        (400, "Bad Request: Please query /accounts first"),
        (500, "Please query /accounts first"),
    ],
)
def test_it_knows_when_the_session_was_missing(status: int, text: str) -> None:
    outcome = classify(status, {"error": text, "statusCode": status}, references=("hy-1",))
    assert isinstance(outcome, NotSent)
    assert outcome.session_lost


def test_it_passes_on_how_long_to_wait() -> None:
    outcome = classify(429, NOT_JSON, references=("hy-1",), retry_after=900.0)
    assert outcome == NotSent(
        reason="IBKR asked us to slow down; the order was not sent. Halyard sends it when it may.",
        code="too-many-requests",
        retry_after=900.0,
        session_lost=False,
    )


def test_it_tells_the_reason_of_a_refusal() -> None:
    outcome = classify(200, {"error": "No trading permissions."})
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.raw) == ("no-trading-permission", {"error": "No trading permissions."})
    assert outcome.reason.startswith("This account lacks IBKR's permission to trade this product.")
    assert outcome.reason.endswith('IBKR: "No trading permissions."')


def test_it_reads_the_reasons_of_a_rejection_list() -> None:
    body = {"error": "rejected", "cqe": {"post_payload": {"rejections": ["Too large.", "Too late."]}}}
    outcome = classify(200, body)
    assert isinstance(outcome, Refused)
    assert outcome.reason.endswith('IBKR: "Too large. Too late."')


def test_it_refuses_when_every_leg_failed() -> None:
    rows = [{"order_id": "-1", "order_status": "Failed", "text": "Closed."}] * 2
    outcome = classify(200, rows, references=("hy-1", "hy-2"))
    assert isinstance(outcome, Refused)
    assert outcome.reason == explained("Closed.").in_full()


def test_it_classifies_what_was_recorded(recording: Any) -> None:
    assert isinstance(classify(200, recording("Orders/POST-place-order-confirmation"), references=("a",)), Question)
    assert isinstance(classify(200, recording("Orders/POST-reply-submitted"), references=("a",)), Accepted)
    partly = classify(200, recording("Orders/POST-place-bracket-partial-reject"), references=("a", "b"))
    assert isinstance(partly, PartlyAccepted)
    assert "minimum variation of 100" in partly.failures[0].text
