"""Halyard as an app: what a device keeps, what it shows without a network, and that nothing is left behind a sign-out."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from accounts.models import Team, User
from brokers.tests import rows as broker
from strategies.tests import rows
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.browser.test_pages_in_a_browser import quiet

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
KEPT = "async () => (await (await caches.open('pages')).keys()).map((each) => new URL(each.url).pathname).sort()"

CONTROLLED = """async () => {
    await navigator.serviceWorker.ready;
    while (!navigator.serviceWorker.controller) await new Promise((next) => setTimeout(next, 20));
}"""


def installed(open_page: Opener, user: User, path: str) -> Page:
    """A phone whose pages go through the worker."""
    page = open_page(user, path, service_workers="allow", **PHONE)
    page.evaluate(CONTROLLED)
    page.goto(path)
    quiet(page)
    return page


def keeps(page: Page, count: int) -> None:
    """Waits until so many pages are kept: a page is written down behind its answer."""
    look = f"while ((await ({KEPT})()).length !== {count}) await new Promise((next) => setTimeout(next, 20));"
    page.evaluate(f"async () => {{ {look} }}")


def kept(page: Page) -> list[str]:
    return list(page.evaluate(KEPT))


def test_without_a_network_the_last_known_is_shown_with_its_age(
    open_page: Opener, alice: User, team: Team, now: datetime
) -> None:
    walk = rows.walk(team, now)
    broker.position(walk.account)
    home = f"/teams/{team.code}/"
    page = installed(open_page, alice, home)
    page.goto(f"{home}orders/")
    quiet(page)
    page.context.set_offline(True)
    page.goto(f"{home}orders/")
    expect(page.get_by_text("You are offline.")).to_be_visible()
    expect(page.locator(f"#order-{walk.order.code}")).to_be_visible()
    # The last page that was looked at is what opens from the home screen.
    page.goto("/")
    expect(page.get_by_text("You are offline.")).to_be_visible()
    page.goto(home)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    expect(page.locator(".notice time").first).to_contain_text("ago")
    assert page.locator("main form button:enabled").count() == 0
    # What is not kept says so, and leads back.
    page.goto(f"{home}strategies/")
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    page.context.set_offline(False)
    page.goto(home)
    expect(page.get_by_text("You are offline.")).to_have_count(0)
    quiet(page)


def test_only_pages_to_look_at_are_kept(open_page: Opener, alice: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    home = f"/teams/{team.code}/"
    page = installed(open_page, alice, home)
    for path in ("guards/", "approvals/", "orders/?status=filled", f"strategies/{strategy.code}/", "positions/"):
        page.goto(f"{home}{path}")
    keeps(page, 2)
    assert kept(page) == [home, f"{home}positions/"]


def test_who_signs_out_leaves_nothing_behind(open_page: Opener, alice: User, team: Team) -> None:
    page = installed(open_page, alice, f"/teams/{team.code}/")
    keeps(page, 1)
    page.locator(".tabs").get_by_role("button", name="More").click()
    page.locator("#more").get_by_text(alice.email).first.click()
    page.locator("#more").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/**")
    keeps(page, 0)
    page.context.set_offline(True)
    page.goto(f"/teams/{team.code}/")
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()


HOLDS = """() => {
    const ask = self.fetch;
    self.held = new Promise((next) => { self.letGo = next; });
    self.fetch = async (request) => { const answer = await ask(request); self.came = true; await self.held; return answer; };
}"""


def test_a_page_that_comes_behind_a_sign_out_is_not_kept(open_page: Opener, alice: User, team: Team) -> None:
    """Its answer was on its way when the pages were thrown away, and was kept for whoever came next."""
    page = installed(open_page, alice, f"/teams/{team.code}/")
    keeps(page, 1)
    (worker,) = page.context.service_workers
    worker.evaluate(HOLDS)
    other = page.context.new_page()
    page.evaluate(f"() => {{ setTimeout(() => location.assign('/teams/{team.code}/orders/'), 0); }}")
    worker.evaluate("async () => { while (!self.came) await new Promise((next) => setTimeout(next, 20)); }")
    other.goto("/accounts/logout/", wait_until="commit")
    worker.evaluate("() => self.letGo()")
    page.wait_for_url("**/orders/")
    # What is asked for since is kept, and that alone.
    page.goto(f"/teams/{team.code}/positions/")
    keeps(page, 1)
    assert kept(page) == [f"/teams/{team.code}/positions/"]


def test_what_a_browser_installs(client: Client, db: None) -> None:
    answer = client.get("/manifest.webmanifest")
    assert answer.headers["Content-Type"] == "application/manifest+json"
    manifest = json.loads(answer.content)
    assert (manifest["display"], manifest["start_url"], manifest["scope"]) == ("standalone", "/", "/")
    assert {icon["sizes"] for icon in manifest["icons"]} == {"192x192", "512x512"}
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    worker = client.get("/service-worker.js")
    assert worker.headers["Content-Type"].startswith("text/javascript")
    assert "no-store" in worker.headers["Cache-Control"]
