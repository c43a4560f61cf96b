"""REST: a working order is changed in place by a program that may trade, and it reads what became of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers.models import Order, OrderModification
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def stop(team: Team) -> Order:
    return rows.order(
        rows.account(team),
        role="stop_loss",
        side="sell",
        type="stop",
        stop_price=Decimal(170),
        status="accepted",
        broker_order_id="1",
    )


def modify(api: Api, order: Order, **body: Any) -> Any:
    return api.client.post(f"/api/v1/orders/{order.code}/modify/", body, content_type="application/json")


def test_a_program_moves_a_stop_and_reads_what_became_of_it(team: Team, alice: User, stop: Order) -> None:
    api = Api(team, alice, "trade")
    answer = modify(api, stop, stop_price="172.5")
    assert (answer.status_code, answer.json()["status"]) == (202, "waiting")
    assert answer.json()["stop_price"] == "172.5"
    assert answer.json()["quantity"] is None
    again = modify(api, stop, stop_price="172.5").json()
    assert (again["status"], again["reason_code"]) == ("not_made", "change-under-way")
    listed = api.get(f"orders/{stop.code}/modifications/")["results"]
    assert [row["id"] for row in listed] == [again["id"], answer.json()["id"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 409, "nothing-to-change"),
        ({"stop_price": "0"}, 409, "not-above-zero"),
        ({"stop_price": "170.001"}, 409, "off-tick"),
        ({"limit_price": "170"}, 409, "cannot-be-changed"),
        ({"stop_price": "low"}, 400, "invalid-stop-price"),
        ({"stop": "170"}, 400, "unknown-field"),
    ],
)
def test_what_is_refused(team: Team, alice: User, stop: Order, body: dict[str, str], status: int, code: str) -> None:
    answer = modify(Api(team, alice, "trade"), stop, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not OrderModification.objects.exists()


def test_reading_is_not_changing(team: Team, alice: User, charlie: User, stop: Order) -> None:
    assert modify(Api(team, alice, "read"), stop, stop_price="172").status_code == 403
    assert not OrderModification.objects.exists()


def test_a_position_is_given_a_stop_by_a_program(team: Team, alice: User) -> None:
    position = rows.position(rows.account(team, book_as_of=timezone.now()), market_price=Decimal(180))
    api = Api(team, alice, "trade")

    def protect(**body: Any) -> Any:
        path = f"/api/v1/accounts/{position.account.code}/protect/"
        return api.client.post(path, {"conid": position.conid, **body}, content_type="application/json")

    assert protect(stop_price="181").json()["code"] == "price-on-wrong-side"
    answer = protect(stop_price="170", limit_price="190")
    assert answer.status_code == 202
    assert answer.json()["orders"] == [
        str(each) for each in Order.objects.order_by("pk").values_list("code", flat=True)
    ]
    assert protect(stop_price="171").json()["code"] == "has-a-stop"
    assert protect(conid=1, stop_price="171").json()["code"] == "no-position"
