"""Valkey is killed under an open page: without being loaded anew it ends in the newest state, and hears again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from config.tests.product import Product
from config.tests.watching import arrives, eventually
from strategies.tests.browser.browsers import browser

pytestmark = [pytest.mark.walk, pytest.mark.browser, pytest.mark.xdist_group("product")]
__all__ = ["browser"]
# A page asks every twenty seconds whether it has missed anything.
PATIENCE_MS = 60_000


@pytest.mark.django_db
def test_a_page_beside_a_killed_valkey_ends_in_the_newest_state(product: Product, browser: Browser) -> None:
    assert eventually(product.ready, 60)
    context = browser.new_context(base_url=product.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    heard: list[str] = []
    page.on("websocket", lambda line: line.on("framereceived", lambda text: heard.append(str(text))))
    sign_in(page, product)
    page.goto(f"/teams/{product.demo['team']}/orders/")
    expect(page.get_by_text("live", exact=True).first).to_be_visible()
    page.evaluate("window.isTheSame = true")
    bought(product, "before", 1)
    expect_filled(page, product, "before")

    was = product.pid("valkey")
    product.kill("valkey")
    # Stored, decided, sent and filled while nobody can be told, or while Valkey comes up.
    bought(product, "meanwhile", 4)
    assert eventually(lambda: product.pid("valkey") != was)
    expect_filled(page, product, "meanwhile")

    # And it hears again what happens, by the line and not by reading the page.
    def hears(when: str) -> bool:
        bought(product, when, 1)
        expect_filled(page, product, when)
        [code] = orders(product, when)
        page.wait_for_timeout(0)  # what came is handed to the listener above
        return any(f'id="order-{code}"' in text for text in heard)

    # The first may come with a page that is read again for what was missed.
    assert any(hears(f"after{number}") for number in range(5))
    assert page.evaluate("window.isTheSame")
    context.close()


def sign_in(page: Page, product: Product) -> None:
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(product.demo["email"])
    page.locator("input[name=password]").fill(product.demo["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile(r"/teams/"))


def bought(product: Product, when: str, count: int) -> None:
    """So many signals, all of them filled, as Postgres has it."""
    for number in range(count):
        message = {"ticker": "AAPL", "action": "buy", "quantity": 1, "signalId": f"told-{when}-{number}"}
        status, answer = product.send(60, **message)
        assert status == 200, answer
    assert arrives(lambda: product.filled(f"told-{when}-"), count)


def expect_filled(page: Page, product: Product, when: str) -> None:
    for code in orders(product, when):
        expect(page.locator(f"#order-{code} .status")).to_contain_text("filled", timeout=PATIENCE_MS)


def orders(product: Product, when: str) -> list[str]:
    """The public ids of the orders of these signals."""
    found = product.rows(
        "SELECT o.code FROM brokers_order o JOIN strategies_decision d ON d.ticket_id = o.ticket_id"
        " JOIN strategies_signal s ON s.id = d.signal_id WHERE s.key LIKE %s",
        f"id:told-{when}-%",
    )
    return [str(code) for (code,) in found]
