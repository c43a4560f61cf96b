"""The stop as a person has it: two taps on a phone, two keys on a desk, and every open page hears of it."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Team, User
from brokers.models import Order
from brokers.tests import rows as broker
from strategies.control import halt
from strategies.domain.decide.guards import Halt
from strategies.models import Guard
from strategies.tests.browser.browsers import PHONE, Opener

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_phone_reaches_the_stop_of_the_team_and_uses_it(open_page: Opener, alice: User, team: Team) -> None:
    order = broker.order(broker.account(team))
    page = open_page(alice, f"/teams/{team.code}/orders/", **PHONE)
    page.get_by_role("link", name="Stop trading").first.tap()
    expect(page.get_by_role("heading", name=f"Stop {team.name}")).to_be_visible()
    expect(page.get_by_text("1 entry order that waits or works is canceled")).to_be_visible()
    page.get_by_role("button", name="Stop now").tap()
    assert not Guard.objects.exists(), "a stop without a reason was taken"
    page.get_by_label("Why").fill("Fire drill")
    page.get_by_role("button", name="Stop now").tap()
    expect(page.get_by_text("Stopped: 1 order canceled or being canceled.")).to_be_visible()
    expect(page.locator("#alarms")).to_contain_text("Entries are stopped for the whole team")
    assert Order.objects.get(pk=order.pk).status == "canceled"
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, "the page is wider than the phone"


def test_two_keys_lead_to_the_guards(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, f"/teams/{team.code}/orders/")
    page.keyboard.press("g")
    page.keyboard.press("g")
    expect(page).to_have_url(re.compile(f"/teams/{team.code}/guards/$"))


def test_an_open_page_hears_of_a_stop_and_of_its_end(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, f"/teams/{team.code}/signals/")
    expect(page.locator(".side [data-feed-state]")).to_have_attribute("data-state", "live")
    page.wait_for_load_state("networkidle")
    expect(page.locator("#alarms")).to_be_hidden()
    halt.halt(
        team=team,
        target=None,
        how=Halt.EVERYTHING,
        reason="Odd prices",
        actor=alice,
        now=timezone.now(),
    )
    expect(page.locator("#alarms")).to_contain_text("Everything is stopped for the whole team")
    expect(page.locator("#alarms")).to_contain_text("Odd prices")
    halt.resume(team=team, target=None, reason="Calm", actor=alice, now=timezone.now())
    expect(page.locator("#alarms")).to_be_hidden()
