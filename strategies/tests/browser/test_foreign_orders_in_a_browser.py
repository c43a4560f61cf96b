"""What IBKR shows and Halyard did not do, in a real browser: orders placed elsewhere with their cancel, and a split."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Team, User
from brokers import live
from brokers.models import Closing, CorporateAction, ForeignOrder, Order
from brokers.tests import rows
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.browser.test_pages_in_a_browser import quiet

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.django_db(transaction=True)]


def test_they_are_named_at_a_close_and_canceled_where_they_are_marked(
    open_page: Opener, team: Team, alice: User
) -> None:
    account = rows.account(team, book_as_of=timezone.now())
    rows.position(account)
    marked, kept = rows.foreign_order(account), rows.foreign_order(account, type="stop", stop_price=90)
    page = open_page(alice, f"/teams/{team.code}/positions/", **PHONE)
    quiet(page)
    expect(page.get_by_role("heading", name="Placed elsewhere")).to_be_visible()
    page.get_by_label(f"Close AAPL in {account.account_id}").click()
    boxes = page.locator("input[name=theirs]")
    expect(boxes).to_have_count(2)
    expect(page.locator("input[name=theirs]:checked")).to_have_count(0)
    page.locator(f"input[value='{marked.code}']").check()
    page.get_by_role("button", name="Close AAPL at the market").click()
    expect(page.get_by_text("Being canceled")).to_have_count(1)
    assert Closing.objects.get().conid == 265598
    page.locator(f"a[href$='{kept.code}/']").click()
    page.get_by_role("button", name="Cancel it at IBKR").click()
    expect(page.get_by_text("Being canceled")).to_have_count(2)
    assert ForeignOrder.objects.filter(cancel_asked_at__isnull=False).count() == 2


def test_the_list_follows_what_ibkr_shows(open_page: Opener, team: Team, alice: User) -> None:
    account = rows.account(team, book_as_of=timezone.now())
    page = open_page(alice, f"/teams/{team.code}/orders/")
    quiet(page)
    expect(page.get_by_role("heading", name="Placed elsewhere")).to_have_count(0)
    row = rows.foreign_order(account)
    live.account_changed(account)
    expect(page.get_by_role("heading", name="Placed elsewhere")).to_be_visible()
    row.delete()
    live.account_changed(account)
    expect(page.get_by_role("heading", name="Placed elsewhere")).to_have_count(0)


def test_a_filled_order_in_no_row_is_adopted_on_its_page(open_page: Opener, team: Team, alice: User) -> None:
    account = rows.account(team, book_as_of=timezone.now())
    page = open_page(alice, f"/teams/{team.code}/orders/", **PHONE)
    quiet(page)
    row = rows.unclaimed_order(account)
    live.account_changed(account)
    expect(page.get_by_role("heading", name="Filled, and in no row")).to_be_visible()
    page.locator(f"#theirs a[href$='{row.code}/']").click()
    expect(page.get_by_text("Halyard placed this order, and knows nothing else of it")).to_be_visible()
    page.get_by_role("button", name="Adopt it").click()
    expect(page.get_by_text("Halyard has it as its own order again, with its fills.")).to_be_visible()
    assert Order.objects.get(reference=row.reference).status == "filled"


def test_a_person_says_by_which_ratio_it_was_split(open_page: Opener, team: Team, alice: User) -> None:
    account = rows.account(team, book_as_of=timezone.now())
    rows.position(account, quantity=373)
    page = open_page(alice, f"/teams/{team.code}/accounts/{account.code}/", **PHONE)
    quiet(page)
    expect(page.get_by_role("heading", name="Splits")).to_have_count(0)
    action = rows.split(account)
    live.account_changed(account)
    expect(page.get_by_role("heading", name="Splits")).to_be_visible()
    page.get_by_text("was it split?").click()
    page.get_by_label("New shares").fill("373")
    page.get_by_label("for old ones").fill("100")
    page.get_by_role("button", name="It was this split").click()
    expect(page.get_by_role("heading", name="AAPL, 373 for 100")).to_be_visible()
    expect(page.get_by_role("button", name="It was no split")).to_have_count(0)
    assert CorporateAction.objects.get(pk=action.pk).state == "said"
