"""Whose an adopted order is, and what IBKR says, in a real browser: said with the keyboard, shown as it comes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Team, User
from brokers.domain.questions import Told, Topic
from brokers.orders.prompts import messages
from brokers.tests import rows
from strategies.models import Adoption
from strategies.tests import rows as strategy_rows
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.browser.test_pages_in_a_browser import quiet

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.django_db(transaction=True)]


def test_whose_an_order_is_is_said_with_the_keyboard(open_page: Opener, team: Team, alice: User) -> None:
    account, now = rows.account(team, book_as_of=timezone.now()), timezone.now()
    for name in ("Trend", "Swing"):
        strategy_rows.subscription(strategy_rows.strategy(team, now, name=name), account, now)
    order = rows.order(account, status="accepted", type="limit", limit_price=Decimal(1), quantity=Decimal(1))
    order.ticket.adopted_at = now
    order.ticket.save()
    page = open_page(alice, f"/teams/{team.code}/orders/{order.code}/", **PHONE)
    quiet(page)
    page.get_by_role("link", name="whose it is").click()
    expect(page.get_by_text("Several subscriptions trade this account")).to_be_visible()
    page.get_by_role("radio", name="Swing").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("adopted, for Swing")).to_be_visible()
    said = Adoption.objects.get()
    assert said.subscription is not None
    assert said.subscription.strategy.name == "Swing"


def test_what_ibkr_says_appears_while_the_page_is_open(open_page: Opener, team: Team, alice: User) -> None:
    made = rows.connection(team)
    page = open_page(alice, f"/teams/{team.code}/connections/{made.code}/", **PHONE)
    quiet(page)
    expect(page.get_by_role("heading", name="IBKR says")).to_have_count(0)
    long = "Your account is close to its margin limit. " * 15 + "x" * 200
    link = "https://www.interactivebrokers.com/en/notices"
    told = [
        Told(topic=Topic.NOTICE, number="1", title="Margin", text=long, url=link),
        Told(topic=Topic.BULLETIN, number="2", title="", text="<b>Exchange</b> XYZ opens late."),
    ]
    messages.heard(made, told, timezone.now())
    expect(page.get_by_role("heading", name="IBKR says")).to_be_visible()
    expect(page.get_by_text("<b>Exchange</b> XYZ opens late.")).to_be_visible()
    expect(page.get_by_role("link", name="Read it at IBKR")).to_have_attribute("href", link)
    # Nothing of it makes the page wider than the phone.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
