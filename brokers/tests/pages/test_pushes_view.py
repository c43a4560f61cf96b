"""What open pages are pushed: the page's own partials, the same for every viewer."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from html.parser import HTMLParser

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
    card, powers, positions = parts(live.account_html(account.pk))
    assert f'id="powers-{account.code}"' in powers
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


class Regions(HTMLParser):
    """Which elements that pushes place stand in no region that is read again once the line is open."""

    VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "path", "source", "use", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.placed = 0
        self.left_alone: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        is_inside = ("data-feed-refresh" in values and "id" in values) or (bool(self.open) and self.open[-1][1])
        if "data-feed-into" in values:
            self.placed += 1
            if not is_inside:
                self.left_alone.append(str(values.get("id")))
        if tag not in self.VOID:
            self.open.append((tag, is_inside))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            while self.open and self.open.pop()[0] != tag:
                pass


@pytest.mark.parametrize(
    "page", ["", "orders/", "positions/", "connections/", "accounts/{account}/", "orders/{order}/", "{contract}"]
)
def test_what_changed_before_the_line_opened_is_read_again(
    client: Client, alice: User, team: Team, now: datetime, page: str
) -> None:
    """Whatever a push may place was rendered before the page could hear of it."""
    account = rows.account(team, equity=Decimal(1000000))
    parent = rows.filled(rows.order(account), at=now)
    rows.order(parent.ticket, role="take_profit", side="sell", parent=parent)
    rows.position(account)
    contract = f"accounts/{account.code}/contracts/{parent.conid}/"
    client.force_login(alice)
    found = Regions()
    found.feed(
        client.get(
            f"/teams/{team.code}/" + page.format(account=account.code, order=parent.code, contract=contract)
        ).text
    )
    assert found.placed
    assert found.left_alone == []
