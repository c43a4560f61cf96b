"""What needs somebody, as an open page has it: list, banner and counts come and go with every kind, without a reload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.feed import needs as feed
from accounts.feed import pushes
from accounts.models import Membership, Role, Team, User
from brokers import live as broker_live
from brokers.connections import connections, states
from brokers.domain.orders import OrderStatus
from brokers.domain.sessions import SessionStatus
from brokers.models import BrokerageAccount, Closing, Order
from brokers.orders import cancels
from brokers.tests import rows as broker
from strategies.control import approval, halt, limits
from strategies.deciding import guards, settle
from strategies.domain.decide.guards import Halt, Level
from strategies.models import Subscription
from strategies.tests import rows
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.browser.test_pages_in_a_browser import quiet
from strategies.tests.control import proposing

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@dataclass
class World:
    """A team with one subscription, and who acts in it."""

    team: Team
    alice: User
    account: BrokerageAccount
    subscription: Subscription

    @property
    def now(self) -> datetime:
        return timezone.now()

    def order(self, **values: object) -> Order:
        return broker.order(self.account, **values)


@pytest.fixture
def world(transactional_db: None, team: Team, alice: User) -> World:
    now = timezone.now()
    account = proposing.account(team, now)
    return World(team, alice, account, rows.subscription(rows.strategy(team, now, "Own"), account, now))


End = Callable[[], object]
Kind = Callable[[World], tuple[str, End]]


def a_plan(world: World) -> tuple[str, End]:
    decision = proposing.decided(proposing.asking(world.team, world.now, name="Asks"), world.now)
    return "1 plan waits for an answer", lambda: approval.decline(decision, actor=world.alice, now=world.now)


def a_plan_nobody_answers(world: World) -> tuple[str, End]:
    proposing.decided(proposing.asking(world.team, world.now, name="Asks"), world.now)
    return "1 plan waits for an answer", lambda: approval.expire(world.now + timedelta(hours=1))


def a_stop(world: World) -> tuple[str, End]:
    halt.halt(team=world.team, target=world.account, how=Halt.ENTRIES, reason="Odd", actor=world.alice, now=world.now)
    return f"Entries are stopped for {world.account}", lambda: halt.resume(
        team=world.team, target=world.account, reason="Calm", actor=world.alice, now=world.now
    )


def a_lockout(world: World) -> tuple[str, End]:
    limits.lock_out(
        team=world.team,
        target=None,
        until=world.now + timedelta(hours=1),
        reason="Lunch",
        actor=world.alice,
        now=world.now,
    )
    return f"{world.alice.email}: Lunch", lambda: limits.unlock(
        team=world.team, target=None, reason="Back", actor=world.alice, now=world.now
    )


def a_lockout_that_ends_by_the_clock(world: World) -> tuple[str, End]:
    until = world.now + timedelta(seconds=2)
    limits.lock_out(team=world.team, target=None, until=until, reason="Short", actor=world.alice, now=world.now)
    return "No entry until", feed.refresh


def a_limit_that_locks(world: World) -> tuple[str, End]:
    guards.lock_for_today((Level.TEAM, world.team.pk), world.subscription, "The loss is 5.00 USD.", world.now)
    return "A limit of the day was reached: The loss is 5.00 USD.", lambda: limits.unlock(
        team=world.team, target=None, reason="Enough", actor=world.alice, now=world.now
    )


def a_limit_without_its_figure(world: World) -> tuple[str, End]:
    def limit(amount: int | None) -> None:
        limits.set_limits(
            team=world.team, target=None, limits={"max_daily_loss": amount}, actor=world.alice, now=world.now
        )

    limit(5)
    return "No entry while today's result is not known: the whole team", lambda: limit(None)


def a_lost_session(world: World) -> tuple[str, End]:
    connection = world.account.connection
    states.session_is(connection, SessionStatus.COMPETING, "Another login has it.", now=world.now)
    return "cannot trade: competing", lambda: states.session_is(
        connection, SessionStatus.ACTIVE, "Signed in.", now=world.now
    )


def a_session_nobody_wants(world: World) -> tuple[str, End]:
    connection = world.account.connection
    states.session_is(connection, SessionStatus.REFUSED, "Wrong kind of account.", now=world.now)
    return "cannot trade: refused", lambda: connections.disable(connection=connection, actor=world.alice, now=world.now)


def moved(order: Order, *steps: OrderStatus, **values: object) -> None:
    for step in steps:
        assert Order.objects.move(order, step, now=timezone.now())
    Order.objects.filter(pk=order.pk).update(**values)
    broker_live.order_changed(order)


def a_doubt(world: World) -> tuple[str, End]:
    order = world.order(quantity=Decimal(1200))
    moved(order, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)
    return "Buy 1,200 AAPL: IBKR's answer was lost", lambda: moved(order, OrderStatus.ACCEPTED)


def an_order_to_look_up(world: World) -> tuple[str, End]:
    order = world.order(side="sell", role="exit")
    moved(order, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN, OrderStatus.NEEDS_ATTENTION)
    return "only you can tell whether IBKR has it", lambda: moved(order, OrderStatus.ACCEPTED)


def a_way_out_that_ibkr_holds(world: World) -> tuple[str, End]:
    order = world.order(side="sell", role="exit")
    moved(order, OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, held_reason="The order is under review.")
    return "IBKR holds it back The order is under review. Until it works", lambda: moved(order, held_reason="")


def a_position_without_its_stop(world: World) -> tuple[str, End]:
    _, ticket = rows.accepted(rows.signal(world.subscription.strategy, world.now), world.subscription, world.now)
    entry = broker.filled(broker.order(ticket), at=world.now)
    stop = broker.order(ticket, role="stop_loss", side="sell", type="stop", stop_price=Decimal(1), parent=entry)
    position = broker.position(world.account)
    cancels.request_cancel(order=stop, actor=world.alice, now=world.now)

    def closed() -> None:
        position.delete()
        broker_live.account_changed(world.account)

    return f"AAPL in {world.account} is not protected", closed


def a_closing_that_failed(world: World) -> tuple[str, End]:
    position = broker.position(world.account)
    Closing.objects.create(
        team=world.team,
        account=world.account,
        conid=position.conid,
        ticker="AAPL",
        asset_class="stock",
        status="failed",
        reason="Enough",
        note="Not closed: rejected.",
        asked_at=world.now,
        ended_at=world.now,
    )
    broker_live.account_changed(world.account)

    def closed() -> None:
        position.delete()
        broker_live.account_changed(world.account)

    return f"AAPL in {world.account} could not be closed Not closed: rejected.", closed


def a_question_on_a_way_out(world: World) -> tuple[str, End]:
    position = broker.position(world.account)
    order = world.order(side="sell", role="exit")
    order.attempts.create(kind="reply", request={"confirmed": False}, request_hash="", sent_at=world.now)
    moved(order, OrderStatus.SUBMITTED, OrderStatus.REJECTED, reason='Not confirmed: IBKR asked "Size?"')

    def closed() -> None:
        position.delete()
        broker_live.account_changed(world.account)

    return f'AAPL in {world.account} is not closed: IBKR asked IBKR asked "Size?"', closed


KINDS: list[Kind] = [
    a_plan,
    a_plan_nobody_answers,
    a_stop,
    a_lockout,
    a_lockout_that_ends_by_the_clock,
    a_limit_that_locks,
    a_limit_without_its_figure,
    a_lost_session,
    a_session_nobody_wants,
    a_doubt,
    an_order_to_look_up,
    a_way_out_that_ibkr_holds,
    a_position_without_its_stop,
    a_closing_that_failed,
    a_question_on_a_way_out,
]


def words(page: Page) -> str:
    return " ".join(page.locator("#needs").inner_text().split())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_it_comes_and_goes_before_ones_eyes(open_page: Opener, world: World, kind: Kind) -> None:
    page = open_page(world.alice, f"/teams/{world.team.code}/")
    quiet(page)
    expect(page.locator("#needs > .calm")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    sentence, end = kind(world)
    expect(page.locator("#needs")).to_contain_text(sentence)
    expect(page.locator("#dashboard-count-side")).to_have_text("1 in what needs you")
    (need,) = feed.needs_of(world.team, timezone.now()).rows
    expect(page.locator("#alarms")).to_be_visible() if need.alarm else expect(page.locator("#alarms")).to_be_hidden()
    if need.until or kind is a_lockout_that_ends_by_the_clock:
        page.wait_for_timeout(2000)
    end()
    expect(page.locator("#needs > .calm")).to_be_visible()
    expect(page.locator("#dashboard-count-side")).to_be_hidden()
    expect(page.locator("#alarms")).to_be_hidden()
    assert page.evaluate("window.sameDocument") is True


def test_any_page_of_a_phone_hears_of_them(open_page: Opener, world: World) -> None:
    page = open_page(world.alice, f"/teams/{world.team.code}/orders/", **PHONE)
    expect(page.locator(".top [data-feed-state]")).to_have_attribute("data-state", "live")
    _, lost = a_lost_session(world)
    a_stop(world)
    moved(world.order(), OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)
    expect(page.locator("#dashboard-count-tab")).to_have_text("3 in what needs you")
    banner = page.locator("#alarms")
    expect(banner).to_contain_text("IBKR's answer was lost")
    expect(banner).to_contain_text("and 1 more")
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, "the page is wider than the phone"
    lost()
    expect(page.locator("#dashboard-count-tab")).to_have_text("2 in what needs you")
    banner.get_by_role("link", name="See all").tap()
    expect(page.locator("#needs > li")).to_have_count(2)


def test_what_changed_while_the_line_was_closed_is_told_when_it_opens(open_page: Opener, world: World) -> None:
    page = open_page(world.alice, f"/teams/{world.team.code}/orders/")
    quiet(page)
    page.context.set_offline(True)
    expect(page.locator(".side [data-feed-state]")).to_have_attribute("data-state", "away")
    a_stop(world)
    page.context.set_offline(False)
    expect(page.locator("#alarms")).to_contain_text(f"Entries are stopped for {world.account}", timeout=15_000)


def test_a_viewer_hears_the_same_and_an_older_reading_changes_nothing(
    open_page: Opener, world: World, bob: User
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    page = open_page(bob, f"/teams/{world.team.code}/")
    quiet(page)
    older = feed.needs_html(world.team.pk)
    a_stop(world)
    expect(page.locator("#needs")).to_contain_text("Entries are stopped")
    pushes.push_on_commit(world.team.pk, "older", lambda: older)
    proposing.decided(proposing.asking(world.team, world.now, name="Asks"), world.now)
    settle.settle_waiting(world.now)
    expect(page.locator("#needs > li")).to_have_count(2)
    expect(page.locator("#approvals-count-side")).to_have_text("1 waiting for an answer")
    expect(page.locator("#needs")).to_contain_text("Entries are stopped")
