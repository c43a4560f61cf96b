"""The approval inbox: what waits, and the answers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Membership, Role, Team, User
from brokers.models import Order
from strategies import live
from strategies.control import approval
from strategies.models import Decision
from strategies.tests import rows
from strategies.tests.control import proposing

pytestmark = pytest.mark.django_db
SCRIPTED = {"HX-Request": "true"}


@pytest.fixture
def approver(team: Team, bob: User) -> User:
    """Bob, who may answer and nothing more."""
    Membership.objects.filter(team=team, user=bob).update(role=Role.APPROVER)
    return bob


@pytest.fixture
def decision(team: Team) -> Decision:
    """Ten AAPL with a take profit and a stop, which wait for an approver."""
    made = proposing.decided(proposing.asking(team, timezone.now()), timezone.now())
    assert made.status == "proposed"
    return made


def inbox(client: Client, user: User, team: Team) -> str:
    client.force_login(user)
    answer = client.get(f"/teams/{team.code}/approvals/")
    assert answer.status_code == 200
    return " ".join(answer.text.split())


def answer(client: Client, user: User, decision: Decision, word: str, **values: str) -> Any:
    """Press a button of the card, as a page with scripts does."""
    client.force_login(user)
    address = f"/teams/{decision.team.code}/approvals/{decision.code}/{word}/"
    return client.post(address, {f"{name}-{decision.code}": value for name, value in values.items()}, headers=SCRIPTED)


def smaller(client: Client, user: User, decision: Decision, quantity: str) -> Any:
    client.force_login(user)
    address = f"/teams/{decision.team.code}/approvals/{decision.code}/approve/"
    values = {"smaller": "yes", f"quantity-{decision.code}": quantity}
    return client.post(address, values, headers=SCRIPTED)


def sent() -> list[tuple[str, int]]:
    return [(role, int(quantity)) for role, quantity in Order.objects.order_by("role").values_list("role", "quantity")]


def test_a_card_says_what_is_asked_and_what_it_costs(client: Client, bob: User, team: Team, decision: Decision) -> None:
    text = inbox(client, bob, team)
    for words in (
        "Open long with 10 shares of AAPL.",
        "Trend",
        "simulated",
        "stop loss, sent with it",
        "margin needed",
        "Time left to answer:",
        "Its take profit and stop loss shrink with it",
        'value="10"',
        f'id="proposal-{decision.code}"',
    ):
        assert words in text
    assert decision.expires_at is not None
    assert f'datetime="{decision.expires_at.isoformat()}" data-style="until"' in text
    assert "The present position is still closed" not in text


def test_an_approver_approves_and_the_orders_are_made(client: Client, approver: User, decision: Decision) -> None:
    text = answer(client, approver, decision, "approve").text
    assert "Approved by bob@example.com." in text
    assert "data-answer" not in text
    assert sent() == [("entry", 10), ("stop_loss", 10), ("take_profit", 10)]
    decision.refresh_from_db()
    assert (decision.status, decision.answered_by) == ("accepted", approver)
    entry = AuditEntry.objects.get(action="decision.approved")
    assert (entry.address, "address" in (entry.after or {})) == ("127.0.0.1", False), "the entry has it once"


def test_less_is_approved_with_its_protection(client: Client, approver: User, decision: Decision) -> None:
    assert "Approved by bob@example.com." in smaller(client, approver, decision, " 4 ").text
    assert sent() == [("entry", 4), ("stop_loss", 4), ("take_profit", 4)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Write the quantity as a number, such as 5."),
        ("many", "Write the quantity as a number, such as 5."),
        ("NaN", "Approve a quantity above zero, or decline."),
        ("-1", "Approve a quantity above zero, or decline."),
        ("11", "Approve a quantity above zero and of at most 10."),
        ("1.5", "This is traded in whole units. Approve a whole number."),
    ],
)
def test_a_quantity_that_cannot_be_is_refused_and_the_card_stays(
    client: Client, approver: User, decision: Decision, text: str, sentence: str
) -> None:
    shown = smaller(client, approver, decision, text).text
    assert sentence in shown
    assert 'data-answer="approve"' in shown
    decision.refresh_from_db()
    assert (decision.status, sent()) == ("proposed", [])


def test_declining_needs_no_reason_and_keeps_the_one_given(client: Client, approver: User, team: Team) -> None:
    strategy = proposing.asking(team, timezone.now())
    first = proposing.decided(strategy, timezone.now())
    assert "Declined by bob@example.com." in answer(client, approver, first, "decline").text
    second = proposing.decided(strategy, timezone.now())
    answer(client, approver, second, "decline", reason="Earnings tonight")
    second.refresh_from_db()
    assert (second.status, second.reason_code) == ("rejected", "declined")
    assert second.reason.startswith("Declined by bob@example.com: Earnings tonight")
    for entry in AuditEntry.objects.filter(action="decision.declined"):
        assert (entry.address, "address" in (entry.after or {})) == ("127.0.0.1", False)
    assert sent() == []


def test_the_second_is_told_who_was_first(client: Client, alice: User, approver: User, decision: Decision) -> None:
    approval.approve(decision, actor=alice, now=timezone.now())
    text = answer(client, approver, decision, "decline").text
    assert "alice@example.com has approved this at" in text
    assert "Approved by alice@example.com." in text
    assert len(sent()) == 3


def test_what_ran_out_of_time_cannot_be_approved(client: Client, approver: User, decision: Decision) -> None:
    Decision.objects.filter(pk=decision.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "Nobody approved it within 300 seconds" in answer(client, approver, decision, "approve").text
    assert sent() == []


def test_a_viewer_looks_and_does_not_answer(client: Client, bob: User, team: Team, decision: Decision) -> None:
    text = inbox(client, bob, team)
    assert "Only approvers may answer" in text
    assert 'class="approvals only-look"' in text
    for word in ("approve", "decline"):
        assert answer(client, bob, decision, word).status_code == 403
    decision.refresh_from_db()
    assert decision.status == "proposed"


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team, decision: Decision) -> None:
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/approvals/").status_code == 404
    for word in ("approve", "decline"):
        assert answer(client, charlie, decision, word).status_code == 404
    decision.refresh_from_db()
    assert decision.status == "proposed"


def test_one_that_never_asked_is_not_answered(client: Client, alice: User, team: Team) -> None:
    walk = rows.walk(team, timezone.now())
    assert answer(client, alice, walk.decision, "decline").status_code == 404


def test_without_scripts_the_inbox_says_what_became_of_it(client: Client, approver: User, decision: Decision) -> None:
    client.force_login(approver)
    address = f"/teams/{decision.team.code}/approvals/{decision.code}/approve/"
    assert "Approved by bob@example.com." in client.post(address, follow=True).text
    assert "has approved this at" in client.post(address, follow=True).text


def test_those_answered_stand_below_with_who_answered(client: Client, alice: User, team: Team) -> None:
    strategy, now = proposing.asking(team, timezone.now()), timezone.now()
    approval.decline(proposing.decided(strategy, now), actor=alice, now=now)
    proposing.decided(strategy, now)
    proposing.decided(strategy, now)  # takes the place of the one before it
    approval.expire(timezone.now() + timedelta(hours=1))
    text = inbox(client, alice, team)
    below = text[text.index('id="answered"') :]
    words = [below.index(word) for word in (">expired</span>", ">overtaken</span>", ">declined</span>")]
    assert words == sorted(words)
    assert "alice@example.com" in below
    assert 'class="panel approval proposed"' not in text


def test_an_empty_inbox_teaches_how_to_be_asked(client: Client, alice: User, bob: User, team: Team) -> None:
    text = inbox(client, alice, team)
    assert "No subscription asks first" in text
    assert "Make a subscription" in text
    assert "Make a subscription" not in inbox(client, bob, team)
    proposing.asking(team, timezone.now())
    assert "Nothing waits for you" in inbox(client, alice, team)
    team.subscriptions.update(enabled=False)
    assert "Choose a subscription" in inbox(client, alice, team)
    assert "Choose a subscription" not in inbox(client, bob, team)


def test_a_plan_that_has_changed_is_shown_before_it_can_be_approved(client: Client, approver: User, team: Team) -> None:
    now = timezone.now()
    account = proposing.account(team, now)
    strategy = proposing.asking(team, now, of=account, allow_swap=True)
    decision = proposing.decided(strategy, now)
    account.positions.create(
        team=team,
        conid=265598,
        ticker="AAPL",
        asset_class="stock",
        quantity=Decimal(-5),
        average_cost=Decimal(101),
        as_of=timezone.now(),
    )
    text = " ".join(answer(client, approver, decision, "approve").text.split())
    for words in (
        "so has the plan:",
        "Made anew at",
        "The present position is still closed as a whole.",
        'data-answer="approve"',
    ):
        assert words in text
    assert sent() == []
    assert "Approved by" in answer(client, approver, decision, "approve").text
    assert [role for role, _ in sent()] == ["entry", "exit", "stop_loss", "take_profit"]


def test_open_pages_are_told_of_a_proposal_and_of_its_answer(team: Team, alice: User, decision: Decision) -> None:
    asked = live.signal_html(decision.signal_id)
    assert asked.count("<template>") == 2
    assert f'id="proposal-{decision.code}"' in asked
    assert 'id="answered-' not in asked
    assert "csrfmiddlewaretoken" not in asked
    approval.decline(decision, actor=alice, now=timezone.now())
    html = live.signal_html(decision.signal_id)
    assert 'data-feed-tags="declined"' in html
    assert f'id="answered-{decision.code}"' in html
    assert "data-answer" not in html


def test_a_push_about_a_proposal_costs_few_queries(decision: Decision, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(5):
        live.signal_html(decision.signal_id)
