"""Whatever IBKR says to a person has a stable code, a sentence of ours, and IBKR's own words beside it."""

from __future__ import annotations

import csv
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from brokers.domain import questions
from brokers.domain.brokerage import Ack, AlreadyRegistered, BrokerError, PartlyAccepted, Prompt, Question
from brokers.domain.orders import OrderStatus, Role
from brokers.domain.session import states as session_states
from brokers.domain.session.states import State, Terms
from brokers.domain.sessions import AuthStatus, Environment, SessionStatus
from brokers.ibkr.answers import demand, demand_cancel, session_status
from brokers.ibkr.decoding import READ, decode
from brokers.ibkr.lines.requests import Answer
from brokers.ibkr.order_rows import order_facts
from brokers.ibkr.outcomes import classify, unanswered, undelivered
from brokers.ibkr.texts.explained import (
    CODES_OF_THE_UNKNOWN,
    MOST_OF_A_HOLD,
    MOST_OF_A_REASON,
    MOST_OF_A_STATE,
    About,
    every_text,
    explained,
)
from brokers.ibkr.topics.reader import Reader

_DATA = Path(__file__).parent / "data"
_REPOSITORY = Path(__file__).resolve().parents[3]
_SHARED = Path(os.environ.get("HALYARD_SHARED") or _REPOSITORY.parent / "shared") / "data" / "ibkr" / "failures.jsonl"
SHOWN = {row["id"]: row for row in csv.DictReader((_DATA / "shown.csv").open())}
NOON = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
# In one bracket two rows are meant.
_LEGS = {"bracket_parent_not_recognised": ("x-1", "raw-probe-1"), "fewer_rows_than_tickets": ("x-1", "x-2")}


def catalogue() -> list[dict[str, Any]]:
    """The catalogue beside this repository where it is at hand, otherwise our copy of it."""
    file = _SHARED if _SHARED.is_file() else _DATA / "failures.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_catalogue_is_the_one_we_answer() -> None:
    if not _SHARED.is_file():
        pytest.skip("The catalogue of failures is not on this machine (set HALYARD_SHARED): our copy was used.")
    assert {row["id"] for row in catalogue()} == set(SHOWN)


def read_of(road: str, row: dict[str, Any]) -> tuple[str, str]:
    """What a person reads of a row, and its code, along the product's own road for it."""
    raw = row["body"]
    body = decode((raw or "").encode(), READ, exact=False) if isinstance(raw, str | None) else raw
    answer = Answer(row["http_status"] or 200, body)
    match road:
        case "undelivered":
            never_left = undelivered("The gateway", "the connection was refused")
            return never_left.reason, never_left.code
        case "unanswered":
            lost = unanswered("no answer in time")
            return lost.reason, lost.code
        case "text":
            text = raw if isinstance(raw, str) else (raw or {}).get("error") or (raw or {}).get("fail")
            known = explained(text or "messageIds must be a list of at most 51 ids", About.SESSION)
            return known.in_full(), known.code
        case "report":
            facts = order_facts({"orderId": 1, **body})
            assert facts is not None
            return facts.text, facts.code
        case "session":
            return read_of_a_session(answer)
        case "stream":
            event = Reader().take(body)
            assert event is not None
            assert event.auth is not None
            return judged(event.auth)
        case "read" | "cancel":
            with pytest.raises(BrokerError) as raised:
                demand(answer) if road == "read" else demand_cancel(answer, "1")
            return str(raised.value), raised.value.code
    return read_of_an_order(answer, _LEGS.get(row["id"], ("x-1",)))


def read_of_a_session(answer: Answer) -> tuple[str, str]:
    try:
        return judged(session_status(answer))
    except BrokerError as error:
        return str(error), error.code


def judged(auth: AuthStatus) -> tuple[str, str]:
    before = State(status=SessionStatus.CONNECTING, code="", since=NOON)
    state = session_states.judged(auth, before, Terms(environment=Environment.PAPER), NOON)
    return f"{state.reason} {state.action}".strip(), state.code


