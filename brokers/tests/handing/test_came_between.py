"""A page and a program whom somebody comes before in the database: told so, with nothing kept of what they asked for."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers.models import Order, OrderModification
from brokers.postgres.locks import direct_parameters
from brokers.tests import rows
from brokers.tests.pauses import pauses

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
HOLD = "SELECT FROM brokers_order WHERE id = %s FOR UPDATE"


def parts(team: Team) -> list[Order]:
    """Two parts of one entry, which are held in the order of their keys."""
    ticket = rows.ticket(rows.account(team))
    values = {"type": "limit", "limit_price": D(90), "status": "accepted"}
    return [rows.order(ticket, broker_order_id=str(number), **values) for number in (1, 2)]


def crossed(first: Order, second: Order, ask: Callable[[], Any]) -> Any:
    """The answer to a request that holds the first and waits for the second, while somebody does it the other way round."""
    answers: list[Any] = []

    def press() -> None:
        try:
            answers.append(ask())
        finally:
            connection.close()

    thread = threading.Thread(target=press)
    with psycopg.connect(**direct_parameters()) as somebody, psycopg.connect(**direct_parameters()) as watching:
        somebody.execute("BEGIN")
        somebody.execute(HOLD, [second.pk])
        thread.start()
        for pause in itertools.islice(pauses(), 200):
            if watching.execute(WAITS).fetchall():
                break
            time.sleep(pause)
        # The request has waited for longer, so it is the one that PostgreSQL looks at first, and ends.
        somebody.execute(HOLD, [first.pk])
        somebody.execute("ROLLBACK")
    thread.join(20)
    assert len(answers) == 1
    assert not OrderModification.objects.exists()
    return answers[0]


@pytest.mark.parametrize("by", ["page", "script"])
def test_a_person_is_told_that_nothing_was_kept(client: Client, alice: User, team: Team, by: str) -> None:
    """They saw the page of an error of ours."""
    first, second = parts(team)
    client.force_login(alice)
    address = f"/teams/{team.code}/orders/{second.code}/change/"
    headers = {"hx-request": "true"} if by == "script" else {"referer": f"http://testserver{address}"}
    answer = crossed(first, second, lambda: client.post(address, {"limit_price": "91"}, headers=headers))
    assert answer.status_code == 409
    assert "not kept. Look at it, then do it again." in answer.text
    assert (f'href="{address}"' in answer.text) is (by == "page")


def test_a_program_is_told_so_with_a_code(alice: User, team: Team) -> None:
    first, second = parts(team)
    api = Api(team, alice, "trade")
    path = f"/api/v1/orders/{second.code}/modify/"
    answer = crossed(
        first, second, lambda: api.client.post(path, {"limit_price": "91"}, content_type="application/json")
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "came-between")
    assert answer.json()["message"].endswith("do it again.")
