"""Orders placed elsewhere on the pages of orders, positions and accounts, and the page of each."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role, Team, User
from brokers.models import BrokerageAccount, Closing, ForeignOrder, Order
from brokers.tests import rows

pytestmark = pytest.mark.django_db
REFERENCE = "hy-00000000000000000000000000000001"


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team, book_as_of=timezone.now())


def page_of(row: ForeignOrder, action: str = "") -> str:
    return f"/teams/{row.team.code}/orders/elsewhere/{row.code}/{action}"


@pytest.mark.parametrize("page", ["orders/", "positions/", "accounts/{code}/"])
def test_each_list_shows_them_as_not_ours(client: Client, alice: User, account: BrokerageAccount, page: str) -> None:
    client.force_login(alice)
    address = f"/teams/{account.team.code}/{page.format(code=account.code)}"
    assert "Placed elsewhere" not in client.get(address).text
    row = rows.foreign_order(account, asset_class="cfd")
    text = client.get(address).text
    for words in ("Placed elsewhere", "Works, not Halyard", "CFD", page_of(row)):
        assert words in text


def test_one_that_turned_out_to_be_ours_is_not_shown(client: Client, alice: User, account: BrokerageAccount) -> None:
    row = rows.foreign_order(account)
    rows.order(account, broker_order_id=row.broker_order_id)
    client.force_login(alice)
    assert "Placed elsewhere" not in client.get(f"/teams/{account.team.code}/orders/").text


@pytest.mark.parametrize(
    ("asked", "shown"), [("?ticker=aapl", True), ("?ticker=MSFT", False), ("?state=filled", False)]
)
def test_filters_hold_for_them(client: Client, alice: User, account: BrokerageAccount, asked: str, shown: bool) -> None:
    rows.foreign_order(account)
    client.force_login(alice)
    assert ("Placed elsewhere" in client.get(f"/teams/{account.team.code}/orders/{asked}").text) is shown


def test_a_position_says_how_much_of_it_was_made_elsewhere(
    client: Client, alice: User, account: BrokerageAccount
) -> None:
    rows.position(account)
    client.force_login(alice)
    address = f"/teams/{account.team.code}/positions/"
    assert "made elsewhere" in client.get(address).text
    ours = rows.order(account, quantity=Decimal(4))
    rows.filled(ours, at=timezone.now())
    assert "6 of it made elsewhere" in client.get(address).text
    Order.objects.filter(pk=ours.pk).update(quantity=10, filled_quantity=10)
    assert "made elsewhere" not in client.get(address).text


def test_its_own_button_asks_for_the_cancel(client: Client, bob: User, account: BrokerageAccount) -> None:
    account.team.memberships.filter(user=bob).update(role=Role.TRADER)
    row = rows.foreign_order(account)
    client.force_login(bob)
    assert "Cancel it at IBKR" in client.get(page_of(row)).text
    page = client.post(page_of(row, "cancel/"), follow=True)
    assert "IBKR is asked to cancel it." in page.text
    assert "Cancel it at IBKR" not in page.text
    row.refresh_from_db()
    assert row.cancel_asked_by == bob
    assert "Its cancel is on its way already." in client.post(page_of(row, "cancel/"), follow=True).text


def test_a_viewer_sees_it_and_cancels_nothing(client: Client, bob: User, account: BrokerageAccount) -> None:
    row = rows.foreign_order(account)
    client.force_login(bob)
    assert "A trader of the team may cancel it." in client.get(page_of(row)).text
    assert client.post(page_of(row, "cancel/")).status_code == 403
    assert client.post(page_of(row, "decide/"), {"choice": "leave"}).status_code == 403
    row.refresh_from_db()
    assert row.cancel_asked_at is None


def test_a_stranger_finds_nothing(client: Client, charlie: User, account: BrokerageAccount) -> None:
    row = rows.foreign_order(account)
    client.force_login(charlie)
    assert client.get(page_of(row)).status_code == 404


def test_one_with_our_reference_is_on_the_dashboard_until_somebody_decides(
    client: Client, alice: User, account: BrokerageAccount, team: Team
) -> None:
    row = rows.foreign_order(account, reference=REFERENCE)
    rows.foreign_order(account, reference="somebody-else")
    client.force_login(alice)
    dashboard = f"/teams/{team.code}/"
    told = f"Sell 5 AAPL works in {account.account_id} with Halyard"
    assert told in client.get(dashboard).text
    assert page_of(row) in client.get(dashboard).text
    page = client.get(page_of(row))
    for words in ("Adopt it", "Leave it alone", "Cancel it at IBKR", REFERENCE):
        assert words in page.text
    client.post(page_of(row, "decide/"), {"choice": "leave"})
    assert told not in client.get(dashboard).text
    assert "Adopt it" not in client.get(page_of(row)).text


def test_adopting_leads_to_the_order(client: Client, alice: User, account: BrokerageAccount) -> None:
    row = rows.foreign_order(account, reference=REFERENCE)
    client.force_login(alice)
    answer = client.post(page_of(row, "decide/"), {"choice": "adopt"})
    assert answer.headers["Location"] == f"/teams/{account.team.code}/orders/{Order.objects.get().code}/"
    assert not ForeignOrder.objects.exists()


@pytest.mark.parametrize(
    ("values", "choice", "sentence"),
    [
        (
            {"asset_class": "warrant", "reference": REFERENCE},
            "adopt",
            "a warrant, which Halyard does not trade",
        ),
        ({"reference": "theirs"}, "adopt", "Halyard did not place this order"),
        ({"reference": REFERENCE}, "eat", "Choose what is to become of this order."),
    ],
)
def test_what_cannot_be_followed_is_refused(
    client: Client, alice: User, account: BrokerageAccount, values: dict[str, str], choice: str, sentence: str
) -> None:
    row = rows.foreign_order(account, **values)
    client.force_login(alice)
    assert sentence in client.post(page_of(row, "decide/"), {"choice": choice}, follow=True).text
    assert not Order.objects.exists()


def test_closing_offers_them_unmarked_and_cancels_those_that_are_marked(
    client: Client, alice: User, account: BrokerageAccount
) -> None:
    rows.position(account)
    marked, kept = rows.foreign_order(account), rows.foreign_order(account)
    elsewhere = rows.foreign_order(account, conid=7, ticker="MNQZ2026")
    client.force_login(alice)
    address = f"/teams/{account.team.code}/accounts/{account.code}/positions/265598/close/"
    page = client.get(address).text
    assert page.count('name="theirs"') == 2
    assert "checked" not in page
    assert str(elsewhere.code) not in page
    client.post(address, {"quantity": "", "theirs": [str(marked.code), str(elsewhere.code), "nonsense"]})
    assert Closing.objects.get().note == "Waiting until IBKR has canceled the order placed elsewhere."
    assert [row.pk for row in ForeignOrder.objects.filter(cancel_asked_at__isnull=False)] == [marked.pk]
    kept.refresh_from_db()
    assert kept.cancel_asked_at is None


def test_a_stop_of_trading_says_that_they_go_on(client: Client, alice: User, account: BrokerageAccount) -> None:
    rows.foreign_order(account)
    client.force_login(alice)
    address = f"/teams/{account.team.code}/guards/account/{account.code}/stop/"
    assert "1 order placed elsewhere works here" in " ".join(client.get(address).text.split())
    page = client.post(address, {"how": "everything", "reason": "Enough."}, follow=True)
    assert "1 order placed elsewhere" in page.text
    assert ForeignOrder.objects.get().cancel_asked_at is None
