"""The whole walk as one story: a curl in one window, a browser in the other, every process for real."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from config.tests.product import Product
from config.tests.watching import eventually, senders
from strategies.tests.browser.browsers import browser

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("product")]
__all__ = ["browser"]


@pytest.mark.browser
@pytest.mark.django_db
def test_a_webhook_becomes_a_filled_row_on_a_live_dashboard(product: Product, browser: Browser) -> None:
    context = browser.new_context(base_url=product.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(product.demo["email"])
    page.locator("input[name=password]").fill(product.demo["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile(r"/teams/"))
    expect(page.get_by_text("live", exact=True).first).to_be_visible()

    status, answer = product.send(ticker="MSFT", action="buy", quantity=10)
    assert status == 200

    # Without a reload: the signal with its decision, the order on its way to filled, the position.
    order = page.locator("#orders tr", has_text="MSFT").first
    expect(page.locator("#signals")).to_contain_text("Open long with 10 shares of MSFT.", timeout=20_000)
    expect(order).to_contain_text("filled", timeout=20_000)
    expect(order).to_contain_text("fee 1.00 USD")
    expect(page.get_by_text("MSFT").last).to_be_visible()

    page.goto(f"/teams/{product.demo['team']}/signals/{answer['id']}/")
    for words in ("D01", "Open long with 10 shares of MSFT.", "Together"):
        expect(page.locator("main")).to_contain_text(words)
    assert faults == []
    context.close()


def test_the_api_tells_the_signal_with_its_fill(product: Product) -> None:
    _, answer = product.send(ticker="NVDA", action="buy", quantity=3)
    signal = filled(product, answer["id"])
    (decision,) = signal["decisions"]
    (order,) = decision["orders"]
    (execution,) = order["executions"]
    assert (decision["status"], decision["rule"]) == ("accepted", "D01")
    assert (order["status"], order["filled_quantity"]) == ("filled", "3")
    assert (execution["quantity"], execution["fee"]) == ("3", "1")
    phases = [signal["timeline"][name]["ms"] for name in ("stored", "decided", "submitted", "acknowledged", "filled")]
    assert all(phase >= 0 for phase in phases)


def test_a_repeated_delivery_trades_once(product: Product) -> None:
    message: dict[str, Any] = {"ticker": "AMD", "action": "buy", "quantity": 2, "signalId": "told-five-times"}
    with senders(5) as pool:
        answers = [future.result()[1] for future in [pool.submit(lambda: product.send(**message)) for _ in range(5)]]
    assert len({answer["id"] for answer in answers}) == 1
    assert sum("duplicateOf" in answer for answer in answers) == 4
    signal = filled(product, answers[0]["id"])
    assert signal["duplicates"] == 4
    assert [len(decision["orders"]) for decision in signal["decisions"]] == [1]


def test_a_symbol_the_broker_does_not_know_is_explained(product: Product) -> None:
    _, answer = product.send(ticker="NOSUCHX", action="buy", quantity=1)

    def decisions() -> Any:
        return product.api(f"signals/{answer['id']}/")["decisions"]

    assert eventually(lambda: [decision["status"] for decision in decisions()] == ["rejected"], 30)
    (decision,) = decisions()
    assert decision["reason_code"] == "unknown-symbol"
    assert "NOSUCHX" in decision["reason"]
    assert decision["orders"] == []


def filled(product: Product, signal: str) -> dict[str, Any]:
    """The signal once its order is filled."""

    def done() -> bool:
        decisions = product.api(f"signals/{signal}/")["decisions"]
        return [order["status"] for decision in decisions for order in decision["orders"]] == ["filled"]

    assert eventually(done, 30), product.api(f"signals/{signal}/")
    body: dict[str, Any] = product.api(f"signals/{signal}/")
    return body
