"""E-mail to those who may answer: told once of each plan, a minute apart, switched off by each for themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import Membership, Role, Team, User
from brokers.postgres.locks import Space, try_only_one
from strategies.control import approval
from strategies.control import mail as sending
from strategies.control.mail import tell_approvers
from strategies.models import Decision, Strategy
from strategies.tasks import mail_approvers
from strategies.tests.control import proposing

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
Mails = list[EmailMessage]


@pytest.fixture
def decision(team: Team) -> Decision:
    made = proposing.decided(proposing.asking(team, timezone.now()), timezone.now())
    assert made.status == "proposed"
    return made


def another(team: Team, name: str) -> Decision:
    """A plan of another strategy in another account."""
    return proposing.decided(proposing.asking(team, timezone.now(), name=name), timezone.now())


def to(mails: Mails) -> list[str]:
    return sorted(address for mail in mails for address in mail.to)


def test_an_approver_is_told_what_waits_until_when_and_where(
    mailoutbox: Mails, settings: Any, team: Team, decision: Decision
) -> None:
    settings.PUBLIC_URL = "https://halyard.example"
    assert tell_approvers(timezone.now()) == 1
    [mail] = mailoutbox
    assert (mail.to, mail.subject) == (["alice@example.com"], "Approve? Buy AAPL, Trend")
    account = decision.subscription.account.account_id
    assert decision.expires_at is not None
    until = f"{decision.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    assert mail.body == (
        f"Trend on {account} (simulated), until {until}:\nOpen long with 10 shares of AAPL.\n\n"
        f"Approve, approve less, or decline:\nhttps://halyard.example/teams/{team.code}/approvals/\n\n"
        "A plan that nobody answers in time is not sent.\n\n"
        "You may approve plans of Alice's team. Switch these e-mails off here:\n"
        f"https://halyard.example/teams/{team.code}/settings/"
    )


def test_the_mail_names_the_end_in_its_readers_zone(mailoutbox: Mails, alice: User, decision: Decision) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone="Asia/Kathmandu")
    Decision.objects.update(expires_at=datetime(2126, 11, 20, 20, 30, tzinfo=UTC))
    assert tell_approvers(timezone.now()) == 1
    assert "until 2126-11-21 02:15:00 in Kathmandu (2126-11-20 20:30:00 UTC):" in str(mailoutbox[0].body)


def test_each_plan_is_told_once(mailoutbox: Mails, decision: Decision) -> None:
    now = timezone.now()
    assert [tell_approvers(now), tell_approvers(now), tell_approvers(now + MINUTE)] == [1, 0, 0]


def test_within_a_minute_the_others_wait_for_one_digest(mailoutbox: Mails, team: Team, decision: Decision) -> None:
    now = timezone.now()
    tell_approvers(now)
    another(team, "Reversion")
    another(team, "Breakout")
    assert tell_approvers(now + MINUTE - timedelta(seconds=1)) == 0
    assert tell_approvers(now + MINUTE) == 1
    digest = mailoutbox[1]
    assert digest.subject == "2 plans wait for your approval"
    assert "Reversion on" in str(digest.body)
    assert "Breakout on" in str(digest.body)
    assert "Trend on" not in str(digest.body)


def test_only_those_who_may_answer_are_told(
    mailoutbox: Mails, team: Team, bob: User, charlie: User, decision: Decision
) -> None:
    tell_approvers(timezone.now())
    assert to(mailoutbox) == ["alice@example.com"]
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    tell_approvers(timezone.now())
    assert to(mailoutbox) == ["alice@example.com", "bob@example.com"]


def test_what_was_answered_or_is_over_is_not_told(
    mailoutbox: Mails, team: Team, alice: User, decision: Decision
) -> None:
    approval.decline(decision, actor=alice, now=timezone.now())
    late = another(team, "Late")
    assert late.expires_at is not None
    assert tell_approvers(late.expires_at) == 0
    assert mailoutbox == []


def test_a_mail_server_that_is_away_is_asked_again_after_the_pause(
    mailoutbox: Mails, settings: Any, decision: Decision
) -> None:
    now, there = timezone.now(), settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert tell_approvers(now) == 0
    settings.EMAIL_BACKEND = there
    assert tell_approvers(now + timedelta(seconds=30)) == 0
    assert tell_approvers(now + MINUTE) == 1


def test_each_person_switches_it_for_themselves(
    client: Client, mailoutbox: Mails, team: Team, alice: User, bob: User, decision: Decision
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/settings/").text
    assert "When a plan waits for approval" in page
    client.post(f"/teams/{team.code}/settings/mail/", {})
    assert not Membership.objects.get(user=alice).mail_approvals
    tell_approvers(timezone.now())
    assert to(mailoutbox) == ["bob@example.com"]
    client.post(f"/teams/{team.code}/settings/mail/", {"mail_approvals": "on"})
    assert Membership.objects.get(user=alice).mail_approvals


def test_a_viewer_is_not_asked_whether_to_be_told(client: Client, team: Team, bob: User) -> None:
    client.force_login(bob)
    assert "When a plan waits for approval" not in client.get(f"/teams/{team.code}/settings/").text


def test_the_task_tells(mailoutbox: Mails, decision: Decision) -> None:
    mail_approvers()
    assert to(mailoutbox) == ["alice@example.com"]


@pytest.mark.parametrize("name", ["Trend\nBcc: everybody@example.com", "Trend\r\nX: y", "\u2028Trend", "T" * 80])
def test_a_strategy_by_a_bad_name_keeps_nobody_from_their_mail(
    mailoutbox: Mails, team: Team, bob: User, decision: Decision, name: str
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    Strategy.objects.update(name=name)
    assert tell_approvers(timezone.now()) == 2
    for mail in mailoutbox:
        assert "\n" not in mail.subject
        assert mail.message()["Bcc"] is None


def test_a_mail_that_cannot_be_written_at_all_keeps_no_others_back(
    mailoutbox: Mails, team: Team, alice: User, bob: User, decision: Decision
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    User.objects.filter(pk=alice.pk).update(email="alice@example.com\nBcc: x@example.com")
    assert tell_approvers(timezone.now()) == 1
    assert to(mailoutbox) == ["bob@example.com"]


def test_each_team_has_one_of_its_approvers_told_however_slow_the_mail_server_is(
    mailoutbox: Mails, team: Team, bob: User, decision: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        crowd = User.objects.create_user(f"member{number}@example.com", "a password")
        Membership.objects.create(team=team, user=crowd, role=Role.TRADER, joined_at=team.created_at)
    other = teams.found_team(owner=bob, name="Bob's team", now=team.created_at)
    proposing.decided(proposing.asking(other, timezone.now()), timezone.now())
    monkeypatch.setattr(sending, "SENDING_SECONDS", 0)
    assert tell_approvers(timezone.now()) == 2
    assert len({letter.body.split("plans of ")[1].split(".")[0] for letter in mailoutbox}) == 2
    monkeypatch.setattr(sending, "SENDING_SECONDS", 60)
    assert tell_approvers(timezone.now()) == 3


def test_a_mail_server_that_does_not_answer_is_waited_for_once_in_a_call(
    mailoutbox: Mails, team: Team, bob: User, decision: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    begun: list[int] = []

    def hang(message: EmailMessage, fail_silently: bool = False) -> int:
        begun.append(len(begun))
        raise TimeoutError("timed out")

    monkeypatch.setattr(EmailMessage, "send", hang)
    assert (tell_approvers(timezone.now()), len(begun)) == (0, 1)
    # The other approver is told next, however long the first one waits for another try.
    monkeypatch.undo()
    assert tell_approvers(timezone.now()) == 1


def test_while_one_process_sends_no_other_one_does(mailoutbox: Mails, decision: Decision) -> None:
    with try_only_one(Space.MAIL, 0):
        assert tell_approvers(timezone.now()) == 0
    assert tell_approvers(timezone.now()) == 1


def test_of_a_flood_of_plans_the_mail_reads_those_that_it_spells_out(
    mailoutbox: Mails, team: Team, decision: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        another(team, f"Strategy {number}")
    monkeypatch.setattr(sending, "MOST", 1)
    assert tell_approvers(timezone.now()) == 1
    [letter] = mailoutbox
    assert (letter.subject, "And 2 more." in letter.body) == ("3 plans wait for your approval", True)
    assert tell_approvers(timezone.now() + 2 * MINUTE) == 0