def read_of_an_order(answer: Answer, references: tuple[str, ...]) -> tuple[str, str]:
    outcome = classify(answer.status, answer.body, references=references)
    match outcome:
        case Question():
            declined = questions.as_declined(outcome.text, outcome.message_ids, Role.ENTRY)
            return declined, questions.code_of(outcome.message_ids)
        case Prompt():
            return questions.left_to_a_person(outcome.text), "prompt-of-ibkr"
        case PartlyAccepted():
            failure: Ack = outcome.failures[0]
            return failure.text, failure.code
        case AlreadyRegistered():
            return "IBKR has this order from an earlier request. Halyard looks for it.", "already-registered"
    return getattr(outcome, "reason", ""), getattr(outcome, "code", "")


def words_of(row: dict[str, Any]) -> str:
    """IBKR's own words of a row, as far as they are words."""
    body = row["body"]
    if not isinstance(body, dict):
        return ""
    text = body.get("error") or body.get("fail") or body.get("detail") or body.get("message")
    return text.strip() if isinstance(text, str) else ""


@pytest.mark.parametrize("row", catalogue(), ids=lambda row: row["id"])
def test_every_failure_says_what_happened_and_what_to_do(row: dict[str, Any]) -> None:
    road, code = SHOWN[row["id"]]["road"], SHOWN[row["id"]]["code"]
    if road == "none":
        assert len(code) > 5, "Say why nobody reads it."
        return
    sentence, named = read_of(road, row)
    assert named == code
    in_plain_words(sentence)
    # Also where our sentence replaces them for a status of ours, or a doubt, the raw answer is kept beside the order.
    words = words_of(row)
    if road in {"order", "text"} and words and code not in {"answer-lost", "already-registered", "question-gone"}:
        assert code == "too-many-requests" or f'IBKR: "{words}"' in sentence


def in_plain_words(sentence: str) -> None:
    """One sentence of what happened, and one of what to do next."""
    ours = sentence.split(' IBKR: "', maxsplit=1)[0]
    assert ours.endswith("."), ours
    assert re.search(r"[.;:,] \w", ours), ours
    assert not re.search(r"successful|something went wrong|oops|please", ours, re.IGNORECASE), ours


@pytest.mark.parametrize("text", every_text(), ids=lambda text: text.code)
def test_every_text_has_a_code_and_a_sentence_that_fits(text: Any) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", text.code)
    assert len(text.code) <= 40
    assert len(text.sentence) <= 232
    in_plain_words(text.sentence)


def test_every_code_stands_in_the_docs() -> None:
    page = (_REPOSITORY / "docs" / "ibkr.md").read_text()
    codes = {text.code for text in every_text()} | {row["code"] for row in SHOWN.values() if row["road"] != "none"}
    of_sessions = {"competing-session", "session-opens", "unknown-order"}
    assert {code for code in codes - of_sessions if f"`{code}`" not in page} == set()


