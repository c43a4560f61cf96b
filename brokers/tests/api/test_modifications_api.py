"""REST: a working order is changed in place by a program that may trade, and it reads what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
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


@pytest.fixture
def dated(stop: Order) -> Order:
    end = timezone.now().replace(microsecond=0) + timedelta(days=3)
    return rows.order(
        stop.account,
        type="limit",
        limit_price=Decimal(1),
        status="accepted",
        broker_order_id="2",
        time_in_force="gtd",
        good_till=end,
    )


def test_a_program_moves_the_end_of_an_order(team: Team, alice: User, dated: Order) -> None:
    api, was = Api(team, alice, "trade"), dated.good_till
    assert was is not None
    later = was + timedelta(days=1)
    answer = modify(api, dated, good_till=later.isoformat()).json()
    assert (answer["status"], answer["time_in_force"], answer["ended_at"] is None) == ("made", "gtd", False)
    assert [datetime.fromisoformat(answer[name]) for name in ("good_till", "good_till_before")] == [later, was]
    shown = api.get(f"orders/{dated.code}/")
    assert (datetime.fromisoformat(shown["good_till"]), shown["time_in_force"]) == (later, "gtd")
    taken = modify(api, dated, time_in_force="gtc", limit_price="2").json()
    assert (taken["status"], taken["limit_price"]) == ("waiting", "2")
    dated.refresh_from_db()
    assert (dated.time_in_force, dated.good_till) == ("gtc", None)
    listed = api.get(f"orders/{dated.code}/modifications/")["results"]
    assert [(row["status"], row["time_in_force"]) for row in listed] == [
        ("waiting", ""),
        ("made", "gtc"),
        ("made", "gtd"),
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"good_till": "2020-01-01T00:00:00Z"}, 409, "good-till-date-passed"),
        ({"good_till": "9999-12-31T23:59:59Z"}, 409, "good-till-date-too-far"),
        ({"time_in_force": "gtc", "good_till": "2099-01-01T00:00:00Z"}, 409, "invalid-good-till-date"),
        ({"time_in_force": "gtd"}, 409, "invalid-good-till-date"),
        ({"time_in_force": "day"}, 400, "invalid-time-in-force"),
        ({"good_till": "soon"}, 400, "invalid-good-till"),
        ({"good_till": None}, 400, "invalid-good-till"),
    ],
)
def test_which_ends_are_refused(
    team: Team, alice: User, dated: Order, body: dict[str, Any], status: int, code: str
) -> None:
    answer = modify(Api(team, alice, "trade"), dated, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not OrderModification.objects.exists()


def test_a_leg_has_no_end(team: Team, alice: User, stop: Order) -> None:
    end = timezone.now() + timedelta(days=1)
    answer = modify(Api(team, alice, "trade"), stop, good_till=end.isoformat())
    assert (answer.status_code, answer.json()["code"]) == (409, "cannot-be-changed")


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
