"""Enter does what the main button of a form says, and leaving a page with something typed asks."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Dialog, Page, expect

from accounts.models import Team, User
from brokers.tests import rows as broker
from strategies.models import Subscription
from strategies.tests import rows
from strategies.tests.browser.browsers import Opener

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# Of each form with fields to type in and more than one button: what Enter presses, unless it is the main button.
STRAY_ENTERS = """() => [...document.forms].flatMap((form) => {
  const parts = [...form.elements];
  const buttons = parts.filter((part) => part.type === "submit");
  const typed = parts.filter((part) => part.matches("input:not([type=hidden], [type=submit], [type=checkbox], [type=radio])"));
  if (!typed.length || buttons.length < 2 || buttons[0].disabled) return [];
  const main = buttons.find((button) => button.matches(".primary"));
  const same = (one, other) => one.textContent.trim() === other.textContent.trim() && one.name === other.name;
  return main && same(buttons[0], main) ? [] : [`${form.id || form.action}: ${buttons[0].textContent.trim()}`];
})"""


@pytest.fixture
def made(team: Team) -> Subscription:
    now = timezone.now()
    return rows.subscription(rows.strategy(team, now), broker.account(team, book_as_of=now), now, quantity=Decimal(3))


def of_team(made: Subscription, path: str = "") -> str:
    return f"/teams/{made.team.code}/{path}"


class Questions:
    """What the browser asked before it left a page, each answered with staying or leaving."""

    def __init__(self, page: Page) -> None:
        self.asked: list[str] = []
        self.stay = True
        page.on("dialog", self.answer)

    def answer(self, dialog: Dialog) -> None:
        self.asked.append(dialog.type)
        if self.stay:
            dialog.dismiss()
        else:
            dialog.accept()


def test_enter_in_a_new_subscription_makes_it_and_wipes_nothing(
    open_page: Opener, alice: User, made: Subscription
) -> None:
    broker.account(made.team)
    page = open_page(alice, of_team(made, "subscriptions/new/"))
    page.get_by_label("Account", exact=True).select_option(index=1)
    quantity = page.get_by_role("textbox", name="Quantity", exact=True)
    quantity.fill("7")
    quantity.press("Enter")
    expect(page.get_by_role("heading", name=made.strategy.name)).to_be_visible()
    newest = Subscription.objects.latest("pk")
    assert newest.pk != made.pk
    assert newest.terms is not None
    assert newest.terms.value().quantity == 7


def test_enter_in_a_new_subscription_that_is_wrong_keeps_what_was_typed(
    open_page: Opener, alice: User, made: Subscription
) -> None:
    page = open_page(alice, of_team(made, "subscriptions/new/"), java_script_enabled=False)
    quantity = page.get_by_role("textbox", name="Quantity", exact=True)
    quantity.fill("-7")
    quantity.press("Enter")
    expect(page.get_by_text("Nothing was made yet.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Quantity", exact=True)).to_have_value("-7")
    assert Subscription.objects.count() == 1


def test_enter_beside_the_form_shows_examples_and_saves_nothing(
    open_page: Opener, alice: User, made: Subscription
) -> None:
    page = open_page(alice, of_team(made, f"subscriptions/{made.code}/"))
    page.get_by_role("textbox", name="Quantity", exact=True).fill("9")
    page.locator("#example-ticker").fill("MSFT")
    page.locator("#example-ticker").press("Enter")
    expect(page.locator("#examples")).to_contain_text("MSFT")
    expect(page.get_by_role("textbox", name="Quantity", exact=True)).to_have_value("9")
    made.refresh_from_db()
    assert made.terms is not None
    assert made.terms.number == 1


def test_enter_on_a_marked_subscription_switches_nothing(open_page: Opener, alice: User, made: Subscription) -> None:
    page = open_page(alice, of_team(made, "subscriptions/"))
    mark = page.locator("td.mark input")
    mark.check()
    mark.press("Enter")
    expect(page.get_by_text("1 marked")).to_be_visible()
    assert page.url.endswith("/subscriptions/")


def test_in_every_form_enter_presses_the_main_button(open_page: Opener, alice: User, made: Subscription) -> None:
    strategy = f"strategies/{made.strategy.code}/"
    places = [
        "",
        "signals/",
        "signals/try/",
        "orders/",
        "positions/",
        "approvals/",
        "guards/",
        f"guards/team/{made.team.code}/",
        f"guards/team/{made.team.code}/stop/",
        "strategies/",
        "strategies/new/",
        strategy,
        f"{strategy}settings/",
        f"{strategy}defaults/",
        f"{strategy}build/",
        f"{strategy}check/",
        "subscriptions/",
        "subscriptions/new/",
        f"subscriptions/{made.code}/",
        f"subscriptions/{made.code}/copy/",
        "connections/",
        "connections/new/",
        "rulebook/",
        "settings/",
    ]
    page = open_page(alice, "/you/")
    for path in [*(of_team(made, place) for place in places), "/accounts/email/", "/accounts/password/change/"]:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        assert page.evaluate(STRAY_ENTERS) == [], path


@pytest.mark.parametrize(
    ("place", "field", "text"),
    [
        ("subscriptions/new/", "Quantity", "7"),
        ("subscriptions/{subscription}/", "Quantity", "7"),
        ("strategies/{strategy}/defaults/", "Quantity", "7"),
        ("strategies/{strategy}/check/", "Message", '{"ticker": "AAPL"}'),
        ("strategies/new/", "Name", "Momentum"),
        ("strategies/{strategy}/settings/", "Name", "Momentum"),
        ("connections/new/", "Name", "Second"),
        ("guards/team/{team}/stop/", "Why", "Not sure about the data"),
    ],
)
def test_leaving_what_was_typed_asks(
    open_page: Opener, alice: User, made: Subscription, place: str, field: str, text: str
) -> None:
    codes = {"subscription": made.code, "strategy": made.strategy.code, "team": made.team.code}
    page = open_page(alice, of_team(made, place.format(**codes)))
    questions = Questions(page)
    typed = page.locator("main").get_by_role("textbox", name=field).first
    typed.fill(text)
    page.get_by_role("link", name="Signals", exact=True).first.click()
    page.wait_for_timeout(300)
    assert questions.asked == ["beforeunload"]
    expect(typed).to_have_value(text)
    questions.stay = False
    page.get_by_role("link", name="Signals", exact=True).first.click()
    page.wait_for_url("**/signals/")


def test_saving_and_an_untouched_page_ask_nothing(open_page: Opener, alice: User, made: Subscription) -> None:
    page = open_page(alice, of_team(made, f"subscriptions/{made.code}/"))
    questions = Questions(page)
    page.locator("#example-ticker").fill("MSFT")
    page.reload()
    page.get_by_role("textbox", name="Quantity", exact=True).fill("9")
    page.get_by_role("button", name="Save as terms 2").click()
    expect(page.get_by_text("Terms 2 hold for every decision from now on.")).to_be_visible()
    page.get_by_role("link", name="Signals", exact=True).first.click()
    page.wait_for_url("**/signals/")
    assert questions.asked == []


def test_a_form_that_came_back_with_errors_still_asks(open_page: Opener, alice: User, made: Subscription) -> None:
    page = open_page(alice, of_team(made, f"subscriptions/{made.code}/"))
    questions = Questions(page)
    page.get_by_role("textbox", name="Quantity", exact=True).fill("-9")
    page.get_by_role("button", name="Save as terms 2").click()
    expect(page.get_by_text("Nothing was saved.")).to_be_visible()
    page.get_by_role("heading", name="What it would do").click()
    page.get_by_role("link", name="Signals", exact=True).first.click()
    page.wait_for_timeout(300)
    assert questions.asked == ["beforeunload"]


def test_a_window_taken_away_asks_too(open_page: Opener, alice: User, made: Subscription) -> None:
    page = open_page(alice, of_team(made, f"subscriptions/{made.code}/"))
    questions = Questions(page)
    page.locator("details:has(#windows) > summary").first.evaluate("fold => { fold.parentElement.open = true; }")
    page.get_by_role("button", name="Add a window").click()
    page.get_by_role("button", name="Remove this trading window").click()
    page.get_by_role("link", name="Signals", exact=True).first.click()
    page.wait_for_timeout(300)
    assert questions.asked == ["beforeunload"]
