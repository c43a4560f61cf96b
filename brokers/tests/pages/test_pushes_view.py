"""What open pages are pushed: the page's own partials, the same for every viewer."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Team, User
from brokers import live
from brokers.models import Connection
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def parts(html: str) -> list[str]:
    """The elements of a push, without the templates around them."""
    return [part.strip() for part in re.findall(r"<template>(.*?)</template>", html, re.DOTALL)]


def squeezed(html: str) -> str:
    # A list on a page indents what a push does not.
    return re.sub(r"\s+", " ", html)


def test_an_orders_row_is_the_row_of_the_page(client: Client, alice: User, team: Team, now: datetime) -> None:
    order = rows.filled(rows.order(rows.account(team)), at=now)
    row, chip = parts(live.order_html(order.pk))
    assert row.startswith("<tr")
    assert f'id="order-{order.code}"' in row
    assert 'data-feed-tags="filled over ticker:AAPL' in row
    assert "filled 10 @ 187.25" in chip
    client.force_login(alice)
    assert squeezed(row) in squeezed(client.get(f"/teams/{team.code}/orders/").text)


def test_a_session_says_whether_it_can_trade(team: Team) -> None:
    made = rows.connection(team)
    Connection.objects.filter(pk=made.pk).update(session_status="unreachable", session_reason="Nobody answers.")
    (badge,) = parts(live.session_html(made.pk))
    assert re.search(r"Can trade: <strong>no</strong>, unreachable. <span class=.why.>Nobody answers.", squeezed(badge))
    Connection.objects.filter(pk=made.pk).update(session_status="active")
    (badge,) = parts(live.session_html(made.pk))
    assert "Can trade: <strong>yes</strong>" in badge


def test_an_account_brings_its_positions_along(team: Team) -> None:
    account = rows.account(team, equity=Decimal(1000000))
    rows.position(account)
    card, positions = parts(live.account_html(account.pk))
    assert 'data-equity="1000000' in card
    assert "1,000,000.00" in card
    assert positions.startswith("<tbody")
    assert "AAPL" in positions


@pytest.mark.parametrize("word", ["csrfmiddlewaretoken", "alice@example.com"])
def test_no_push_depends_on_who_looks(team: Team, now: datetime, word: str) -> None:
    account = rows.account(team)
    order = rows.filled(rows.order(account), at=now)
    pushed = live.order_html(order.pk) + live.session_html(account.connection_id) + live.account_html(account.pk)
    assert word not in pushed


def test_a_push_costs_few_queries(
    team: Team, now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    account = rows.account(team)
    order = rows.filled(rows.order(account), at=now)
    with django_assert_max_num_queries(2):
        live.order_html(order.pk)
    fresh = rows.order(account)
    with django_assert_max_num_queries(1):
        live.order_html(fresh.pk)
    # The account, its positions, which of them are being closed, its working orders; what its result of today is made of.
    with django_assert_max_num_queries(9):
        live.account_html(account.pk)
