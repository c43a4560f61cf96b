"""REST says where a price is the simulator's, as pages do."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers.api.pricing import MEANING
from brokers.models import BrokerageAccount, Connection, Order
from brokers.tests import rows

pytestmark = pytest.mark.django_db
LISTS = ["accounts", "positions", "orders", "executions"]
ENVIRONMENTS = [("simulated", True), ("paper", False), ("live", False)]


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice)


def bought(team: Team, now: datetime, environment: str = "simulated") -> BrokerageAccount:
    """Ten AAPL, bought and held in an account of this environment."""
    account = rows.account(team)
    rows.position(account, market_price=Decimal(190), unrealized_pnl=Decimal(27))
    rows.filled(rows.order(account), at=now)
    Connection.objects.filter(pk=account.connection_id).update(environment=environment)
    return account


def marks(listed: dict[str, Any]) -> list[bool]:
    return [row["simulated_price"] for row in listed["results"]]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(("environment", "simulated"), ENVIRONMENTS)
def test_each_row_says_whose_price_it_is(
    api: Api, team: Team, now: datetime, name: str, environment: str, simulated: bool
) -> None:
    bought(team, now, environment)
    assert marks(api.get(f"{name}/")) == [simulated]


@pytest.mark.parametrize(("environment", "simulated"), ENVIRONMENTS)
def test_so_does_each_fill_inside_its_order(
    api: Api, team: Team, now: datetime, environment: str, simulated: bool
) -> None:
    bought(team, now, environment)
    [order] = api.get("orders/")["results"]
    assert marks({"results": order["executions"]}) == [simulated]


@pytest.mark.parametrize("name", LISTS)
def test_rows_of_one_list_are_told_apart(api: Api, team: Team, now: datetime, name: str) -> None:
    for environment, _ in ENVIRONMENTS:
        bought(team, now, environment)
    assert sorted(marks(api.get(f"{name}/"))) == [False, False, True]


@pytest.mark.parametrize("name", ["accounts", "orders", "executions"])
def test_a_row_at_its_own_address_says_it_too(api: Api, team: Team, now: datetime, name: str) -> None:
    bought(team, now)
    [row] = api.get(f"{name}/")["results"]
    assert api.get(f"{name}/{row['id']}/")["simulated_price"] is True


def test_an_order_without_a_fill_has_no_price_to_speak_of(api: Api, team: Team) -> None:
    order = rows.order(rows.account(team), signal_price=Decimal(187), limit_price=Decimal(188))
    assert marks(api.get("orders/")) == [False]
    Order.objects.filter(pk=order.pk).update(filled_quantity=4, average_price=Decimal("187.5"))
    assert marks(api.get("orders/")) == [True]


def test_a_fill_of_an_order_made_elsewhere_says_it(api: Api, team: Team, now: datetime) -> None:
    bought(team, now).executions.update(order=None)
    assert marks(api.get("executions/")) == [True]


def test_a_fill_at_its_signals_price_is_still_a_simulated_one(api: Api, team: Team, now: datetime) -> None:
    account = bought(team, now)
    Connection.objects.filter(pk=account.connection_id).update(prices="signal")
    Order.objects.update(signal_price=Decimal("187.25"))
    assert marks(api.get("orders/")) == marks(api.get("executions/")) == [True]
    [connection] = api.get("connections/")["results"]
    assert connection["prices"] == "signal"


@pytest.mark.parametrize("name", ["Account", "Position", "Order", "Fill", "Execution", "Figures"])
def test_the_description_says_what_it_means(name: str) -> None:
    described = Client().get("/api/v1/schema/", {"format": "json"}).json()["components"]["schemas"][name]
    assert described["properties"]["simulated_price"] == {"type": "boolean", "description": MEANING, "readOnly": True}
    assert "simulated_price" in described["required"]