def test_no_two_texts_share_a_code() -> None:
    codes = [text.code for text in every_text()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        # What IBKR and the exchanges say in the field, in the words of its notices, shortened.
        ("Order rejected - reason:The contract is not available for short sale.", "no-shares-to-borrow"),
        ("Order rejected - reason: This account may not sell short.", "short-sale-not-allowed"),
        (
            "YOUR ORDER IS NOT ACCEPTED. PREVIOUS DAY EQUITY WITH LOAN VALUE MUST EXCEED THE INITIAL",
            "not-enough-margin",
        ),
        ("Order rejected - reason: The settled cash does not cover this order", "not-enough-cash"),
        ("Your account has been restricted from placing orders at this time.", "account-restricted"),
        ("Only closing trades are accepted for this contract", "closing-only"),
        ("No opening trades are allowed for this product", "closing-only"),
        ("This product does not have a KID in your language", "no-key-information"),
        ("Potential Pattern Day Trader: 0 day trades left", "pattern-day-trader"),
        ("We cannot accept an order at the limit price you selected.", "price-too-far"),
        ("The price does not conform to the minimum price variation for this contract.", "price-off-tick"),
        ("Order rejected - reason:Limit price too far outside of NBBO", "price-too-far"),
        ("The stop price you specified is on the wrong side of the market", "stop-price-not-taken"),
        ("Fractional-sized order cannot be placed via this API", "fraction-not-taken"),
        ("The order size exceeds the maximum for this contract.", "quantity-too-large"),
        ("Order quantity must be a multiple of 100", "quantity-off-lot"),
        ("You have exceeded the maximum of 15 open orders per side", "too-many-orders"),
        ("Order received after the exchange closed. The market is closed.", "exchange-closed"),
        ("Trading in this security is halted", "trading-halted"),
        ("The time-in-force is invalid", "time-in-force-not-taken"),
        ("No security definition has been found for the request", "contract-unknown"),
        ("The contract is close to its delivery period: physically delivered", "close-to-delivery"),
        ("This order type is not supported for combination orders.", "order-type-not-taken"),
        ("Missing manualIndicator for CME products", "operator-missing"),
        ("Cannot have open orders on both sides of the same US option contract", "opposite-order-works"),
        ("Order couldn't be allocated: the method needs amounts.", "allocation-not-taken"),
        ("Order couldn't be modified: it is Filled.", "order-not-changed"),
        ("OrderID 5 can not be cancelled, state: Filled.", "order-gone"),
        ("Cancelled by the system.", "canceled-by-ibkr"),
        ("The parent order was cancelled.", "parent-ended"),
        ("The other leg has closed all that its parent filled.", "other-leg-filled"),
        ("GTC order cancelled: reverse split of the underlying", "corporate-action"),
        ("Shares for this order are not immediately available. We attempt to locate them.", "held-for-shares"),
        ("Your order will not be placed at the exchange until 09:30 US/Eastern.", "held-until-open"),
    ],
)
def test_it_recognizes_what_the_field_has_met(text: str, code: str) -> None:
    assert explained(text).code == code


@pytest.mark.parametrize("about", About)
def test_a_text_nobody_knows_gets_an_honest_sentence(about: About) -> None:
    why = explained("Zonk 4711 <b>frobnicated</b>\n the  flux", about)
    assert why.code in CODES_OF_THE_UNKNOWN
    assert why.in_full().endswith('IBKR: "Zonk 4711 frobnicated the flux"')
    in_plain_words(why.in_full())


@pytest.mark.parametrize("about", About)
def test_silence_gets_a_sentence_too(about: About) -> None:
    for text in ("", None, "  ", "<br>"):
        assert explained(text, about).code in CODES_OF_THE_UNKNOWN
        in_plain_words(explained(text, about).in_full())


@pytest.mark.parametrize("most", [MOST_OF_A_REASON, MOST_OF_A_STATE])
def test_the_sentence_is_never_cut_and_the_words_fit(most: int) -> None:
    for text in every_text():
        why = explained("no bridge " + "x" * 5000)
        assert len(why.in_full(most)) <= most
        assert why.in_full(most).startswith(why.sentence)
        assert len(text.sentence) <= most
    held = explained("Held: locating shares " + "x" * 500, About.HOLD).in_full(MOST_OF_A_HOLD)
    assert len(held) <= MOST_OF_A_HOLD
    assert held.endswith('…"')


@pytest.mark.parametrize("text", ["<" * 20_000, "price " * 5_000, "account " * 5_000, "only " * 5_000 + "x"])
def test_a_hostile_text_costs_no_time(text: str) -> None:
    began = datetime.now(UTC)
    explained(text)
    assert (datetime.now(UTC) - began).total_seconds() < 0.25


def test_a_status_said_once_more_is_no_reason() -> None:
    facts = order_facts({"orderId": 1, "status": "Cancelled", "text": "Order Cancelled"})
    assert facts is not None
    assert (facts.status, facts.code) == (OrderStatus.CANCELED, "")
    rejected = order_facts({"orderId": 1, "status": "Inactive"})
    assert rejected is not None
    assert (rejected.status, rejected.code) == (OrderStatus.REJECTED, "ibkr-gave-no-reason")
