"""Pages as a person has them: live, in both themes, on a phone, with the keyboard."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from accounts.feed import pushes as feed
from accounts.models import Membership, Team, User
from brokers import live as broker_live
from brokers.domain.orders import OrderStatus
from brokers.models import Connection, Order
from brokers.tests import rows as broker
from strategies import live
from strategies.tests import rows
from strategies.tests.browser.browsers import PHONE, Opener, Web, opened

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def is_live(page: Page) -> None:
    expect(page.locator(".side [data-feed-state]")).to_have_attribute("data-state", "live")


def quiet(page: Page) -> None:
    """The line is open and what was fetched after its opening has arrived."""
    is_live(page)
    page.wait_for_load_state("networkidle")


def test_the_clock_of_a_market_is_asked_again_when_it_turns(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, f"/teams/{team.code}/")
    clocks = page.locator("#market-clocks")
    expect(clocks.locator("li")).to_have_count(1)
    quiet(page)
    # Nothing tells the page of it.
    broker.order(broker.account(team), asset_class="future", ticker="ESZ2026")
    clocks.evaluate("(list) => { list.dataset.feedDue = new Date().toISOString(); }")
    expect(clocks).to_contain_text("Futures of CME", timeout=20_000)


def test_an_order_goes_from_created_to_filled_before_ones_eyes(open_page: Opener, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    subscription = rows.subscription(strategy, broker.account(team), now)
    page = open_page(alice, f"/teams/{team.code}/")
    expect(page.get_by_text("No signal yet")).to_be_visible()
    quiet(page)

    signal = rows.signal(strategy, now, dispatched_at=now)
    _, ticket = rows.accepted(signal, subscription, now)
    order = broker.order(ticket)
    live.signal_changed(signal.pk, team.pk)
    broker_live.order_changed(order)
    row = page.locator(f"#order-{order.code}")
    expect(row).to_contain_text("created")
    expect(page.locator(f"#signal-{signal.code}")).to_contain_text("Flat: a buy opens a long position.")
    expect(page.get_by_text("No signal yet")).to_be_hidden()

    broker.filled(order, at=now)
    broker_live.order_changed(order)
    expect(row).to_contain_text("filled")
    expect(row).to_contain_text("10 @ 187.25")
    expect(row).to_contain_text("fee 1.00 USD")
    expect(page.locator(f"#order-chip-{order.code}")).to_contain_text("filled 10 @ 187.25")
    assert page.locator(f"#order-{order.code}").count() == 1


def test_positions_and_value_arrive_by_themselves(open_page: Opener, alice: User, team: Team) -> None:
    account = broker.account(team)
    page = open_page(alice, f"/teams/{team.code}/")
    quiet(page)
    expect(page.locator(f"#account-{account.code}")).to_contain_text("asking IBKR")
    broker.position(account, market_price=Decimal(190))
    type(account).objects.filter(pk=account.pk).update(equity=Decimal("1000042.50"), book_as_of=timezone.now())
    broker_live.account_changed(account)
    expect(page.locator(f"#account-{account.code}")).to_contain_text("1,000,042.50")
    expect(page.locator(f"#positions-{account.code}")).to_contain_text("AAPL")


def test_a_first_account_takes_the_place_of_the_waiting(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, f"/teams/{team.code}/")
    quiet(page)
    expect(page.get_by_text("Asking IBKR for the accounts")).to_be_visible()
    account = broker.account(team, of=Connection.objects.get(team=team))
    broker_live.account_changed(account)
    expect(page.locator(f"#account-{account.code}")).to_be_visible()
    expect(page.get_by_text("Asking IBKR for the accounts")).to_be_hidden()


def test_what_needs_somebody_comes_and_goes(open_page: Opener, alice: User, team: Team) -> None:
    now = timezone.now()
    order = broker.order(broker.account(team))
    page = open_page(alice, f"/teams/{team.code}/")
    quiet(page)
    calm = page.get_by_text("Nothing needs you")
    Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    Order.objects.move(order, OrderStatus.UNKNOWN, now=now)
    broker_live.order_changed(order)
    expect(page.locator(f"#need-order-{order.code}")).to_contain_text("answer was lost")
    expect(calm).to_be_hidden()
    Order.objects.move(order, OrderStatus.ACCEPTED, now=now, acknowledged_at=now)
    broker_live.order_changed(order)
    expect(page.locator(f"#need-order-{order.code}")).to_have_count(0)
    expect(calm).to_be_visible()


def test_a_filtered_list_takes_only_what_it_asks_for(open_page: Opener, alice: User, team: Team) -> None:
    account = broker.account(team)
    page = open_page(alice, f"/teams/{team.code}/orders/?ticker=SPY")
    quiet(page)
    other, placed = broker.order(account), broker.order(account, ticker="SPY")
    broker_live.order_changed(other)
    broker_live.order_changed(placed)
    expect(page.locator(f"#order-{placed.code}")).to_be_visible()
    expect(page.locator(f"#order-{other.code}")).to_have_count(0)


def test_a_signals_page_follows_its_order_to_the_fill(open_page: Opener, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    signal = rows.signal(strategy, now)
    page = open_page(alice, f"/teams/{team.code}/signals/{signal.code}/")
    expect(page.get_by_text("Received and stored; being decided.")).to_be_visible()
    quiet(page)
    _, ticket = rows.accepted(signal, rows.subscription(strategy, broker.account(team), now), now)
    order = broker.order(ticket)
    type(signal).objects.filter(pk=signal.pk).update(dispatched_at=now)
    live.signal_changed(signal.pk, team.pk)
    expect(page.get_by_text("Accepted, 1 of 1")).to_be_visible()
    broker.filled(order, at=now + timedelta(milliseconds=12))
    broker_live.order_changed(order)
    expect(page.locator(".waterfall .total").first).to_be_visible()
    expect(page.get_by_text("92 ms")).to_be_visible()


def test_it_says_since_when_it_is_not_live_and_catches_up(open_page: Opener, alice: User, team: Team, web: Web) -> None:
    page = open_page(alice, f"/teams/{team.code}/orders/")
    quiet(page)
    web.stop()
    state = page.locator(".side [data-feed-state]")
    expect(state).to_have_attribute("data-state", "away")
    expect(state).to_contain_text("reconnecting, shown as of")
    order = broker.order(broker.account(team))
    web.start()
    expect(page.locator(f"#order-{order.code}")).to_be_visible(timeout=20_000)
    is_live(page)


def test_it_stops_listening_when_one_is_taken_out_of_the_team(
    open_page: Opener, alice: User, bob: User, team: Team
) -> None:
    from accounts import teams

    page = open_page(bob, f"/teams/{team.code}/")
    quiet(page)
    teams.remove(membership=Membership.objects.get(team=team, user=bob), actor=alice, now=timezone.now())
    feed.flush()
    expect(page.locator(".side [data-feed-state]")).to_contain_text("you are not in this team any more")


def test_what_one_was_doing_survives_a_change(open_page: Opener, alice: User, team: Team) -> None:
    now = timezone.now()
    order = broker.order(broker.account(team))
    page = open_page(alice, f"/teams/{team.code}/orders/")
    quiet(page)
    page.locator(f"#order-{order.code} a.covers").focus()
    Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    broker_live.order_changed(order)
    expect(page.locator(f"#order-{order.code}")).to_contain_text("submitted")
    expect(page.locator(f"#order-{order.code} a.covers")).to_be_focused()


def test_the_keyboard_goes_places(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, f"/teams/{team.code}/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile(r"/signals/$"))
    page.keyboard.press("/")
    expect(page.get_by_label("Ticker")).to_be_focused()
    page.keyboard.type("gd/")
    expect(page.get_by_label("Ticker")).to_have_value("gd/")


def test_the_theme_is_chosen_once_and_kept(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, f"/teams/{team.code}/", color_scheme="light")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.locator(".side [data-theme-is=dark]").click()
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert dark != light
    page.goto(f"/teams/{team.code}/orders/")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark


def test_times_are_the_readers_own_with_utc_beside_them(open_page: Opener, alice: User, team: Team) -> None:
    rows.signal(rows.strategy(team, timezone.now()), timezone.now().replace(hour=12, minute=0, second=5, microsecond=0))
    page = open_page(alice, f"/teams/{team.code}/signals/", timezone_id="Asia/Tokyo")
    moment = page.locator("tr.signal time").first
    expect(moment).to_contain_text("21:00")
    title = moment.get_attribute("title") or ""
    assert "Asia/Tokyo" in title
    assert "12:00:05 UTC" in title


def test_the_url_is_copied_without_being_shown(open_page: Opener, alice: User, team: Team) -> None:
    from strategies.setup import strategies

    strategy = rows.strategy(team, timezone.now())
    page = open_page(alice, f"/teams/{team.code}/strategies/{strategy.code}/")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the URL").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == strategies.webhook_url(strategy.endpoints.get())
    page.get_by_label("Show the password").click()
    expect(page.locator("#url-1")).to_contain_text(strategies.webhook_url(strategy.endpoints.get()))


def test_a_form_shows_only_what_its_choice_needs(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, f"/teams/{team.code}/connections/new/")
    user = page.get_by_label("IBKR user name")
    page.locator("[name=environment][value=simulated]").check()
    expect(user).to_be_hidden()
    page.locator("[name=environment][value=paper]").check()
    expect(user).to_be_visible()
    expect(page.get_by_text("Signals may trade real money")).to_be_hidden()
    page.locator("[name=environment][value=live]").check()
    expect(page.get_by_text("Signals may trade real money")).to_be_visible()


def test_the_message_is_shown_while_one_writes_it(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, f"/teams/{team.code}/signals/try/")
    page.get_by_label("Ticker").fill("NVDA")
    page.get_by_text("Sell", exact=True).click()
    expect(page.locator("[data-preview]")).to_have_text('{ "ticker": "NVDA", "action": "sell", "quantity": 10 }')


PAGES = [
    "",
    "signals/",
    "signals/try/",
    "orders/",
    "positions/",
    "strategies/",
    "strategies/new/",
    "subscriptions/",
    "subscriptions/new/",
    "connections/",
    "connections/new/",
    "settings/",
]


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_nothing_hangs_over_the_edge(open_page: Opener, alice: User, team: Team, width: int) -> None:
    walk = rows.walk(team, timezone.now(), name="A strategy whose name is as long as names of strategies ever are")
    broker.position(walk.account, ticker="MNQZ2026", quantity=Decimal(-123456), unrealized_pnl=Decimal("-123456.78"))
    options = PHONE if width == 360 else {"viewport": {"width": width, "height": 900}}
    page = open_page(alice, f"/teams/{team.code}/", **options)
    details = [
        f"signals/{walk.signal.code}/",
        f"orders/{walk.order.code}/",
        f"strategies/{walk.strategy.code}/",
        f"subscriptions/{walk.subscription.code}/",
        f"accounts/{walk.account.code}/",
        f"connections/{walk.account.connection.code}/",
    ]
    for path in [*PAGES, *details]:
        page.goto(f"/teams/{team.code}/{path}")
        over = page.evaluate("Math.max(document.documentElement.scrollWidth, innerWidth)") - width
        assert over <= 0, f"{path} is {over} px too wide at {width} px"


def test_everything_is_reached_from_a_phone(open_page: Opener, alice: User, team: Team) -> None:
    page = open_page(alice, f"/teams/{team.code}/", **PHONE)
    page.get_by_role("button", name="More").tap()
    page.locator("#more").get_by_role("link", name="Subscriptions").tap()
    expect(page).to_have_url(re.compile(r"/subscriptions/$"))


def test_pages_work_without_scripts(open_page: Opener, alice: User, team: Team) -> None:
    rows.strategy(team, timezone.now(), "Trend")
    page = open_page(alice, f"/teams/{team.code}/signals/", java_script_enabled=False)
    page.get_by_label("Action").select_option("exit")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile(r"action=exit"))
    page.goto(f"/teams/{team.code}/strategies/new/")
    page.get_by_label("Name").fill("By hand")
    page.get_by_role("button", name="Make the strategy").click()
    expect(page.get_by_role("heading", name="By hand")).to_be_visible()


def test_a_list_filters_while_one_types(open_page: Opener, alice: User, team: Team) -> None:
    account = broker.account(team)
    apple, spy = broker.order(account), broker.order(account, ticker="SPY")
    page = open_page(alice, f"/teams/{team.code}/orders/")
    quiet(page)
    page.get_by_label("Ticker").press_sequentially("spy")
    expect(page.locator(f"#order-{apple.code}")).to_have_count(0)
    expect(page.locator(f"#order-{spy.code}")).to_be_visible()
    expect(page.get_by_label("Ticker")).to_be_focused()
    expect(page).to_have_url(re.compile(r"ticker=spy"))
    later = broker.order(account)
    broker_live.order_changed(later)
    page.get_by_role("link", name="Clear filters").click()
    expect(page.locator(f"#order-{later.code}")).to_be_visible()


def test_what_happens_before_the_line_opens_is_not_missed(browser: Browser, web: Web, alice: User, team: Team) -> None:
    context, page = opened(browser, web, alice)
    made = broker.connection(team)
    accounts = []

    def meanwhile(route: Any) -> None:
        accounts.append(broker.account(team, of=made))
        route.continue_()

    # The page is written by then, and its scripts are not there yet.
    page.route("**/js/app.js", meanwhile)
    page.goto(f"/teams/{team.code}/")
    expect(page.locator(f"#account-{accounts[0].code}")).to_be_visible()
    expect(page.get_by_text(f"No positions in {accounts[0].account_id}.")).to_be_visible()
    context.close()


def test_a_page_on_which_nothing_has_changed_is_left_alone(open_page: Opener, alice: User, team: Team) -> None:
    rows.walk(team, timezone.now())
    page = open_page(alice, f"/teams/{team.code}/orders/")
    page.evaluate("document.querySelector('#orders').marked = true")
    quiet(page)
    assert page.evaluate("document.querySelector('#orders').marked") is True
