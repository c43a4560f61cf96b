"""The log and the meter in a real browser: what is refused shows itself, and everything fits."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.feed import pushes as feed
from accounts.models import Team, User
from strategies.models import Strategy, WebhookMinute
from strategies.setup import strategies
from strategies.tests import rows
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.webhook.doors import BUY, path_of, post

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def quiet(page: Page) -> None:
    """The line is open and what was fetched after its opening has arrived."""
    expect(page.locator(".side [data-feed-state]")).to_have_attribute("data-state", "live")
    page.wait_for_load_state("networkidle")


def deliver(strategy: Strategy, body: object) -> None:
    """Through a door in a thread: Playwright keeps the loop of this one."""
    done = threading.Thread(target=post, args=(path_of(strategy), body))
    done.start()
    done.join(20)
    feed.flush()


@pytest.fixture
def strategy(team: Team) -> Strategy:
    return rows.strategy(team, timezone.now())


def test_what_is_refused_set_aside_or_repeated_shows_itself(
    open_page: Opener, alice: User, team: Team, strategy: Strategy
) -> None:
    page = open_page(alice, f"/teams/{team.code}/signals/")
    quiet(page)
    deliver(strategy, b'{"ticker": "SPY", "action": "jump"}')
    expect(page.locator("tr.refusal")).to_contain_text("invalid-action")
    old = {**BUY, "time": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    deliver(strategy, old)
    expect(page.locator("tr.signal:not(.refusal)")).to_contain_text("stale-signal")
    deliver(strategy, old)
    expect(page.locator("tr.signal:not(.refusal)")).to_contain_text("1 repeat ignored")
    expect(page.locator("tr.signal")).to_have_count(2)


def test_a_list_of_what_was_set_aside_takes_no_refusals(
    open_page: Opener, alice: User, team: Team, strategy: Strategy
) -> None:
    page = open_page(alice, f"/teams/{team.code}/signals/?outcome=set_aside")
    quiet(page)
    deliver(strategy, b"not json")
    deliver(strategy, {**BUY, "time": "2020-01-01T00:00:00Z"})
    expect(page.locator("tr.signal")).to_have_count(1)
    expect(page.locator("tr.signal")).to_contain_text("set aside")


def test_the_file_is_that_of_the_filters_one_sees(
    open_page: Opener, alice: User, team: Team, strategy: Strategy
) -> None:
    match = rows.signal(strategy, timezone.now(), body='{"comment": "golden"}')
    rows.signal(strategy, timezone.now())
    page = open_page(alice, f"/teams/{team.code}/signals/")
    quiet(page)
    page.get_by_text("Text and time").click()
    page.get_by_label("Text or id").press_sequentially("golden")
    expect(page.locator("tr.signal")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=golden"))
    expect(page.get_by_text("These filters, all pages of them, as a file:")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = download.value.path().read_text()
    assert re.fullmatch(r"deliveries-\d{4}-\d\d-\d\d-\d{4}\.csv", download.value.suggested_filename)
    assert len(text.splitlines()) == 2
    assert str(match.code) in text


def test_the_meter_moves_with_each_delivery(open_page: Opener, alice: User, team: Team, strategy: Strategy) -> None:
    page = open_page(alice, f"/teams/{team.code}/strategies/{strategy.code}/")
    quiet(page)
    gauge = page.locator("#meters .gauge").nth(1)
    expect(gauge).to_contain_text("0 of")
    deliver(strategy, b"not json")
    expect(gauge).to_contain_text("1 of")
    expect(page.locator("#meters .minutes rect.refused")).to_have_count(1)


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_hangs_over_the_edge(
    open_page: Opener, alice: User, team: Team, strategy: Strategy, width: int
) -> None:
    now = timezone.now()
    signal = rows.signal(
        strategy,
        now,
        headers={"x-very-long": "0123456789" * 30},
        duplicates=1,
        set_aside="stale-signal",
        note="By its own time it is too old.",
        dispatched_at=now,
        body="x" * 3_000,
    )
    signal.repeats.create(
        team=team, log_code=signal.code, address="2001:db8:1111:2222:3333:4444:5555:6666", received_at=now
    )
    old = strategy.endpoints.get()
    strategies.rotate_webhook(strategy=strategy, actor=alice, now=now)
    for number in range(60):
        at = now.replace(second=0, microsecond=0) - timedelta(minutes=number)
        WebhookMinute.objects.create(endpoint=old, minute=at, taken=1_000 * number, over=number, last_at=at, old_key=1)
    strategies.disable_webhook(endpoint=old, actor=alice, now=now - timedelta(hours=1))
    options: dict[str, Any] = PHONE if width == 360 else {"viewport": {"width": width, "height": 900}}
    page = open_page(alice, f"/teams/{team.code}/", **options)
    paths = [
        "signals/?q=zzz&since=nonsense",
        f"signals/{signal.code}/",
        f"strategies/{strategy.code}/",
        f"strategies/{strategy.code}/settings/",
    ]
    for path in paths:
        page.goto(f"/teams/{team.code}/{path}")
        for fold in page.locator("main details:not([open]) > summary").all():
            if fold.is_visible():
                fold.click()
        over = page.evaluate("Math.max(document.documentElement.scrollWidth, innerWidth)") - width
        assert over <= 0, f"{path} is {over} px too wide at {width} px"
