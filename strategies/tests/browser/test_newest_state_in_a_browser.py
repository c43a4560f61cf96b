"""An open page ends in the newest state: whatever overtakes, is lost or is not answered on the way."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from accounts.feed import numbers, pushes, waiting
from accounts.models import Team, User
from brokers import live as broker_live
from brokers.domain.orders import OrderStatus
from brokers.models import Order
from brokers.tests import rows as broker
from strategies import live
from strategies.tests import rows
from strategies.tests.browser.browsers import Opener
from strategies.tests.browser.test_pages_in_a_browser import quiet

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def order(transactional_db: None, team: Team) -> Order:
    """An order that was sent."""
    made = broker.order(broker.account(team))
    moved(made, OrderStatus.SUBMITTED)
    return made


def moved(order: Order, to: OrderStatus) -> None:
    """Move it, and tell nobody."""
    filled: Any = {"filled_quantity": order.quantity, "average_price": Decimal(100)} if to is OrderStatus.FILLED else {}
    assert Order.objects.move(order, to, now=timezone.now(), **filled)


def status(page: Page, order: Order, word: str) -> None:
    expect(page.locator(f"#order-{order.code} .status")).to_contain_text(word, timeout=15_000)


def something_else(team: Team) -> Order:
    """Another order comes, and the page hears of it."""
    other = broker.order(broker.account(team))
    broker_live.order_changed(other)
    return other


def test_a_push_that_was_read_before_the_fill_and_comes_after_it_changes_nothing(
    open_page: Opener, alice: User, team: Team, order: Order
) -> None:
    """The worker reads the acknowledged order and is held up; the stream reads it filled, and tells first."""
    moved(order, OrderStatus.ACCEPTED)
    page = open_page(alice, f"/teams/{team.code}/")
    quiet(page)
    was_read, goes_on = threading.Event(), threading.Event()

    def read_and_held_up() -> str:
        html = broker_live.order_html(order.pk)
        was_read.set()
        assert goes_on.wait(20)
        return html

    worker, stream = pushes.Pusher(), pushes.Pusher()
    audience, key = waiting.Audience(pushes.group_of(team.pk), team.pk), f"order.{order.pk}"
    worker.put(audience, key, read_and_held_up)
    assert was_read.wait(20)
    moved(order, OrderStatus.FILLED)
    stream.put(audience, key, lambda: broker_live.order_html(order.pk))
    status(page, order, "filled")
    goes_on.set()
    worker.flush(20)
    # It was sent, and what is sent now comes after it.
    other = something_else(team)
    expect(page.locator(f"#order-{other.code}")).to_be_visible()
    status(page, order, "filled")


def test_what_a_push_that_was_lost_had_said_is_read(open_page: Opener, alice: User, team: Team, order: Order) -> None:
    page = open_page(alice, f"/teams/{team.code}/")
    quiet(page)
    # Its process ended between the number and the sending.
    moved(order, OrderStatus.ACCEPTED)
    numbers.take(team.pk)
    something_else(team)
    status(page, order, "accepted")


def test_what_goes_back_to_what_it_was_is_read_as_well(open_page: Opener, alice: User, team: Team) -> None:
    """A row that is a region of its own, in a region that the server writes as it did at first."""
    now = timezone.now()
    strategy = rows.strategy(team, now)
    signal = rows.signal(strategy, now, dispatched_at=now)
    page = open_page(alice, f"/teams/{team.code}/signals/")
    quiet(page)
    shown = page.locator(f"#signal-{signal.code} .made")
    before = shown.inner_text()
    passing = live.signal_html(signal.pk).replace('<td class="made">', '<td class="made">for a moment')
    pushes.push_on_commit(team.pk, "passing", lambda: passing)
    expect(shown).to_contain_text("for a moment")
    numbers.take(team.pk)
    pushes.push_on_commit(team.pk, "else", lambda: "")
    expect(shown).not_to_contain_text("for a moment", timeout=15_000)
    assert shown.inner_text() == before


def test_a_reading_that_the_server_does_not_answer_is_asked_for_again(
    open_page: Opener, alice: User, team: Team, order: Order
) -> None:
    page = open_page(alice)
    refused: list[str] = []

    def refuse_twice(route: Route) -> None:
        if route.request.headers.get("x-feed") and len(refused) < 2:
            refused.append(route.request.url)
            route.abort() if len(refused) == 1 else route.fulfill(status=503)
            # It changed after the page was rendered, and nobody told.
            if len(refused) == 1:
                Order.objects.filter(pk=order.pk).update(filled_quantity=3, average_price=100)
        else:
            route.continue_()

    page.route("**/orders/", refuse_twice)
    page.goto(f"/teams/{team.code}/orders/")
    expect(page.locator(f"#order-{order.code} .filled")).to_contain_text("3 @", timeout=15_000)
    assert len(refused) == 2
