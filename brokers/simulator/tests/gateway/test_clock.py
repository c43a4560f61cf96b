"""What time does, on a clock that can be moved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, messages, ticket

DAY = 86_400


@pytest.fixture(scope="module")
def clocked(servers: None) -> Iterator[RunningGateway]:
    with running_gateway("fast") as running:
        yield running


@pytest.fixture
def trader(clocked: RunningGateway, user: str) -> Client:
    return Client(clocked, user, clocked.sign_in(user))


def test_a_session_ends_when_nobody_speaks_for_six_minutes(trader: Client) -> None:
    with trader.socket() as socket:
        messages(socket, "sts")
        trader.gateway.advance(361)
        [status] = messages(socket, "sts")
    assert status["args"]["authenticated"] is False
    assert trader.gateway.call(trader.user, "GET", "/iserver/accounts")[0] == 401


def test_a_day_order_never_lives_past_its_day(trader: Client) -> None:
    trader.place(ticket("day", orderType="LMT", price=50.0), ticket("gtc", orderType="LMT", price=50.0, tif="GTC"))
    trader.gateway.advance(DAY)
    trader.gateway.sign_in(trader.user)
    shown = {o["order_ref"]: o for o in trader.orders()}
    assert (shown["day"]["status"], shown["gtc"]["status"]) == ("Cancelled", "Submitted")
    assert shown["day"]["order_cancellation_by_system_reason"] == "Its day is over."


def test_tomorrow_shows_working_orders_only_and_trades_of_yesterday(trader: Client) -> None:
    trader.place(ticket("done"))
    trader.place(ticket("rests", orderType="LMT", price=50.0, tif="GTC"))
    trader.gateway.advance(DAY)
    trader.gateway.sign_in(trader.user)
    assert [o["order_ref"] for o in trader.orders()] == ["rests"]
    assert trader.get("/iserver/account/trades?days=1") == []
    assert [t["order_ref"] for t in trader.trades()] == ["done"]


def test_days_end_unless_they_are_switched_off(trader: Client) -> None:
    with trader.gateway.behaving(day_orders_expire=False, day_scoped_orders=False):
        trader.place(ticket("done"), ticket("day", orderType="LMT", price=50.0))
        trader.gateway.advance(DAY)
        trader.gateway.sign_in(trader.user)
        shown = {o["order_ref"]: o["status"] for o in trader.orders()}
    assert shown == {"done": "Filled", "day": "Submitted"}


def test_a_reference_is_free_again_after_a_day(trader: Client) -> None:
    trader.place(ticket("again"))
    trader.gateway.advance(DAY - 60)
    trader.gateway.sign_in(trader.user)
    assert "already registered" in trader.place(ticket("again"))["error"]
    trader.gateway.advance(120)
    assert trader.place(ticket("again"))[0]["local_order_id"] == "again"


def test_quotes_end_after_a_quarter_of_an_hour(trader: Client) -> None:
    with trader.socket() as socket:
        socket.send('smd+265598+{"fields":["31","84"]}')
        messages(socket, "smd+265598", 2)
        trader.gateway.advance(16 * 60)
        with pytest.raises(TimeoutError):
            messages(socket, "smd+265598", 3, timeout=1)


def test_the_clock_only_goes_ahead(clocked: RunningGateway) -> None:
    status, body = clocked.request("POST", "/sim/v1/clock", {"advance_s": -1})
    assert (status, body["error"]) == (400, "advance_s is a number of seconds, from 0 to a year.")
