from __future__ import annotations

from collections.abc import Iterator

import pytest

from brokers.simulator.tests.conftest import Client, ticket


@pytest.fixture
def asked(client: Client) -> Iterator[Client]:
    client.gateway.quote("AAPL", bid="200.00", ask="200.02", last="200.01")
    with client.gateway.behaving(questions=True):
        yield client
    client.gateway.clear_quotes()


def answer(client: Client, reply_id: str, *, confirmed: bool = True) -> object:
    return client.post(f"/iserver/reply/{reply_id}", {"confirmed": confirmed})


def test_a_chain_of_questions_ends_in_an_order(asked: Client) -> None:
    seen = []
    body = asked.place(ticket("q-1"))
    while "messageIds" in body[0]:
        seen.append(body[0]["messageIds"][0])
        assert body[0]["messageOptions"] == ["Yes", "No"]
        body = answer(asked, body[0]["id"])
    assert seen == ["o354", "o10151", "o10153"]
    assert body[0]["local_order_id"] == "q-1"
    assert asked.positions() == {"AAPL": 5.0}


def test_a_price_far_from_the_market_is_asked_about_first(asked: Client) -> None:
    body = asked.place(ticket("q-2", orderType="LMT", price=150.0))
    assert body[0]["messageIds"] == ["o163"]
    assert "price exceeds \nthe Percentage constraint of 3%" in body[0]["message"][0]


def test_saying_no_discards_the_order_and_frees_its_reference(asked: Client) -> None:
    body = asked.place(ticket("q-3"))
    assert answer(asked, body[0]["id"], confirmed=False) == {"error": "Order not confirmed "}
    assert asked.orders() == []
    assert "messageIds" in asked.place(ticket("q-3"))[0]


def test_another_order_kills_the_question(asked: Client) -> None:
    first = asked.place(ticket("q-4"))[0]["id"]
    asked.place(ticket("q-5"))
    assert answer(asked, first) == {"error": f"reply id not found: '{first}'"}
    assert asked.orders() == []


def test_a_late_answer_finds_no_question(asked: Client) -> None:
    first = asked.place(ticket("q-6"))[0]["id"]
    with asked.gateway.behaving(question_ttl_s=0):
        late = answer(asked, first)
    assert late == {"error": f"reply id not found: '{first}'"}


def test_suppressed_questions_are_not_asked_until_reset(asked: Client) -> None:
    ids = ["o354", "o10151", "o10153"]
    assert asked.post("/iserver/questions/suppress", {"messageIds": ids}) == {"status": "submitted"}
    assert asked.place(ticket("q-7"))[0]["order_status"] == "Submitted"
    assert asked.post("/iserver/questions/suppress/reset") == {"status": "submitted"}
    assert asked.place(ticket("q-8"))[0]["messageIds"] == ["o354"]


def test_signing_in_again_forgets_suppressions(asked: Client) -> None:
    asked.post("/iserver/questions/suppress", {"messageIds": ["o354"]})
    asked.gateway.lose(asked.user)
    asked.gateway.sign_in(asked.user)
    assert asked.place(ticket("q-9"))[0]["messageIds"] == ["o354"]


def test_ids_that_nobody_knows_are_taken_and_change_nothing(asked: Client) -> None:
    assert asked.post("/iserver/questions/suppress", {"messageIds": ["o99999"]}) == {"status": "submitted"}
    assert asked.place(ticket("q-11"))[0]["messageIds"] == ["o354"]


def test_more_than_51_suppressions_are_refused(asked: Client) -> None:
    many = {"messageIds": [f"o{i}" for i in range(52)]}
    assert asked.gateway.call(asked.user, "POST", "/iserver/questions/suppress", many)[0] == 400


def test_size_and_value_are_asked_about(asked: Client) -> None:
    asked.get("/iserver/marketdata/snapshot?conids=265598")
    seen = []
    body = asked.place(ticket("q-10", orderType="LMT", price=200.0, quantity=501))
    while "messageIds" in body[0]:
        seen.append(body[0]["messageIds"][0])
        body = answer(asked, body[0]["id"])
    assert seen == ["o383", "o451"]


def test_a_gone_question_can_be_a_bare_503(asked: Client) -> None:
    with asked.gateway.behaving(reply_gone_status=503):
        assert asked.gateway.call(asked.user, "POST", "/iserver/reply/gone", {"confirmed": True}) == (503, "")


def test_the_reference_counts_from_the_question_when_so_switched(asked: Client) -> None:
    with asked.gateway.behaving(register_reference_on_question=True):
        asked.place(ticket("r-1"))
        text = "Order couldn't be submitted: Local order ID=r-1 is already registered."
        assert asked.place(ticket("r-1")) == {"error": text}
