"""What a repeat is told when its text cannot tell two equal orders of a TradingView strategy apart."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from strategies.models import Signal
from strategies.tests import rows
from strategies.tests.webhook import doors

pytestmark = pytest.mark.django_db(transaction=True)

FILLED_IN = {"ticker": "SPY", "action": "sell", "quantity": "10", "price": "600.5"}
ASKS = 'Then add "orderId": "{{strategy.order.id}}" to its text.'
PLAIN = "It was delivered before, and nothing happens twice."


@pytest.fixture
def path(team: Team, now: datetime) -> str:
    return doors.path_of(rows.strategy(team, now))


def deliver(path: str, text: dict[str, Any], *, at: datetime) -> doors.Response:
    """With the moment filled in, as `{{timenow}}` is."""
    return doors.post(path, {**text, "time": f"{at:%Y-%m-%dT%H:%M:%SZ}"})


@pytest.mark.parametrize(
    "text",
    [
        FILLED_IN,
        {**FILLED_IN, "sentiment": "flat"},
        {**FILLED_IN, "market_position": "long", "prev_market_position_size": "20"},
    ],
    ids=["an early text", "with sentiment", "with positions, without the order"],
)
def test_a_repeat_by_an_old_text_is_told_of_the_orders_name(path: str, text: dict[str, Any]) -> None:
    at = timezone.now()
    deliver(path, text, at=at)
    again = deliver(path, text, at=at)
    assert again.code == "duplicate-signal"
    assert again.json["message"].startswith(PLAIN)
    assert again.json["message"].endswith(ASKS)


@pytest.mark.parametrize(
    "text",
    [
        {**FILLED_IN, "orderId": "Exit"},
        {**FILLED_IN, "order_id": "Exit"},
        {**FILLED_IN, "quantity": 10},
        {"ticker": "SPY", "action": "exit", "price": "600.5"},
    ],
    ids=["with the order", "by TradingView's name", "a program", "an exit"],
)
def test_any_other_repeat_is_told_that_it_is_one(path: str, text: dict[str, Any]) -> None:
    at = timezone.now()
    deliver(path, text, at=at)
    again = deliver(path, text, at=at)
    assert (again.code, again.json["message"]) == ("duplicate-signal", PLAIN)


def test_with_its_name_the_second_of_two_equal_orders_is_no_repeat(path: str) -> None:
    at = timezone.now()
    answers = [deliver(path, {**FILLED_IN, "orderId": name}, at=at) for name in ("Exit first", "Exit second")]
    assert [answer.code for answer in answers] == ["", ""]
    assert Signal.objects.count() == 2
