"""Stops that go missing, each with its fault armed and without."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from brokers.simulator.tests.conftest import Client, ticket


def bracket(client: Client, name: str) -> Any:
    """Five bought at the market, with a stop far below."""
    parent = ticket(f"{name}-P", quantity=5)
    stop = ticket(f"{name}-S", quantity=5, side="SELL", orderType="STP", price=0.5, tif="GTC", parentId=f"{name}-P")
    return client.post(f"/iserver/account/{client.account}/orders", {"orders": [parent, stop]})


def until(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def books(client: Client) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.gateway.control("GET", f"/{client.user}/orders")
    return rows


def stop_of(client: Client, name: str) -> str | None:
    order = client.gateway.books(client.user).get(f"{name}-S")
    return None if order is None else str(order["status"])


@pytest.mark.parametrize(
    ("preset", "armed"),
    [
        ("stop_refused", None),
        ("half_accepted_bracket", None),
        ("stop_canceled_later", "Cancelled"),
        ("stop_lost", "Cancelled"),
    ],
)
def test_the_stop_goes_missing_once(client: Client, preset: str, armed: str | None) -> None:
    client.gateway.fault(preset=preset, match={"user": client.user})
    answers = bracket(client, "a")
    until(lambda: stop_of(client, "a") == armed)
    assert client.gateway.books(client.user)["a-P"]["status"] == "Filled"
    named = {row.get("local_order_id") for row in answers}
    assert ("a-S" in named) is (preset != "half_accepted_bracket")
    shown = {order["orderId"] for order in client.orders()}
    assert (preset == "stop_lost") is (bool(books(client)[1:]) and books(client)[1]["order_id"] not in shown)
    bracket(client, "b")
    assert stop_of(client, "b") in {"PreSubmitted", "Submitted"}


def test_somebody_else_places_a_stop(client: Client) -> None:
    client.gateway.fault(preset="foreign_stop", match={"user": client.user})
    bracket(client, "a")
    (foreign,) = [order for order in books(client) if not order["reference"]]
    assert (foreign["type"], foreign["side"], foreign["quantity"]) == ("STP", "SELL", "5")
    bracket(client, "b")
    assert len([order for order in books(client) if not order["reference"]]) == 1


def test_somebody_else_closes_a_part(client: Client) -> None:
    def closed() -> list[tuple[str, str]]:
        return [(order["side"], order["filled"]) for order in books(client) if not order["reference"]]

    bracket(client, "a")
    assert closed() == []
    part = {"foreign_exit": {"s": 0.3, "share": 0.4}}
    client.gateway.fault(preset="position_shrunk", match={"user": client.user}, action=part)
    bracket(client, "b")
    until(lambda: closed() == [("SELL", "2")])
