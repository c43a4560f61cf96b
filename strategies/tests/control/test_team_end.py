"""A team is closed by its owner: nothing of it trades or opens, its history is kept a while, then removed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models.query import QuerySet
from django.test import Client
from django.utils import timezone

from accounts import people, teams
from accounts.audit import checking
from accounts.models import ApiToken, AuditChain, AuditEntry, Membership, Role, Team, User
from brokers.connections import connections
from brokers.models import BrokerageAccount, Connection, Order
from brokers.tests import rows as broker_rows
from strategies.control import team_end
from strategies.models import Guard, Signal, Strategy
from strategies.tests import rows
from strategies.tests.webhook.doors import path_of, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def trend(team: Team, now: dt.datetime) -> Strategy:
    return rows.strategy(team, now)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return broker_rows.account(team)


def close(team: Team, alice: User, now: dt.datetime | None = None) -> None:
    team_end.close_team(team=team, actor=alice, now=now or timezone.now())


def test_it_says_first_what_hangs_on_it(
    client: Client, alice: User, bob: User, charlie: User, team: Team, trend: Strategy, account: BrokerageAccount
) -> None:
    path = f"/teams/{team.code}/settings/close/"
    for user, status in ((charlie, 404), (bob, 403), (alice, 200)):
        client.force_login(user)
        page = client.get(path)
        assert page.status_code == status
    assert "1 webhook URL:" in page.text
    assert "1 connection:" in page.text
    # What there is none of needs no word.
    assert "API token" not in page.text
    assert "open invitation" not in page.text
    assert "for 30 days" in page.text


@pytest.mark.parametrize("typed", ["", "alice", "Bob's team"])
def test_a_wrong_name_closes_nothing(client: Client, alice: User, team: Team, typed: str) -> None:
    client.force_login(alice)
    assert client.post(f"/teams/{team.code}/settings/close/", {"name": typed}).status_code == 422
    team.refresh_from_db()
    assert team.closed_at is None


def test_a_stale_session_confirms_first(alice: User, team: Team) -> None:
    client = Client()
    with time_machine.travel(timezone.now() - dt.timedelta(minutes=11), tick=False):
        client.force_login(alice)
    for path in ("close/", "reopen/"):
        answer = client.post(f"/teams/{team.code}/settings/{path}", {"name": team.name})
        assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    team.refresh_from_db()
    assert team.closed_at is None


def test_open_positions_and_working_orders_are_named_in_one_sentence(
    client: Client, alice: User, team: Team, account: BrokerageAccount, now: dt.datetime
) -> None:
    broker_rows.position(account)
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/settings/close/", {"name": team.name})
    assert page.status_code == 422
    assert "The team cannot be closed yet: 1 position is open. Stop trading," in page.text
    assert "(still-trading)" in page.text
    assert f"/guards/team/{team.code}/stop/" in page.text
    team.refresh_from_db()
    assert team.closed_at is None
    # Refused, it has stopped nothing either.
    assert not Guard.objects.exclude(halt="nothing").exists()
    # Where the connection is off, nobody here can close the position: it is said, and keeps nothing.
    Connection.objects.update(enabled=False)
    assert "1 position in accounts whose connection is off" in client.get(f"/teams/{team.code}/settings/close/").text
    close(team, alice)


def test_a_working_order_keeps_it_open(alice: User, team: Team, account: BrokerageAccount, now: dt.datetime) -> None:
    order = broker_rows.order(account)
    Order.objects.filter(pk=order.pk).update(status="accepted")
    with pytest.raises(team_end.TeamEndRefused, match="closed yet: 1 order is at work"):
        close(team, alice)


def test_the_form_closes_it_with_all_that_opens(
    client: Client,
    alice: User,
    bob: User,
    team: Team,
    trend: Strategy,
    account: BrokerageAccount,
    mailoutbox: list[EmailMessage],
) -> None:
    link = teams.invite(team=team, actor=alice, role=Role.VIEWER, note="", now=timezone.now())
    secret = teams.issue_token(team=team, user=alice, name="robot", now=timezone.now())
    client.force_login(alice)

    answer = client.post(f"/teams/{team.code}/settings/close/", {"name": f" {team.name} "}, follow=True)

    assert "closed this team" in answer.text
    assert "Open it again" in answer.text
    assert not Connection.objects.filter(team=team, enabled=True).exists()
    assert teams.find_invitation(link, timezone.now()) is None
    assert not ApiToken.objects.filter(team=team, revoked_at__isnull=True).exists()
    api = client.get("/api/v1/signals/", headers={"Authorization": f"Token {secret}"})
    assert api.status_code == 401
    assert [mail.subject for mail in mailoutbox] == ["Halyard: Alice's team is closed"]
    assert isinstance(checking.check(AuditChain.objects.get(team=team)), checking.Whole)
    # An owner reads on and changes nothing; the others see it no more.
    for path in ("", "signals/", "strategies/", f"strategies/{trend.code}/", "settings/"):
        assert client.get(f"/teams/{team.code}/{path}").status_code == 200
    for path, form in (
        (f"strategies/{trend.code}/switch/", {"enabled": "yes"}),
        ("settings/invite/", {"role": "viewer", "note": ""}),
        ("settings/tokens/", {"name": "again"}),
        ("strategies/new/", {"name": "New", "asset_class": "stock"}),
        (f"guards/team/{team.code}/resume/", {"reason": "on"}),
        (f"connections/{account.connection.code}/switch/", {"enabled": "yes"}),
    ):
        refused = client.post(f"/teams/{team.code}/{path}", form)
        assert (refused.status_code, "is closed. One of its owners" in refused.text) == (403, True), path
    settings_page = client.get(f"/teams/{team.code}/settings/").text
    for offer in ("Issue a token", "Make a link", "Stop trading", "Resume or read why"):
        assert offer not in settings_page
    client.force_login(bob)
    assert client.get(f"/teams/{team.code}/").status_code == 403
    assert client.get("/").headers["Location"] == "/teams/new/"


@pytest.mark.django_db(transaction=True)
def test_its_webhooks_refuse_with_a_code_until_it_is_opened_again(
    client: Client, alice: User, team: Team, trend: Strategy
) -> None:
    path = path_of(trend)
    assert post(path).status == 200
    close(team, alice)
    answer = post(path)
    assert (answer.status, answer.code) == (400, "team-closed")
    assert Signal.objects.count() == 1
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/settings/reopen/", follow=True)
    assert "The team is open again." in page.text
    assert post(path).status == 200


@pytest.mark.django_db(transaction=True)
def test_postgres_lets_no_closed_team_hold_a_connection(alice: User, team: Team, account: BrokerageAccount) -> None:
    close(team, alice)
    with pytest.raises(IntegrityError, match="closed team never holds an enabled connection"), transaction.atomic():
        Connection.objects.filter(team=team).update(enabled=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        connections.enable(connection=account.connection, actor=alice, now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_the_dashboard_of_a_closed_team_connects_nothing(
    client: Client, alice: User, team: Team, settings: Any
) -> None:
    settings.SIMULATOR = True
    close(team, alice)
    client.force_login(alice)
    assert client.get(f"/teams/{team.code}/").status_code == 200
    assert not Connection.objects.filter(team=team).exists()


def test_only_an_owner_opens_it_and_only_while_its_history_is_there(
    client: Client, alice: User, bob: User, charlie: User, team: Team
) -> None:
    close(team, alice)
    for user, status in ((bob, 403), (charlie, 404)):
        client.force_login(user)
        assert client.post(f"/teams/{team.code}/settings/reopen/").status_code == status
    Team.objects.update(emptied_at=timezone.now())
    with pytest.raises(team_end.TeamEndRefused, match="history has been removed"):
        team_end.reopen_team(team=team, actor=alice, now=timezone.now())


def test_the_only_owner_of_a_closed_team_may_delete_their_account(alice: User, team: Team) -> None:
    close(team, alice)
    people.delete(user=alice, now=timezone.now())
    assert not Membership.objects.filter(user=alice).exists()


@pytest.mark.django_db(transaction=True)
def test_after_its_time_the_rows_are_removed_and_others_stay(
    alice: User, charlie: User, team: Team, trend: Strategy, account: BrokerageAccount, settings: Any, now: dt.datetime
) -> None:
    settings.KEEP_CLOSED_TEAMS_DAYS = 7
    other = teams.found_team(owner=charlie, name="Charlie's", now=now)
    theirs = rows.strategy(other, now)
    for each in (trend, theirs):
        post(path_of(each))
    rows.subscription(theirs, broker_rows.account(other), now)
    rows.subscription(trend, account, now)
    broker_rows.position(account)
    Connection.objects.filter(team=team).update(enabled=False)
    before = counts(other)
    close(team, alice)

    assert team_end.remove_closed(timezone.now() + dt.timedelta(days=6)) == 0
    assert trend.signals.exists()
    assert team_end.remove_closed(timezone.now() + dt.timedelta(days=8)) == 1
    assert team_end.remove_closed(timezone.now() + dt.timedelta(days=8)) == 0

    assert set(counts(team).values()) == {0}
    assert counts(other) == before
    team.refresh_from_db()
    assert team.name == "Alice's team"
    assert AuditEntry.objects.filter(team=team, action="team.removed").exists()
    assert isinstance(checking.check(AuditChain.objects.get(team=team)), checking.Whole)


def counts(team: Team) -> dict[str, int]:
    found: dict[str, int] = {}
    for model, path in team_end.tables_of_a_team():
        of_team: QuerySet[Any] = model._default_manager.filter(**{path: team.pk})
        found[model.__name__] = of_team.count()
    return found
