"""Which of the live stream's messages go to the log of calls, and what of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from brokers.domain.calls import Call, CallOutcome
from brokers.domain.redaction import Redactor
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr import IbkrBrokerage, listen
from brokers.ibkr.lines.frames import Frames, names_of, topic_of
from brokers.ibkr.tests.conftest import leg

OURS = Login(
    username="ALICE1",
    environment=Environment.PAPER,
    auth_method=AuthMethod.GATEWAY,
    base_url="https://h/v1/api",
    connection=7,
)


class Kept:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.now = 1000.0

    def add(self, call: Call) -> None:
        self.calls.append(call)

    def clock(self) -> float:
        return self.now


def frames(kept: Kept, login: Login = OURS) -> Frames:
    return Frames(login, kept, (login.username,), kept.clock)


def test_a_stream_that_talks_without_end_keeps_a_bounded_sample_and_says_how_much_it_left_out() -> None:
    kept = Kept()
    log = frames(kept)
    for number in range(10_000):
        log.received({"topic": "sor", "args": [{"orderId": number}]}, 40)
    assert len(kept.calls) == 30
    kept.now += 61
    log.received({"topic": "sor", "args": []}, 10)
    assert len(kept.calls) == 31
    assert kept.calls[-1].params == {"left_out": "9970"}
    for _ in range(24 * 60):
        kept.now += 60
        for _ in range(20):
            log.received({"topic": "spl", "args": {}}, 10)
    assert len(kept.calls) <= 31 + 24 * 60 + 1


def test_heartbeats_are_kept_once_in_ten_minutes() -> None:
    kept = Kept()
    log = frames(kept)
    for _ in range(360):
        kept.now += 10
        log.received({"topic": "system", "hb": 1}, 30)
        log.sent("tic")
    assert sum(call.method == "RECEIVED" for call in kept.calls) == 6
    assert sum(call.method == "SENT" for call in kept.calls) == 6


@pytest.mark.parametrize(
    ("message", "topic"),
    [
        ({"topic": "sor", "args": []}, "sor"),
        ({"topic": "smd+265598"}, "smd"),
        ({"topic": "system", "hb": 1}, "hb"),
        ({"topic": "U1234567"}, "others"),
        ({"topic": "x" * 13}, "others"),
        ({"topic": ["sor"]}, "others"),
        ({"topic": "<b>"}, "others"),
        ({"message": "waiting for session"}, "others"),
        ([1, 2], "others"),
        ("text", "others"),
        (None, "others"),
    ],
)
def test_a_gateway_chooses_no_names_in_our_log(message: Any, topic: str) -> None:
    assert topic_of(message) == topic


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([{"orderId": 4711, "order_ref": "hy-1"}], ("hy-1", "4711")),
        ([{"orderId": 4711}, {"order_id": "4712", "order_ref": "hy-2"}], ("4711", "hy-2", "4712")),
        ([{"orderId": 4711}] * 3, ("4711",)),
        ({"orderId": 4711}, ("4711",)),
        ([{"order_ref": "x" * 65, "orderId": [1]}, "row", None], ()),
        ([], ()),
        ("rows", ()),
    ],
)
def test_a_message_names_orders_by_our_reference_and_by_ibkrs_number(rows: Any, names: tuple[str, ...]) -> None:
    assert names_of({"topic": "sor", "args": rows}) == names
    kept = Kept()
    for topic in ("sor", "str", "spl"):
        frames(kept).received({"topic": topic, "args": rows}, 10)
    assert [call.names for call in kept.calls] == [names, names, ()]


def test_a_message_of_many_orders_names_some_of_them() -> None:
    assert len(names_of({"args": [{"orderId": number, "order_ref": f"hy-{number}"} for number in range(1000)]})) == 20


def test_a_gateway_of_many_topics_holds_no_more_than_some() -> None:
    kept = Kept()
    log = frames(kept)
    for first in "abcdefghijklmnopqrstuvwxyz":
        for second in "abcdefghij":
            log.received({"topic": f"{first}{second}"}, 10)
    assert len(log._left_out) <= 41


def test_what_cannot_be_read_is_kept_as_nonsense_and_of_no_connection_nothing_is() -> None:
    kept = Kept()
    frames(kept).received("what is no JSON", 9, nonsense=True)
    assert [(call.outcome, call.endpoint) for call in kept.calls] == [(CallOutcome.NONSENSE, "ws/others")]
    frames(kept, replace(OURS, connection=0)).sent("sor+{}")
    assert len(kept.calls) == 1


async def test_a_stream_notes_what_is_sent_and_received_without_its_secrets(
    brokerage: IbkrBrokerage, account: str, login: Login
) -> None:
    kept = Kept()
    feed = listen(replace(login, connection=7), calls=kept)
    events = feed.events()
    async with asyncio.timeout(10):
        async for event in events:
            if event.auth:
                break
        await brokerage.submit(account, [leg("hy-frames")])
        async for event in events:
            if event.orders:
                break
    await events.aclose()
    await feed.close()
    kinds = {(call.method, call.endpoint) for call in kept.calls}
    assert {("SENT", "ws/sor"), ("SENT", "ws/str"), ("RECEIVED", "ws/sor")} <= kinds
    assert any("hy-frames" in call.names for call in kept.calls)
    redactor = Redactor([account, login.username])
    texts = [redactor.excerpt(call.answer) for call in kept.calls if call.method == "RECEIVED"]
    assert any("ticker" in text for text in texts)
    assert all(account not in text and login.username not in text for text in texts)
