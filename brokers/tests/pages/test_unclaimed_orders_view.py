"""Filled orders in no row on the pages of orders, positions and accounts, over REST, and the page of each."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role, Team, User
from brokers.models import BrokerageAccount, Execution, Order, UnclaimedOrder
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team, book_as_of=timezone.now())


def page_of(row: UnclaimedOrder, action: str = "") -> str:
    return f"/teams/{row.team.code}/orders/unclaimed/{row.code}/{action}"


def fill_of(row: UnclaimedOrder) -> Execution:
    return Execution.objects.create(
        team=row.team,
        account=row.account,
        broker_execution_id="0000.77",
        broker_order_id=row.broker_order_id,
        reference=row.reference,
        conid=row.conid,
        ticker=row.ticker,
        side=row.side,
        quantity=row.filled,
        price=Decimal("187.25"),
        executed_at=timezone.now(),
    )


@pytest.mark.parametrize("page", ["orders/", "positions/", "accounts/{code}/", "orders/?state=filled"])
def test_each_list_asks_about_them(client: Client, alice: User, account: BrokerageAccount, page: str) -> None:
    client.force_login(alice)
    address = f"/teams/{account.team.code}/{page.format(code=account.code)}"
    assert "Filled, and in no row" not in client.get(address).text
    row = rows.unclaimed_order(account)
    text = client.get(address).text
    for words in ("Filled, and in no row", "no order here knows it", page_of(row)):
        assert words in text
    UnclaimedOrder.objects.update(choice="leave", decided_at=timezone.now())
    assert "Filled, and in no row" not in client.get(address).text


def test_its_page_shows_the_evidence_and_what_each_choice_does(
    client: Client, alice: User, account: BrokerageAccount
) -> None:
    row = rows.unclaimed_order(account)
    fill_of(row)
    client.force_login(alice)
    text = client.get(page_of(row)).text
    for words in (
        row.reference,
        row.broker_order_id,
        "187.25",
        "Adopt it",
        "Leave it as it is",
        "Nothing is opened in AAPL",
    ):
        assert words in text


def test_adopting_leads_to_the_order_with_its_fills(client: Client, alice: User, account: BrokerageAccount) -> None:
    row = rows.unclaimed_order(account)
    fill_of(row)
    client.force_login(alice)
    answer = client.post(page_of(row, "decide/"), {"choice": "adopt"})
    order = Order.objects.get(reference=row.reference)
    assert answer.headers["Location"] == f"/teams/{account.team.code}/orders/{order.code}/"
    assert (order.status, order.executions.count()) == ("filled", 1)
    text = client.get(page_of(row)).text
    assert str(order.code) in text
    assert "Adopt it" not in text


def test_leaving_it_is_written_down_and_can_be_taken_back(
    client: Client, alice: User, account: BrokerageAccount
) -> None:
    row = rows.unclaimed_order(account)
    client.force_login(alice)
    client.post(page_of(row, "decide/"), {"choice": "leave"})
    row.refresh_from_db()
    assert (row.choice, row.decided_by) == ("leave", alice)
    text = client.get(page_of(row)).text
    assert "Adopt it" in text
    assert "Leave it as it is" not in text


@pytest.mark.parametrize("choice", ["cancel", "", "nonsense"])
def test_no_other_choice_is_taken(client: Client, alice: User, account: BrokerageAccount, choice: str) -> None:
    row = rows.unclaimed_order(account)
    client.force_login(alice)
    answer = client.post(page_of(row, "decide/"), {"choice": choice}, follow=True)
    assert "(unknown-choice)" in answer.text
    row.refresh_from_db()
    assert row.choice == ""


def test_who_only_views_reads_it_and_decides_nothing(client: Client, bob: User, account: BrokerageAccount) -> None:
    row = rows.unclaimed_order(account)
    assert account.team.memberships.get(user=bob).role == Role.VIEWER
    client.force_login(bob)
    text = client.get(page_of(row)).text
    assert "A trader of the team says whose it is." in text
    assert 'value="adopt"' not in text
    assert client.post(page_of(row, "decide/"), {"choice": "leave"}).status_code == 403


def test_one_whose_row_is_there_by_now_asks_nothing(client: Client, alice: User, account: BrokerageAccount) -> None:
    row = rows.unclaimed_order(account)
    rows.order(account, reference=row.reference)
    client.force_login(alice)
    assert "Nothing is asked here" in client.get(page_of(row)).text
    answer = client.post(page_of(row, "decide/"), {"choice": "leave"}, follow=True)
    assert "(order-over)" in answer.text
