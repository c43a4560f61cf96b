"""Every page with a keyboard, a screen reader, a thumb and weak eyes: no barrier on any of them (access.js).

The pages are those addresses of the installation that answer a GET with html: a new one is walked without being listed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Team, User
from accounts.vault.fields import Sealed
from brokers.domain.help.pages import PAGES as HELP
from brokers.models import Authorization, KeySet
from brokers.tests import rows as broker
from config.tests.access.world import keys
from strategies import live
from strategies.control import halt
from strategies.domain.decide.guards import Halt
from strategies.tests import rows
from strategies.tests.browser import plenty
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.browser.test_pages_in_a_browser import quiet
from strategies.tests.lookups import reading

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

BARRIERS = (Path(__file__).parent / "access.js").read_text()
OPEN_FOLDS = (
    "() => { for (const fold of document.querySelectorAll('main details')) { fold.name = ''; fold.open = true; } }"
)
DESK = {"width": 1280, "height": 800}
# Django's own pages, and answers to programs.
ELSEWHERE = ("admin/", "api/", "healthz", "readyz")
# Parts of addresses in the sign-in library: of a link that nobody sent, and of a key that nobody has.
LINKS = {"key": "set-password", "uidb36": "1", "pk": 1}


def addresses(
    within: URLResolver, prefix: str = "", outer: frozenset[str] = frozenset()
) -> Iterator[tuple[str, frozenset[str]]]:
    """The name of every address, and the names of its parts; `outer` are the parts of what it stands in."""
    for pattern in within.url_patterns:
        path = prefix + str(pattern.pattern)
        if path.startswith(ELSEWHERE):
            continue
        parts = outer | set(pattern.pattern.regex.groupindex)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, path, parts)
        elif pattern.name:
            yield pattern.name, parts


def paths(values: dict[str, Any]) -> list[str]:
    """Every address with these values for its parts; a part without a value fails."""
    return [reverse(name, kwargs={part: values[part] for part in parts}) for name, parts in addresses(get_resolver())]


def is_page(answer: Any) -> bool:
    assert answer.status_code < 500, answer
    is_html = answer.headers.get("Content-Type", "").startswith("text/html")
    return bool(answer.status_code == 200 and is_html and "<!DOCTYPE html>" in answer.text[:40])


def barriers(page: Page) -> list[str]:
    """What the page shown now has in the way: on a phone and on a desk, by day and by night."""
    met: dict[str, None] = {}
    page.evaluate(OPEN_FOLDS)
    for size, phone in ((PHONE["viewport"], True), (DESK, False)):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            met |= dict.fromkeys(page.evaluate(BARRIERS, {"phone": phone}))
    page.set_viewport_size(PHONE["viewport"])  # type: ignore[arg-type]
    return list(met)


def walk(page: Page, paths: list[str]) -> str:
    """The barriers on these pages, in lines; empty where there is none."""
    lines = []
    for path in paths:
        page.goto(path)
        lines += [f"{path}: {barrier}" for barrier in barriers(page)]
    return "\n".join(lines)


def on_a_phone(open_page: Opener, user: User | None, path: str = "/") -> Page:
    return open_page(user, path, reduced_motion="reduce", **PHONE)


@pytest.fixture
def values(team: Team, alice: User) -> dict[str, Any]:
    made = KeySet.objects.create(team=team, consumer_key="ABCDEFGHI", step="made", keys=Sealed.of(keys()))
    now = timezone.now()
    way = Authorization.objects.create(
        team=team, user=alice, request_token="asked", asked_at=now, expires_at=now + timedelta(minutes=10)
    )
    ours = {"keyset_code": made.code, "authorization_code": way.code, "name": "nothing.pem"}
    return {**LINKS, **ours, **plenty.fill(team, alice, now)}


def test_no_page_with_much_on_it_keeps_anybody_out(
    open_page: Opener, client: Client, alice: User, values: dict[str, Any]
) -> None:
    client.force_login(alice)
    shown = [path for path in paths(values) if is_page(client.get(path))]
    assert len(shown) > 40, shown
    assert walk(on_a_phone(open_page, alice), shown) == ""


OF_A_VIEWER = [
    "connections",
    "connection",
    "connection_diagnosis",
    "notices",
    "positions",
    "account",
    "contract",
    "order",
]


def test_no_page_about_the_broker_keeps_a_viewer_out(
    open_page: Opener, bob: User, team: Team, values: dict[str, Any]
) -> None:
    """Who may change nothing meets fewer buttons, and a table without one has to be reached all the same."""
    parts = dict(addresses(get_resolver()))
    shown = [reverse(name, kwargs={part: values[part] for part in parts[name]}) for name in OF_A_VIEWER]
    assert walk(on_a_phone(open_page, bob), shown) == ""


def test_no_page_of_the_entrance_keeps_anybody_out(open_page: Opener, client: Client, values: dict[str, Any]) -> None:
    shown = [path for path in paths(values) if is_page(client.get(path))]
    assert len(shown) > 8, shown
    helps = [reverse("help", args=[page]) for page in HELP]
    assert walk(on_a_phone(open_page, None), [*shown, *helps, "/nothing/here/"]) == ""


def test_no_page_without_anything_on_it_keeps_anybody_out(
    open_page: Opener, client: Client, alice: User, team: Team
) -> None:
    client.force_login(alice)
    of_the_team = [
        reverse(name, kwargs={"team_code": team.code})
        for name, parts in addresses(get_resolver())
        if parts == {"team_code"}
    ]
    shown = [path for path in of_the_team if is_page(client.get(path))]
    assert len(shown) > 12, shown
    assert walk(on_a_phone(open_page, alice), shown) == ""


FORMS = [
    "connections/new/",
    "strategies/new/",
    "signals/try/",
    "subscriptions/{subscription_code}/",
    "strategies/{strategy_code}/settings/",
    "guards/strategy/{strategy_code}/",
]
FILL_IN_WRONGLY = """() => {
  const form = [...document.querySelectorAll("main form[method=post]")].find((each) => each.querySelector(".field, .form-grid"));
  form.noValidate = true;
  for (const field of form.querySelectorAll("input:not([type]), input[type=text], input[type=number], textarea")) field.value = "?!";
  form.requestSubmit(form.querySelector("button.primary, button[type=submit]"));
}"""


def test_no_refusal_of_a_form_keeps_anybody_out(
    open_page: Opener, alice: User, team: Team, values: dict[str, Any]
) -> None:
    page = on_a_phone(open_page, alice)
    lines = []
    for form in FORMS:
        page.goto(f"/teams/{team.code}/{form.format(**values)}")
        with page.expect_navigation():
            page.evaluate(FILL_IN_WRONGLY)
        assert page.locator("main [role=alert]").count(), f"{form} takes everything"
        lines += [f"{form}: {barrier}" for barrier in barriers(page)]
    assert not lines, "\n".join(lines)


def test_neither_menu_nor_help_keeps_anybody_out(open_page: Opener, alice: User, team: Team) -> None:
    page = on_a_phone(open_page, alice, f"/teams/{team.code}/orders/")
    page.get_by_role("button", name="More").tap()
    page.evaluate("() => { for (const fold of document.querySelectorAll('#more details')) fold.open = true; }")
    assert page.evaluate(BARRIERS, {"phone": True}) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.evaluate(BARRIERS, {"phone": True}) == []


def test_the_checks_see_what_they_are_for(open_page: Opener, team: Team) -> None:
    page = on_a_phone(open_page, None, "/help/dedicated-user/")
    page.evaluate(
        """() => {
      const main = document.querySelector("main");
      main.insertAdjacentHTML("beforeend", `<h4>Too deep</h4><h1>Again</h1><div class="code"><pre>code</pre></div><ul><p>no item</p></ul><a href="#x">x</a>
        <input id="nameless"><p class="muted small" id="faint">faint</p><nav></nav><div id="wide">wide</div><img src="/favicon.ico">`);
      document.getElementById("faint").style.opacity = "0.4";
      document.getElementById("wide").style.inlineSize = "50rem";
      document.body.insertAdjacentHTML("beforeend", "<div>outside</div><nav></nav>");
    }"""
    )
    met = "\n".join(page.evaluate(BARRIERS, {"phone": True}))
    for barrier in (
        "2 headings of the first level",
        "a heading of level 4 behind",
        "no key reaches",
        "in a list and no item of it",
        "a target of",
        "a control without a name",
        "contrast",
        "landmarks nav has no name",
        "px wider than the screen",
        "a picture without words",
        "outside of every landmark",
    ):
        assert barrier in met, met


def test_a_signal_that_comes_by_itself_is_said_once(open_page: Opener, alice: User, team: Team) -> None:
    strategy = rows.strategy(team, timezone.now())
    page = open_page(alice, f"/teams/{team.code}/signals/")
    quiet(page)
    said = page.locator("#announcement")
    expect(said).to_have_attribute("aria-live", "polite")
    expect(said).to_have_text("")
    signal = rows.signal(strategy, timezone.now())
    live.signal_changed(signal.pk, team.pk)
    expect(said).to_have_text("New signal: buy 10 AAPL, Trend.")
    page.evaluate("document.getElementById('announcement').textContent = ''")
    # It was decided: its row changes, and is not new.
    type(signal).objects.filter(pk=signal.pk).update(dispatched_at=timezone.now())
    live.signal_changed(signal.pk, team.pk)
    expect(page.locator(f"#signal-{signal.code}")).to_contain_text("nobody follows")
    page.wait_for_timeout(1_000)
    expect(said).to_have_text("")


def test_many_at_once_are_said_in_one_sentence_or_three(open_page: Opener, alice: User, team: Team) -> None:
    strategy = rows.strategy(team, timezone.now())
    page = open_page(alice, f"/teams/{team.code}/signals/")
    quiet(page)
    tickers = ("AAPL", "SPY", "QQQ", "NVDA", "TSLA")
    for ticker in tickers:
        row = rows.signal(strategy, timezone.now(), reading=reading(ticker=ticker))
        live.signal_changed(row.pk, team.pk)
    expect(page.locator("tr.signal")).to_have_count(5)
    expect(page.locator("#announcement")).to_contain_text("New signal: ")
    assert page.locator("#announcement").inner_text().count("New signal") <= 3


def test_what_needs_somebody_is_said_wherever_one_is(open_page: Opener, alice: User, team: Team) -> None:
    pages = [open_page(alice, f"/teams/{team.code}/{path}") for path in ("", "orders/")]
    for page in pages:
        quiet(page)
    halt.halt(team=team, target=None, how=Halt.EVERYTHING, reason="Odd prices", actor=alice, now=timezone.now())
    for page in pages:
        expect(page.locator("#announcement")).to_contain_text("Needs you: Everything is stopped")
        assert page.locator("#announcement").inner_text().count("Needs you") == 1
        expect(page.locator("#announcement")).to_contain_text("1 in what needs you.")


def test_a_phone_shows_average_costs_and_the_curves_of_the_day(open_page: Opener, alice: User, team: Team) -> None:
    accounts = [broker.account(team), broker.account(team)]
    broker.position(accounts[0], average_cost=Decimal("180.25"), market_price=Decimal(190))
    page = on_a_phone(open_page, alice, f"/teams/{team.code}/")
    expect(page.locator("#positions .narrow")).to_be_visible()
    expect(page.locator("#positions .narrow")).to_contain_text("180.25")
    for account in accounts:
        expect(page.locator(f"#curve-{account.code} .chart")).to_be_visible()
    page.set_viewport_size({"width": 1920, "height": 900})
    expect(page.locator("#positions .narrow")).to_be_hidden()
    expect(page.locator("#positions .medium").last).to_contain_text("180.25")
