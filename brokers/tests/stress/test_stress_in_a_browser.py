"""The stress panel under a finger: pressed, met, cleared, without the page being loaded again."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from accounts.models import Team, User
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import rows
from strategies.tests.browser.browsers import Web, browser, opened, web

__all__ = ["browser", "web"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.django_db(transaction=True),
]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_press_is_answered_beside_its_button_and_met_before_ones_eyes(
    browser: Browser, web: Web, alice: User, team: Team, gateway: RunningGateway, width: int
) -> None:
    made = rows.connection(team)
    gateway.sign_in(made.username)
    context, page = opened(browser, web, alice, viewport={"width": width, "height": 844})
    page.goto(f"/teams/{team.code}/connections/{made.code}/")
    page.click("#stress-too_many")
    row = page.locator(".stress-list > li", has=page.locator("#stress-too_many"))
    expect(row.get_by_role("status")).to_have_text("The next 3 requests will be refused.")
    expect(page.locator("#stress-state-too_many")).to_contain_text("armed, 10 min left")
    assert gateway.call(made.username, "POST", "/tickle")[0] == 429
    expect(page.locator("#stress-state-too_many")).to_contain_text("met 1 of 3")
    assert _focused(page) == "stress-too_many"
    page.click("#stress-clear")
    expect(page.get_by_text("Nothing is armed any more.")).to_be_visible()
    expect(page.locator("#stress-state-too_many")).to_be_hidden()
    assert gateway.call(made.username, "POST", "/tickle")[0] == 200
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.faults == []  # type: ignore[attr-defined]
    context.close()


def test_without_scripts_every_press_is_a_page(
    browser: Browser, web: Web, alice: User, team: Team, gateway: RunningGateway
) -> None:
    made = rows.connection(team)
    gateway.sign_in(made.username)
    context, page = opened(browser, web, alice, java_script_enabled=False)
    page.goto(f"/teams/{team.code}/connections/{made.code}/")
    page.click("#stress-timeout")
    expect(page.get_by_text("The next order will not be answered.")).to_be_visible()
    page.click("#stress-clear")
    expect(page.get_by_text("Nothing is armed any more.")).to_be_visible()
    context.close()


def _focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.id"))
