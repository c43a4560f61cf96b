"""Figures of an account in a real browser: when each was true, by which way it came, and how an open page follows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Team, User
from brokers import live
from brokers.book import holdings
from brokers.domain.session.feed import MoneyHeard
from brokers.models import Connection
from brokers.orders.unasked import suppressions
from brokers.tests import rows
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.browser.test_pages_in_a_browser import quiet

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.django_db(transaction=True)]


def test_an_open_page_says_how_old_money_and_positions_are_and_follows_the_stream(
    open_page: Opener, team: Team, alice: User
) -> None:
    read = timezone.now() - timedelta(minutes=5)
    account = rows.account(team, book_as_of=read, money_as_of=read, equity=Decimal(1000))
    rows.position(account, as_of=read)
    page = open_page(alice, f"/teams/{team.code}/accounts/{account.code}/", **PHONE)
    quiet(page)
    expect(page.get_by_text("IBKR's word: money read 5 min ago, positions read 5 min ago")).to_be_visible()
    told = MoneyHeard(net_liquidation=Decimal(1000999), currency="USD")
    holdings.hear(account.connection_id, {account.account_id: told}, timezone.now())
    expect(page.get_by_text("1,000,999.00").first).to_be_visible()
    expect(page.get_by_text("money told by the live stream")).to_be_visible()
    expect(page.get_by_text("positions read 5 min ago")).to_be_visible()


def test_an_open_list_of_orders_follows_the_stream_and_says_that_it_is_silent(
    open_page: Opener, team: Team, alice: User
) -> None:
    now = timezone.now()
    account = rows.account(team, book_as_of=now, book_read_at=now)
    at = now - timedelta(minutes=1)
    values = {"submitted_at": at, "acknowledged_at": at, "changed_at": at}
    order = rows.order(account, status="accepted", broker_order_id="4711", **values)
    page = open_page(alice, f"/teams/{team.code}/orders/", **PHONE)
    quiet(page)
    age = page.locator(f"#order-{order.code} .as-of")
    expect(age).to_contain_text("IBKR's answer; the stream has been silent since")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    Connection.objects.filter(pk=account.connection_id).update(stream_since=at, stream_heard_at=timezone.now())
    live.account_changed(account)
    expect(age).to_contain_text(", stream")
    expect(age).not_to_contain_text("silent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_connections_page_says_by_itself_when_ibkr_was_told_what_not_to_ask(
    open_page: Opener, team: Team, alice: User, scheme: str
) -> None:
    now = timezone.now()
    made = rows.connection(team, session_status="active", last_kept_at=now)
    page = open_page(alice, f"/teams/{team.code}/connections/{made.code}/", color_scheme=scheme, **PHONE)
    quiet(page)
    panel = page.locator("#connection-unasked")
    expect(panel).to_contain_text("IBKR asks everything.")
    suppressions.switch(connection=made, suppresses=True, actor=None, now=now)
    expect(panel).to_contain_text("IBKR is told as soon as the session is open.")
    wish = suppressions.begin(made.pk, timezone.now())
    assert wish is not None
    suppressions.told(wish, "submitted")
    expect(panel).to_contain_text("IBKR does not ask now")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_that_hears_nothing_more_says_so_by_its_own_clock(
    open_page: Opener, team: Team, alice: User, scheme: str, settings: Any
) -> None:
    settings.STREAM_PROOF_SECONDS = 60
    now = timezone.now()
    account = rows.account(team, book_as_of=now, book_read_at=now)
    Connection.objects.filter(pk=account.connection_id).update(
        stream_since=now - timedelta(hours=1), stream_heard_at=now
    )
    at = now - timedelta(minutes=1)
    values = {"submitted_at": at, "acknowledged_at": at, "changed_at": at}
    order = rows.order(account, status="accepted", broker_order_id="4711", **values)
    page = open_page(alice, f"/teams/{team.code}/orders/", color_scheme=scheme, **PHONE)
    quiet(page)
    age = page.locator(f"#order-{order.code} .as-of")
    faded = "; nothing newer has reached this page for over a minute"
    expect(age).to_contain_text(", stream")
    expect(age).not_to_contain_text(faded)
    page.clock.install()
    page.clock.fast_forward(200_000)
    expect(age).to_contain_text(faded)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    # The next word is a new one.
    live.account_changed(account)
    expect(age).not_to_contain_text(faded)
    expect(age).to_contain_text(", stream")
