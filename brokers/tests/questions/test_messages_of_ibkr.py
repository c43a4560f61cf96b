"""What IBKR only tells by the live stream: read, bounded, and shown where people look for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.domain.questions import Told, Topic, page_of_ibkr
from brokers.ibkr.topics.reader import Reader
from brokers.models import BrokerMessage, Connection
from brokers.orders.prompts import messages
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.sessions.watched import watched

TAG = "<img src=x onerror=alert(1)>"
PAGE = "https://www.interactivebrokers.com/en/notices?id=7"


def told(text: str = "A notice", number: str = "", **values: Any) -> Told:
    return Told(**{"topic": Topic.NOTICE, "number": number, "title": "", "text": text, **values})


@pytest.mark.django_db(transaction=True)
def test_notices_and_bulletins_of_the_stream_stand_on_the_connections_page(
    team: Team, gateway: RunningGateway, client: Client, alice: User
) -> None:
    bench = lab.make(team, gateway)

    async def story() -> None:
        said = [
            ("ntf", {"id": "77", "title": "Margin", "text": "Your account is close to its limit.", "url": PAGE}),
            ("blt", {"id": 5, "message": "Exchange XYZ opens late."}),
            ("blt", {"id": 5, "message": "Exchange XYZ opens late."}),
        ]
        for topic, args in said:
            gateway.control("POST", f"/{bench.user}/messages", {"topic": topic, "args": args})
        await lab.until(lambda: BrokerMessage.objects.filter(times=2).exists(), "all of it is written down")

    watched(bench.connection, story)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{bench.connection.code}/").text
    assert "IBKR says" in page
    assert "Your account is close to its limit." in page
    assert f'href="{PAGE}"' in page
    assert "A bulletin to everybody, 2 times since" in page
    assert BrokerMessage.objects.count() == 2


@pytest.mark.django_db
def test_a_page_without_messages_says_nothing_of_them(team: Team, client: Client, alice: User) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    assert "IBKR says" not in client.get(f"/teams/{team.code}/connections/{made.code}/").text


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"topic": "ntf", "args": {"id": 1, "title": "T", "text": "X"}}, [("ntf", "1", "T", "X")]),
        ({"topic": "blt", "args": {"id": "b", "message": f"{TAG}Hello"}}, [("blt", "b", "", "Hello")]),
        # It wants an answer and names no order: nothing can be said back.
        ({"topic": "ntf", "args": [{"prompt": True, "reqId": "9", "text": "Sure?"}]}, [("ntf", "", "", "Sure?")]),
        ({"topic": "ntf", "args": [{"text": "X"}] * 500}, [("ntf", "", "", "X")] * 10),
        ({"topic": "ntf", "args": {"text": "x" * 100_000}}, [("ntf", "", "", "x" * 1000)]),
        ({"topic": "ntf", "args": {"id": {"a": 1}, "title": ["x"], "text": None}}, []),
        ({"topic": "blt", "args": [None, 3, "x", []]}, []),
        ({"topic": "blt"}, []),
    ],
)
def test_what_the_wire_says_is_read_and_cut(message: dict[str, Any], expected: list[tuple[str, ...]]) -> None:
    event = Reader().take(message)
    read = () if event is None else event.told
    assert [(each.topic, each.number, each.title, each.text) for each in read] == expected


def test_a_prompt_that_can_be_answered_is_no_message() -> None:
    event = Reader().take({"topic": "ntf", "args": [{"prompt": True, "orderId": "1", "reqId": "2", "text": "Sure?"}]})
    assert event is not None
    assert (len(event.prompts), event.told) == (1, ())


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        (PAGE, True),
        ("https://ibkr.com/x", True),
        ("http://www.interactivebrokers.com/", False),
        ("https://interactivebrokers.com.evil.example/", False),
        ("https://evilinteractivebrokers.com/", False),
        ("https://user:pw@www.ibkr.com/", False),
        ("https://www.ibkr.com:8443/", False),
        ("javascript:alert(1)", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_only_pages_of_ibkrs_own_are_linked(url: str, linked: bool) -> None:
    assert page_of_ibkr(url) == (url if linked else "")


@pytest.mark.django_db
def test_a_gateway_that_talks_without_end_fills_no_table(team: Team, now: datetime) -> None:
    made = rows.connection(team)
    assert messages.heard(made, [told(f"{n}") for n in range(500)], now) == messages.MOST
    assert messages.heard(made, [told("another")], now) == 0
    for minute in range(1, 9):
        later = now + minute * timedelta(minutes=1, seconds=1)
        messages.heard(made, [told(f"{minute} {n}") for n in range(500)], later)
    assert BrokerMessage.objects.count() == messages.KEPT
    # The newest are kept.
    assert messages.of(made)[0].text.startswith("8 ")


@pytest.mark.django_db
def test_the_same_words_are_one_row_and_other_connections_have_their_own(team: Team, now: datetime) -> None:
    first, second = rows.connection(team), rows.connection(team)
    for connection in (first, first, second):
        messages.heard(connection, [told()], now)
    counts = {connection: [each.times for each in messages.of(connection)] for connection in (first, second)}
    assert counts == {first: [2], second: [1]}


@pytest.mark.django_db
def test_programs_read_them(team: Team, alice: User, now: datetime) -> None:
    from brokers.api.serializers import MessageSerializer

    made = Connection.objects.get(pk=rows.connection(team).pk)
    messages.heard(made, [told(number="3", title="T")], timezone.now())
    data = MessageSerializer(BrokerMessage.objects.get()).data
    assert (data["connection"], data["topic"], data["title"], data["times"]) == (str(made.code), "ntf", "T", 1)
