"""Orders for auctions are taken in their windows only, on a clock that can be moved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from brokers.simulator.catalogue.hours import shares_calendar
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, ticket

ON_OPEN, ON_CLOSE = {"tif": "OPG"}, {"orderType": "MOC"}


@pytest.fixture(scope="module")
def clocked(servers: None) -> Iterator[RunningGateway]:
    with running_gateway("fast", behaviour={"market_always_open": False}) as running:
        yield running


@pytest.fixture
def trader(clocked: RunningGateway, user: str) -> Client:
    return Client(clocked, user, clocked.sign_in(user))


def moved_to(trader: Client, moment: datetime) -> None:
    """Let the gateway's clock show a moment to come."""
    shown = trader.gateway.control("GET", "/clock")["now"]
    trader.gateway.advance((moment - datetime.fromisoformat(shown)).total_seconds())
    trader.gateway.sign_in(trader.user)


def taken(trader: Client, name: str, values: dict[str, str]) -> bool:
    (row,) = trader.place(ticket(f"{name}-{time.monotonic_ns()}", **values))
    return bool(row["order_status"] != "Cancelled" or "Exchange is closed" not in row["text"])


def test_each_has_its_window(trader: Client) -> None:
    calendar = shares_calendar()
    day = calendar.open_after(datetime.now(UTC) + timedelta(days=1)).date()
    opens, closes = calendar.regular_open(day), calendar.regular_close(day)
    assert opens is not None
    assert closes is not None
    story = [
        (opens - timedelta(minutes=3), (True, True)),
        (opens - timedelta(seconds=60), (False, True)),
        (closes - timedelta(minutes=16), (False, True)),
        (closes - timedelta(minutes=15), (False, False)),
        (closes + timedelta(seconds=5), (False, True)),
        (closes + timedelta(minutes=2), (True, True)),
    ]
    seen = []
    for moment, _ in story:
        moved_to(trader, moment)
        seen.append((taken(trader, "open", ON_OPEN), taken(trader, "close", ON_CLOSE)))
    assert seen == [expected for _, expected in story]


def test_a_market_that_never_closes_has_none(trader: Client) -> None:
    with trader.gateway.behaving(market_always_open=True):
        assert taken(trader, "open", ON_OPEN)
    with trader.gateway.behaving(auction_windows=False):
        assert taken(trader, "close", ON_CLOSE)
