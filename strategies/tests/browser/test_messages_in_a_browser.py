"""Building, checking and replaying messages as a person does: live, with the keyboard, on a phone, without scripts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Team, User
from brokers.book import contracts
from brokers.domain.brokerage import OrderRefused
from brokers.models import BrokerageAccount, ContractLookup
from brokers.tests import rows as broker
from strategies.models import Signal, Strategy
from strategies.tests import rows
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.pages.test_check_view import known

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def strategy(team: Team) -> Strategy:
    """One that is followed by an account which knows AAPL."""
    now = timezone.now()
    made = rows.strategy(team, now)
    rows.subscription(made, known(broker.account(team)), now)
    return made


def at(strategy: Strategy, page: str) -> str:
    return f"/teams/{strategy.team.code}/strategies/{strategy.code}/{page}/"


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_the_message_follows_every_choice_and_the_address_with_it(
    open_page: Opener, alice: User, strategy: Strategy
) -> None:
    page = open_page(alice, at(strategy, "build"))
    message = page.locator("#message")
    expect(message).to_contain_text('"ticker": "{{exchange}}:{{ticker}}"')
    page.get_by_label("TrendSpider").check(force=True)
    expect(message).to_contain_text("%alert_symbol%")
    expect(page.get_by_label("Time", exact=True)).to_have_count(0)
    page.get_by_label("Stop loss", exact=True).select_option("trailing_stop")
    distance = page.get_by_label("Stop loss at")
    expect(page.locator("#built")).to_contain_text("Correct the marked fields")
    distance.fill("2.5")
    expect(message).to_contain_text('"trailPercent": 2.5')
    expect(distance).to_be_focused()
    page.wait_for_url(re.compile("stop_loss_value=2.5"))
    page.reload()
    expect(message).to_contain_text('"trailPercent": 2.5')
    expect(page.get_by_label("Stop loss at")).to_have_value("2.5")


def test_a_message_is_read_while_it_is_typed(open_page: Opener, alice: User, strategy: Strategy) -> None:
    page = open_page(alice, at(strategy, "check"))
    checked = page.locator("#checked")
    expect(checked).to_contain_text("Nothing to read yet")
    area = page.get_by_role("textbox", name="Message")
    area.fill('{"ticker": "AAPL", "action": "buy", "quantity": 2')
    expect(checked).to_contain_text("malformed-json")
    area.press_sequentially("}")
    expect(checked).to_contain_text("Open long with 2 shares of AAPL.")
    expect(area).to_be_focused()
    area.fill('{"symbol": "AAPL", "action": "buy"}')
    expect(checked).to_contain_text("symbol renamed ticker.")
    page.get_by_role("button", name="Check this one").click()
    expect(area).to_have_value(json.dumps({"ticker": "AAPL", "action": "buy"}, indent=2))


def test_the_answer_comes_by_itself_when_ibkr_has_been_asked(
    open_page: Opener, alice: User, strategy: Strategy
) -> None:
    page = open_page(alice, at(strategy, "check"))
    page.get_by_role("textbox", name="Message").fill('{"ticker": "NFLX", "action": "buy", "quantity": 1}')
    page.get_by_role("button", name="Ask IBKR").click()
    expect(page.locator("#checked")).to_contain_text("Looking again by itself.")
    lookup = ContractLookup.objects.get(ticker="NFLX")
    contracts.answer(lookup, now=timezone.now(), refusal=OrderRefused("IBKR lists nothing called NFLX."))
    expect(page.locator("#checked")).to_contain_text("IBKR lists nothing called NFLX.")


def test_it_all_works_without_scripts(open_page: Opener, alice: User, strategy: Strategy) -> None:
    page = open_page(alice, at(strategy, "check"), java_script_enabled=False)
    page.get_by_role("textbox", name="Message").fill('{"ticker": "AAPL", "action": "buy", "quantity": 2}')
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#checked")).to_contain_text("Open long with 2 shares of AAPL.")
    page.goto(at(strategy, "build"))
    page.get_by_label("curl").check(force=True)
    page.get_by_role("button", name="Show the message").click()
    expect(page.locator("#message")).to_contain_text("curl -H")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [PHONE, {"viewport": {"width": 1440, "height": 900}}], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_screen(
    open_page: Opener, alice: User, strategy: Strategy, options: dict[str, Any], scheme: str
) -> None:
    signal = rows.signal(strategy, timezone.now(), dispatched_at=timezone.now())
    state = "?source=python&action=buy&sizing=fixed_quantity&quantity=1&order_type=stop_limit&stop_loss=stop_limit&stop_loss_mode=stopPrice&stop_loss_value=5&sign=on&time=on"
    page = open_page(alice, at(strategy, "build") + state, color_scheme=scheme, **options)
    assert fits(page)
    page.goto(at(strategy, "check"))
    page.get_by_role("textbox", name="Message").fill(
        json.dumps({"ticker": "AAPL", "action": "buy", "x" * 300: "y" * 3_000})
    )
    expect(page.locator("#checked")).to_contain_text("Our reading")
    assert fits(page)
    page.goto(f"/teams/{strategy.team.code}/signals/{signal.code}/replay/")
    assert fits(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE])
def test_each_order_type_asks_for_its_own_prices(
    open_page: Opener, alice: User, strategy: Strategy, device: dict[str, Any], scheme: str
) -> None:
    page = open_page(alice, at(strategy, "build"), color_scheme=scheme, **device)
    message, kind = page.locator("#message"), page.get_by_label("Order type")
    kind.select_option("limit_if_touched")
    expect(page.get_by_text("needs touchPrice")).to_be_visible()
    page.get_by_label("Touch price").fill("=signal.price * 0.99")
    expect(message).to_contain_text('"touchPrice": "=signal.price * 0.99"')
    assert fits(page)
    kind.select_option("market_on_open")
    expect(message).to_contain_text('"orderType": "market_on_open"')
    expect(page.get_by_label("Good for")).to_have_count(0)
    kind.select_option("trailing_stop_limit")
    page.get_by_label("Distance").fill("2")
    page.get_by_label("Limit beyond the stop by").fill("0.25")
    expect(message).to_contain_text('"limitOffset": 0.25')
    assert fits(page)


@pytest.mark.parametrize("device", [{}, PHONE])
def test_trying_a_signal_shows_its_orders_while_it_is_written(
    open_page: Opener, alice: User, strategy: Strategy, device: dict[str, Any]
) -> None:
    page = open_page(alice, f"/teams/{strategy.team.code}/signals/try/", **device)
    tried = page.locator("#tried")
    expect(tried).to_contain_text("IBKR was not asked about SPY yet.")
    page.get_by_label("Ticker").fill("AAPL")
    expect(tried).to_contain_text("Open long with 10 shares of AAPL.")
    expect(tried).to_contain_text("IBKR's contract 265598")
    page.get_by_label("Quantity").fill("ten")
    expect(tried).to_contain_text('quantity is "ten", which is not a number.')
    expect(tried).to_contain_text("invalid-quantity")
    page.get_by_label("Quantity").fill("3")
    page.get_by_text("Order type, stop loss and take profit").click()
    page.get_by_label("Order type").select_option("limit")
    page.get_by_label("Limit price").fill("187")
    page.get_by_label("Stop loss at").fill("180")
    # Nobody keeps the book here, and a full machine takes longer to get this far than a decision trusts it.
    BrokerageAccount.objects.update(book_as_of=timezone.now())
    page.get_by_label("Take profit at").fill("195.5")
    expect(tried).to_contain_text("sell 3, stop 180, gtc")
    expect(tried).to_contain_text("sell 3, limit 195.5, gtc")
    expect(page.locator("[data-preview]")).to_contain_text('"stopPrice": 180')
    assert fits(page)
    page.get_by_label("Ticker").fill("NFLX")
    expect(tried).to_contain_text("not asked about NFLX")
    assert not ContractLookup.objects.filter(ticker="NFLX").exists()
    page.get_by_role("button", name="Check").click()
    expect(tried).to_contain_text("being asked about NFLX")
    assert not Signal.objects.exists()
    page.get_by_label("Ticker").fill("AAPL")
    page.get_by_role("button", name="Send the signal").click()
    page.wait_for_url(re.compile(r"/signals/[0-9a-f-]{36}/"))
    assert json.loads(Signal.objects.get().body)["stopLoss"] == {"stopPrice": "180"}
