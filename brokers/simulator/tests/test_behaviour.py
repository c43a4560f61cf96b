"""Every rule of behaviour is a switch: what it does when it is on, and that it is gone when it is off."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest

from brokers.simulator.behaviour import Behaviour, fast, strict
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, messages, ticket, until
from brokers.simulator.tests.faults.failures import limit

# The specification's behaviour without waiting, and at any hour.
STRICT = {
    "latency": "none",
    "init_delay_ms": 0,
    "fill_delay_ms": 0,
    "market_always_open": True,
    "pacing": False,
    "questions": False,
    "heartbeat_s": 60,
}
ORDERS = "/iserver/account/orders"
NO_BRIDGE = (400, {"error": "Bad Request: no bridge", "statusCode": 400})


@pytest.fixture(scope="module")
def gateway(servers: None) -> Iterator[RunningGateway]:
    with running_gateway("strict", behaviour=STRICT) as running:
        yield running


def status(client: Client, method: str, path: str, body: Any = None) -> int:
    return client.gateway.call(client.user, method, path, body)[0]


# -- 1: the session ----------------------------------------------------------------------------------------------------


def test_without_its_machine_everybody_is_signed_in(gateway: RunningGateway, user: str) -> None:
    assert gateway.call(user, "GET", "/iserver/accounts") == NO_BRIDGE
    with gateway.behaving(session_machine=False):
        assert gateway.call(user, "GET", "/iserver/accounts")[0] == 200
        gateway.steal(user)
        assert gateway.call(user, "GET", "/iserver/accounts")[0] == 200


def test_a_session_is_established_some_time_after_its_init(gateway: RunningGateway, user: str) -> None:
    with gateway.behaving(init_delay_ms=300):
        begun = gateway.call(user, "POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})[1]
        assert (begun["authenticated"], begun["established"]) == (True, False)
        assert gateway.call(user, "GET", "/iserver/accounts") == NO_BRIDGE
        until(lambda: gateway.call(user, "POST", "/iserver/auth/status")[1]["established"])
    assert gateway.call(user, "GET", "/iserver/accounts")[0] == 200


@pytest.mark.parametrize("switch", ["idle_ttl_s", "max_age_s"])
def test_a_session_ends_when_it_is_idle_or_old(client: Client, switch: str) -> None:
    time.sleep(0.3)
    assert status(client, "GET", "/iserver/accounts") == 200
    with client.gateway.behaving(**{switch: 0.2}):
        time.sleep(0.3)
        assert status(client, "GET", "/iserver/accounts") == 401


def test_a_stolen_session_refuses_writes_until_an_init_that_competes(client: Client) -> None:
    client.gateway.steal(client.user)
    assert status(client, "POST", f"/iserver/account/{client.account}/orders", {"orders": [ticket("never")]}) == 401
    client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    client.get("/iserver/accounts")
    assert client.place(ticket("mine"))[0]["local_order_id"] == "mine"
    assert set(client.gateway.books(client.user)) == {"mine"}


# -- 2: what must be asked first ---------------------------------------------------------------------------------------


def test_accounts_come_before_orders(gateway: RunningGateway, user: str) -> None:
    account = gateway.sign_in(user)
    gateway.lose(user)
    gateway.call(user, "POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    path, body = f"/iserver/account/{account}/orders", {"orders": [ticket("first")]}
    text = "Bad Request: Please query /accounts first"
    assert gateway.call(user, "POST", path, body) == (400, {"error": text, "statusCode": 400})
    with gateway.behaving(accounts_first_status=500):
        assert gateway.call(user, "POST", path, body) == (500, {"error": "Please query /accounts first"})
    with gateway.behaving(accounts_first=False):
        assert gateway.call(user, "POST", path, body)[1][0]["local_order_id"] == "first"


def test_portfolio_accounts_come_before_the_portfolio(gateway: RunningGateway, user: str) -> None:
    path = f"/portfolio/{gateway.sign_in(user)}/summary"
    gateway.lose(user)
    gateway.call(user, "POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    assert gateway.call(user, "GET", path)[0] == 401
    with gateway.behaving(portfolio_accounts_first=False):
        assert gateway.call(user, "GET", path)[0] == 200


# -- 3 and section 12: reads -------------------------------------------------------------------------------------------


def test_the_first_reads_of_a_session_are_incomplete(client: Client) -> None:
    client.place(ticket("done"))
    assert client.get(ORDERS) == {"orders": [], "snapshot": False}
    assert client.get("/iserver/account/trades") == []
    [cold] = client.get(f"/portfolio/{client.account}/positions/0")
    [warm] = client.get(f"/portfolio/{client.account}/positions/0")
    assert len(cold) < len(warm)
    assert "name" not in cold
    bare = {"conidEx": "265598", "conid": 265598}
    assert client.get("/iserver/marketdata/snapshot?conids=265598&fields=31") == [bare]
    assert [row["order_ref"] for row in client.get(ORDERS)["orders"]] == ["done"]


def test_warm_reads_tell_everything_at_once(client: Client) -> None:
    with client.gateway.behaving(cold_orders=False, cold_trades=False, cold_positions=False, cold_snapshot=False):
        client.place(ticket("done"))
        assert [row["order_ref"] for row in client.get(ORDERS)["orders"]] == ["done"]
        assert [row["order_ref"] for row in client.get("/iserver/account/trades")] == ["done"]
        assert "name" in client.get(f"/portfolio/{client.account}/positions/0")[0]
        assert "31" in client.get("/iserver/marketdata/snapshot?conids=265598&fields=31")[0]


def test_force_empties_the_list_of_orders_once(client: Client) -> None:
    client.place(limit("rests"))
    client.orders()
    assert client.get(f"{ORDERS}?force=true") == {"orders": [], "snapshot": False}
    assert client.get(ORDERS) == {"orders": [], "snapshot": False}
    assert len(client.get(ORDERS)["orders"]) == 1
    with client.gateway.behaving(force_blanks_orders=False):
        assert len(client.get(f"{ORDERS}?force=true")["orders"]) == 1


def test_filters_stick_to_the_list_and_to_the_stream(client: Client) -> None:
    client.place(limit("rests"))
    client.orders()
    with client.gateway.behaving(filters_stick=False):
        assert client.get(f"{ORDERS}?filters=filled")["orders"] == []
        assert len(client.get(ORDERS)["orders"]) == 1
    assert client.get(f"{ORDERS}?filters=filled")["orders"] == []
    assert client.get(ORDERS)["orders"] == []
    with client.socket() as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        client.place(limit("unheard"))
        with pytest.raises(TimeoutError):
            messages(socket, "sor", timeout=0.3)


def test_orders_of_several_accounts_are_empty_unless_one_is_named(gateway: RunningGateway, user: str) -> None:
    gateway.seed(user, sub_accounts=2)
    gateway.sign_in(user)
    accounts = gateway.call(user, "GET", "/iserver/accounts")[1]["accounts"]
    body = {"orders": [limit("rests", acctId=accounts[1])]}
    assert gateway.call(user, "POST", f"/iserver/account/{accounts[1]}/orders", body)[1][0]["local_order_id"] == "rests"
    assert len(accounts) > 1
    gateway.call(user, "GET", f"{ORDERS}?accountId={accounts[1]}")
    for wrong in ("", "?accountId=U1234567"):
        assert gateway.call(user, "GET", f"{ORDERS}{wrong}")[1] == {"orders": [], "snapshot": True}
    named = gateway.call(user, "GET", f"{ORDERS}?accountId={accounts[1]}")[1]["orders"]
    assert [row["order_ref"] for row in named] == ["rests"]
    with gateway.behaving(unscoped_orders_empty=False):
        assert gateway.call(user, "GET", f"{ORDERS}?accountId=U1234567")[0] == 400


def test_the_spelling_of_yes(client: Client) -> None:
    client.place(limit("rests"))
    for yes in ("true", "True", "1"):
        client.orders()
        assert client.get(f"{ORDERS}?force={yes}")["snapshot"] is False
    client.orders()
    with client.gateway.behaving(lenient_booleans=False):
        assert client.get(f"{ORDERS}?force=True")["snapshot"] is True
        assert client.get(f"{ORDERS}?force=true")["snapshot"] is False


# -- 4 and 5: references and questions ---------------------------------------------------------------------------------


def test_a_reference_is_taken_once(client: Client) -> None:
    client.place(limit("once"))
    text = "Order couldn't be submitted: Local order ID=once is already registered."
    assert client.place(limit("once")) == {"error": text}
    with client.gateway.behaving(reference_ttl_s=0):
        assert client.place(limit("once"))[0]["local_order_id"] == "once"
    with client.gateway.behaving(unique_references=False):
        assert client.place(limit("once"))[0]["local_order_id"] == "once"


@pytest.mark.parametrize("registers", [True, False])
def test_a_question_registers_the_reference_or_does_not(client: Client, registers: bool) -> None:
    with client.gateway.behaving(questions=True, register_reference_on_question=registers):
        assert "messageIds" in client.place(limit("asked"))[0]
        again = client.place(limit("asked"))
    assert ("already registered" in str(again)) is registers


def test_questions_are_asked_in_their_order_and_can_be_switched_off(client: Client) -> None:
    with client.gateway.behaving(questions=True):
        answer, ids = client.place(limit("asked")), []
        while "messageIds" in answer[0]:
            ids += answer[0]["messageIds"]
            answer = client.post(f"/iserver/reply/{answer[0]['id']}", {"confirmed": True})
    assert ids == ["o163", "o354"]
    assert client.place(limit("taken"))[0]["local_order_id"] == "taken"


@pytest.mark.parametrize(("dies", "words"), [(True, "reply id not found"), (False, "asked")])
def test_another_order_ends_the_question_that_is_open(client: Client, dies: bool, words: str) -> None:
    with client.gateway.behaving(questions_die_of_other_orders=dies):
        client.gateway.fault(match={"user": client.user}, action={"question": ["o163"]})
        [question] = client.place(limit("asked"))
        client.place(limit("other"))
        assert words in str(client.post(f"/iserver/reply/{question['id']}", {"confirmed": True}))


@pytest.mark.parametrize(("gone", "answer"), [(400, {"error": "reply id not found: 'x'"}), (503, "")])
def test_a_reply_to_nothing_is_400_or_503(client: Client, gone: int, answer: Any) -> None:
    with client.gateway.behaving(reply_gone_status=gone):
        assert client.gateway.call(client.user, "POST", "/iserver/reply/x", {"confirmed": True}) == (gone, answer)


def test_a_question_dies_of_age(client: Client) -> None:
    with client.gateway.behaving(question_ttl_s=0.2):
        client.gateway.fault(match={"user": client.user}, action={"question": ["o163"]})
        [question] = client.place(limit("asked"))
        time.sleep(0.3)
        assert "not found" in client.post(f"/iserver/reply/{question['id']}", {"confirmed": True})["error"]


# -- 6 and 7: brackets and fills ---------------------------------------------------------------------------------------

BRACKET = [limit("parent"), ticket("stop", side="SELL", orderType="STP", price=40.003, parentId="parent")]


def test_a_bracket_is_not_atomic(client: Client) -> None:
    rows = client.place(*BRACKET)
    assert [row["order_status"] for row in rows] == ["Submitted", "Failed"]
    assert set(client.gateway.books(client.user)) == {"parent"}


def test_a_bracket_is_refused_as_a_whole_when_so_switched(client: Client) -> None:
    with client.gateway.behaving(partial_brackets=False):
        assert "minimum price variation" in client.place(*BRACKET)["error"]
    assert client.gateway.books(client.user) == {}


def test_children_show_their_parent_or_their_reference(client: Client) -> None:
    [parent, _] = client.place(
        limit("parent"), ticket("target", side="SELL", orderType="LMT", price=400.0, parentId="parent")
    )
    child = next(row for row in client.orders() if "parentId" in row)
    assert (child["parentId"], "order_ref" in child) == (int(parent["order_id"]), False)
    with client.gateway.behaving(children_show_reference=True):
        assert client.order("target")["parentId"] == int(parent["order_id"])


def test_nothing_fills_when_fills_are_off(client: Client) -> None:
    with client.gateway.behaving(fills=False):
        client.place(ticket("waits"))
        time.sleep(0.5)
        assert client.gateway.books(client.user)["waits"]["status"] == "Submitted"
    until(lambda: client.gateway.books(client.user)["waits"]["status"] == "Filled")


def test_fills_come_in_slices(client: Client) -> None:
    with client.gateway.behaving(fill_slice=2):
        client.place(ticket("sliced"))
        until(lambda: client.gateway.books(client.user)["sliced"]["status"] == "Filled")
    assert sorted(row["size"] for row in client.trades() or client.trades()) == [1.0, 2.0, 2.0]


def test_margin_is_asked_for_or_not(client: Client) -> None:
    assert client.place(ticket("big", quantity=100_000))[0]["order_status"] == "Inactive"
    with client.gateway.behaving(margin_check=False):
        assert client.place(limit("bigger", quantity=100_000))[0]["order_status"] == "Submitted"


# -- 8: the websocket --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("only_changes", [True, False])
def test_the_stream_tells_changes_only_or_whole_rows(client: Client, only_changes: bool) -> None:
    with client.gateway.behaving(only_changes=only_changes), client.socket() as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        client.place(ticket("done"))
        last = messages(socket, "sor", 2)[1]["args"][0]
    assert ("order_ref" in last) is not only_changes


@pytest.mark.parametrize("replays", [True, False])
def test_fills_of_the_day_are_replayed_or_not(client: Client, replays: bool) -> None:
    client.place(ticket("done"))
    with client.gateway.behaving(replay_trades=replays), client.socket() as socket:
        socket.send('str+{"realtimeUpdatesOnly":false,"days":1}')
        assert len(messages(socket, "str")[0]["args"]) == int(replays)


@pytest.mark.parametrize("answers", [True, False])
def test_unsubscribing_is_answered_or_not(client: Client, answers: bool) -> None:
    with client.gateway.behaving(answers_unsubscribing=answers), client.socket() as socket:
        messages(socket, "sts")
        for topic in ("uor+{}", "utr", "upl", "umd+265598+{}", "tic"):
            socket.send(topic)
        messages(socket, "tic")
        confirmations = [m for m in client.gateway.events(client.user) if "unsubscribed" in str(m.get("result"))]
    assert len(confirmations) == (4 if answers else 0)


def test_quotes_end_by_themselves(client: Client) -> None:
    with client.gateway.behaving(quotes_ttl_s=1), client.socket() as socket:
        socket.send('smd+265598+{"fields":["31","84"]}')
        messages(socket, "smd+265598")
        with pytest.raises(TimeoutError):
            messages(socket, "smd+265598", 20, timeout=2)


# -- 9 and 10: pacing and latency --------------------------------------------------------------------------------------


def test_too_many_requests_put_the_address_into_the_penalty_box(gateway: RunningGateway, user: str) -> None:
    path = "/iserver/auth/status"
    with gateway.behaving(pacing=True, requests_per_second=3, penalty_box_s=1):
        assert [gateway.call(user, "POST", path)[0] for _ in range(5)] == [200, 200, 200, 429, 429]
        assert gateway.call(f"{user}-2", "POST", path)[0] == 429
        until(lambda: gateway.call(f"{user}-2", "POST", path)[0] == 200)
    assert {gateway.call(user, "POST", path)[0] for _ in range(8)} == {200}


def test_some_reads_are_paced_by_themselves(client: Client) -> None:
    with client.gateway.behaving(pacing=True):
        assert [status(client, "GET", ORDERS) for _ in range(2)] == [200, 429]
        assert status(client, "POST", "/iserver/auth/status") == 200
    assert [status(client, "GET", ORDERS) for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    ("paths", "answers"),
    [
        (["/fyi/unreadnumber", "/fyi/settings"], [False, True]),
        (["/pa/performance", "/pa/transactions", "/iserver/auth/status"], [False, True, False]),
        (["/iserver/marketdata/snapshot?conids=265598&fields=31"] * 11, [False] * 10 + [True]),
        (["/sso/validate", "/tickle", "/sso/validate"], [False, False, True]),
    ],
)
def test_paths_are_paced_alone_or_with_their_family(client: Client, paths: list[str], answers: list[bool]) -> None:
    with client.gateway.behaving(pacing=True, requests_per_second=100):
        assert [status(client, "GET", path) == 429 for path in paths] == answers


def test_answers_take_a_log_normal_time() -> None:
    dice, behaviour = random.Random(7), strict()
    waits = [behaviour.wait_s(dice) * 1000 for _ in range(20_000)]
    assert statistics.median(waits) == pytest.approx(230, rel=0.02)
    assert statistics.mean(waits) > statistics.median(waits)
    assert min(waits) > 0


def test_answers_take_no_time_or_an_even_one() -> None:
    dice = random.Random(7)
    assert {fast().wait_s(dice) for _ in range(100)} == {0.0}
    even = Behaviour(latency="uniform", latency_ms=(20, 60))
    assert all(0.02 <= even.wait_s(dice) <= 0.06 for _ in range(1000))
