"""The approval inbox and the decision page as a person has them: live, with keys, with thumbs."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from accounts.models import ApprovalPolicy, Membership, Role, Team, User
from brokers.domain.whatif.figures import Figure, OrderPreview
from brokers.models import ContractLookup, Order, WhatIf
from brokers.whatif import asking
from strategies import live
from strategies.control import approval
from strategies.deciding import settle
from strategies.models import Decision
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.browser.test_pages_in_a_browser import quiet
from strategies.tests.control import proposing
from strategies.tests.control.test_what_if import signed_in
from strategies.tests.lookups import knows

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
LEAVES = 15_000  # an answered card stays for eight seconds


@pytest.fixture(autouse=True)
def books_of_these_stories_stay_present(settings: Any) -> None:
    """No stream watches their accounts, and people at a browser take longer than a read of the account lasts."""
    settings.STREAM_PROOF_SECONDS = 600


def inbox(open_page: Opener, user: User, team: Team, **options: Any) -> Page:
    page = open_page(user, f"/teams/{team.code}/approvals/", **options)
    if "viewport" not in options and "java_script_enabled" not in options:
        quiet(page)
    return page


def waiting(team: Team, name: str = "Trend", **terms: Any) -> Decision:
    """A proposal of a strategy and an account of its own."""
    made = proposing.decided(proposing.asking(team, timezone.now(), name=name, **terms), timezone.now())
    assert made.status == "proposed"
    return made


def test_a_proposal_comes_by_itself_and_leaves_with_who_answered(
    open_page: Opener, alice: User, bob: User, team: Team
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    page = inbox(open_page, bob, team)
    expect(page.get_by_text("No subscription asks first")).to_be_visible()
    decision = waiting(team)
    mine = page.locator(f"#proposal-{decision.code}")
    expect(mine).to_contain_text("Open long with 10 shares of AAPL.")
    expect(mine.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    expect(page.get_by_text("No subscription asks first")).to_be_hidden()
    expect(page.locator("#approvals-count-side")).to_contain_text("1")
    approval.decline(decision, actor=alice, now=timezone.now())
    expect(mine).to_contain_text("Declined by alice@example.com.")
    expect(mine.get_by_role("button")).to_have_count(0)
    expect(page.locator("[data-said]")).to_contain_text("Declined by alice@example.com.")
    expect(page.locator(f"#answered-{decision.code}")).to_contain_text("declined")
    expect(page.locator("#approvals-count-side")).to_be_hidden()
    expect(mine).to_have_count(0, timeout=LEAVES)


def test_a_proposal_that_overtakes_every_reading_of_the_page_stays_on_it(
    open_page: Opener, bob: User, team: Team
) -> None:
    """Each of three readings is older than a proposal that was pushed before the reading arrived."""
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    page = inbox(open_page, bob, team)
    expect(page.locator("[data-feed-state=live], [data-state=live]").first).to_be_attached()
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.headers.get("x-feed") == "reload" and len(held) < 3:
            held.append(route)
        else:
            route.continue_()

    page.route(f"**/teams/{team.code}/approvals/", hold)
    page.evaluate("dispatchEvent(new Event('offline')); setTimeout(() => dispatchEvent(new Event('online')), 100)")
    for number in range(3):
        while len(held) <= number:
            page.wait_for_timeout(20)
        reading = held[number].fetch()
        decision = waiting(team, f"Trend {number}")
        expect(page.locator(f"#proposal-{decision.code}")).to_be_attached()
        held[number].fulfill(response=reading)
    page.wait_for_timeout(LEAVES - 6_000)  # longer than a card that is gone would stay
    expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(3)
    expect(page.locator(".approval.is-leaving")).to_have_count(0)


def test_an_answered_card_stays_to_be_read_when_the_page_is_read_again(
    open_page: Opener, alice: User, team: Team
) -> None:
    decision = waiting(team)
    page = inbox(open_page, alice, team)
    mine = page.locator(f"#proposal-{decision.code}")
    mine.get_by_role("button", name="Approve", exact=True).click()
    expect(mine).to_contain_text("Approved by alice@example.com.")
    with page.expect_response(lambda answer: answer.request.headers.get("x-feed") == "reload"):
        page.evaluate("dispatchEvent(new Event('offline')); setTimeout(() => dispatchEvent(new Event('online')), 50)")
    expect(page.locator(f"#answered-{decision.code}")).to_contain_text("approved")
    expect(mine).to_contain_text("Approved by alice@example.com.")
    expect(mine).to_have_count(0, timeout=LEAVES)
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()


def test_one_click_approves_and_the_next_card_has_the_focus(open_page: Opener, alice: User, team: Team) -> None:
    first, second = waiting(team, "First", approval_seconds=60), waiting(team, "Second")
    page = inbox(open_page, alice, team)
    page.locator(f"#proposal-{first.code}").get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator(f"#proposal-{first.code}")).to_contain_text("Approved by alice@example.com.")
    expect(page.locator(f"#proposal-{second.code}")).to_be_focused()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("accepted", "proposed")


def test_keys_approve_less_and_decline_and_nothing_by_accident(open_page: Opener, alice: User, team: Team) -> None:
    first, second = waiting(team, "First", approval_seconds=60), waiting(team, "Second")
    page = inbox(open_page, alice, team)
    page.keyboard.press("a")  # no card has the focus
    page.keyboard.press("j")
    expect(page.locator(f"#proposal-{first.code}")).to_be_focused()
    page.keyboard.press("s")
    expect(page.locator(f"#quantity-{first.code}")).to_be_focused()
    page.keyboard.type("dada")  # letters in a field are letters
    page.keyboard.press("Enter")
    expect(page.locator(f"#proposal-{first.code} [role=alert]")).to_contain_text("Write the quantity as a number")
    expect(page.locator(f"#quantity-{first.code}")).to_be_focused()
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    expect(page.locator(f"#proposal-{first.code}")).to_contain_text("Approved by")
    assert sorted(Order.objects.values_list("quantity", flat=True)) == [4, 4, 4]
    expect(page.locator(f"#proposal-{second.code}")).to_be_focused()
    page.keyboard.press("d")
    expect(page.locator(f"#reason-{second.code}")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(f"#reason-{second.code}")).to_be_hidden()
    page.keyboard.press("d")
    page.keyboard.type("Earnings tonight")
    page.keyboard.press("Enter")
    expect(page.locator(f"#proposal-{second.code}")).to_contain_text("Declined by")
    second.refresh_from_db()
    assert "Earnings tonight" in second.reason


def test_the_help_lists_the_keys_and_g_d_still_goes_places(open_page: Opener, alice: User, team: Team) -> None:
    decision = waiting(team)
    page = inbox(open_page, alice, team)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Approve the one in focus")
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    page.locator(f"#proposal-{decision.code}").focus()
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page).to_have_url(re.compile(rf"/teams/{team.code}/$"))
    decision.refresh_from_db()
    assert decision.status == "proposed"


def test_what_one_is_writing_survives_another_proposal(open_page: Opener, alice: User, team: Team) -> None:
    decision = waiting(team, approval_seconds=600)
    page = inbox(open_page, alice, team)
    page.locator(f"#proposal-{decision.code}").focus()
    page.keyboard.press("d")
    page.keyboard.type("Because")
    sooner = waiting(team, "Sooner", approval_seconds=30)
    expect(page.locator(f"#proposal-{sooner.code}")).to_be_visible()
    expect(page.locator(f"#reason-{decision.code}")).to_have_value("Because")
    expect(page.locator(f"#reason-{decision.code}")).to_be_focused()
    # The one with the least time left stands first.
    cards = page.locator(".approval").evaluate_all("cards => cards.map((card) => card.id)")
    assert cards == [f"proposal-{sooner.code}", f"proposal-{decision.code}"]


def typed(page: Page, selector: str, text: str) -> None:
    """Write into a field, with the caret left after its first letter."""
    page.locator(selector).click()
    page.locator(selector).fill(text)
    for key in ("Home", "ArrowRight"):
        page.keyboard.press(key)


@pytest.mark.parametrize("answer", ["smaller", "decline"])
def test_what_one_is_writing_survives_an_approval_of_the_same_plan(
    open_page: Opener, alice: User, bob: User, team: Team, answer: str
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    Team.objects.filter(pk=team.pk).update(approval_policy=ApprovalPolicy.TWO)
    decision = waiting(team)
    page = inbox(open_page, bob, team)
    mine = page.locator(f"#proposal-{decision.code}")
    field, text = {
        "smaller": (f"#quantity-{decision.code}", "73"),
        "decline": (f"#reason-{decision.code}", "Bcause"),
    }[answer]
    mine.locator(f"[data-answer={answer}] summary").click()
    typed(page, field, text)
    approval.approve(decision, actor=alice, quantity=Decimal(4), now=timezone.now())
    expect(mine).to_contain_text("alice@example.com approved 4 of 10")
    expect(mine).to_contain_text("One more person has to approve it.")
    expect(page.locator(field)).to_have_value(text)
    expect(page.locator(field)).to_be_focused()
    page.keyboard.type("e")
    expect(page.locator(field)).to_have_value(f"{text[0]}e{text[1:]}")


def test_what_one_is_writing_survives_a_line_that_was_lost(open_page: Opener, alice: User, team: Team) -> None:
    first, second = waiting(team, "First", approval_seconds=600), waiting(team, "Second", approval_seconds=900)
    page = inbox(open_page, alice, team)
    page.locator(f"#proposal-{second.code} [data-answer=decline] summary").click()
    typed(page, f"#reason-{second.code}", "Because")
    page.evaluate("dispatchEvent(new Event('offline'))")
    approval.decline(first, actor=alice, now=timezone.now())
    page.evaluate("dispatchEvent(new Event('online'))")
    # The whole list is fetched again, one card shorter: the fold of the other card does not open in this one's place. Where
    # the push that says why was lost with the line, the card leaves as slowly as if it had come.
    expect(page.locator(f"#proposal-{first.code} button")).to_have_count(0, timeout=30_000)
    expect(page.locator(f"#reason-{second.code}")).to_have_value("Because")
    expect(page.locator(f"#reason-{second.code}")).to_be_focused()


def test_a_refused_quantity_leaves_the_reason_that_is_being_written(open_page: Opener, alice: User, team: Team) -> None:
    decision = waiting(team)
    page = inbox(open_page, alice, team)
    mine = page.locator(f"#proposal-{decision.code}")
    mine.locator("[data-answer=decline] summary").click()
    page.locator(f"#reason-{decision.code}").fill("Too large")
    mine.locator("[data-answer=smaller] summary").click()
    page.locator(f"#quantity-{decision.code}").fill("99")
    mine.get_by_role("button", name="Approve this quantity").click()
    expect(mine.get_by_role("alert")).to_contain_text("Approve a quantity above zero and of at most 10.")
    expect(page.locator(f"#quantity-{decision.code}")).to_have_value("99")
    expect(page.locator(f"#reason-{decision.code}")).to_have_value("Too large")


def test_two_approve_in_two_browsers_and_the_first_goes_on(
    open_page: Opener, alice: User, bob: User, team: Team
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    Team.objects.filter(pk=team.pk).update(approval_policy=ApprovalPolicy.TWO)
    decision, other = waiting(team, "First", approval_seconds=200), waiting(team, "Second")
    ours, theirs = inbox(open_page, alice, team), inbox(open_page, bob, team)
    card = f"#proposal-{decision.code}"
    ours.locator(card).get_by_role("button", name="Approve", exact=True).click()
    expect(ours.locator(card)).to_contain_text("alice@example.com approved all of it")
    expect(ours.locator(f"#proposal-{other.code}")).to_be_focused()
    expect(theirs.locator(card)).to_contain_text("One more person has to approve it.")
    ours.locator(card).get_by_role("button", name="Approve", exact=True).click()
    expect(ours.locator(card).get_by_role("alert")).to_contain_text("You have approved this already")
    theirs.locator(card).get_by_role("button", name="Approve", exact=True).click()
    for page in (ours, theirs):
        expect(page.locator(card)).to_contain_text("Approved by alice@example.com and bob@example.com.")


def test_the_second_of_two_is_told_who_was_first(open_page: Opener, alice: User, bob: User, team: Team) -> None:
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    decision = waiting(team)
    page = inbox(open_page, bob, team)
    # As if both had pressed at once: the page has not heard yet.
    page.route(
        "**/approve/", lambda route: (approval.decline(decision, actor=alice, now=timezone.now()), route.continue_())
    )
    page.locator(f"#proposal-{decision.code}").get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator(f"#proposal-{decision.code}")).to_contain_text("Declined by alice@example.com.")
    assert Order.objects.count() == 0


def test_thumbs_find_every_button(open_page: Opener, alice: User, team: Team) -> None:
    decision = waiting(team, "A strategy whose name is as long as names of strategies ever are")
    page = inbox(open_page, alice, team, **PHONE)
    mine = page.locator(f"#proposal-{decision.code}")
    for name in ("Approve smaller", "Decline"):
        mine.locator("summary", has_text=name).tap()
    for button in mine.locator("button:visible, summary:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    mine.get_by_role("button", name="Decline, order nothing").tap()
    expect(mine).to_contain_text("Declined by alice@example.com.")


def test_the_inbox_works_without_scripts(open_page: Opener, alice: User, team: Team) -> None:
    decision = waiting(team)
    page = inbox(open_page, alice, team, java_script_enabled=False)
    mine = page.locator(f"#proposal-{decision.code}")
    mine.locator("summary", has_text="Approve smaller").click()
    mine.get_by_label("Quantity, of 10").fill("3")
    mine.get_by_role("button", name="Approve this quantity").click()
    expect(page.get_by_text("Approved by alice@example.com.")).to_be_visible()
    assert sorted(Order.objects.values_list("quantity", flat=True)) == [3, 3, 3]


def test_a_decision_that_waits_is_decided_before_ones_eyes(open_page: Opener, alice: User, team: Team) -> None:
    now = timezone.now()
    account = proposing.account(team, now)
    ContractLookup.objects.all().delete()
    decision = proposing.decided(proposing.asking(team, now, of=account), now)
    assert decision.status == "pending"
    page = open_page(alice, f"/teams/{team.code}/decisions/{decision.code}/")
    quiet(page)
    expect(page.get_by_text("Waits for IBKR's contract for AAPL")).to_be_visible()
    ContractLookup.objects.all().delete()
    knows(account.connection, timezone.now())
    settle.settle_waiting(timezone.now())
    expect(page.get_by_text("Nothing is sent yet.")).to_be_visible()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_role("heading", name="What it ordered")).to_be_visible()
    page.get_by_role("link", name="Decide again with these inputs").click()
    expect(page.get_by_text("The same answer.")).to_be_visible()
    # It stays while the page goes on changing.
    live.signal_changed(decision.signal_id, team.pk)
    expect(page.get_by_text("The same answer.")).to_be_visible()


def test_the_preview_of_ibkr_comes_by_itself(open_page: Opener, alice: User, team: Team) -> None:
    decision = waiting(team)
    signed_in(decision.subscription.account)
    page = open_page(alice, f"/teams/{team.code}/decisions/{decision.code}/")
    quiet(page)
    page.get_by_role("button", name=re.compile("Ask IBKR about")).click()
    panel = page.locator("#what-if")
    expect(panel).to_contain_text("being asked, since")
    expect(page.locator("[data-feed-state=live], [data-state=live]").first).to_be_attached()
    preview = OrderPreview(
        initial=Figure(before=Decimal(1000), change=Decimal(500), after=Decimal(1500)), warning="No market data."
    )
    asking.answer(WhatIf.objects.get(), preview, timezone.now())
    expect(panel).to_contain_text("IBKR would take it.")
    expect(panel).to_contain_text("1,000.00 USD now, 1,500.00 USD after")
    expect(panel.get_by_role("button")).to_be_enabled()
