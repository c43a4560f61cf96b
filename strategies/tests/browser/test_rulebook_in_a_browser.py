"""The rulebook as a person looks things up in it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from accounts.models import Team, User
from strategies.tests.browser.browsers import Web, opened

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_words_find_rows_and_a_link_opens_its_code(browser: Browser, web: Web, alice: User, team: Team) -> None:
    context, page = opened(browser, web, alice)
    page.goto(f"/teams/{team.code}/rulebook/")
    find = page.get_by_label("Find in the rulebook")
    find.fill("options 0.65")
    expect(page.get_by_text("1 found")).to_be_visible()
    expect(page.get_by_text("0.65 USD a contract")).to_be_visible()
    expect(page.get_by_text("0.15 USD a contract")).to_be_hidden()
    expect(page.get_by_role("heading", name="Hours")).to_be_hidden()
    find.fill("forex_order_size")
    expect(page.get_by_text("A [currency] order must be between [min] and [max]")).to_be_visible()
    find.fill("tulips")
    expect(page.get_by_text("nothing found")).to_be_visible()
    find.fill("")
    expect(page.get_by_role("heading", name="Hours")).to_be_visible()
    expect(page.get_by_role("button", name="Calculate")).to_be_visible()

    page.goto(f"/teams/{team.code}/rulebook/?rules=ibkr_current#reason-no_margin_data")
    expect(page.get_by_text("No margin is known for the future [name]")).to_be_visible()
    expect(page.get_by_text("ibkr_current-2024-05-28")).to_be_visible()
    assert page.faults == []  # type: ignore[attr-defined]
    context.close()
