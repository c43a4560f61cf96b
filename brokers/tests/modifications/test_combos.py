"""A working limit of a combo that a person or a program moves: the price of one, both legs together, above zero."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers.domain.contracts.combos import number_of
from brokers.models import Order, OrderModification
from brokers.tests import rows

pytestmark = pytest.mark.django_db
D = Decimal
SENTENCE = "The limit is the price of one combo, both legs together, above zero: what it brings in."


def working(team: Team, **values: Any) -> Order:
    """A credit spread for 3.20, as it is named here: a sale."""
    return rows.order(
        rows.account(team),
        **{
            "conid": number_of(700_000_001, 700_000_002), "ticker": "SPY 261218C640/650", "asset_class": "option",
            "side": "sell", "type": "limit", "limit_price": D("3.2"), "quantity": D(2), "status": "accepted",
            "broker_order_id": "1", **values,
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "body", "code"),
    [
        ({}, {"limit_price": "-3"}, "not-above-zero"),
        ({}, {"limit_price": "0"}, "not-above-zero"),
        ({}, {"limit_price": "10"}, "combo-price-past-its-width"),
        ({"side": "buy"}, {"limit_price": "640"}, "combo-price-past-its-width"),
        ({}, {"stop_price": "3"}, "cannot-be-changed"),
        ({}, {"quantity": "1.5"}, "invalid-quantity"),
        ({}, {"limit_price": "3"}, ""),
        ({}, {"quantity": "1"}, ""),
        # What closes may be asked for at any price, and a calendar has no width.
        ({"role": "exit", "side": "buy"}, {"limit_price": "12"}, ""),
        ({"ticker": "SPY 270115/261218C640", "side": "buy"}, {"limit_price": "12"}, ""),
    ],
)
def test_a_program_moves_it(team: Team, alice: User, values: dict[str, Any], body: dict[str, str], code: str) -> None:
    order = working(team, **values)
    api = Api(team, alice, "trade")
    answer = api.client.post(f"/api/v1/orders/{order.code}/modify/", body, content_type="application/json")
    if not code:
        assert answer.status_code == 202, answer.content
        return
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert answer.json()["message"].endswith(".")
    assert code != "not-above-zero" or answer.json()["message"].endswith(SENTENCE)
    assert not OrderModification.objects.exists()


def test_a_person_moves_it(team: Team, alice: User, client: Client) -> None:
    client.force_login(alice)
    order = working(team)
    address = reverse("order_change", args=[team.code, order.code])
    assert f"Now 3.2. {SENTENCE}" in client.get(address).content.decode()
    refused = client.post(address, {"limit_price": "-3"})
    assert (refused.status_code, "Fill in a number above zero." in refused.content.decode()) == (422, True)
    wide = client.post(address, {"limit_price": "10"})
    assert "SPY 18 Dec 2026 640/650 call spread is never worth 10 or more" in wide.content.decode()
    client.post(address, {"limit_price": "3"})
    assert OrderModification.objects.get().limit_price == 3


def test_programs_find_it_by_its_name_and_its_fills_by_those_of_the_legs(team: Team, alice: User) -> None:
    order = working(team, status="filled", filled_quantity=D(2))
    for conid, ticker, side in ((700_000_001, "SPY 261218C640", "sell"), (700_000_002, "SPY 261218C650", "buy")):
        rows.execution(order, conid=conid, ticker=ticker, side=side, quantity=D(2))
    api = Api(team, alice, "read")
    (row,) = api.get("orders/?ticker=SPY%20261218C640/650")["results"]
    assert (row["ticker"], row["side"], row["filled_quantity"]) == ("SPY 261218C640/650", "sell", "2")
    assert {(each["ticker"], each["side"]) for each in row["executions"]} == {
        ("SPY 261218C640", "sell"), ("SPY 261218C650", "buy"),
    }  # fmt: skip
    (fill,) = api.get("executions/?ticker=SPY%20261218C650")["results"]
    assert (fill["ticker"], fill["order"]) == ("SPY 261218C650", str(order.code))
