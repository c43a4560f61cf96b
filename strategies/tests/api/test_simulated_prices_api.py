"""REST and the status of a signal say where a fill or a figure rests on the simulator's prices."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers.models import Connection, Order
from brokers.tests import rows as broker
from strategies.tests import rows
from strategies.tests.webhook import doors
from strategies.webhook.status import status_url

pytestmark = pytest.mark.django_db(transaction=True)
ENVIRONMENTS = [("simulated", True), ("paper", False), ("live", False)]


@pytest.fixture
def walk(team: Team) -> rows.Walk:
    return rows.walk(team, timezone.now() - timedelta(seconds=5))


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice)


@pytest.mark.parametrize(("environment", "simulated"), ENVIRONMENTS)
def test_orders_of_a_signal_and_of_a_decision_say_it(
    api: Api, walk: rows.Walk, environment: str, simulated: bool
) -> None:
    Connection.objects.update(environment=environment)
    [nested] = api.get(f"signals/{walk.signal.code}/")["decisions"]
    alone = api.get(f"decisions/{nested['id']}/")
    for decision in (nested, alone):
        [order] = decision["orders"]
        marks = {order["simulated_price"], *(fill["simulated_price"] for fill in order["executions"])}
        assert marks == {simulated}


@pytest.mark.parametrize(("environment", "simulated"), ENVIRONMENTS)
def test_figures_of_the_team_and_the_account_say_it(
    api: Api, walk: rows.Walk, environment: str, simulated: bool
) -> None:
    Connection.objects.update(environment=environment)
    levels = {row["level"]: row["figures"]["simulated_price"] for row in api.get("guards/")["results"]}
    # Strategies and subscriptions have no result of their own.
    assert levels == {"team": simulated, "account": simulated, "strategy": False, "subscription": False}


def test_a_sum_with_one_simulated_account_is_simulated(api: Api, team: Team, walk: rows.Walk) -> None:
    other = broker.account(team)
    Connection.objects.filter(pk=other.connection_id).update(environment="paper")
    figures = {row["id"]: row["figures"]["simulated_price"] for row in api.get("guards/")["results"]}
    assert figures[str(team.code)] is True
    assert figures[str(walk.account.code)] is True
    assert figures[str(other.code)] is False


@pytest.mark.parametrize(("environment", "simulated"), ENVIRONMENTS)
def test_the_status_of_a_signal_says_it(walk: rows.Walk, environment: str, simulated: bool) -> None:
    Connection.objects.update(environment=environment)
    assert order_at_status(walk)["simulatedPrice"] is simulated
    Order.objects.update(average_price=None)
    assert order_at_status(walk)["simulatedPrice"] is False


def order_at_status(walk: rows.Walk) -> dict[str, object]:
    path = "/trading/" + status_url(walk.signal.code).partition("/trading/")[2]
    answer = doors.with_door(lambda door: doors.knock(door, path, b"", method="GET"))
    assert answer.status == 200, answer.json
    order: dict[str, object] = answer.json["decisions"][0]["orders"][0]
    return order
