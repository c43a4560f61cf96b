"""The page of terms as a person has it: examples that follow the form, windows that come and go, marks, a phone."""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Team, User
from brokers.tests import rows as broker
from strategies.domain.terms.terms import Terms
from strategies.domain.terms.windows import Window
from strategies.models import Subscription
from strategies.tests import rows
from strategies.tests.browser.browsers import PHONE, Opener

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


STICKING_OUT = """() => {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth) return "";
  const widest = [...document.querySelectorAll("main *")].find((each) => each.getBoundingClientRect().right > page.clientWidth);
  return `${page.scrollWidth - page.clientWidth} too wide, by ${widest?.outerHTML.slice(0, 160)}`;
}"""


def subscription(team: Team, **terms: object) -> Subscription:
    now = timezone.now()
    return rows.subscription(rows.strategy(team, now), broker.account(team, book_as_of=now), now, **terms)


def path(of: Subscription) -> str:
    return f"/teams/{of.team.code}/subscriptions/{of.code}/"


def terms(of: Subscription) -> Terms:
    of.refresh_from_db()
    assert of.terms is not None
    return of.terms.value()


def test_the_examples_follow_the_form_and_nothing_is_saved(open_page: Opener, alice: User, team: Team) -> None:
    made = subscription(team, quantity=Decimal(10))
    page = open_page(alice, path(made))
    examples = page.locator("#examples")
    expect(examples).to_contain_text("Open long with 10 shares of SPY.")
    page.locator("#section-overrides > summary").click()
    page.get_by_label("Signals may override these terms").uncheck()
    page.get_by_role("textbox", name="Quantity", exact=True).fill("7")
    expect(examples).to_contain_text("Open long with 7 shares of SPY.")
    expect(examples).to_contain_text("2 settings not saved yet")
    page.locator("#example-position").select_option("short")
    page.locator("#example-held").fill("4")
    expect(examples).to_contain_text("Exit all 4 shares of SPY held short.")
    page.get_by_label("What holds").check(force=True)
    expect(examples.locator("tr", has_text="Quantity").first).to_contain_text("7 subscription")
    assert terms(made) == Terms(quantity=Decimal(10))


def test_what_does_not_go_together_is_said_while_one_types(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, path(subscription(team)))
    page.get_by_role("textbox", name="Quantity", exact=True).fill("-2")
    expect(page.locator("#examples")).to_contain_text("Quantity: Set a number above zero.")
    page.locator("#examples").get_by_role("link", name="Quantity").click()
    expect(page).to_have_url(re.compile("#terms_quantity$"))
    page.get_by_role("textbox", name="Quantity", exact=True).fill("2")
    expect(page.locator("#examples")).to_contain_text("Open long with 10 shares of SPY.")


def test_windows_come_and_go_by_button_and_keyboard(open_page: Opener, alice: User, team: Team) -> None:
    made = subscription(team, windows=(Window(days=(0,), start=time(9, 30), end=time(16)),))
    page = open_page(alice, path(made))
    expect(page.locator(".window-row")).to_have_count(1)
    page.get_by_role("button", name="Add a window").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    row = page.locator(".window-row").nth(1)
    expect(row.get_by_label("Mon")).to_be_checked()
    row.get_by_label("From").fill("18:00")
    row.get_by_label("To", exact=True).fill("02:00")
    row.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_role("button", name="Remove this trading window").first.click()
    page.get_by_role("button", name="Save as terms 2").click()
    expect(page.get_by_text("Terms 2 hold for every decision from now on.")).to_be_visible()
    assert terms(made).windows == (Window(days=(0,), start=time(18), end=time(2), zone="Europe/Berlin"),)


def test_without_scripts_examples_windows_and_saving_work_too(open_page: Opener, alice: User, team: Team) -> None:
    made = subscription(team, windows=(Window(days=(0,), start=time(9, 30), end=time(16)),), quantity=Decimal(3))
    page = open_page(alice, path(made), java_script_enabled=False)
    expect(page.locator(".window-row")).to_have_count(2)
    page.get_by_label("Remove").check()
    spare = page.locator("[data-spare]")
    spare.get_by_label("Fri").check()
    spare.locator("[type=time]").first.fill("10:00")
    spare.locator("[type=time]").last.fill("11:00")
    page.get_by_role("textbox", name="Quantity", exact=True).fill("7")
    page.locator("#example-quantity").fill("")
    page.get_by_role("button", name="Show examples").click()
    expect(page.locator("#examples")).to_contain_text("Open long with 7 shares of SPY.")
    expect(page.get_by_role("textbox", name="Quantity", exact=True)).to_have_value("7")
    assert terms(made).quantity == 3
    page.get_by_role("button", name="Save as terms 2").click()
    assert terms(made).quantity == 7
    assert terms(made).windows == (Window(days=(4,), start=time(10), end=time(11)),)


def test_several_are_marked_with_the_keyboard_and_switched(open_page: Opener, alice: User, team: Team) -> None:
    first = subscription(team)
    second = rows.subscription(first.strategy, broker.account(team), first.created_at)
    page = open_page(alice, f"/teams/{team.code}/subscriptions/")
    off = page.get_by_role("button", name="Switch the marked off")
    expect(off).to_be_disabled()
    page.get_by_label("Mark all").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("2 marked")).to_be_visible()
    off.press("Enter")
    expect(page.get_by_role("heading", name="Switch 2 subscriptions off?")).to_be_visible()
    page.get_by_role("button", name="Switch 2 off").click()
    expect(page.get_by_text("2 subscriptions switched off.")).to_be_visible()
    for each in (first, second):
        each.refresh_from_db()
        assert not each.enabled


@pytest.mark.parametrize("options", [PHONE, {"viewport": {"width": 1920, "height": 1080}}])
def test_nothing_sticks_out_at_either_width(
    open_page: Opener, alice: User, team: Team, options: dict[str, object]
) -> None:
    made = subscription(team, windows=(Window(days=(0,), start=time(9, 30), end=time(16)),))
    base = f"/teams/{team.code}"
    page: Page | None = None
    for each in (
        path(made),
        f"{base}/strategies/{made.strategy.code}/defaults/",
        f"{base}/subscriptions/",
        f"{base}/subscriptions/new/",
        f"{path(made)}copy/",
    ):
        if page is None:
            page = open_page(alice, each, **options)
        else:
            page.goto(each)
        sticking = page.evaluate(STICKING_OUT)
        assert not sticking, f"{each}: {sticking}"
