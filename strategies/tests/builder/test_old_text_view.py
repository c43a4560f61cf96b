"""The notice on a strategy's page about a text of TradingView that says too little."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team, User
from strategies.models import Strategy
from strategies.tests import rows

pytestmark = pytest.mark.django_db
LACKS_ALL = "old-tradingview-text:sentiment,orderId,prevMarketPositionSize"
LACKS_SIZE = "old-tradingview-text:prevMarketPositionSize"
SELL = {**rows.READING, "action": "sell"}
EXIT = {"action": "exit", "instrument": rows.READING["instrument"]}


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


def page_of(client: Client, user: User, strategy: Strategy) -> str:
    client.force_login(user)
    return client.get(f"/teams/{strategy.team.code}/strategies/{strategy.code}/").text


def sent(strategy: Strategy, now: datetime, *stories: dict[str, Any]) -> None:
    for n, values in enumerate(stories):
        rows.signal(strategy, now + timedelta(seconds=n), **values)


@pytest.mark.parametrize(
    ("stories", "missing"),
    [
        ([{"warnings": [LACKS_ALL]}], "sentiment, orderId and prevMarketPositionSize"),
        ([{"warnings": ["ignored-price", LACKS_SIZE], "reading": SELL}], "prevMarketPositionSize"),
        # An exit or a test by another text says nothing of the strategy's own.
        ([{"warnings": [LACKS_SIZE]}, {"reading": EXIT}, {"is_test": True}], "prevMarketPositionSize"),
        # Put right, and then the old alert fired again.
        ([{"warnings": [LACKS_ALL]}, {}, {"warnings": [LACKS_SIZE]}], "prevMarketPositionSize"),
    ],
)
def test_it_says_what_the_text_of_the_last_order_lacks(
    client: Client, alice: User, strategy: Strategy, now: datetime, stories: list[dict[str, Any]], missing: str
) -> None:
    sent(strategy, now, *stories)
    page = page_of(client, alice, strategy)
    assert f"its text lacks {missing}:" in page
    assert "Copy the text on the strategy&#x27;s page into the alert again." in page
    assert page.count('id="old-text"') == 1


@pytest.mark.parametrize(
    "stories",
    [
        [],
        [{}],
        [{"warnings": ["blank-field:price"]}],
        [{"warnings": [LACKS_ALL]}, {}],
        [{"warnings": [LACKS_ALL], "is_test": True}],
        [{"warnings": [LACKS_ALL]}, {"reading": SELL}],
    ],
    ids=["no signal", "a full text", "another warning", "put right", "a test", "put right by a sell"],
)
def test_it_is_silent_where_nothing_is_missing(
    client: Client, alice: User, strategy: Strategy, now: datetime, stories: list[dict[str, Any]]
) -> None:
    sent(strategy, now, *stories)
    assert 'id="old-text"' not in page_of(client, alice, strategy)


def test_another_strategys_text_is_not_this_ones(
    client: Client, alice: User, strategy: Strategy, now: datetime
) -> None:
    sent(rows.strategy(strategy.team, now, "Other"), now, {"warnings": [LACKS_ALL]})
    assert 'id="old-text"' not in page_of(client, alice, strategy)


def test_a_viewer_is_told_too_and_a_stranger_finds_no_page(
    client: Client, bob: User, charlie: User, strategy: Strategy, now: datetime
) -> None:
    sent(strategy, now, {"warnings": [LACKS_ALL]})
    assert "its text lacks sentiment" in page_of(client, bob, strategy)
    client.force_login(charlie)
    assert client.get(f"/teams/{strategy.team.code}/strategies/{strategy.code}/").status_code == 404
