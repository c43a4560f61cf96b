"""Four eyes: a team asks somebody else than who set a subscription up, or two people, before a plan is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import audit, teams
from accounts.models import ApprovalPolicy, AuditEntry, Membership, Role, Team, User
from accounts.tests.api.client import Api
from brokers.models import Order
from brokers.tests import rows as broker
from strategies.control import approval, halt
from strategies.control.approval import ApprovalRefused
from strategies.control.mail import tell_approvers
from strategies.domain.decide.guards import Halt
from strategies.domain.plan.plan import Terms
from strategies.models import Approval, Decision, Strategy, Subscription
from strategies.setup import defaults, strategies, subscriptions
from strategies.tests import rows
from strategies.tests.control import proposing

pytestmark = pytest.mark.django_db
ENTRY = [("entry", 10), ("stop_loss", 10), ("take_profit", 10)]


def asks(team: Team, policy: ApprovalPolicy) -> None:
    Team.objects.filter(pk=team.pk).update(approval_policy=policy)


@pytest.fixture
def approver(team: Team, bob: User) -> User:
    """Bob, who may approve beside Alice."""
    Membership.objects.filter(team=team, user=bob).update(role=Role.APPROVER)
    return bob


@pytest.fixture
def trader(team: Team, charlie: User) -> User:
    """Charlie, of the same team here, who trades."""
    Membership.objects.create(team=team, user=charlie, role=Role.TRADER)
    return charlie


def proposed(team: Team, maker: User | None = None, action: str = "buy", name: str = "Trend", **terms: Any) -> Decision:
    """A plan of a subscription that `maker` has made."""
    now = timezone.now()
    account = proposing.account(team, now)
    if action == "exit":
        broker.position(account, quantity=10, as_of=now)
    strategy = proposing.asking(team, now, of=account, name=name, **terms)
    Subscription.objects.get(strategy=strategy).terms_versions.update(set_by=maker)
    made = proposing.decided(strategy, now, action, quantity=None if action == "exit" else "10")
    assert made.status == "proposed", made.reason
    return made


def approve(decision: Decision, actor: User, quantity: int | None = None) -> str:
    """The code of the refusal; nothing where the approval counts."""
    amount = None if quantity is None else Decimal(quantity)
    try:
        approval.approve(decision, actor=actor, quantity=amount, address="192.0.2.7", now=timezone.now())
    except ApprovalRefused as refused:
        return refused.code
    return ""


def sent() -> list[tuple[str, int]]:
    return [(role, int(quantity)) for role, quantity in Order.objects.order_by("role").values_list("role", "quantity")]


def test_two_people_approve_and_the_words_of_both_are_kept(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    assert approve(decision, alice) == ""
    decision.refresh_from_db()
    assert (decision.status, sent(), decision.answered_by) == ("proposed", [], None)
    assert approve(decision, alice) == "approved-already"
    assert approve(decision, approver) == ""
    decision.refresh_from_db()
    assert (decision.status, sent(), decision.answered_by) == ("accepted", ENTRY, approver)
    kept = Approval.objects.order_by("pk").values_list("name", "address", "quantity", "voided_at")
    assert list(kept) == [(alice.email, "192.0.2.7", None, None), (approver.email, "192.0.2.7", None, None)]
    first, second = AuditEntry.objects.filter(action__startswith="decision.").order_by("pk")
    assert (first.action, first.actor, first.after) == (
        "decision.approval",
        alice,
        {"quantity": "all", "missing": 1},
    )
    assert (second.action, second.actor) == ("decision.approved", approver)


@pytest.mark.parametrize(("first", "second", "least"), [(4, None, 4), (None, 3, 3), (4, 6, 4), (6, 4, 4), (10, 10, 10)])
def test_the_smaller_of_the_two_counts(
    team: Team, alice: User, approver: User, first: int | None, second: int | None, least: int
) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    assert [approve(decision, alice, first), approve(decision, approver, second)] == ["", ""]
    assert sent() == [("entry", least), ("stop_loss", least), ("take_profit", least)]


def test_a_quantity_that_cannot_be_is_refused_before_it_is_kept(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    assert [approve(decision, alice, 11), approve(decision, alice, 0)] == ["approved-quantity", "approved-quantity"]
    assert not Approval.objects.exists()


def test_one_is_enough_to_decline_after_another_has_approved(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    approve(decision, alice)
    approval.decline(decision, actor=approver, now=timezone.now())
    decision.refresh_from_db()
    assert (decision.status, decision.reason_code, sent()) == ("rejected", "declined", [])
    assert approve(decision, alice) == "already-answered"


def test_who_has_approved_may_still_decline(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    approve(decision, alice)
    approval.decline(decision, actor=alice, now=timezone.now())
    decision.refresh_from_db()
    assert (decision.status, approve(decision, approver)) == ("rejected", "already-answered")


def test_one_approval_of_two_runs_out_of_time(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team, approval_seconds=60)
    approve(decision, alice)
    assert approval.expire(timezone.now() + timedelta(seconds=61)) == 1
    decision.refresh_from_db()
    assert decision.reason.startswith("Only alice@example.com approved it within 60 seconds, so nothing was sent.")
    assert approve(decision, approver) == "already-answered"


def test_a_later_signal_ends_it_whoever_has_approved(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    approve(decision, alice)
    later = proposing.decided(decision.signal.strategy, timezone.now(), "sell")
    decision.refresh_from_db()
    assert (decision.status, decision.reason_code) == ("rejected", "superseded-signal")
    assert (approve(decision, approver), approve(later, approver), sent()) == ("already-answered", "", [])


def test_a_changed_plan_is_approved_anew_by_both(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team, action="exit")
    assert approve(decision, alice) == ""
    decision.subscription.account.positions.update(quantity=4)
    assert approve(decision, approver) == "plan-changed"
    assert not Approval.objects.filter(voided_at=None).exists()
    assert [approve(decision, approver), sent(), approve(decision, alice)] == ["", [], ""]
    assert sent() == [("exit", 4)]


Act = Callable[[Decision, User], object]


def new_terms(decision: Decision, actor: User) -> None:
    subscriptions.set_terms(
        subscription=decision.subscription, terms=Terms(auto_submit=False), actor=actor, now=timezone.now()
    )


def switched_on(decision: Decision, actor: User) -> None:
    now = timezone.now()
    for enabled in (False, True):
        subscriptions.switch_all(
            team=decision.team, codes=[decision.subscription.code], enabled=enabled, actor=actor, now=now
        )


def linked(decision: Decision, actor: User) -> None:
    strategy = decision.subscription.strategy
    Strategy.objects.filter(pk=strategy.pk).update(defaults=decision.terms.values)
    subscriptions.link(subscription=Subscription.objects.get(), actor=actor, now=timezone.now())


def rolled_back(decision: Decision, actor: User) -> None:
    now = timezone.now()
    subscriptions.set_terms(subscription=decision.subscription, terms=Terms(), actor=None, now=now)
    subscriptions.roll_back(subscription=decision.subscription, number=1, actor=actor, now=now)


def defaults_of_all(decision: Decision, actor: User) -> None:
    Subscription.objects.update(linked=True)
    terms = Terms(auto_submit=False, approval_seconds=77)
    assert defaults.set_defaults(strategy=decision.signal.strategy, terms=terms, actor=actor, now=timezone.now()) == 1


@pytest.mark.parametrize("act", [new_terms, switched_on, linked, rolled_back, defaults_of_all])
def test_whoever_sets_it_up_does_not_approve_it(team: Team, alice: User, approver: User, act: Act) -> None:
    asks(team, ApprovalPolicy.ANOTHER)
    decision = proposed(team)
    act(decision, alice)
    assert (approve(decision, alice), sent()) == ("set-up-by-approver", [])
    assert (approve(decision, approver), sent()) == ("", ENTRY)


def test_who_made_it_does_not_approve_what_another_changed(
    team: Team, alice: User, approver: User, trader: User
) -> None:
    asks(team, ApprovalPolicy.ANOTHER)
    decision = proposed(team, alice)
    new_terms(decision, trader)
    assert [approve(decision, alice), approve(decision, trader)] == ["set-up-by-approver"] * 2
    assert approve(decision, approver) == ""


def test_who_copies_a_subscription_does_not_approve_the_copy(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.ANOTHER)
    now = timezone.now()
    original = Subscription.objects.get(strategy=proposing.asking(team, now))
    copied_to = rows.strategy(team, now, "Copy")
    copy = subscriptions.clone(
        subscription=original, strategy=copied_to, account=proposing.account(team, now), actor=alice, now=now
    )
    subscriptions.enable(subscription=copy, actor=None, now=now)
    decision = proposing.decided(copied_to, now)
    assert [approve(decision, alice), approve(decision, approver)] == ["set-up-by-approver", ""]


@pytest.mark.parametrize("policy", [ApprovalPolicy.ANOTHER, ApprovalPolicy.TWO])
def test_with_nobody_else_an_entry_can_only_be_declined(team: Team, alice: User, policy: ApprovalPolicy) -> None:
    asks(team, policy)
    decision = proposed(team, alice)
    assert (approve(decision, alice), sent()) == ("too-few-approvers", [])
    approval.decline(decision, actor=alice, now=timezone.now())
    decision.refresh_from_db()
    assert decision.reason_code == "declined"


@pytest.mark.parametrize("policy", [ApprovalPolicy.ANOTHER, ApprovalPolicy.TWO])
def test_with_nobody_else_one_is_enough_to_leave(team: Team, alice: User, policy: ApprovalPolicy) -> None:
    asks(team, policy)
    decision = proposed(team, alice, "exit")
    assert (approve(decision, alice), sent()) == ("", [("exit", 10)])


def test_stopping_declines_what_one_has_approved(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    approve(decision, alice)
    halt.halt(team=team, target=None, how=Halt.ENTRIES, reason="News", flatten=False, actor=alice, now=timezone.now())
    decision.refresh_from_db()
    assert (decision.status, decision.reason_code) == ("rejected", "declined")


def test_an_approval_of_somebody_who_has_left_counts_no_more(
    team: Team, alice: User, approver: User, trader: User
) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    assert approve(decision, approver) == ""
    teams.remove(membership=Membership.objects.get(team=team, user=approver), actor=alice, now=timezone.now())
    assert approve(decision, approver) == "not-an-approver"
    assert (approve(decision, alice), sent()) == ("", [])
    assert (approve(decision, trader), sent()) == ("", ENTRY)


def test_the_policy_of_the_moment_of_the_answer_holds(team: Team, alice: User, approver: User) -> None:
    decision = proposed(team, alice)
    asks(team, ApprovalPolicy.ANOTHER)
    assert approve(decision, alice) == "set-up-by-approver"
    asks(team, ApprovalPolicy.TWO)
    assert (approve(decision, alice), sent()) == ("", [])
    asks(team, ApprovalPolicy.ANYBODY)
    decision.refresh_from_db()
    # Nothing is sent because a policy was loosened: somebody still has to say it.
    assert (decision.status, sent()) == ("proposed", [])
    assert (approve(decision, alice), sent()) == ("", ENTRY)


def at_once(*acts: Callable[[], str]) -> list[str]:
    def run(act: Callable[[], str]) -> str:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("policy", [ApprovalPolicy.ANYBODY, ApprovalPolicy.TWO])
def test_of_two_at_once_each_counts_once(team: Team, alice: User, approver: User, policy: ApprovalPolicy) -> None:
    asks(team, policy)
    decision = proposed(team)
    answers = at_once(*[lambda: approve(decision, alice)] * 2, *[lambda: approve(decision, approver)] * 2)
    counted = answers.count("")
    assert counted == (2 if policy == ApprovalPolicy.TWO else 1)
    assert set(answers) <= {"", "approved-already", "already-answered"}
    assert sent() == ENTRY
    assert Approval.objects.count() == counted


@pytest.mark.django_db(transaction=True)
def test_of_an_approval_and_a_refusal_at_once_one_holds(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    approve(decision, alice)

    def decline() -> str:
        try:
            approval.decline(decision, actor=alice, now=timezone.now())
        except ApprovalRefused as refused:
            return refused.code
        return ""

    answers = at_once(lambda: approve(decision, approver), decline)
    decision.refresh_from_db()
    assert sorted(answers) == ["", "already-answered"]
    assert (decision.status, sent()) in [("accepted", ENTRY), ("rejected", [])]


@pytest.mark.django_db(transaction=True)
def test_a_policy_or_a_membership_that_changes_at_once_goes_before_or_after(
    team: Team, alice: User, approver: User
) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    approve(decision, alice)
    membership = Membership.objects.get(team=team, user=approver)

    def leave() -> str:
        teams.remove(membership=membership, actor=alice, now=timezone.now())
        return ""

    def loosen() -> str:
        teams.set_safety(
            team=team,
            second_factor_from="",
            stops_from=Role.TRADER,
            approval_policy=ApprovalPolicy.ANYBODY,
            actor=alice,
            now=timezone.now(),
        )
        return ""

    answer, *_ = at_once(lambda: approve(decision, approver), leave, loosen)
    assert (answer, sent()) in [("", ENTRY), ("not-an-approver", [])]


def test_the_card_says_who_has_approved_and_what_is_missing(
    client: Client, team: Team, alice: User, approver: User
) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    client.force_login(approver)
    page = f"/teams/{team.code}/approvals/"
    assert "Two people have to approve it." in client.get(page).text
    approve(decision, alice, 4)
    text = " ".join(client.get(page).text.split())
    assert "alice@example.com approved 4 of 10" in text
    assert "One more person has to approve it." in text
    assert 'value="4"' in text
    address = f"{page}{decision.code}/approve/"
    answered = client.post(address, headers={"HX-Request": "true"}).text
    assert "Approved by alice@example.com and bob@example.com." in answered
    assert Approval.objects.latest("pk").address == "127.0.0.1"


def test_a_page_without_scripts_says_that_it_counts(client: Client, team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    client.force_login(alice)
    answer = client.post(f"/teams/{team.code}/approvals/{decision.code}/approve/", follow=True)
    assert "Your approval counts. One more person has to approve it." in answer.text


@pytest.mark.parametrize("policy", [ApprovalPolicy.ANOTHER, ApprovalPolicy.TWO])
def test_card_answer_and_form_say_where_nobody_else_is_there(
    client: Client, team: Team, alice: User, policy: ApprovalPolicy
) -> None:
    asks(team, policy)
    decision = proposed(team, alice)
    client.force_login(alice)
    for page in ("approvals/", "settings/"):
        assert "<code>too-few-approvers</code>" in client.get(f"/teams/{team.code}/{page}").text
    api = Api(team, alice, "approve")
    shown = api.get(f"decisions/{decision.code}/")["missing_approvals"]
    assert shown["code"] == "too-few-approvers"
    refused = api.post(f"decisions/{decision.code}/approve/")
    assert (refused.status_code, refused.json()["code"]) == (409, "too-few-approvers")
    assert refused.json()["message"] == shown["message"]
    assert api.post(f"decisions/{decision.code}/decline/").status_code == 200


def test_a_program_sees_the_first_approval_and_what_is_missing(team: Team, alice: User, approver: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    first = Api(team, alice, "approve").post(f"decisions/{decision.code}/approve/", quantity="4").json()
    assert (first["status"], first["answered_by"], sent()) == ("proposed", None, [])
    [approved] = first["approvals"]
    assert (approved["by"], approved["quantity"]) == ("alice@example.com", "4")
    assert first["missing_approvals"] == {"people": 1, "message": "One more person has to approve it.", "code": ""}
    second = Api(team, approver, "approve").post(f"decisions/{decision.code}/approve/").json()
    assert (second["status"], second["missing_approvals"], len(second["approvals"])) == ("accepted", None, 2)


def test_the_mail_says_what_is_missing_and_to_whom(
    mailoutbox: list[EmailMessage], team: Team, alice: User, approver: User
) -> None:
    asks(team, ApprovalPolicy.ANOTHER)
    proposed(team, alice)
    assert tell_approvers(timezone.now()) == 2
    bodies = {mail.to[0]: str(mail.body) for mail in mailoutbox}
    assert "You set this subscription up, and this team asks somebody else to approve." in bodies[alice.email]
    assert "Set up by alice@example.com: somebody else has to approve it." in bodies[approver.email]


def test_the_mail_names_who_has_approved(
    mailoutbox: list[EmailMessage], team: Team, alice: User, approver: User
) -> None:
    asks(team, ApprovalPolicy.TWO)
    decision = proposed(team)
    approve(decision, alice)
    tell_approvers(timezone.now())
    [body] = [str(mail.body) for mail in mailoutbox if mail.to == [approver.email]]
    assert "Approved so far by alice@example.com.\nOne more person has to approve it." in body


def test_the_inbox_asks_as_often_for_many_as_for_one(
    client: Client, team: Team, alice: User, django_assert_max_num_queries: Any
) -> None:
    asks(team, ApprovalPolicy.TWO)
    for name in ("One", "Two", "Three"):
        proposed(team, alice, name=name)
    client.force_login(alice)
    client.get(f"/teams/{team.code}/approvals/")
    with django_assert_max_num_queries(30):
        assert client.get(f"/teams/{team.code}/approvals/").text.count('id="proposal-title-') == 3


def test_an_owner_sets_the_policy_and_it_is_on_record(client: Client, team: Team, alice: User, now: datetime) -> None:
    client.force_login(alice)
    form = {"second_factor_from": "", "stops_from": "trader", "approval_policy": "two"}
    address = f"/teams/{team.code}/settings/safety/"
    client.post(address, form)
    team.refresh_from_db()
    assert team.approval_policy == "two"
    client.post(address, {**form, "approval_policy": "three"})
    client.post(address, {**form, "approval_policy": "anybody"})
    entries = AuditEntry.objects.filter(action="team.safety").order_by("pk")
    changes = list(entries.values_list("before__approval_policy", "after__approval_policy"))
    assert changes == [("anybody", "two"), ("two", "anybody")]


def test_loosening_the_policy_asks_who_it_is(client: Client, team: Team, alice: User) -> None:
    asks(team, ApprovalPolicy.TWO)
    client.force_login(alice)
    session = client.session
    session["proved_at"] = 0
    session.save()
    form = {"second_factor_from": "", "stops_from": "trader", "approval_policy": "anybody"}
    answer = client.post(f"/teams/{team.code}/settings/safety/", form)
    team.refresh_from_db()
    assert (answer.status_code, team.approval_policy) == (302, "two")


@pytest.mark.django_db(transaction=True)
def test_who_holds_the_audit_and_who_holds_the_team_never_wait_for_each_other(
    team: Team, alice: User, settings: Any
) -> None:
    """The row of a team is locked without its key: an entry of the audit, which points to it, must not wait."""
    settings.SIMULATOR = True

    def make() -> str:
        strategies.welcome(team=team, actor=alice, now=timezone.now())
        return ""

    def record() -> str:
        with transaction.atomic():
            audit.hold(team)
            held.set()
            waits_for_a_lock()
            audit.record(team=team, actor=alice, action="one", subject="", now=timezone.now())
        return ""

    held = threading.Event()
    assert at_once(record, lambda: make() if held.wait(20) else "late") == ["", ""]


def waits_for_a_lock() -> None:
    """Return once somebody else waits for a row of this database."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    patience = time.monotonic() + 20
    while time.monotonic() < patience:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            if cursor.execute(waiting).fetchone():
                return
        time.sleep(0.02)
    raise AssertionError("nobody came to wait")
