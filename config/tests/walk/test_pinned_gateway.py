"""A stock gateway with a certificate of its own, from the form to a session, and through a change of its certificate."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser

from brokers.simulator.testing.gateway import running_gateway
from config.tests.product import Product
from strategies.tests.browser.browsers import browser

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("product")]
__all__ = ["browser"]


@pytest.mark.browser
@pytest.mark.django_db
def test_a_gateway_is_connected_by_its_certificate_and_again_by_another(product: Product, browser: Browser) -> None:
    with running_gateway("fast", tls=True) as gateway:
        gateway.sign_in("WALK1")
        page = browser.new_context(base_url=product.url, viewport={"width": 1280, "height": 900}).new_page()
        page.goto("/accounts/login/")
        page.locator("input[name=login]").fill(product.demo["email"])
        page.locator("input[name=password]").fill(product.demo["password"])
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(re.compile(r"/teams/"))
        page.goto(f"/teams/{product.demo['team']}/connections/new/")
        page.locator("input[name=environment][value=paper]").check(force=True)
        page.fill("input[name=name]", "Gate")
        page.fill("input[name=username]", "WALK1")
        page.fill("input[name=base_url]", gateway.base_url("WALK1").removesuffix("/v1/api"))
        page.get_by_role("button", name="Test this address").click()
        shown = re.sub(r"[:\s]", "", page.locator("#trial").inner_text())
        assert gateway.fingerprint.replace(":", "") in shown
        page.check("#id_accepted")
        page.get_by_role("button", name="Connect", exact=True).click()
        page.get_by_text("Can trade: yes").wait_for(timeout=60_000)
        page.get_by_role("button", name="Test the connection").click()
        page.get_by_text("IBKR shows ").first.wait_for(timeout=60_000)

        gateway.renew_certificate()
        gateway.restart()
        page.get_by_text("certificate-changed").first.wait_for(timeout=90_000)
        page.get_by_role("link", name="Look at the new certificate").click()
        page.get_by_role("button", name="accept it").click()
        page.get_by_text("Can trade: yes").wait_for(timeout=60_000)
