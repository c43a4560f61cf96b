"""The list of orders."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Team, User
from accounts.plans import patience
from brokers.domain.orders import OrderStatus
from brokers.models import Order
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def codes(html: str) -> list[str]:
    return re.findall(r'id="order-([0-9a-f-]{36})"', html)


def test_it_shows_orders_to_a_viewer_newest_first(client: Client, bob: User, team: Team, now: datetime) -> None:
    account = rows.account(team)
    old = rows.filled(rows.order(account, type="limit", limit_price=Decimal("187.50")), at=now)
    new = rows.order(account, ticker="SPY", side="sell")
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/orders/")
    assert codes(page.text) == [str(new.code), str(old.code)]
    for words in ("limit 187.50", "10 @ 187.25", "fee 1.00 USD", "filled", account.account_id, "simulated"):
        assert words in page.text


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team) -> None:
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/orders/").status_code == 404


def test_it_never_shows_orders_of_another_team(
    client: Client, charlie: User, alice: User, team: Team, now: datetime
) -> None:
    from accounts import teams

    theirs = teams.found_team(owner=charlie, name="Theirs", now=now)
    order = rows.order(rows.account(theirs))
    client.force_login(alice)
    assert str(order.code) not in client.get(f"/teams/{team.code}/orders/").text
    assert client.get(f"/teams/{team.code}/orders/{order.code}/").status_code == 404


def test_it_filters_by_state_ticker_and_account_from_the_url(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    account, other = rows.account(team), rows.account(team)
    filled = rows.filled(rows.order(account), at=now)
    lost = rows.order(other, ticker="SPY")
    Order.objects.move(lost, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    Order.objects.move(lost, OrderStatus.UNKNOWN, now=now)
    client.force_login(alice)
    path = f"/teams/{team.code}/orders/"
    assert codes(client.get(path, {"state": "filled"}).text) == [str(filled.code)]
    assert codes(client.get(path, {"state": "doubt"}).text) == [str(lost.code)]
    assert codes(client.get(path, {"state": "open"}).text) == [str(lost.code)]
    assert codes(client.get(path, {"ticker": "spy"}).text) == [str(lost.code)]
    assert codes(client.get(path, {"account": str(account.code)}).text) == [str(filled.code)]
    assert 'data-feed-want="doubt ticker:SPY"' in client.get(path, {"state": "doubt", "ticker": "spy"}).text


def test_it_says_why_it_is_empty(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    assert "Accepted decisions become orders" in client.get(f"/teams/{team.code}/orders/").text
    assert "No order matches these filters" in client.get(f"/teams/{team.code}/orders/?ticker=XYZ").text


def test_it_pages_by_the_last_order_shown(client: Client, alice: User, team: Team) -> None:
    ticket = rows.ticket(rows.account(team))
    made = [rows.order(ticket) for _ in range(53)]
    client.force_login(alice)
    first = client.get(f"/teams/{team.code}/orders/?ticker=aapl")
    older = re.search(r'href="(\?[^"]*before=[^"]+)"', first.text)
    assert older is not None
    assert "ticker=aapl" in older[1]
    second = client.get(f"/teams/{team.code}/orders/" + older[1].replace("&amp;", "&"))
    shown = codes(first.text) + codes(second.text)
    assert shown == [str(order.code) for order in reversed(made)]
    # What arrives while one reads an older page belongs on the first.
    assert 'id="orders-older"' in second.text


def test_it_asks_the_database_as_often_for_many_orders_as_for_one(
    client: Client, alice: User, team: Team, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    account = rows.account(team)
    for _ in range(20):
        rows.order(account)
    client.force_login(alice)
    with django_assert_max_num_queries(13):
        client.get(f"/teams/{team.code}/orders/")


def test_filters_that_take_too_long_say_so_in_place_of_a_list(
    client: Client, bob: User, team: Team, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = rows.account(team)
    for _ in range(200):
        rows.order(account)
    client.force_login(bob)
    monkeypatch.setattr(patience, "PATIENCE_MS", 1)
    page = client.get(f"/teams/{team.code}/orders/?state=open")
    assert page.status_code == 200
    assert "There are too many orders to look through" in page.text
    monkeypatch.setattr(patience, "PATIENCE_MS", 30_000)
    assert "There are too many orders" not in client.get(f"/teams/{team.code}/orders/?state=open").text
