"""From the wizard to the first fill in a browser: keys that Halyard makes, and the operator's key that a user allows."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Team, User
from brokers.connections import keysets
from brokers.ibkr.auth import making
from brokers.ibkr.auth.keys import group_pem
from brokers.ibkr.tests.auth.conftest import PRIME
from brokers.models import Connection, ContractLookup, KeySet, Order
from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.testing.oauth import grant, keys, register
from brokers.tests import lab
from brokers.tests import rows as broker
from strategies.tests.browser.browsers import Opener, Web

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PATIENCE = 30_000


@contextlib.contextmanager
def processes() -> Iterator[None]:
    """The stream and the lanes at work, as long as the person looks at pages."""
    over, faults = threading.Event(), []

    async def work() -> None:
        async with lab.watching(), lab.working():
            await asyncio.to_thread(over.wait)

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)
    assert not faults


@pytest.fixture
def ibkr(gateway: RunningGateway, web: Web, settings: Any) -> RunningGateway:
    """IBKR's own host, as far as this installation knows it."""
    settings.IBKR_API_URL = f"{gateway.url}/v1/api"
    settings.IBKR_AUTHORIZE_URL = f"{gateway.url}/authorize"
    settings.TRUST_PRIVATE_GATEWAYS = True
    settings.GATEWAY_PORTS = ["1-65535"]
    return gateway


def fill_in(page: Page, **values: str) -> None:
    for name, text in values.items():
        page.locator(f"[name={name}]").fill(text)


def fills(connection: Connection) -> None:
    """An order of the connection reaches IBKR and is filled."""
    _wait(lambda: connection.accounts.filter(book_as_of__isnull=False).exists(), "its book is read")
    ContractLookup.objects.create(
        connection=connection,
        ticker="AAPL",
        asset_class="stock",
        status="found",
        conid=265598,
        answered_at=timezone.now(),
        increments=[],
    )
    order = broker.order(connection.accounts.get(), quantity=1)
    _wait(lambda: Order.objects.get(pk=order.pk).status == "filled", "the order is filled")


def _wait(condition: Callable[[], bool], what: str) -> None:
    patience = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < patience, what
        time.sleep(0.05)


def test_keys_that_halyard_makes_lead_to_a_fill(
    open_page: Opener, ibkr: RunningGateway, alice: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "new_prime", lambda: PRIME)
    page = open_page(alice, f"/teams/{team.code}/connections/new/")
    page.get_by_text("Paper").first.click()
    page.get_by_role("link", name="let Halyard make keys").click()
    expect(page.get_by_text("What IBKR tells individuals")).to_be_visible()
    page.get_by_role("button", name="Make the keys").click()
    expect(page.get_by_role("heading", name="1. The keys")).to_be_visible()
    page.reload()
    # Another process makes them, and the open page hears of it.
    expect(page.locator(".side [data-feed-state]")).to_have_attribute("data-state", "live")
    page.wait_for_load_state("networkidle")
    maker = threading.Thread(target=_make)
    maker.start()
    expect(page.get_by_role("heading", name="2. Give them to IBKR")).to_be_visible(timeout=PATIENCE)
    maker.join(30)
    files = {}
    for name in keysets.FILES:
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename == name
        files[name] = Path(download.value.path()).read_text()
    key = KeySet.objects.get().consumer_key
    uploaded = {
        "signature_key": files[keysets.PUBLIC_SIGNATURE],
        "encryption_key": files[keysets.PUBLIC_ENCRYPTION],
        "dh_params": files[keysets.DH_FILE],
    }
    ibkr.control("POST", "/oauth/consumers", {"consumer_key": key, "party": "first", "state": "pending", **uploaded})
    token, secret = grant(ibkr, key, "wizard")
    page.get_by_role("link", name="IBKR has given me the token").click()
    expect(page.locator("[name=consumer_key]")).to_have_value(key)
    page.get_by_text("Paper").first.click()
    fill_in(page, access_token=token, access_token_secret="A" * 344, name="Made", username="wizard")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("secret-of-another-key")).to_be_visible()
    fill_in(page, access_token=token, access_token_secret=secret)
    with processes():
        page.get_by_role("button", name="Connect").click()
        state = page.locator("#connection-state")
        expect(state).to_contain_text("has not activated this consumer key yet", timeout=PATIENCE)
        expect(state).to_contain_text("Not normal")
        ibkr.control("POST", f"/oauth/consumers/{key}", {"state": "active"})
        page.get_by_role("button", name="Test the connection").click()
        expect(state).to_contain_text(re.compile("Can trade: yes"), timeout=PATIENCE)
        fills(Connection.objects.get())


def _make() -> None:
    from django.db import connection

    keysets.make_next(timezone.now)
    connection.close()


def test_a_user_who_allows_the_operators_key_gets_a_fill_and_sees_it_revoked(
    open_page: Opener, ibkr: RunningGateway, alice: User, team: Team, settings: Any
) -> None:
    made = keys()
    register(ibkr, "BROWSEVEN", made, dh_params=group_pem(PRIME), name="Halyard")
    settings.IBKR_CONSUMER = {
        "consumer_key": "BROWSEVEN",
        "signature_key": made.signature,
        "encryption_key": made.encryption,
        "dh_parameters": group_pem(PRIME),
    }
    page = open_page(alice, f"/teams/{team.code}/connections/new/")
    page.get_by_text("Paper").first.click()
    page.get_by_role("link", name="Allow Halyard on IBKR's page").click()
    page.get_by_text("Paper").first.click()
    fill_in(page, name="Allowed", username="clicker")
    page.get_by_role("button", name="Continue").click()
    with processes():
        page.get_by_role("link", name="Go to IBKR").click()
        expect(page).to_have_url(re.compile(re.escape(f"{ibkr.url}/authorize")))
        page.get_by_label("Paper trading username").fill("clicker")
        page.get_by_role("button", name="Log in and allow").click()
        expect(page.get_by_text("IBKR lets Halyard in for this user.")).to_be_visible()
        state = page.locator("#connection-state")
        expect(state).to_contain_text("Can trade: yes", timeout=PATIENCE)
        connection = Connection.objects.get()
        fills(connection)
        ibkr.control("POST", "/oauth/consumers/BROWSEVEN/revoke", {"username": "clicker"})
        page.get_by_role("button", name="Test the connection").click()
        # The test meets it, and so does the look that it causes.
        expect(state).to_contain_text("lets Halyard in for this user no more", timeout=PATIENCE)
        expect(page.get_by_role("button", name="Allow it again at IBKR")).to_be_visible()
